"""What ends a conversation, and how such things are joined."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Coroutine, Iterator, Mapping, Sequence
from operator import attrgetter
from typing import Any, ClassVar

from agentnb.core import Component
from agentnb.exceptions import RuntimeFault, TerminatedException, UserError
from agentnb.messages import BaseAgentEvent, BaseChatMessage, StopMessage

Said = Sequence[BaseAgentEvent | BaseChatMessage]
_terminated = attrgetter("terminated")


class TerminationCondition(Component, ABC):
    """Says when a conversation is over; given only what is new since it was last asked.

    ```python
    MaxMessageTermination(10) | TextMentionTermination("DONE")
    ```

    A class of your own writes `terminated`, `__call__` and `reset`; one that counts writes `save_state` and
    `load_state` too, so that a team that was saved goes on counting where it stood.
    """

    component_type: ClassVar[str] = "termination"

    @property
    @abstractmethod
    def terminated(self) -> bool:
        """Whether it has fired."""

    @abstractmethod
    async def __call__(self, messages: Said) -> StopMessage | None:
        """Return a message that says why it is over, or None.

        Raises:
            TerminatedException: If it has fired already; call `reset` first.
        """

    @abstractmethod
    async def reset(self) -> None:
        """Start anew."""

    def save_state(self) -> dict[str, Any]:
        """Return what it has counted so far, JSON-ready; by default whether it has fired."""
        return {"type": type(self).__name__, "terminated": self.terminated}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Go on from a saved state; by default nothing is kept.

        Raises:
            ValueError: If it is the state of another kind of condition.
        """
        self._check_state(state)

    def _check_state(self, state: Mapping[str, Any]) -> None:
        """Raise unless a state is of this kind of condition, with all its parts: before any of them is changed."""
        name = type(self).__name__
        saved = state.get("type") if isinstance(state, Mapping) else state
        if saved != name:
            raise UserError(
                f"The state is of the termination condition {saved!r}, and this one is a {name}. "
                "Load it into a condition like the one it was saved from."
            )

    def _parts(self) -> list[TerminationCondition]:
        return [self]

    def __and__(self, other: TerminationCondition) -> TerminationCondition:
        return AndTerminationCondition(self, other)

    def __or__(self, other: TerminationCondition) -> TerminationCondition:
        return OrTerminationCondition(self, other)


class _Combined(TerminationCondition, ABC):
    def __init__(self, *conditions: TerminationCondition) -> None:
        if not conditions:
            raise UserError(f"{type(self).__name__} joins conditions; give it at least one.")
        for condition in conditions:
            if not isinstance(condition, TerminationCondition):
                hint = f" Did you mean TextMentionTermination({condition!r})?" if isinstance(condition, str) else ""
                raise UserError(f"{condition!r} is no termination condition and cannot be joined with one.{hint}")
        self._conditions = conditions
        self._stops: dict[int, tuple[str, str]] = {}  # source and text of what a part said when it fired

    def _parts(self) -> list[TerminationCondition]:
        return [self, *(part for condition in self._conditions for part in condition._parts())]

    def _refuse(self) -> BaseException:
        return TerminatedException(f"This {type(self).__name__} has fired already; call reset() before it is asked.")

    def __call__(self, messages: Said) -> Coroutine[Any, Any, StopMessage | None]:
        return self._ask(messages, {})

    async def _ask(self, messages: Said, asked: dict[int, StopMessage | None]) -> StopMessage | None:
        """Ask every part that has not fired.

        Args:
            messages: What is new.
            asked: What those asked already said, by identity: a part that is joined twice hears each message once.
        """
        if self.terminated:
            raise self._refuse()
        for number, condition in enumerate(self._conditions):
            key = id(condition)
            if key in asked:
                stop = asked[key]
            elif condition.terminated:
                continue
            elif isinstance(condition, _Combined):
                await condition._ask(messages, asked)
                continue
            else:
                stop = asked[key] = await condition(messages)
            if stop is not None:
                self._stops[number] = (stop.source, stop.content)
        if not self.terminated:
            return None
        why = dict.fromkeys(self._why())
        return StopMessage(
            content=", ".join(content for _, content in why), source=", ".join(source for source, _ in why)
        )

    def _why(self) -> Iterator[tuple[str, str]]:
        for number, condition in enumerate(self._conditions):
            if isinstance(condition, _Combined):
                if condition.terminated:
                    yield from condition._why()
            elif number in self._stops:
                yield self._stops[number]

    async def reset(self) -> None:
        self._stops.clear()
        for condition in self._conditions:
            await condition.reset()

    def save_state(self) -> dict[str, Any]:
        return {
            "type": type(self).__name__,
            "reasons": {str(number): reason for number, (_, reason) in self._stops.items()},
            "conditions": [condition.save_state() for condition in self._conditions],
        }

    def load_state(self, state: Mapping[str, Any]) -> None:
        self._check_state(state)
        for condition, saved in zip(self._conditions, state["conditions"], strict=True):
            condition.load_state(saved)
        self._stops = {
            int(number): (type(self._conditions[int(number)]).__name__, reason)
            for number, reason in state["reasons"].items()
        }

    def _check_state(self, state: Mapping[str, Any]) -> None:
        super()._check_state(state)
        saved = state["conditions"]
        if len(saved) != len(self._conditions):
            raise UserError(
                f"The state is of {len(saved)} joined conditions, and this {type(self).__name__} joins "
                f"{len(self._conditions)}. Load it into a condition like the one it was saved from."
            )
        for condition, of_part in zip(self._conditions, saved, strict=True):
            condition._check_state(of_part)


class AndTerminationCondition(_Combined):
    """Over when every condition has fired, at whatever time each did."""

    @property
    def terminated(self) -> bool:
        return all(map(_terminated, self._conditions))


class OrTerminationCondition(_Combined):
    """Over when any condition fires; a RuntimeError, as in AutoGen, if it is asked again before it was reset."""

    @property
    def terminated(self) -> bool:
        return any(map(_terminated, self._conditions))

    def _refuse(self) -> BaseException:
        return RuntimeFault(f"This {type(self).__name__} has fired already; call reset() before it is asked again.")
