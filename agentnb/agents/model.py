"""A model as one agent asks it, and what it answers."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from contextlib import aclosing
from typing import Any

from agentnb.agents.recollection import Recollection
from agentnb.base.agent import Show, Step, Tell
from agentnb.core import CancellationToken, new_id, now, well_formed
from agentnb.core.cancellation import Abort
from agentnb.exceptions import ModelError, ModelResponseInvalid
from agentnb.messages import (
    AssistantMessage,
    BaseAgentEvent,
    BaseChatMessage,
    CreateResult,
    LLMMessage,
    ModelClientStreamingChunkEvent,
    SystemMessage,
    ThoughtEvent,
    remove_images,
)
from agentnb.messages.llm import Prefix
from agentnb.messages.unchecked import unchecked
from agentnb.model_context import ChatCompletionContext
from agentnb.models.base import ChatCompletionClient, name_of


async def _nobody_looks(step: Step) -> None:
    """Show it to nobody."""


class Turn:
    """What all requests and calls of one turn share.

    Attributes:
        token: Ends it.
        abort: Ends its waiting.
        recollection: What memories said in it.
        show: Is awaited with each step.
        tell: Is given the pieces of answers, at once; None where they are shown like other steps.
        inner: What was shown of it so far, without pieces of messages.
    """

    __slots__ = ("abort", "inner", "recollection", "show", "tell", "token")

    def __init__(self, token: CancellationToken, show: Show = _nobody_looks, tell: Tell | None = None) -> None:
        self.token = token
        self.abort = Abort(token)
        self.recollection: Recollection | None = None
        self.show = show
        self.tell = tell
        self.inner: list[BaseAgentEvent | BaseChatMessage] = []

    def shows(self, step: BaseAgentEvent | BaseChatMessage) -> Awaitable[None]:
        """Show a step, and take note of it."""
        self.inner.append(step)
        return self.show(step)


class Answer:
    """One answer of a model, while it is written and after.

    Attributes:
        id: The id of the message that will hold it.
        held: The pieces of a draft, which may turn out not to be said and is shown to nobody before; else None.
        result: What the model said, once it is there.
    """

    __slots__ = ("_agent", "_alike", "_thinks", "_thought_id", "held", "id", "result")

    def __init__(self, agent: str, *, draft: bool = False) -> None:
        self.id = new_id()
        self.held: list[ModelClientStreamingChunkEvent] | None = [] if draft else None
        self.result: CreateResult
        self._agent = agent
        self._alike: dict[str, Any] | None = None  # what all pieces have in common
        self._thought_id: str | None = None
        self._thinks: bool | None = None

    def take(self, result: CreateResult) -> None:
        """Take what the model said."""
        # No calls at all are an answer without words: servers refuse a conversation with an empty list of calls.
        self.result = result if result.content else result.model_copy(update={"content": ""})

    def pieces(self, texts: Sequence[str]) -> list[ModelClientStreamingChunkEvent]:
        """Announce pieces that came together, each with the id of the message that it will be part of."""
        alike = self._alike
        if alike is None:
            alike = self._alike = {
                "id": "",
                "source": self._agent,
                "models_usage": None,
                "metadata": {},
                "created_at": None,
                "content": "",
                "full_message_id": self.id,
                "type": "ModelClientStreamingChunkEvent",
            }
        alike["created_at"] = now()
        pieces = []
        for text in texts:
            values = alike.copy()
            values["id"] = new_id()
            values["metadata"] = {}
            values["content"] = text if text.isascii() else well_formed(text)
            if self._thinks is not False:
                values["full_message_id"] = self._part_of(text)
            pieces.append(unchecked(ModelClientStreamingChunkEvent, values))
        return pieces

    def _part_of(self, text: str) -> str | None:
        """Return the id of the message that a piece of reasoning, or the first piece of an answer, belongs to."""
        if self._thinks is None and text.strip():
            # Clients stream reasoning before the answer, between these two marks.
            self._thinks = text.lstrip().startswith("<think>")
            self._thought_id = new_id() if self._thinks else None
        message_id = self._thought_id if self._thinks else self.id
        if self._thinks and "</think>" in text:
            self._thinks = False
        return message_id

    def thought(self) -> ThoughtEvent:
        """Return the reasoning that came with the answer, where there is some."""
        return ThoughtEvent(id=self._thought_id or new_id(), content=self.result.thought or "", source=self._agent)


class Model:
    """A model as one agent asks it: with its instructions, its context, its wish to stream."""

    def __init__(
        self,
        agent: str,
        client: ChatCompletionClient,
        system: list[SystemMessage],
        context: ChatCompletionContext,
        *,
        stream: bool,
    ) -> None:
        self.agent = agent
        self.client = client
        self.context = context
        self.streams = stream
        self._system = system
        self._plain = Prefix()  # messages without a picture
        self._gives_away = _gives_away(type(context))
        self._adds_plainly = context._adds_plainly()

    async def get(self, answer: Answer, turn: Turn, options: dict[str, Any]) -> None:
        """Get an answer whole, of an agent that does not stream."""
        messages = self._shown(await self.context.get_messages(), turn)
        try:
            answer.take(await turn.abort.wait(self.client.create(messages, cancellation_token=turn.token, **options)))
        except Exception as error:
            _name_asker(error, self.agent, name_of(self.client))
            raise

    def ask(self, answer: Answer, turn: Turn, options: dict[str, Any]) -> Coroutine[Any, Any, None]:
        """Get an answer; show its pieces, if the agent streams.

        Args:
            answer: Takes it.
            turn: The turn it belongs to.
            options: What else the client is told, by keyword.
        """
        return (self._get_in_pieces if self.streams else self.get)(answer, turn, options)

    async def _get_in_pieces(self, answer: Answer, turn: Turn, options: dict[str, Any]) -> None:
        messages = self._shown(await self.context.get_messages(), turn)
        told = None if turn.tell is None else getattr(self.client.create_stream, "told", None)
        try:
            if told is None:
                await self._iterated(answer, turn, messages, options)
            else:
                answering = told(self.client, messages, _teller(answer, turn), cancellation_token=turn.token, **options)
                answer.take(await turn.abort.wait(answering))
        except Exception as error:
            _name_asker(error, self.agent, name_of(self.client))
            raise

    async def _iterated(self, answer: Answer, turn: Turn, messages: list[LLMMessage], options: dict[str, Any]) -> None:
        """Get an answer of who reads the stream step by step, or of what only looks like a client."""
        wait, show, held = turn.abort.wait, turn.show, answer.held
        answered = False
        async with aclosing(self.client.create_stream(messages, cancellation_token=turn.token, **options)) as items:
            while True:
                try:
                    item = await wait(anext(items))
                except StopAsyncIteration:
                    break
                if not isinstance(item, str):
                    answer.take(item)
                    answered = True
                    continue
                (piece,) = answer.pieces((item,))
                if held is not None:
                    held.append(piece)
                else:
                    await show(piece)
        if not answered:
            raise ModelResponseInvalid(
                f"The agent {self.agent!r} was given no answer by {name_of(self.client)}, whose create_stream ended "
                "without a CreateResult."
            )

    def _shown(self, said: Sequence[LLMMessage], turn: Turn) -> list[LLMMessage]:
        """Return a request's messages: the context's, with what else the model is told."""
        info = self.client.model_info
        if turn.recollection is not None:
            said = turn.recollection.within(said, several=info.get("multiple_system_messages", False))
        if self._gives_away and type(said) is list:
            messages: list[LLMMessage] = said
            messages[:0] = self._system  # not copied: a long conversation is, once a request, already
        else:
            messages = [*self._system, *said]
        if info["vision"] or (turn.recollection is None and self._gives_away and self.context._shows_no_picture):
            return messages
        return self._without_images(messages)

    def _without_images(self, messages: list[LLMMessage]) -> list[LLMMessage]:
        for message in self._plain.new(messages):
            if type(message.content) is not str and message.type == "UserMessage":
                self._plain.forget()
                return remove_images(messages)
        return messages

    async def keep(self, result: CreateResult) -> None:
        """Add an answer to the context."""
        content, thought = result.content, result.thought
        values = {
            "content": well_formed(content) if isinstance(content, str) else [*content],
            "thought": thought and well_formed(thought),
            "source": self.agent,
            "type": "AssistantMessage",
        }
        message = unchecked(AssistantMessage, values)
        if self._adds_plainly:
            self.context._append(message)
        else:
            await self.context.add_message(message)


def _teller(answer: Answer, turn: Turn) -> Callable[[Sequence[str]], None]:
    """Return what takes the pieces of an answer as they come."""
    token, tell, held = turn.token, turn.tell, answer.held
    take = held.append if held is not None else tell
    assert take is not None

    def tells(texts: Sequence[str]) -> None:
        for piece in answer.pieces(texts):
            take(piece)
        if token._cancelled:  # a client that never waits is not ended otherwise
            raise asyncio.CancelledError("The cancellation token was cancelled.")

    return tells


def _gives_away(context: type[ChatCompletionContext]) -> bool:
    """Tell whether a context's list of messages is surely the caller's; one of the user's may be the context's own."""
    return context.get_messages.__module__.startswith("agentnb.")


def _name_asker(error: Exception, agent: str, model: str) -> None:
    """Say in an error who was asking, without taking another error's place."""
    asked = f"(asked by the agent {agent!r})"
    if not isinstance(error, ModelError):
        error.add_note(f"{model} was asked by the agent {agent!r}.")
    elif asked not in str(error):
        error.args = (f"{error} {asked}",)
