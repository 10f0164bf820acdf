"""An agent that hears only part of what is said."""

from __future__ import annotations

import warnings
from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from contextlib import aclosing
from typing import Any, Literal, Self

from pydantic import BaseModel, Field, model_validator

from agentnb.agents.base import BaseChatAgent
from agentnb.base import ChatAgent, Response, TaskRunner
from agentnb.core import CancellationToken
from agentnb.exceptions import UserError
from agentnb.messages import BaseAgentEvent, BaseChatMessage, LLMMessage, MessageFactory


class PerSourceFilter(BaseModel):
    """Which messages of one source are heard: the first or the last `count`; without `count`, all."""

    source: str
    position: Literal["first", "last"] | None = None
    count: int | None = Field(default=None, ge=0)

    @model_validator(mode="after")
    def _counts_from_somewhere(self) -> Self:
        if self.count is not None and self.position is None:
            warnings.warn(
                f"count={self.count} of {self.source!r} has no effect without a position; "
                "say position='first' or position='last'.",
                UserWarning,
                stacklevel=2,
            )
        return self

    def of(self, messages: Sequence[BaseChatMessage]) -> list[BaseChatMessage]:
        """Return those of the messages that are heard."""
        own = [message for message in messages if message.source == self.source]
        if self.position is None or self.count is None:
            return own
        return own[: self.count] if self.position == "first" else own[max(0, len(own) - self.count) :]


class MessageFilterConfig(BaseModel):
    """What is heard, source by source; a source that is not named is not heard."""

    per_source: list[PerSourceFilter]


class MessageFilterAgent(BaseChatAgent):
    """Lets another agent hear only some of the new messages, in the order of the filter's entries.

    ```python
    only_last = MessageFilterConfig(per_source=[PerSourceFilter(source="critic", position="last", count=1)])
    MessageFilterAgent("writer_filter", wrapped_agent=writer, filter=only_last)
    ```

    What it says is said by the wrapped agent, under that one's name. A message that fits two entries is heard once.

    Args:
        name: A Python identifier; the agent's name in a team.
        wrapped_agent: Who hears and answers.
        filter: What is heard.

    Raises:
        ValueError: If `wrapped_agent` is no agent.
        TypeError: If `filter` is something else.
    """

    def __init__(self, name: str, wrapped_agent: BaseChatAgent, filter: MessageFilterConfig) -> None:
        if not isinstance(wrapped_agent, BaseChatAgent):
            raise UserError(f"wrapped_agent of {name!r} is {wrapped_agent!r}; give an agent.")
        super().__init__(name, wrapped_agent.description)
        if not isinstance(filter, MessageFilterConfig):
            raise TypeError(
                f"The filter of the agent {name!r} is {filter!r:.80}; give "
                "MessageFilterConfig(per_source=[PerSourceFilter(source=…)])."
            )
        self._wrapped = wrapped_agent
        self._filter = filter

    @property
    def produced_message_types(self) -> Sequence[type[BaseChatMessage]]:
        return self._wrapped.produced_message_types

    @property
    def asks_person(self) -> bool:
        return self._wrapped.asks_person

    def _run_model(self) -> str:
        return self._wrapped._run_model()

    async def share(self, variables: Mapping[str, Any]) -> list[str]:
        return await self._wrapped.share(variables)

    def _heard(self, messages: Sequence[BaseChatMessage]) -> list[BaseChatMessage]:
        heard = {id(message): message for entry in self._filter.per_source for message in entry.of(messages)}
        return list(heard.values())

    async def on_messages(self, messages: Sequence[BaseChatMessage], cancellation_token: CancellationToken) -> Response:
        return await self._wrapped.on_messages(self._heard(messages), cancellation_token)

    async def on_messages_stream(
        self, messages: Sequence[BaseChatMessage], cancellation_token: CancellationToken
    ) -> AsyncGenerator[BaseAgentEvent | BaseChatMessage | Response, None]:
        async with aclosing(self._wrapped.on_messages_stream(self._heard(messages), cancellation_token)) as items:
            async for item in items:
                yield item

    async def on_reset(self, cancellation_token: CancellationToken) -> None:
        await self._wrapped.on_reset(cancellation_token)

    async def on_pause(self, cancellation_token: CancellationToken) -> None:
        await self._wrapped.on_pause(cancellation_token)

    async def on_resume(self, cancellation_token: CancellationToken) -> None:
        await self._wrapped.on_resume(cancellation_token)

    async def save_state(self) -> Mapping[str, Any]:
        return {
            "type": "BaseState",
            "version": "1.0.0",
            "wrapped_agent": dict(await self._wrapped.save_state()),
        }

    async def load_state(self, state: Mapping[str, Any]) -> None:
        """Go on from a saved state; AutoGen's holds nothing of the wrapped agent, and changes nothing."""
        if "wrapped_agent" in state:
            await self._wrapped.load_state(state["wrapped_agent"])

    def _keeps(self) -> Sequence[LLMMessage] | None:
        return self._wrapped._keeps()

    async def _remember(self, messages: list[LLMMessage]) -> None:
        await self._wrapped._remember(messages)

    def _inside(self) -> Iterable[TaskRunner]:
        return self._wrapped._inside()

    def _has_state(self) -> bool:
        return self._wrapped._has_state()

    def _coders(self) -> Mapping[str, ChatAgent]:
        # Code is logged under the name of who had the word.
        return dict.fromkeys([self.name], self._wrapped) if self._wrapped._coders() else {}

    def _knows(self, factory: MessageFactory) -> None:
        self._wrapped._knows(factory)

    async def close(self) -> None:
        await self._wrapped.close()
