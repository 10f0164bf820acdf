"""A recorded run whose answers are given again: who got which, and what was asked then beside what is asked now."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from agentnb.exceptions import UserError
from agentnb.messages import CreateResult, LLMMessage, SystemMessage
from agentnb.messages.llm import Prefix
from agentnb.runlog import Event, ModelFinished, ModelStarted, RunLog, current, shown
from agentnb.runlog.replaying import first_unlike


class Tape:
    """The answers of a recorded run, without those of calls that failed; a wrapper's stands for its client's.

    Attributes:
        name: What the replay of it is called.
        answers: The answers, in the order they came.
        sources: Who got each.
        failed: Why the last call of an agent failed, by the agent.

    Raises:
        UserError: If no model answered in that run.
    """

    def __init__(self, log: RunLog) -> None:
        self._log = log
        self.answers: list[CreateResult] = []
        self.sources: list[str] = []
        self.failed: dict[str, str] = {}
        self._calls: list[Event | None] = []
        self._finished: list[Event] = []
        self._read()
        where = log.path
        if not self.answers:
            raise UserError(f"In the run {where or log.id} no model answered; there is nothing to replay.")
        self.name = f"replay:{where.name if where else log.id[:8]}"
        self.rewind()

    def _read(self) -> None:
        asked = {event.id: event for event in self._log if isinstance(event.body, ModelStarted)}
        for event in self._log:
            if not isinstance(event.body, ModelFinished):
                continue
            call = None if event.parent is None else asked.get(event.parent)
            if call is not None and call.parent in asked:
                continue
            if event.body.result is None:
                self.failed[event.source] = event.body.error or "it was broken off"
                continue
            self.failed.pop(event.source, None)
            self.answers.append(event.body.result)
            self.sources.append(event.source)
            self._calls.append(call)
            self._finished.append(event)

    def rewind(self) -> None:
        """Forget what was compared."""
        self._begun: set[str] = set()
        self._noted: set[str] = set()
        self._compared: dict[str, tuple[int, Prefix]] = {}

    def shared(self) -> list[int]:
        """Return which answers the log shares that is being written, if it is a branch; of each log once."""
        here = current()
        if here is None or here.log.id in self._begun:
            return []
        self._begun.add(here.log.id)
        origin = here.log.origin
        if origin is None or here.log.id == self._log.id:
            return []
        known = {event.id for event in here.log.events[: origin.at]}
        return [place for place, event in enumerate(self._finished) if event.id in known]

    def compare(self, place: int, messages: Sequence[LLMMessage]) -> None:
        """Note in the log, once for each agent, where it is asked something else than when an answer was recorded."""
        here = current()
        call = self._calls[place] if place < len(self._calls) else None
        if here is None or call is None or here.source in self._noted:
            return
        if here.source not in self.sources:
            note = (
                f"Nothing is recorded for {here.source!r} in {self.name}; it is given the next answer that is left, "
                f"now that of {call.source!r}."
            )
        elif (what := self._unlike(here.source, call, messages)) is not None:
            note = (
                f"{here.source!r} is shown something else than in {self.name}, from {what} on; it is given the "
                "recorded answers all the same."
            )
        else:
            return
        self._noted.add(here.source)
        here.log.note(note)

    def _unlike(self, source: str, call: Event, messages: Sequence[LLMMessage]) -> str | None:
        # Of a conversation that grows, as it did then, only what is new is compared.
        last, known = self._compared.get(source, (0, Prefix()))
        self._compared[source] = call.seq, known
        same = len(messages) - len(known.new(messages))
        body: Any = call.body
        start = min(same, body.keep) if last and body.base == last else 0
        before = shown(self._log, call, start)
        place = first_unlike(before, messages[start:], results=True)
        if place is None:
            return None
        is_prompt = start + place == 0 and _begins_with_prompt(messages) and _begins_with_prompt(before)
        return "its system prompt" if is_prompt else f"message {start + place + 1}"


def _begins_with_prompt(messages: Sequence[LLMMessage]) -> bool:
    return bool(messages) and isinstance(messages[0], SystemMessage)
