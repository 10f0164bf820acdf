"""What ends a conversation, and how such things are joined."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from agentnb.core import Component
from agentnb.exceptions import TerminatedException
from agentnb.messages import BaseAgentEvent, BaseChatMessage, StopMessage


class TerminationCondition(Component, ABC):
    """Says when a conversation is over; given only what is new since it was last asked.

    ```python
    MaxMessageTermination(10) | TextMentionTermination("DONE")
    ```
    """

    component_type: ClassVar[str] = "termination"

    @property
    @abstractmethod
    def terminated(self) -> bool:
        """Whether it has fired."""

    @abstractmethod
    async def __call__(self, messages: Sequence[BaseAgentEvent | BaseChatMessage]) -> StopMessage | None:
        """Return a message that says why it is over, or None.

        Raises:
            TerminatedException: If it has fired already; call `reset` first.
        """

    @abstractmethod
    async def reset(self) -> None:
        """Start anew."""

    def save_state(self) -> dict[str, Any]:
        """Return what it has counted so far, JSON-ready; by default whether it has fired."""
        return {"terminated": self.terminated}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Go on from a saved state; by default nothing is kept."""

    def _parts(self) -> list[TerminationCondition]:
        return [self]

    def __and__(self, other: TerminationCondition) -> TerminationCondition:
        return AndTerminationCondition(self, other)

    def __or__(self, other: TerminationCondition) -> TerminationCondition:
        return OrTerminationCondition(self, other)


class _Combined(TerminationCondition, ABC):
    def __init__(self, *conditions: TerminationCondition) -> None:
        self._conditions = conditions
        self._reasons: dict[int, StopMessage] = {}

    def _parts(self) -> list[TerminationCondition]:
        return [self, *(part for condition in self._conditions for part in condition._parts())]

    async def _ask(self, messages: Sequence[BaseAgentEvent | BaseChatMessage]) -> None:
        if self.terminated:
            raise TerminatedException("The conversation is over; call reset() before it goes on.")
        for number, condition in enumerate(self._conditions):
            if not condition.terminated:
                reason = await condition(messages)
                if reason is not None:
                    self._reasons[number] = reason

    def _stop(self) -> StopMessage:
        reasons = [self._reasons[number].content for number in sorted(self._reasons)]
        return StopMessage(content=", ".join(reasons), source=type(self).__name__)

    async def reset(self) -> None:
        self._reasons.clear()
        for condition in self._conditions:
            await condition.reset()

    def save_state(self) -> dict[str, Any]:
        reasons = {str(number): reason.content for number, reason in self._reasons.items()}
        return {"reasons": reasons, "conditions": [condition.save_state() for condition in self._conditions]}

    def load_state(self, state: Mapping[str, Any]) -> None:
        for condition, saved in zip(self._conditions, state["conditions"], strict=True):
            condition.load_state(saved)
        self._reasons = {
            int(number): StopMessage(content=text, source=type(self._conditions[int(number)]).__name__)
            for number, text in state["reasons"].items()
        }


class AndTerminationCondition(_Combined):
    """Over when every condition has fired, at whatever time each did."""

    @property
    def terminated(self) -> bool:
        return all(condition.terminated for condition in self._conditions)

    async def __call__(self, messages: Sequence[BaseAgentEvent | BaseChatMessage]) -> StopMessage | None:
        await self._ask(messages)
        return self._stop() if self.terminated else None


class OrTerminationCondition(_Combined):
    """Over when any condition fires."""

    @property
    def terminated(self) -> bool:
        return any(condition.terminated for condition in self._conditions)

    async def __call__(self, messages: Sequence[BaseAgentEvent | BaseChatMessage]) -> StopMessage | None:
        await self._ask(messages)
        return self._stop() if self.terminated else None
