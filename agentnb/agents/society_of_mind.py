"""An agent that is a whole team to those inside and one voice to those outside."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Coroutine, Mapping, Sequence
from contextlib import aclosing
from typing import Any

from agentnb.agents.base import BaseChatAgent, check_state
from agentnb.agents.heard import Heard, Listener
from agentnb.agents.model import Answer, Model, Turn
from agentnb.base import Response, TaskResult, Team, as_said, models_of
from agentnb.core import CancellationToken
from agentnb.exceptions import ModelResponseInvalid
from agentnb.messages import (
    BaseAgentEvent,
    BaseChatMessage,
    HandoffMessage,
    LLMMessage,
    SystemMessage,
    TextMessage,
    UserMessage,
)
from agentnb.model_context import ChatCompletionContext, UnboundedChatCompletionContext
from agentnb.model_context.base import require_context
from agentnb.models.base import ChatCompletionClient, name_of, require_client

Item = BaseAgentEvent | BaseChatMessage


class SocietyOfMindAgent(Listener, BaseChatAgent):
    """Lets a team work on what it hears, and has a model answer with what came out of it.

    ```python
    team = RoundRobinGroupChat([writer, critic], max_turns=4)
    society = SocietyOfMindAgent("society", team=team, model_client=client)
    ```

    The team's messages and events are part of the stream and of the run's log; the others hear the answer only.
    After each turn, however it ends, the team is reset; what was heard in earlier turns it is told again.

    Args:
        name: A Python identifier.
        team: Who works inside.
        model_client: The model that puts their work into one answer.
        description: What the agent is good for, as others read it.
        instruction: Told to the model before the team's messages.
        response_prompt: Told to the model after them.
        model_context: How much of earlier turns the team is told; default: all of it.

    Raises:
        TypeError: If the team, the model client or the context is something else.
    """

    DEFAULT_DESCRIPTION = "A team that works inside and answers with one voice."
    DEFAULT_INSTRUCTION = "You were asked something, and your team worked on it. This is what they said to each other:"
    DEFAULT_RESPONSE_PROMPT = (
        "Now answer what you were asked, from what the team found out. Give the answer alone: do not mention the team "
        "or its discussion."
    )
    NO_MESSAGES = "The team said nothing."

    def __init__(
        self,
        name: str,
        team: Team,
        model_client: ChatCompletionClient,
        *,
        description: str | None = DEFAULT_DESCRIPTION,
        instruction: str | None = DEFAULT_INSTRUCTION,
        response_prompt: str | None = DEFAULT_RESPONSE_PROMPT,
        model_context: ChatCompletionContext | None = None,
    ) -> None:
        super().__init__(name, description or self.DEFAULT_DESCRIPTION)
        if not isinstance(team, Team):
            raise TypeError(f"team of {name!r} is {team!r}; give a team, such as RoundRobinGroupChat([…]).")
        require_client(model_client, f"the agent {name!r}")
        require_context(model_context, f"the agent {name!r}")
        self._team = team
        self._client = model_client
        self._instruction = instruction or self.DEFAULT_INSTRUCTION
        self._response_prompt = response_prompt or self.DEFAULT_RESPONSE_PROMPT
        self._context = model_context or UnboundedChatCompletionContext()
        self._heard = Heard(self._context)

    @property
    def produced_message_types(self) -> Sequence[type[BaseChatMessage]]:
        return (TextMessage,)

    @property
    def model_context(self) -> ChatCompletionContext:
        """What was heard in earlier turns."""
        return self._context

    @property
    def asks_person(self) -> bool:
        return self._team.asks_person

    def _run_model(self) -> str:
        return models_of([name_of(self._client), self._team._run_model()])

    async def share(self, variables: Mapping[str, Any]) -> list[str]:
        return await self._team.share(variables)

    async def on_messages(self, messages: Sequence[BaseChatMessage], cancellation_token: CancellationToken) -> Response:
        return await self._answer_streamed(messages, cancellation_token)

    async def on_messages_stream(
        self, messages: Sequence[BaseChatMessage], cancellation_token: CancellationToken
    ) -> AsyncGenerator[BaseAgentEvent | BaseChatMessage | Response, None]:
        task = [*await self._before(), *map(self._passed_on, messages)]
        await self._heard.take(messages)
        said: list[BaseChatMessage] = []
        try:
            async with aclosing(self._discussion(task, cancellation_token)) as items:
                async for item in items:
                    if isinstance(item, BaseChatMessage):
                        said.append(item)
                    yield item
            answer = await self._answer(said, cancellation_token)
            self._heard.clear()
            yield answer
        finally:
            await self._team.reset()

    async def _before(self) -> list[BaseChatMessage]:
        """Return what was heard in earlier turns, as a message to the team."""
        told = self._heard.unanswered  # of a turn that broke off: given again now
        context = [m for m in await self._context.get_messages() if not any(m is again for again in told)]
        if not context:
            return []
        return [
            HandoffMessage(
                content="This was said before.", source=self.name, target=self._speaks_first(), context=context
            )
        ]

    def _passed_on(self, message: BaseChatMessage) -> BaseChatMessage:
        if isinstance(message, HandoffMessage) and message.target == self.name:
            return message.model_copy(update={"target": self._speaks_first()})
        return message

    def _speaks_first(self) -> str:
        # A team led by handoffs refuses one to somebody who takes no part in it.
        return self._team._run_participants()[0].name

    async def _discussion(
        self, task: list[BaseChatMessage], cancellation_token: CancellationToken
    ) -> AsyncGenerator[Item, None]:
        """Yield what the team says as it says it; its run is part of the run round it."""

        def begin(sink: Callable[[Any], None]) -> Coroutine[Any, Any, TaskResult]:
            return self._team._run_task(task or None, cancellation_token, False, None, sink=sink, logged=True)

        async with aclosing(as_said(begin)) as items:
            async for item in items:
                if not isinstance(item, TaskResult):
                    yield item

    async def _answer(self, said: Sequence[BaseChatMessage], cancellation_token: CancellationToken) -> Response:
        if not said:
            return Response(chat_message=TextMessage(content=self.NO_MESSAGES, source=self.name), inner_messages=[])
        shown = UnboundedChatCompletionContext(
            [
                self._prompt(self._instruction),
                *(message.to_model_message() for message in said),
                self._prompt(self._response_prompt),
            ]
        )
        model, answer = Model(self.name, self._client, [], shown, stream=False), Answer(self.name)
        await model.get(answer, Turn(cancellation_token), {})
        result = answer.result
        if not isinstance(result.content, str):
            raise ModelResponseInvalid(
                f"{name_of(self._client)} was asked by {self.name!r} to answer for its team and called tools it was "
                f"not offered: {', '.join(call.name for call in result.content)}."
            )
        voice = TextMessage(id=answer.id, content=result.content, source=self.name, models_usage=result.usage)
        return Response(chat_message=voice, inner_messages=[])

    def _prompt(self, text: str) -> LLMMessage:
        # Some servers take one system message, at the beginning, or none.
        if self._client.model_info.get("multiple_system_messages"):
            return SystemMessage(content=text)
        return UserMessage(content=text, source=self.name)

    async def on_reset(self, cancellation_token: CancellationToken) -> None:
        await self._team.reset()
        await self._context.clear()
        self._heard.clear()

    async def on_pause(self, cancellation_token: CancellationToken) -> None:
        await self._team._told_to_pause()

    async def on_resume(self, cancellation_token: CancellationToken) -> None:
        await self._team._told_to_resume()

    async def save_state(self) -> Mapping[str, Any]:
        return {
            "type": "SocietyOfMindAgentState",
            "version": "1.0.0",
            "inner_team_state": dict(await self._team.save_state()),
            "llm_context": await self._context.save_state(),
            **self._heard.save_state(),
        }

    async def load_state(self, state: Mapping[str, Any]) -> None:
        """Go on from a saved state; AutoGen's holds no context of earlier turns.

        Raises:
            ValueError: If it is no such agent's, or of another team; nothing is changed then.
        """
        keeps = isinstance(state, Mapping) and "llm_context" in state
        check_state(self, state, "inner_team_state", *(["llm_context"] if keeps else []))
        before = await self._context.save_state()
        if keeps:
            await self._context.load_state(state["llm_context"])
        try:
            await self._team.load_state(state["inner_team_state"])
        except BaseException:
            await self._context.load_state(before)
            raise
        if keeps:
            self._heard.load_state(state)

    def _has_state(self) -> bool:
        return False  # the team is reset after each turn

    async def close(self) -> None:
        await self._team.close()
        await self._client.close()
