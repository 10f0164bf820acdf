"""Over because enough was said, spent or waited."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

from agentnb.conditions.base import PlainTermination, Said, is_number, positive
from agentnb.core import EventId, monotonic, now
from agentnb.core.clock import seconds_between
from agentnb.exceptions import UserError
from agentnb.messages import BaseAgentEvent, BaseChatMessage
from agentnb.runlog import RunStarted, current


@lru_cache(maxsize=256)
def _is_one(cls: type[object], of: tuple[type[object], ...]) -> bool:
    return issubclass(cls, of)


class MaxMessageTermination(PlainTermination):
    """Over after `max_messages` chat messages, the task's included; events count with `include_agent_event`.

    Raises:
        ValueError: If `max_messages` is no positive number.
    """

    def __init__(self, max_messages: int, include_agent_event: bool = False) -> None:
        self._max_messages = positive(self, "max_messages", max_messages)
        self._counted = (BaseChatMessage, BaseAgentEvent) if include_agent_event else (BaseChatMessage,)
        self._messages = 0

    def _reason(self, messages: Said) -> str | None:
        for message in messages:
            if _is_one(type(message), self._counted):
                self._messages += 1
        if self._messages < self._max_messages:
            return None
        most = self._max_messages
        return f"the limit of {most} message{'s' * (most != 1)} was reached ({self._messages})"

    async def reset(self) -> None:
        await super().reset()
        self._messages = 0

    def _count(self) -> dict[str, Any]:
        return {"messages": self._messages}

    def _count_on(self, state: Mapping[str, Any]) -> None:
        self._messages = int(state["messages"])


class TokenUsageTermination(PlainTermination):
    """Over when the tokens that messages and events report (`models_usage`) reach one of the limits.

    Raises:
        ValueError: If no limit is given, or one is not positive.
    """

    def __init__(
        self,
        max_total_token: int | None = None,
        max_prompt_token: int | None = None,
        max_completion_token: int | None = None,
    ) -> None:
        if max_total_token is max_prompt_token is max_completion_token is None:
            raise UserError(
                "TokenUsageTermination needs a limit: max_total_token, max_prompt_token or max_completion_token."
            )
        given = {"total": max_total_token, "prompt": max_prompt_token, "completion": max_completion_token}
        self._limits = {
            kind: positive(self, f"max_{kind}_token", limit) for kind, limit in given.items() if limit is not None
        }
        self._prompt = self._completion = 0

    def _reason(self, messages: Said) -> str | None:
        for message in messages:
            if message.models_usage is not None:
                self._prompt += message.models_usage.prompt_tokens
                self._completion += message.models_usage.completion_tokens
        spent = {
            "total": self._prompt + self._completion,
            "prompt": self._prompt,
            "completion": self._completion,
        }
        reached = [
            f"the limit of {limit:,} {kind} tokens was reached ({spent[kind]:,})"
            for kind, limit in self._limits.items()
            if spent[kind] >= limit
        ]
        return ", ".join(reached) or None

    async def reset(self) -> None:
        await super().reset()
        self._prompt = self._completion = 0

    def _count(self) -> dict[str, Any]:
        return {"prompt_tokens": self._prompt, "completion_tokens": self._completion}

    def _count_on(self, state: Mapping[str, Any]) -> None:
        self._prompt, self._completion = int(state["prompt_tokens"]), int(state["completion_tokens"])


class TimeoutTermination(PlainTermination):
    """Over at the first turn's end after `timeout_seconds` of the run; a turn that goes on is not cut short.

    Time before the run began does not count, nor does time between saving and loading. Asked outside of a run it
    counts from when it was made or reset.

    Raises:
        ValueError: If `timeout_seconds` is negative or no number.
    """

    def __init__(self, timeout_seconds: float) -> None:
        if not is_number(timeout_seconds) or not timeout_seconds >= 0:
            raise UserError(f"timeout_seconds is {timeout_seconds!r:.80}; it must be a number of seconds, 0 or more.")
        self._timeout = timeout_seconds
        self._run: EventId | None = None
        self._restart()

    def _restart(self, elapsed: float = 0.0) -> None:
        self._began = monotonic()
        self._before = elapsed
        """Seconds that had passed at `_began`."""
        self._asked = False

    def _elapsed(self) -> float:
        return self._before + monotonic() - self._began

    def _reason(self, messages: Said) -> str | None:
        here = current()
        if here is not None and here.parent != self._run:
            self._run = here.parent
            run = next((fact for fact in here.log if fact.id == here.parent), None)
            if run is not None and isinstance(run.body, RunStarted):
                # A condition that was made, reset or loaded while the run went on is younger than the run.
                self._restart(self._before + min(seconds_between(run.at, now()), monotonic() - self._began))
        self._asked = True
        elapsed = self._elapsed()
        if elapsed < self._timeout:
            return None
        return f"the time of {self._timeout:g} seconds is over ({elapsed:.1f})"

    async def reset(self) -> None:
        await super().reset()
        self._restart()

    def _count(self) -> dict[str, Any]:
        # Until a run asks, its time has not begun.
        return {"elapsed": self._elapsed() if self._asked else self._before}

    def _count_on(self, state: Mapping[str, Any]) -> None:
        self._restart(float(state["elapsed"]))
