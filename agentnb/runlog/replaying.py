"""What a turn that broke off had done already: its finished effects are given again in place of being done again."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from agentnb.core import EventId
from agentnb.messages import FunctionExecutionResult, FunctionExecutionResultMessage, LLMMessage
from agentnb.runlog.events import Event, InputAnswered, InputRequested
from agentnb.runlog.fold import shown
from agentnb.runlog.log import RunLog

INTERRUPTED = "The run broke off during this {what}; whether it took effect is not known. It was not {done} again."


@dataclass(eq=False)
class Effect:
    """Something that was begun, and how it ended."""

    started: Event
    finished: Event | None = None
    """None where it was interrupted."""
    inside: list[Effect] = field(default_factory=list)
    """What it did in its turn."""
    runs: bool = False
    """Whether a run was part of it."""


@dataclass(eq=False)
class Untold:
    """What memories learnt in turns that broke off: they are told where the turns that take these up come to it.

    Told before, a model would be shown what it was not shown then, and would not be given its answers again.
    """

    learnt: list[tuple[Any, list[Event]]]
    """Memories, each with the facts of all that it learnt."""
    left: set[EventId]
    """The facts that are not told yet."""

    async def tell(self, facts: Iterable[EventId] | None = None) -> None:
        """Tell the memories of some facts, or of all that are left."""
        now = self.left if facts is None else self.left.intersection(facts)
        self.left = self.left - now
        for memory, learnt in self.learnt:
            if any(event.id in now for event in learnt):
                await memory.relearn([event for event in learnt if event.id not in self.left])


class Recording:
    """The effects of the facts of one turn, to be given again in their order, each once.

    Args:
        log: The log they are of.
        attempts: The facts below a turn that broke off, in their order, and below those that took it up in vain: one
            sequence for each attempt, the first one first.
    """

    def __init__(self, log: RunLog, *attempts: Iterable[Event]) -> None:
        self._log = log
        self._learnt: set[EventId] = set()
        self._waiting: dict[tuple[str, str], deque[Effect]] = {}
        self._answers: dict[tuple[str, str], deque[str]] = {}
        outermost: list[Effect] = []
        for events in attempts:
            _join(outermost, self._read(events))
        self._add(outermost)

    def _read(self, events: Iterable[Event]) -> list[Effect]:
        effects: dict[EventId, Effect] = {}
        round_it: dict[EventId, Effect] = {}
        asked: dict[str, tuple[str, str]] = {}
        outermost: list[Effect] = []
        for event in events:
            outer = None if event.parent is None else effects.get(event.parent) or round_it.get(event.parent)
            if outer is not None:
                round_it[event.id] = outer
            if event.kind in _BEGINS:
                effect = effects[event.id] = Effect(event)
                if event.kind == "memory.started":
                    self._learnt.add(event.id)
                (outermost if outer is None else outer.inside).append(effect)
            elif event.kind in _ENDS and event.parent in effects:
                effects[event.parent].finished = event
            elif event.kind == "run.started" and outer is not None:
                outer.runs = True
            elif isinstance(event.body, InputRequested):
                asked[event.body.input_id] = (event.source, event.body.prompt)
            elif isinstance(event.body, InputAnswered) and event.body.input_id in asked:
                self._answers.setdefault(asked[event.body.input_id], deque()).append(event.body.text)
        return outermost

    def _add(self, effects: Iterable[Effect]) -> None:
        for effect in effects:
            self._queue(effect).append(effect)

    def _queue(self, effect: Effect) -> deque[Effect]:
        return self._waiting.setdefault((_BEGINS[effect.started.kind], effect.started.source), deque())

    def enter(self, effect: Effect) -> None:
        """Let an effect be done again, with what it had done itself given again, before all that followed."""
        for inner in reversed(effect.inside):
            self._queue(inner).appendleft(inner)

    async def gave(self, effect: Effect) -> None:
        """Let memories know what they learnt in an effect that is not done again."""
        if self._log.untold is not None:
            await self._log.untold.tell(_memories(effect))

    async def over(self) -> None:
        """Let memories know the rest of what they learnt: the turn that takes up the other is over."""
        if self._log.untold is not None:
            await self._log.untold.tell(self._learnt)

    def model(self, source: str, messages: Sequence[LLMMessage]) -> Event | None:
        """Return the `model.finished` fact of the next call that was answered; None where the model is to be asked.

        Once a request differs from the recorded one, the source's later answers belong to another conversation.
        """
        waiting = self._waiting.get(("model", source))
        while waiting:
            effect = waiting.popleft()
            finished: Any = effect.finished
            if finished is None:
                self.enter(effect)  # of a client that wraps another, the inner one may have been answered
            if finished is None or finished.body.result is None:
                continue
            if first_unlike(shown(self._log, effect.started), messages) is None:
                return effect.finished
            waiting.clear()
        return None

    def tool(self, source: str, name: str, arguments: Mapping[str, Any], call_id: str | None) -> Effect | None:
        """Return what became of a call; None where it was never made."""
        given = dict(arguments)

        def same(effect: Effect) -> bool:
            body: Any = effect.started.body
            return bool(body.tool == name and body.arguments == given and call_id in (None, body.call_id))

        return self._take("tool", source, same)

    def code(self, source: str, blocks: Sequence[Any]) -> Effect | None:
        """Return what became of code; None where it never ran."""
        given = [(block.language, block.code) for block in blocks]

        def same(effect: Effect) -> bool:
            body: Any = effect.started.body
            return [(block.language, block.code) for block in body.blocks] == given

        return self._take("code", source, same)

    def memory(self, source: str, action: str, text: str) -> Effect | None:
        """Return what became of something a memory was to do; None where it was never asked."""

        def same(effect: Effect) -> bool:
            body: Any = effect.started.body
            return bool(body.action == action and body.text == text)

        return self._take("memory", source, same)

    def answer(self, source: str, prompt: str) -> str | None:
        """Return what a person answered to a question; None where nobody did."""
        waiting = self._answers.get((source, prompt))
        return waiting.popleft() if waiting else None

    def _take(self, what: str, source: str, same: Any) -> Effect | None:
        waiting = self._waiting.get((what, source))
        found = next((effect for effect in waiting or () if same(effect)), None)
        if waiting is not None and found is not None:
            waiting.remove(found)
        return found


_BEGINS = {"model.started": "model", "tool.started": "tool", "code.started": "code", "memory.started": "memory"}
_ENDS = {"model.finished", "tool.finished", "code.finished", "memory.finished"}


def _memories(effect: Effect) -> Iterator[EventId]:
    if effect.started.kind == "memory.started":
        yield effect.started.id
    for inner in effect.inside:
        yield from _memories(inner)


def _join(earlier: list[Effect], later: Iterable[Effect]) -> None:
    """Add the effects of a later attempt; a call that was made again there is one with that which it repeats."""
    open_calls = [effect for effect in earlier if effect.started.kind == "tool.started"]
    open_calls = [effect for effect in open_calls if effect.finished is None or effect.runs]
    for effect in later:
        before = next((call for call in open_calls if call.started.body == effect.started.body), None)
        if before is None:
            earlier.append(effect)
        else:
            open_calls.remove(before)
            before.finished = effect.finished
            before.runs = before.runs or effect.runs
            _join(before.inside, effect.inside)


def first_unlike(one: Sequence[LLMMessage], other: Sequence[LLMMessage], *, results: bool = False) -> int | None:
    """Return the place from which on two requests differ; None if they are the same.

    Pictures and calls are not compared: what came before them and after them was the same.

    Args:
        one: A request.
        other: Another.
        results: Whether those of tools are compared; in a turn that is taken up they are the recorded ones.
    """
    for place, (mine, theirs) in enumerate(zip(one, other, strict=False)):
        if mine.type != theirs.type or isinstance(mine.content, str) != isinstance(theirs.content, str):
            return place
        if isinstance(mine.content, str) and mine.content != theirs.content:
            return place
        if results and isinstance(mine, FunctionExecutionResultMessage) and _gave(mine) != _gave(theirs):
            return place
    return None if len(one) == len(other) else min(len(one), len(other))


def _gave(message: LLMMessage) -> list[str]:
    return [result.content for result in message.content if isinstance(result, FunctionExecutionResult)]


_replaying: ContextVar[Recording | None] = ContextVar("agentnb_replaying", default=None)


def replayed() -> Recording | None:
    """Return what the code that runs now had done already when it was broken off; None if nothing was."""
    return _replaying.get()


@contextmanager
def replaying(recording: Recording | None) -> Iterator[None]:
    """Let the code in the block be given again what it had done already."""
    token = _replaying.set(recording)
    try:
        yield
    finally:
        _replaying.reset(token)
