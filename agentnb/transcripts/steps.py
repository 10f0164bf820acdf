"""A run as its steps: a turn with all that was done in it, or a message said outside of turns, such as the task."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Literal

from agentnb.messages import (
    BaseChatMessage,
    CodeExecutionEvent,
    CodeGenerationEvent,
    MemoryQueryEvent,
    ThoughtEvent,
    ToolCallExecutionEvent,
)
from agentnb.runlog import Event, RunLog, SpeakerChosen, Usage
from agentnb.transcripts.messages import total_cost
from agentnb.transcripts.said import as_json, message_text

ActKind = Literal["says", "thinks", "recalls", "calls", "runs", "asks"]


@dataclass(frozen=True, slots=True)
class Act:
    """One thing done in a step; two are equal if they say the same, whatever their ids and times."""

    kind: ActKind
    name: str
    """The tool, the executor's class; empty for what was said or thought."""
    given: str
    """What was said or asked; a tool's arguments as JSON; the code."""
    gave: str = ""
    """A tool's result, the code's output, the person's answer."""
    failed: bool = False


@dataclass(slots=True)
class Step:
    """A turn, or a message said outside of turns."""

    source: str
    seq: int
    """Of the fact that begins it."""
    event_id: str
    last: int
    """`seq` of the last fact that belongs to it."""
    turn: int | None = None
    """As in its `turn.started` fact; None outside of turns."""
    acts: list[Act] = field(default_factory=list)
    choice: SpeakerChosen | None = None
    """Why the word was given."""
    outcome: str | None = None
    """"done", "stopped" or "failed"; None while the turn goes on, and outside of turns."""
    took: float | None = None
    """Seconds."""
    spent: list[Usage] = field(default_factory=list)
    """By its model calls and by those that chose it."""

    @property
    def prompt_tokens(self) -> int | None:
        """Tokens its models read; None if none said so."""
        return _sum(usage.prompt_tokens for usage in self.spent)

    @property
    def completion_tokens(self) -> int | None:
        """Tokens its models wrote; None if none said so."""
        return _sum(usage.completion_tokens for usage in self.spent)

    @property
    def cost_usd(self) -> float | None:
        """US dollars; None if no model was called, or the price of a call is not known."""
        return total_cost(self.spent) if self.spent else None

    @property
    def text(self) -> str:
        """What was said, as a person reads it."""
        return "\n\n".join(act.given for act in self.acts if act.kind == "says")

    @property
    def content(self) -> tuple[str, str | None, tuple[Act, ...]]:
        """What must be equal for two steps to be the same."""
        return self.source, self.outcome, tuple(self.acts)


def steps(log: RunLog) -> list[Step]:
    """Return the steps of a log's outermost runs, in their order.

    What runs within a turn did belongs to that turn. A turn that was broken off and taken up again is one step.
    """
    reader = _Reader()
    for event in log:
        reader.feed(event)
    return [step for step in reader.steps if step.turn is not None or step.acts]


