"""One turn of an agent that writes code: write, have it run, correct it, tell what came out."""

from __future__ import annotations

from collections.abc import Sequence

from pydantic import BaseModel, ValidationError

from agentnb.agents.code_runner import CodeRunner, told
from agentnb.agents.fences import code_blocks
from agentnb.agents.heard import Heard
from agentnb.agents.model import Answer, Model, Turn
from agentnb.base import Response
from agentnb.base.agent import Show, Tell
from agentnb.core import CancellationToken, extract_json_from_str
from agentnb.exceptions import ModelResponseInvalid
from agentnb.messages import (
    BaseChatMessage,
    CodeExecutionEvent,
    CodeGenerationEvent,
    RequestUsage,
    SystemMessage,
    TextMessage,
    UserMessage,
)
from agentnb.model_context import UnboundedChatCompletionContext
from agentnb.models.base import name_of


class RetryDecision(BaseModel):
    """Whether code that failed is worth another try, and what is to be done otherwise."""

    reason: str
    retry: bool


DECISION_PROMPT = (
    "The code failed. Look at its output and decide: can it be corrected so that the task is solved? If it can, set "
    "`retry` and say in `reason` what was wrong and what you will do otherwise. If it cannot (something is missing "
    "that code cannot bring, or the code was refused for good), do not, and say in `reason` why not."
)
CORRECTION = "Write the whole code again, corrected: {reason}"
_DECISIONS = 2


class CodeWriter:
    """The steps of one turn."""

    def __init__(
        self, heard: Heard, model: Model, system: list[SystemMessage], runner: CodeRunner, *, retries: int
    ) -> None:
        self._heard = heard
        self._model = model
        self._system = system
        self._runner = runner
        self._retries = retries

    async def turn(
        self,
        messages: Sequence[BaseChatMessage],
        cancellation_token: CancellationToken,
        show: Show,
        tell: Tell | None = None,
    ) -> None:
        """Take in what is new, then show what happens, and the `Response`; pieces of answers to `tell`, if given."""
        await self._heard.take(messages)
        context, agent = self._model.context, self._runner.agent
        turn = Turn(cancellation_token, show, tell)
        for attempt in range(self._retries + 1):
            written = Answer(agent)
            await self._ask(written, turn)
            text = str(written.result.content)
            blocks = code_blocks(text, self._runner.languages)
            if not blocks:
                await show(self._said(turn, written))
                return
            await turn.shows(
                CodeGenerationEvent(
                    id=written.id,
                    retry_attempt=attempt,
                    content=text,
                    code_blocks=blocks,
                    source=agent,
                    models_usage=written.result.usage,
                )
            )
            verdict = await self._runner.judge(blocks, await context.get_messages(), cancellation_token)
            if verdict.edited:
                await turn.shows(self._runner.edit_event(verdict, attempt))
            outcome = await self._runner.run(verdict, cancellation_token)
            await turn.shows(CodeExecutionEvent(retry_attempt=attempt, result=outcome, source=agent))
            await context.add_message(UserMessage(content=told(verdict, outcome), source=agent))
            if outcome.exit_code == 0 or attempt == self._retries:
                break
            decision, usage = await self._decide(turn)
            if not decision.retry:
                break
            correction = CORRECTION.format(reason=decision.reason)
            await turn.shows(
                CodeGenerationEvent(
                    retry_attempt=attempt, content=correction, code_blocks=[], source=agent, models_usage=usage
                )
            )
            await context.add_message(UserMessage(content=correction, source=agent))
        reflection = Answer(agent)
        await self._ask(reflection, turn)
        await show(self._said(turn, reflection))

    async def _ask(self, answer: Answer, turn: Turn) -> None:
        """Get an answer, which is a text, and keep it in the context; show its pieces and its thought."""
        await self._model.ask(answer, turn, {})
        if not isinstance(answer.result.content, str):
            raise ModelResponseInvalid(
                f"{name_of(self._model.client)} was asked by the agent {self._runner.agent!r} for code or words "
                f"and called tools it was not offered: {', '.join(call.name for call in answer.result.content)}."
            )
        await self._model.keep(answer.result)
        if answer.result.thought:
            await turn.shows(answer.thought())

    async def _decide(self, turn: Turn) -> tuple[RetryDecision, RequestUsage]:
        """Ask the model whether to try again, beside the conversation; an answer of another form is asked for anew."""
        model, agent = self._model, self._runner.agent
        question = UserMessage(content=DECISION_PROMPT, source=agent)
        beside = UnboundedChatCompletionContext([*await model.context.get_messages(), question])
        asker = Model(agent, model.client, self._system, beside, stream=False)
        usage, content = RequestUsage(0, 0), ""
        for _ in range(_DECISIONS):
            answer = Answer(agent)
            await asker.get(answer, turn, {"json_output": RetryDecision})
            content = str(answer.result.content)
            usage.prompt_tokens += answer.result.usage.prompt_tokens
            usage.completion_tokens += answer.result.usage.completion_tokens
            try:
                return _decision(content), usage
            except ValueError as error:
                await asker.keep(answer.result)
                again = f"That is no answer of the form that was asked for: {error}"
                await beside.add_message(UserMessage(content=again, source=agent))
        raise ModelResponseInvalid(
            f"{name_of(model.client)} was asked {_DECISIONS} times by the agent {agent!r} whether failed code is "
            f"worth another try, with `retry` and `reason`, and answered {content!r:.200}.",
            partial=content,
        )

    def _said(self, turn: Turn, answer: Answer) -> Response:
        said = TextMessage(
            id=answer.id,
            content=str(answer.result.content),
            source=self._runner.agent,
            models_usage=answer.result.usage,
        )
        self._heard.clear()
        return Response(chat_message=said, inner_messages=turn.inner)


def _decision(content: str) -> RetryDecision:
    try:
        return RetryDecision.model_validate_json(content)
    except ValidationError as error:
        try:
            return RetryDecision.model_validate(extract_json_from_str(content)[0])
        except (ValueError, IndexError):
            raise error from None
