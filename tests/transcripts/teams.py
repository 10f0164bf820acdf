"""Logs of teams, made by hand and by running one, for the tests of tables."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from agentnb.core import Clock, EventId, set_clock
from agentnb.messages import (
    CodeBlock,
    CreateResult,
    FunctionCall,
    FunctionExecutionResult,
    RequestUsage,
    TextMessage,
    ToolCallExecutionEvent,
    ToolCallRequestEvent,
)
from agentnb.runlog import (
    CodeFinished,
    CodeStarted,
    ContextAdded,
    EnvelopeDelivered,
    EnvelopeHandled,
    EnvelopeSent,
    Event,
    InputAnswered,
    InputRequested,
    ModelFinished,
    ModelStarted,
    Participant,
    RunFinished,
    RunLog,
    RunStarted,
    Said,
    SpeakerChosen,
    ToolFinished,
    ToolStarted,
    TurnFinished,
    TurnStarted,
    Usage,
)

START = datetime(2026, 1, 1, tzinfo=UTC)


class Ticking(Clock):
    """A clock that goes on a second whenever it is read."""

    def __init__(self) -> None:
        super().__init__()
        self.read = 0

    def now(self) -> datetime:
        self.read += 1
        return START + timedelta(seconds=self.read)

    def monotonic(self) -> float:
        return float(self.read)


class Writing:
    """Writes a log, one call a line."""

    def __init__(self, log: RunLog | None = None) -> None:
        self.log = log if log is not None else RunLog()

    def run(self, name: str = "team", parent: EventId | None = None, **more: Any) -> EventId:
        names = more.pop("names", ("ana", "ben"))
        people = tuple(Participant(name=each, role=more.get("role", "AssistantAgent")) for each in names)
        started = RunStarted(runner=name, runner_type="RoundRobinGroupChat", participants=people)
        return self.log.append(started, source=name, parent=parent).id

    def end_run(self, run: EventId) -> None:
        self.log.append(RunFinished(outcome="done"), parent=run)

    def turn(self, run: EventId, agent: str, number: int, **more: Any) -> EventId:
        return self.log.append(TurnStarted(agent=agent, turn=number, **more), source=agent, parent=run).id

    def end(self, turn: EventId, agent: str, number: int, outcome: Any = "done", took: float | None = 2.0) -> None:
        finished = TurnFinished(agent=agent, turn=number, outcome=outcome)
        self.log.append(finished, source=agent, parent=turn, took=took)

    def model(
        self,
        parent: EventId,
        agent: str,
        answer: str | Sequence[FunctionCall] = "yes",
        *,
        cost: float | None = 0.5,
        tokens: tuple[int, int] | None = (10, 3),
        model: str = "m",
        **more: Any,
    ) -> EventId:
        started = self.log.append(ModelStarted(model=model, **more), source=agent, parent=parent)
        usage = RequestUsage(*(tokens or (0, 0)))
        reason: Any = "stop" if isinstance(answer, str) else "function_calls"
        content: Any = answer if isinstance(answer, str) else list(answer)
        result = CreateResult(finish_reason=reason, content=content, usage=usage, cached=False)
        spent = Usage(prompt_tokens=tokens[0], completion_tokens=tokens[1], cost_usd=cost) if tokens else None
        self.log.append(
            ModelFinished(model=model, result=result), source=agent, parent=started.id, took=0.5, usage=spent
        )
        return started.id

    def tool(self, parent: EventId, agent: str, call_id: str | None, *, error: bool = False) -> EventId:
        started = self.log.append(
            ToolStarted(tool="add", call_id=call_id, arguments={"a": 1}), source=agent, parent=parent
        )
        finished = ToolFinished(tool="add", call_id=call_id, result="boom" if error else "2", is_error=error)
        self.log.append(finished, source=agent, parent=started.id, took=0.1)
        return started.id

    def say(self, parent: EventId, agent: str, text: str, tokens: tuple[int, int] | None = None, **more: Any) -> int:
        usage = RequestUsage(*tokens) if tokens else None
        message = TextMessage(content=text, source=agent, models_usage=usage)
        return self.log.append(Said(message=message, **more), source=agent, parent=parent).seq

    def choose(self, run: EventId, *names: str, **more: Any) -> EventId:
        return self.log.append(SpeakerChosen(names=names, **more), source="team", parent=run).id


def told() -> RunLog:
    """Return a run of two agents in which everything happens that a table tells of, on a clock of its own."""
    with set_clock(Ticking()):
        w = Writing()
        run = w.run()
        task = w.say(run, "user", "Add one and one,\nplease.")
        w.choose(run, "ana", rule="in turn")
        turn = w.turn(run, "ana", 1)
        call = FunctionCall(id="c1", name="add", arguments='{"a": 1}')
        shown = w.log.append(ContextAdded(role="UserMessage", said=task), source="ana", parent=turn).seq
        asked = w.model(turn, "ana", [call], added=(shown,), tools=("add",), options={"seed": 1})
        w.log.append(Said(message=ToolCallRequestEvent(content=[call], source="ana")), source="ana", parent=turn)
        w.tool(turn, "ana", "c1")
        results = [FunctionExecutionResult(content="2", name="add", call_id="c1", is_error=False)]
        w.log.append(Said(message=ToolCallExecutionEvent(content=results, source="ana")), source="ana", parent=turn)
        w.log.append(InputRequested(input_id="q1", prompt="On?", choices=("yes", "no")), source="ana", parent=turn)
        w.log.append(InputAnswered(input_id="q1", text="yes", by="cell"), source="ana", parent=turn)
        code = w.log.append(
            CodeStarted(executor="X", blocks=(CodeBlock("print(2)", "python"),)), source="ana", parent=turn
        ).id
        w.log.append(CodeFinished(executor="X", exit_code=0, output="2\n"), source="ana", parent=code, took=0.2)
        w.model(turn, "ana", "two", base=int(asked.rpartition(":")[2]), keep=1)
        w.say(turn, "ana", "It is two, “2”.", (20, 6))
        w.end(turn, "ana", 1)
        picked = w.model(run, "team", "ben", model="picker", cost=None)
        asked_seq = next(event.seq for event in w.log if event.id == picked)
        w.choose(
            run,
            "ben",
            rule="model",
            why="ben has not spoken",
            candidates=("ana", "ben"),
            answer="ben",
            attempts=1,
            asked=(asked_seq,),
        )
        turn = w.turn(run, "ben", 2)
        w.tool(turn, "ben", None, error=True)
        w.log.append(InputRequested(input_id="q2", prompt="Sure?"), source="ben", parent=turn)
        w.say(turn, "ben", "Agreed.")
        w.end(turn, "ben", 2, outcome="stopped")
        w.turn(run, "ana", 3)
        return w.log


def sent(log: RunLog) -> RunLog:
    """Add what a runtime's agents were sent."""
    where = {"message_id": "m1", "sort": "publish", "type": "Task"}
    given = log.append(EnvelopeSent(**where, sender="ana/1", recipient="news/1", payload="{}")).id
    begun = log.append(EnvelopeDelivered(**where, agent="ben/1", sender="ana/1", topic="news/1"), parent=given).id
    log.append(EnvelopeHandled(message_id="m1", agent="ben/1"), parent=begun, took=0.1)
    return log


def renamed(log: RunLog) -> RunLog:
    """Return a log that tells the same of others: no name in it is one of the log's."""
    names = {"ana": "zoe", "ben": "yan", "team": "crew", "m": "n", "picker": "chooser", "add": "sum_up", "X": "Y"}
    names |= {"python": "r", "user": "person", "in turn": "drawn", "model": "asked", "cell": "widget"}
    names |= {"ana/1": "zoe/1", "ben/1": "yan/1", "news/1": "talk/1", "Task": "Job"}
    other = RunLog()
    for event in log:
        data = event.model_dump(mode="json")
        data["id"], data["parent"] = (key and key.replace(log.id, other.id) for key in (event.id, event.parent))
        other._events.append(Event.model_validate({key: _renamed(value, names) for key, value in data.items()}))
    return other


def _renamed(value: Any, names: dict[str, str]) -> Any:
    match value:
        case str():
            return names.get(value, value)
        case list():
            return [_renamed(one, names) for one in value]
        case dict():
            return {key: one if key == "kind" else _renamed(one, names) for key, one in value.items()}
    return value