class _Reader:
    def __init__(self) -> None:
        self.steps: list[Step] = []
        self._of: dict[str, Step] = {}
        self._begun: dict[int, Step] = {}
        self._own: set[str | None] = set()
        self._open: dict[str, tuple[Step, int]] = {}
        self._said: dict[int, tuple[Step, list[Act]]] = {}
        self._called: set[str] = set()
        self._ran: set[int] = set()
        self._choice: SpeakerChosen | None = None
        self._waiting: list[Usage] = []
        self._readers: dict[str, Callable[[Event, Any, Step | None], None]] = {
            "turn.started": self._turn_started,
            "turn.finished": self._turn_finished,
            "message": self._message,
            "retracted": self._retracted,
            "speaker": self._speaker,
            "model.finished": self._model_finished,
            "tool.started": self._tool_started,
            "tool.finished": self._tool_finished,
            "code.started": self._code_started,
            "code.finished": self._code_finished,
            "input.requested": self._input_requested,
            "input.answered": self._input_answered,
        }

    def feed(self, event: Event) -> None:
        step = self._of.get(event.parent) if event.parent is not None else None
        read = self._readers.get(event.kind)
        if read is not None:
            read(event, event.body, step)
            step = self._of.get(event.id, step)
        if step is not None:
            self._of[event.id] = step
            step.last = event.seq

    def _turn_started(self, event: Event, body: Any, step: Step | None) -> None:
        if step is not None:
            return  # of a run within the turn
        again = self._begun.get(body.again) if body.again is not None else None
        if again is None:
            again = Step(body.agent, event.seq, event.id, event.seq, body.turn)
            if self._choice is not None and body.agent in self._choice.names:
                again.choice = self._choice
            self.steps.append(again)
        again.outcome = None
        self._begun[event.seq] = self._of[event.id] = again
        self._own.add(event.id)
        again.spent += self._waiting
        self._waiting.clear()

    def _turn_finished(self, event: Event, body: Any, step: Step | None) -> None:
        if step is not None and event.parent in self._own:
            step.outcome = body.outcome
            step.took = (step.took or 0.0) + (event.took or 0.0)

    def _message(self, event: Event, body: Any, step: Step | None) -> None:
        message = body.message
        if isinstance(message, BaseChatMessage):
            if step is None:
                step = Step(message.source, event.seq, event.id, event.seq)
                self.steps.append(step)
                self._of[event.id] = step
            elif body.left_out:
                return  # the task of a run within the turn
            act = Act("says", "", message_text(message))
            step.acts.append(act)
            self._said[event.seq] = (step, [act])
        elif step is not None:
            watched = self._watched(message, step)
            step.acts += watched
            self._said[event.seq] = (step, watched)

    def _watched(self, message: Any, step: Step) -> list[Act]:
        match message:
            case ThoughtEvent():
                return [Act("thinks", "", message_text(message))]
            case CodeGenerationEvent():
                return [Act("thinks", "and writes code", message_text(message))]
            case MemoryQueryEvent():
                return [Act("recalls", "", "\n".join(str(memory.content) for memory in message.content))]
            case ToolCallExecutionEvent():
                done = [result for result in message.content if result.call_id not in self._called]
                return [Act("calls", one.name, "", one.content, bool(one.is_error)) for one in done]
            case CodeExecutionEvent() if step.seq not in self._ran:
                result = message.result
                return [Act("runs", "", "", result.output, bool(result.exit_code))]
        return []

    def _retracted(self, event: Event, body: Any, step: Step | None) -> None:
        said = self._said.pop(body.said, None)
        if said is None:
            return
        owner, acts = said
        for act in acts:
            place = next(place for place, one in enumerate(owner.acts) if one is act)
            del owner.acts[place]
            for key, (other, at) in self._open.items():
                if other is owner and at > place:
                    self._open[key] = (owner, at - 1)

    def _speaker(self, event: Event, body: Any, step: Step | None) -> None:
        if step is None:
            self._choice = body

    def _model_finished(self, event: Event, body: Any, step: Step | None) -> None:
        if event.usage is not None:
            (self._waiting if step is None else step.spent).append(event.usage)

    def _begin(self, step: Step | None, act: Act, key: str) -> None:
        if step is not None:
            self._open[key] = (step, len(step.acts))
            step.acts.append(act)

    def _end(self, key: str, gave: str, *, failed: bool = False) -> None:
        found = self._open.pop(key, None)
        if found is not None:
            step, place = found
            act = step.acts[place]
            step.acts[place] = Act(act.kind, act.name, act.given, gave, failed)

    def _tool_started(self, event: Event, body: Any, step: Step | None) -> None:
        given = as_json(dict(sorted(body.arguments.items())))
        self._begin(step, Act("calls", body.tool, given), event.id)
        if body.call_id:
            self._called.add(body.call_id)

    def _tool_finished(self, event: Event, body: Any, step: Step | None) -> None:
        self._end(event.parent or "", body.result, failed=body.is_error)

    def _code_started(self, event: Event, body: Any, step: Step | None) -> None:
        code = "\n\n".join(block.code.rstrip("\n") for block in body.blocks)
        self._begin(step, Act("runs", body.executor, code), event.id)
        if step is not None:
            self._ran.add(step.seq)

    def _code_finished(self, event: Event, body: Any, step: Step | None) -> None:
        failed = bool(body.error or body.exit_code)
        self._end(event.parent or "", body.output or body.error or "", failed=failed)

    def _input_requested(self, event: Event, body: Any, step: Step | None) -> None:
        self._begin(step, Act("asks", "", body.prompt), f"input:{body.input_id}")

    def _input_answered(self, event: Event, body: Any, step: Step | None) -> None:
        self._end(f"input:{body.input_id}", body.text)


def _sum(values: Iterable[int | None]) -> int | None:
    known = [value for value in values if value is not None]
    return sum(known) if known else None
