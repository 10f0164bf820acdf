"""Runs to draw, told fact by fact on a clock of their own."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta
from typing import Any

from agentnb.core.clock import Clock, set_clock
from agentnb.messages import CodeBlock, CreateResult, RequestUsage, TextMessage
from agentnb.runlog import (
    CodeFinished,
    CodeStarted,
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
    ToolFinished,
    ToolStarted,
    TurnFinished,
    TurnStarted,
    Usage,
)


class Told(Clock):
    """A log that is written by hand; time passes only when it is told to."""

    def __init__(self, log: RunLog | None = None) -> None:
        super().__init__()
        self.log = log or RunLog()
        self.time = datetime(2026, 1, 1, tzinfo=UTC)

    def now(self) -> datetime:
        return self.time

    def wait(self, seconds: float) -> None:
        self.time += timedelta(seconds=seconds)

    def add(self, body: Any, *, after: float = 0.0, **where: Any) -> Event:
        """Add a fact, `after` seconds later."""
        self.wait(after)
        with set_clock(self):
            return self.log.append(body, **where)

    def run(self, *names: str, within: Event | None = None, runner: str = "team", **more: Any) -> Event:
        people = tuple(Participant(name=name) for name in names)
        body = RunStarted(runner=runner, runner_type="T", participants=people, **more)
        return self.add(body, source=runner, parent=within.id if within else None)

    def over(self, run: Event, outcome: Any = "done") -> None:
        self.add(RunFinished(outcome=outcome), parent=run.id, took=(self.time - run.at).total_seconds())

    def turn(self, agent: str, run: Event, number: int = 1, **more: Any) -> Event:
        return self.add(TurnStarted(agent=agent, turn=number, **more), source=agent, parent=run.id)

    def done(self, turn: Event, outcome: Any = "done") -> None:
        body: Any = turn.body
        took = (self.time - turn.at).total_seconds()
        where = {"source": body.agent, "parent": turn.id, "took": took}
        if outcome == "done":
            self.add(Said(message=TextMessage(content="so", source=body.agent)), source=body.agent, parent=turn.id)
        self.add(TurnFinished(agent=body.agent, turn=body.turn, outcome=outcome), **where)

    def model(
        self,
        within: Event,
        seconds: float,
        *,
        usage: tuple[int, int] | None = (100, 20),
        model: str = "m-small",
        cost_usd: float | None = None,
        error: str | None = None,
        cached: bool = False,
        source: str | None = None,
    ) -> None:
        source = source or within.source
        call = self.add(ModelStarted(model=model), source=source, parent=within.id)
        spent = Usage(prompt_tokens=usage[0], completion_tokens=usage[1], cost_usd=cost_usd) if usage else None
        result = CreateResult(finish_reason="stop", content="", usage=RequestUsage(*(usage or (0, 0))), cached=cached)
        body = ModelFinished(model=model, error=error, result=None if error else result)
        self.add(body, after=seconds, source=source, parent=call.id, took=seconds, usage=spent)

    def tool(self, within: Event, seconds: float, *, tool: str = "search", fails: bool = False) -> None:
        call = self.add(ToolStarted(tool=tool), source=within.source, parent=within.id)
        body = ToolFinished(tool=tool, result="", is_error=fails)
        self.add(body, after=seconds, source=within.source, parent=call.id, took=seconds)

    def code(self, within: Event, seconds: float, *, exit_code: int = 0) -> None:
        blocks = (CodeBlock("1", "python"),)
        call = self.add(CodeStarted(executor="Kernel", blocks=blocks), source=within.source, parent=within.id)
        body = CodeFinished(executor="Kernel", exit_code=exit_code)
        self.add(body, after=seconds, source=within.source, parent=call.id, took=seconds)

    def ask(self, within: Event, seconds: float) -> None:
        key = f"i{len(self.log)}"
        self.add(InputRequested(input_id=key, prompt="Go on?"), source=within.source, parent=within.id)
        self.add(InputAnswered(input_id=key, text="yes"), after=seconds)


def small() -> RunLog:
    """A writer and a critic, four turns."""
    told = Told()
    run = told.run("writer", "critic")
    for number in range(1, 5):
        turn = told.turn("writer" if number % 2 else "critic", run, number)
        told.wait(0.1)
        told.model(turn, 1.2 + 0.3 * number, usage=(80 * number, 40))
        told.done(turn)
    told.over(run)
    return told.log


def large(turns: int = 60, seed: int = 7) -> RunLog:
    """Six agents with tools, code, a person's answer, a team within, failures and a model that chooses the speaker."""
    dice = random.Random(seed)
    told = Told()
    names = ("planner", "researcher", "coder", "reviewers", "editor", "user_proxy")
    run = told.run(*names)
    told.add(Said(message=TextMessage(content="Why?", source="user")), source="team", parent=run.id)
    shown = 400
    for number in range(1, turns + 1):
        told.model(run, dice.uniform(0.3, 0.9), usage=(shown // 2, 3), model="m-mini", source="chooser")
        name = dice.choices(names, (2, 4, 5, 1.5, 2, 0.6))[0] if number > 1 else "planner"
        turn = told.turn(name, run, number)
        told.wait(0.05)
        fails = dice.random() < 0.12
        if name == "user_proxy":
            told.ask(turn, dice.uniform(5, 25))
        elif name == "reviewers":
            _reviewed(told, turn, dice)
        else:
            told.model(turn, dice.lognormvariate(0.8, 0.5), usage=(shown, dice.randint(40, 400)), model="m-large")
            if name == "researcher":
                for tool in dice.sample(("search", "fetch", "read_table"), 2):
                    told.tool(turn, dice.uniform(0.2, 3), tool=tool, fails=dice.random() < 0.15)
                told.model(turn, dice.lognormvariate(0.5, 0.4), usage=(shown + 200, 150), model="m-large")
            if name == "coder":
                told.code(turn, dice.uniform(0.5, 6), exit_code=1 if fails else 0)
                told.model(turn, 1.1, usage=(shown + 300, 80), model="m-large", error="timeout" if fails else None)
        shown += dice.randint(40, 300)
        told.done(turn)
    told.over(run)
    return told.log


def _reviewed(told: Told, turn: Event, dice: random.Random) -> None:
    inner = told.run("style", "facts", within=turn, runner="reviewers")
    both = [told.turn(name, inner, 1) for name in ("style", "facts")]
    for one in both:
        told.model(one, dice.uniform(0.8, 2), usage=(700, 90), model="m-mini")
    for one in both:
        told.done(one)
    told.over(inner)


def resumed() -> RunLog:
    """A run that a crash ended in mid-turn, taken up the next day, and still going on."""
    told = Told()
    run = told.run("ana", "ben", "cara")
    first = told.turn("ana", run, 1)
    told.model(first, 2.0)
    told.done(first)
    second = told.turn("ben", run, 2)
    told.model(second, 1.5)
    told.tool(second, 0.5)
    told.wait(14 * 3600)
    again = told.run("ana", "ben", "cara", continues=run.id)
    taken_up = told.turn("ben", again, 1, again=second.seq)
    told.model(taken_up, 2.5)
    told.done(taken_up)
    stopped = told.turn("cara", again, 2)
    told.model(stopped, 1.0, error="no answer", usage=None)
    told.done(stopped, "failed")
    going = told.turn("ana", again, 3)
    told.add(ModelStarted(model="m-small"), source="ana", parent=going.id)
    told.wait(1.5)
    told.add(InputRequested(input_id="x", prompt="?"), source="ana", parent=going.id)
    told.wait(1.0)
    told.add(Said(message=TextMessage(content="hm", source="ana")), source="ana", parent=going.id)
    return told.log


ALPHABETS = (
    "Аналитик данных отдела исследований {}",
    "a_very_long_name_of_an_agent_that_goes_on_{}",
    "Ποιοτικός έλεγχος {}",
    "文献调研与数据整理智能体 {}",
    "محلل البيانات {}",
    "Prüfungsleiterin für Überlänge {}",
    "बहुत लंबा नाम {}",
)


def named(count: int) -> tuple[str, ...]:
    """Return long names in several alphabets; those of one alphabet differ only at their end."""
    return tuple(ALPHABETS[n % len(ALPHABETS)].format(n) for n in range(count))


def plain(count: int) -> tuple[str, ...]:
    return tuple(f"agent_{n:02}" for n in range(count))


def crowd(names: tuple[str, ...], turns: int, *, usage: bool = True, seed: int = 3) -> RunLog:
    """Many agents, some of whom speak far oftener than others, with a model, a tool and prices each."""
    dice = random.Random(seed)
    told = Told()
    run = told.run(*names)
    weights = [1 / (1 + n % 17) for n in range(len(names))]
    for number in range(turns):
        # Each speaks once, then by weight.
        name = names[number] if number < len(names) else dice.choices(names, weights)[0]
        turn = told.turn(name, run, number + 1)
        place = names.index(name)
        spent = (dice.randint(200, 4000), dice.randint(10, 400)) if usage else None
        cost = 0.0004 * (1 + place % 5) if usage else None
        told.model(turn, dice.lognormvariate(0.3, 0.5), usage=spent, cost_usd=cost, model=f"model-{place % 9}")
        if dice.random() < 0.4:
            told.tool(turn, dice.uniform(0.1, 2), tool=f"tool_{place:02}", fails=dice.random() < 0.1)
        told.done(turn)
    told.over(run)
    return told.log


def at_once(names: tuple[str, ...], rounds: int) -> RunLog:
    """All have the word at the same time, round after round."""
    told = Told()
    run = told.run(*names)
    for number in range(1, rounds + 1):
        turns = [told.turn(name, run, number) for name in names]
        for turn in turns:
            told.model(turn, 0.2)
        for turn in turns:
            told.done(turn)
    told.over(run)
    return told.log


def nested(depth: int = 3, wide: int = 3, rounds: int = 2) -> RunLog:
    """Teams within teams within teams."""
    told = Told()

    def team(prefix: str, level: int, within: Event | None) -> None:
        names = [f"{prefix}{n}" for n in range(wide)]
        run = told.run(*names, within=within, runner=prefix or "team")
        for number in range(rounds):
            for name in names:
                turn = told.turn(name, run, number + 1)
                if level < depth and name.endswith("1"):
                    team(f"{name}.", level + 1, turn)
                else:
                    told.model(turn, 0.7)
                told.done(turn)
        told.over(run)

    team("", 1, None)
    return told.log


def failed() -> RunLog:
    """A run of twelve that an error ended in its ninth turn."""
    told = Told()
    run = told.run(*plain(12))
    for number, name in enumerate(plain(9), start=1):
        turn = told.turn(name, run, number)
        told.model(turn, 1.0, error="no answer" if number == 9 else None, usage=None if number == 9 else (300, 30))
        told.done(turn, "failed" if number == 9 else "done")
    told.over(run, "failed")
    return told.log


def going_on(count: int = 12) -> RunLog:
    """Many agents, all of whom are still at work."""
    told = Told()
    run = told.run(*plain(count))
    for name in plain(count):
        turn = told.turn(name, run)
        told.model(turn, 0.4)
        told.add(ModelStarted(model="m-small"), source=name, parent=turn.id)
    told.wait(2.0)
    told.add(Said(message=TextMessage(content="hm", source="agent_00")), source="agent_00", parent=run.id)
    return told.log
