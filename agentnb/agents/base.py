"""What every agent has in common."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from typing import Any

from agentnb.base import ChatAgent, Response, take_turn
from agentnb.core import CancellationToken
from agentnb.core.cancellation import unless_cancelled
from agentnb.exceptions import AgentFailed, UserError
from agentnb.messages import BaseAgentEvent, BaseChatMessage
from agentnb.runlog import Run


class BaseChatAgent(ChatAgent, ABC):
    """An agent with a name and a description; subclasses write `on_messages` and `on_reset`.

    ```python
    class Echo(BaseChatAgent):
        produced_message_types = (TextMessage,)

        async def on_messages(self, messages, cancellation_token):
            return Response(chat_message=TextMessage(content=messages[-1].to_text(), source=self.name))

        async def on_reset(self, cancellation_token): ...
    ```

    Raises:
        ValueError: If `name` is no Python identifier.
    """

    def __init__(self, name: str, description: str) -> None:
        if not name.isidentifier():
            raise UserError(
                f"The agent name {name!r} is no Python identifier: letters, digits and '_' only, no digit first. "
                f"Try {_identifier(name)!r}."
            )
        self._name = name
        self._description = description

    @property
    def name(self) -> str:
        return self._name

    @property
    def description(self) -> str:
        return self._description

    @abstractmethod
    async def on_messages(self, messages: Sequence[BaseChatMessage], cancellation_token: CancellationToken) -> Response:
        """Answer new messages."""

    async def on_messages_stream(
        self, messages: Sequence[BaseChatMessage], cancellation_token: CancellationToken
    ) -> AsyncGenerator[BaseAgentEvent | BaseChatMessage | Response, None]:
        response = await self.on_messages(messages, cancellation_token)
        for message in response.inner_messages or ():
            yield message
        yield response

    async def _answer_streamed(
        self, messages: Sequence[BaseChatMessage], cancellation_token: CancellationToken
    ) -> Response:
        """Return the answer of `on_messages_stream`, for agents that write that one."""
        async with aclosing(self.on_messages_stream(messages, cancellation_token)) as items:
            async for item in items:
                if isinstance(item, Response):
                    return item
        raise AgentFailed(f"The agent {self.name!r} ended without an answer.")

    async def _perform(
        self, task: list[BaseChatMessage], run: Run, cancellation_token: CancellationToken | None, echo: bool
    ) -> None:
        for message in task:
            run.say(message, show=echo)
        turn = take_turn(self, task, run, cancellation_token or CancellationToken())
        await unless_cancelled(turn, cancellation_token)

    async def on_pause(self, cancellation_token: CancellationToken) -> None:
        """Nothing to hold on by default."""

    async def on_resume(self, cancellation_token: CancellationToken) -> None:
        """Nothing to take up by default."""

    async def save_state(self) -> Mapping[str, Any]:
        return {"type": "BaseState", "version": "1.0.0"}

    async def load_state(self, state: Mapping[str, Any]) -> None:
        """Nothing is kept by default."""

    async def close(self) -> None:
        """Nothing is held by default."""


def _identifier(name: str) -> str:
    plain = "".join(c if c.isalnum() or c == "_" else "_" for c in name)
    return plain if plain.isidentifier() else f"agent_{plain}"
