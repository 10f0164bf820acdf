"""One turn of an assistant: ask, call tools, ask again, put into words or hand over."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from agentnb.agents.heard import Heard
from agentnb.agents.model import Answer, Model, Turn
from agentnb.agents.recollection import Recollection
from agentnb.agents.tool_calls import ToolCalls, stopped
from agentnb.base import Handoff, Response
from agentnb.base.agent import Show, Tell
from agentnb.core import CancellationToken, extract_json_from_str, new_id, now, well_formed
from agentnb.exceptions import AnswerUnfit, ModelResponseInvalid
from agentnb.memory import Memory
from agentnb.messages import (
    AssistantMessage,
    BaseChatMessage,
    FunctionCall,
    FunctionExecutionResult,
    FunctionExecutionResultMessage,
    HandoffMessage,
    LLMMessage,
    MemoryQueryEvent,
    RequestUsage,
    StructuredMessageFactory,
    TextMessage,
    ToolCallExecutionEvent,
    ToolCallRequestEvent,
    ToolCallSummaryMessage,
)
from agentnb.messages.unchecked import unchecked
from agentnb.models.base import name_of

E = TypeVar("E", ToolCallRequestEvent, ToolCallExecutionEvent)


@contextmanager
def _noted(note: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:
        error.add_note(note)
        raise


class ToolLoop:
    """The steps of an assistant's turn.

    Args:
        heard: Takes in what the agent is told.
        model: Who is asked.
        calls: What it may call.
        handoffs: Those to whom it may hand over, by the names of their tools.
        memories: They speak first.
        answers: What answers are to look like; None for text.
        reflect: Whether the model puts the last results into words.
        iterations: How many times it may ask for tools.
        summarise: Shapes the result of a call.
        metadata: Added to each answer's.
    """

    def __init__(
        self,
        heard: Heard,
        model: Model,
        calls: ToolCalls,
        *,
        handoffs: Mapping[str, Handoff],
        memories: Sequence[Memory],
        answers: StructuredMessageFactory | None,
        reflect: bool,
        iterations: int,
        summarise: Callable[[FunctionCall, FunctionExecutionResult], str],
        metadata: Mapping[str, str],
    ) -> None:
        self._heard = heard
        self._agent = model.agent
        self._model = model
        self._calls = calls
        self._handoffs = handoffs
        self._memories = memories
        self._answers = answers
        self._reflect = reflect
        self._iterations = iterations
        self._summarise = summarise
        self._metadata = metadata

    async def turn(
        self,
        messages: Sequence[BaseChatMessage],
        cancellation_token: CancellationToken,
        show: Show,
        tell: Tell | None = None,
    ) -> None:
        """Take in what is new, then show what happens, and the `Response`; pieces of answers to `tell`, if given."""
        await self._heard.take(messages)
        turn = Turn(cancellation_token, show, tell)
        if self._memories:
            for event in await self._recalled(turn):
                await turn.shows(event)
        offer = self._calls.known or await self._calls.offer(turn.abort)
        # Many servers let a model either call tools or be bound to a form, so it is bound when it has no tools. With
        # tools it may hit the form by itself; where it does not, it is asked again.
        form = self._answers.ContentModel if self._answers and not offer.schemas else None
        draft = bool(self._answers and offer.schemas)
        for iteration in range(1, self._iterations + 1):
            answer = Answer(self._agent, draft=draft)
            await self._model.ask(answer, turn, {"tools": [*offer.schemas], "json_output": form})
            result = answer.result
            calls, thought = result.content, result.thought
            if isinstance(calls, str) and answer.held is not None and not self._fits(calls):
                await self._last_word(turn, spent=result.usage)
                return
            for piece in answer.held or ():
                await show(piece)
            await self._model.keep(result)
            if isinstance(calls, str):
                if thought:
                    await turn.shows(answer.thought())
                await show(self._said(turn, answer))
                return
            done: dict[int, FunctionExecutionResult] = {}
            try:
                if thought:
                    await turn.shows(answer.thought())
                await turn.shows(_event(ToolCallRequestEvent, self._agent, [*calls], result.usage))
                if offer.is_quiet(calls):
                    done[0] = await self._calls.answer(calls[0], offer, turn.abort, turn.token)
                else:
                    await self._calls.carry_out(calls, offer, done, turn)
            finally:
                # Also where the turn ends here: calls without results would spoil every later request.
                results = [done.get(place) or stopped(call) for place, call in enumerate(calls)]
                values = {"content": [*results], "type": "FunctionExecutionResultMessage"}
                await self._model.context.add_message(unchecked(FunctionExecutionResultMessage, values))
            await turn.shows(_event(ToolCallExecutionEvent, self._agent, [*results]))
            if self._handoffs and any(call.name in self._handoffs for call in calls):
                await show(self._handed_over(turn, thought, calls, results))
                return
            if iteration < self._iterations:
                continue
            if not self._reflect:
                await show(self._summary(turn, calls, results))
                return
            await self._last_word(turn)

    async def _recalled(self, turn: Turn) -> list[MemoryQueryEvent]:
        """Let the memories speak."""
        recollection = turn.recollection = Recollection()
        with _noted(f"The agent {self._agent!r} was asking its memories."):
            recalled = await recollection.ask(self._memories, self._model.context, turn.abort)
        return [MemoryQueryEvent(content=found, source=self._agent) for found in recalled]

    def _over(self, turn: Turn, message: BaseChatMessage) -> Response:
        """Return the answer of a turn, with what led to it."""
        if self._metadata:
            message.metadata.update(self._metadata)
        self._heard.clear()
        return Response(chat_message=message, inner_messages=turn.inner)

    async def _last_word(self, turn: Turn, *, spent: RequestUsage | None = None) -> None:
        """Ask for an answer in words, without tools.

        Args:
            turn: The turn.
            spent: Tokens of a draft of it.
        """
        answer = Answer(self._agent)
        form = self._answers.ContentModel if self._answers else None
        await self._model.ask(answer, turn, {"tool_choice": "none", "json_output": form})
        result = answer.result
        if not isinstance(result.content, str):
            raise ModelResponseInvalid(
                f"{name_of(self._model.client)} was asked by the agent {self._agent!r} for an answer in words, "
                f"without tools, but called tools again: {', '.join(call.name for call in result.content)}."
            )
        await self._model.keep(result)
        if result.thought:
            await turn.shows(answer.thought())
        await turn.show(self._said(turn, answer, spent))

    def _said(self, turn: Turn, answer: Answer, spent: RequestUsage | None = None) -> Response:
        result = answer.result
        text, usage = well_formed(str(result.content)), result.usage
        if spent is not None:
            usage = RequestUsage(
                spent.prompt_tokens + usage.prompt_tokens, spent.completion_tokens + usage.completion_tokens
            )
        if self._answers is None:
            message: BaseChatMessage = unchecked(
                TextMessage,
                {
                    "id": answer.id,
                    "source": self._agent,
                    "models_usage": usage,
                    "metadata": {},
                    "created_at": now(),
                    "content": text,
                    "type": "TextMessage",
                },
            )
        else:
            message = self._answers.StructuredMessage(
                id=answer.id,
                content=self._read(text, self._answers.ContentModel),
                format_string=self._answers.format_string,
                source=self._agent,
                models_usage=usage,
            )
        return self._over(turn, message)

    def _fits(self, text: str) -> bool:
        try:
            return self._answers is None or _parsed(text, self._answers.ContentModel) is not None
        except ValueError:
            return False

    def _read(self, text: str, form: type[BaseModel]) -> BaseModel:
        try:
            return _parsed(text, form)
        except ValidationError as error:
            raise AnswerUnfit(
                f"The agent {self._agent!r} was to answer with a {form.__name__}, and the reply of "
                f"{name_of(self._model.client)} is none: {_problems(error)}. It said: {text[:200]!r}",
                partial=text,
            ) from error

    def _handed_over(
        self, turn: Turn, thought: str | None, calls: list[FunctionCall], results: list[FunctionExecutionResult]
    ) -> Response:
        done = list(zip(calls, results, strict=True))
        handing = [(call, result) for call, result in done if call.name in self._handoffs]
        first, said = handing[0]
        handoff = self._handoffs[first.name]
        if len(handing) > 1:
            targets = ", ".join(repr(self._handoffs[call.name].target) for call, _ in handing)
            warnings.warn(
                f"The agent {self._agent!r} would hand over to {targets} at once; {handoff.target!r} gets the word. "
                "A model that calls in parallel can be kept from it: parallel_tool_calls=False.",
                UserWarning,
                stacklevel=2,
            )
        others = [(call, result) for call, result in done if call.name not in self._handoffs]
        context: list[LLMMessage] = []
        if others:
            asked = [call for call, _ in others]
            context.append(AssistantMessage(content=asked, thought=thought, source=self._agent))
            context.append(FunctionExecutionResultMessage(content=[result for _, result in others]))
        elif thought:
            context.append(AssistantMessage(content=thought, source=self._agent))
        # Its tool failed: the word is handed over all the same, without the error as the message.
        content = handoff.message if said.is_error else said.content
        return self._over(
            turn, HandoffMessage(content=content, target=handoff.target, source=self._agent, context=context)
        )

    def _summary(self, turn: Turn, calls: list[FunctionCall], results: list[FunctionExecutionResult]) -> Response:
        parts = []
        for call, result in zip(calls, results, strict=True):
            with _noted(f"The agent {self._agent!r} was shaping the result of {call.name}({call.arguments})."):
                parts.append(self._summarise(call, result))
        text = "\n".join(parts)
        return self._over(
            turn, ToolCallSummaryMessage(content=text, source=self._agent, tool_calls=calls, results=results)
        )


def _event(kind: type[E], agent: str, content: list[Any], usage: RequestUsage | None = None) -> E:
    """Make an event of what was asked for, or of what came of it; the list is kept."""
    return unchecked(
        kind,
        {
            "id": new_id(),
            "source": agent,
            "models_usage": usage,
            "metadata": {},
            "created_at": now(),
            "content": content,
            "type": kind.__name__,
        },
    )


def _parsed(text: str, form: type[BaseModel]) -> BaseModel:
    try:
        return form.model_validate_json(text)
    except ValidationError as error:
        try:
            # Servers that bind no answer often send theirs in a fence.
            (fenced,) = extract_json_from_str(text)
            return form.model_validate(fenced)
        except ValueError:
            raise error from None


def _problems(error: ValidationError) -> str:
    return "; ".join(
        f"{'.'.join(map(str, problem['loc'])) or 'the text'}: {problem['msg']}" for problem in error.errors()[:3]
    )
