"""From a log back to those who act: which runs it tells of, what an agent remembers, what a broken turn had done."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from agentnb.core import CancellationToken, Component, EventId, monotonic
from agentnb.exceptions import ToolError, UnknownName, UserError
from agentnb.messages import MessageFactory
from agentnb.messages.factory import UnknownMessage
from agentnb.runlog import AgentState, CodeFinished, CodeStarted, Event, Run, RunLog, VariablesShared
from agentnb.runlog.fold import kept_by
from agentnb.runlog.recorded import memory_name
from agentnb.runlog.replaying import Recording, Untold
from agentnb.runlog.scopes import name_of
from agentnb.runlog.story import Story, Turn, below, stories

if TYPE_CHECKING:
    from agentnb.base.agent import ChatAgent
    from agentnb.base.runner import TaskRunner
    from agentnb.base.team import Team

Told = tuple[RunLog, Story]


class BrokenOff(NamedTuple):
    """A turn that was broken off, to be taken up again."""

    seq: int
    """Of its `turn.started` fact."""
    recording: Recording
    """What it had done already."""


def taken_up(log: RunLog, turn: Turn) -> BrokenOff:
    """Return what is known of a turn that did not come to its end, and of those that it had taken up in its turn."""
    attempts = [turn.started]
    while (before := attempts[-1].body.again) is not None:  # type: ignore[attr-defined]
        attempts.append(log._events[before - 1])
    return BrokenOff(turn.started.seq, Recording(log, *(below(log, attempt.id) for attempt in reversed(attempts))))


def said_below(log: RunLog, turns: Iterable[Turn]) -> list[int]:
    """Return the `seq`s of what was said in turns, but for what was taken back."""
    known = {event.body.said for event in log if event.kind == "retracted"}  # type: ignore[attr-defined]
    within = below(log, *(turn.started.id for turn in turns))
    return [event.seq for event in within if event.kind == "message" and event.seq not in known]


def chain(log: RunLog, name: str, factory: MessageFactory) -> list[Told]:
    """Return the runs of a conversation, first to last: that of the log's last run of `name`.

    Messages of classes that only `factory` knows are read with it.

    Raises:
        ValueError: If the log holds no run of that name, or the log of an earlier run is missing.
    """
    revive(log, factory)
    told = stories(log.events)
    own = [story for story in told.values() if story.started.parent is None and story.runner == name]
    if not own:
        there = sorted({story.runner for story in told.values() if story.started.parent is None})
        if not there:
            raise UserError(
                f"The log {log.path or log.id} holds no run, so there is nothing to take up: its process ended, or it "
                "was branched, before the first one was written. Begin anew with run(task=…)."
            )
        what = f"runs of {', '.join(map(repr, there))}"
        raise UserError(
            f"The log {log.path or log.id} holds {what}, and none of {name!r}. Resume it with what it is of: "
            "a team or an agent of the same name, with the same participants."
        )
    found = [(log, own[-1])]
    while (before := _before(found[-1][1])) is not None:
        here = found[-1][0]
        if before not in told:
            here = _log_of(before, near=here)
            revive(here, factory)
            told = stories(here.events)
        if before not in told:
            raise UserError(f"The log {here.path or here.id} lacks the run {before}, whose conversation goes on here.")
        found.append((here, told[before]))
    return found[::-1]


def runs_within(told: Sequence[Told]) -> dict[str, list[Told]]:
    """Return the runs that were part of turns which came to their end, as of an agent as a tool, by their runner."""
    found: dict[str, list[Told]] = {}
    for log in {id(log): log for log, _ in told}.values():
        for story in stories(log.events).values():
            if story.within is not None and _over(story):
                found.setdefault(story.runner, []).append((log, story))
    return found


def _over(story: Story) -> bool:
    while story.of is not None:
        if story.within is not None and not story.within.done:
            return False
        story = story.of
    return True


def differences(before: Any, now: Any) -> str:
    """Say in which parts a run differs from the one it goes on from; empty where it does not."""
    found = [
        f"{what} {then or 'none'}, now {here or 'none'}"
        for what, then, here in (
            ("class", before.runner_type, now.runner_type),
            ("model", before.model, now.model),
            *(
                (f"version of {name}", before.versions.get(name), now.versions.get(name))
                for name in sorted(before.versions.keys() & now.versions.keys())
            ),
        )
        if then != here
    ]
    if not found and before.component != now.component:
        found.append("settings of the team or its agents (see `agentnb.diff`)")
    return "; ".join(found)


def _before(story: Story) -> EventId | None:
    body: Any = story.started.body
    before: EventId | None = body.continues
    # A state that was noted at the beginning stands for all that was before.
    noted = any(isinstance(step, AgentState) and step.agent == story.runner for _, step in story.steps[:1])
    return None if noted else before


def _log_of(run: EventId, *, near: RunLog) -> RunLog:
    folder = Path(near.path).parent if near.path is not None else None
    try:
        return RunLog.find(run.rpartition(":")[0], near=folder)
    except UnknownName as error:
        raise UnknownName(
            f"The run in {near.path or near.id} goes on from an earlier one, without which nobody can be restored: "
            f"{error} Put its file there."
        ) from error


async def remind(agent: ChatAgent, told: Sequence[Told]) -> None:
    """Let an agent remember what it did at the end of the last of its runs' turns that came to its end."""
    for log, story in reversed(told):
        for _, step in reversed(story.steps):
            if isinstance(step, Turn) and step.done:
                await remind_of(agent, log, step)
                return
            if isinstance(step, AgentState) and step.agent == agent.name:
                await agent.load_state(step.state)
                return


async def remind_of(agent: ChatAgent | Team, log: RunLog, turn: Turn) -> None:
    """Let one who took part remember what it did at the end of a turn."""
    finished: Any = turn.finished.body if turn.finished is not None else None
    if finished.added is not None and hasattr(agent, "_remember"):
        await agent._remember(kept_by(log, finished.agent, turn.finished.seq))  # type: ignore[union-attr]
    elif turn.state is not None:
        await agent.load_state(turn.state.state)


async def relearn(runner: TaskRunner, told: Sequence[Told]) -> None:
    """Let the memories of a team or an agent, and of those within it, know what was learnt in its runs.

    What they learnt in turns that broke off is left to those that take them up, see `RunLog.untold`.

    Warns:
        RuntimeWarning: If several memories of one name could have learnt it.
    """
    told[-1][0].untold = None
    learnt = [event for log in {id(log): log for log, _ in told}.values() for event in _learnt(log)]
    if not learnt:
        return
    known = list(_memories(runner))
    facts: dict[int, list[Event]] = {}
    lost: dict[tuple[str, str], int] = {}
    for event in learnt:
        body: Any = event.body
        source = name_of(event.source)
        named = {id(memory) for _, memory in known if memory_name(memory) == body.memory}
        own = {id(memory) for owner, memory in known if owner == source} & named
        meant = own if len(named) > 1 else named
        if len(meant) == 1:
            facts.setdefault(meant.pop(), []).append(event)
        elif named:
            lost[body.memory, source] = lost.get((body.memory, source), 0) + 1
    for (name, source), count in lost.items():
        warnings.warn(
            f"Several memories are named {name!r}, and the log does not say which of them learnt what {source!r} told "
            f"it ({count} fact{'s' * (count != 1)}), so none knows it now. Give each a name of its own.",
            RuntimeWarning,
            stacklevel=3,
        )
    taught = {id(memory): memory for _, memory in known if id(memory) in facts}
    later = _broken_off(told)
    for place, memory in taught.items():
        if any(event.id not in later for event in facts[place]):
            await memory.relearn([event for event in facts[place] if event.id not in later])
    if later:
        told[-1][0].untold = Untold([(memory, facts[place]) for place, memory in taught.items()], later)


def _broken_off(told: Sequence[Told]) -> set[EventId]:
    """Return the facts of turns of the last run that can be taken up."""
    last = told[-1][0]
    attempts: list[Story] = []
    for log, story in reversed(told):
        if log is not last:
            break
        attempts.append(story)
        if not story.resumed:
            break
    turns = {step.started.seq: step for story in attempts for _, step in story.steps if isinstance(step, Turn)}
    again: dict[int, int | None] = {seq: turn.started.body.again for seq, turn in turns.items()}  # type: ignore[attr-defined]
    open_turns: set[EventId] = set()
    for seq, turn in turns.items():
        attempt: int | None = None if turn.done or seq in again.values() else seq
        while attempt is not None:
            open_turns.add(last._events[attempt - 1].id)
            attempt = again.get(attempt)
    return {event.id for event in below(last, *open_turns) if event.kind == "memory.started"}


def _learnt(log: RunLog) -> list[Event]:
    """Return the facts of what memories were to learn or to forget, but for what failed."""
    found: dict[EventId, Event] = {}
    for event in log:
        body: Any = event.body if event.kind in ("memory.started", "memory.finished") else None
        if body is None or body.action not in ("add", "clear"):
            continue
        if event.kind == "memory.started":
            found[event.id] = event
        elif body.error and event.parent is not None:
            found.pop(event.parent, None)
    return list(found.values())


def _memories(runner: TaskRunner) -> Iterator[tuple[str, Any]]:
    """Yield the memories that are part of something, and whose they are; what only a function holds is not found."""
    from agentnb.base.runner import TaskRunner

    seen: set[tuple[str, int]] = set()
    waiting: list[tuple[str, Any]] = [(runner.name, runner)]
    while waiting:
        owner, value = waiting.pop()
        if (owner, id(value)) in seen:
            continue
        seen.add((owner, id(value)))
        if isinstance(value, Component) and getattr(value, "component_type", "") == "memory":
            yield owner, value
        elif isinstance(value, TaskRunner):
            waiting += [(value.name, part) for part in (*vars(value).values(), *getattr(value, "participants", ()))]
        elif isinstance(value, Component):
            waiting += [(owner, part) for part in vars(value).values()]
        elif isinstance(value, list | tuple):
            waiting += [(owner, part) for part in value]
        elif isinstance(value, dict):
            waiting += [(owner, part) for part in value.values()]


def code_of(log: Iterable[Event]) -> list[Event]:
    """Return the `code.started` facts of code that ran to its end without an error, in order, each code once."""
    began: dict[EventId, Event] = {}
    found: list[Event] = []
    for event in log:  # by their kinds: of a log just opened, the body of another fact would be read for nothing
        body: Any = event.body if event.kind in ("code.started", "code.finished") else None
        if isinstance(body, CodeStarted) and body.again is None:
            began[event.id] = event
        elif isinstance(body, CodeFinished) and body.exit_code == 0 and event.parent in began:
            found.append(began[event.parent])
    return found


async def run_again(run: Run, code: Sequence[Event], agents: Mapping[str, ChatAgent], token: CancellationToken) -> None:
    """Run code again in the kernels of those who ran it, so that these have its variables.

    Raises:
        ToolError: If a piece fails that had run without an error; nothing after it runs.
    """
    ran = 0
    for begun in code:
        body: Any = begun.body
        agent = agents.get(begun.source)
        if agent is None:
            run.log.note(f"Code of {begun.source!r} is not run again: nobody of that name runs code here.")
            continue
        fact = CodeStarted.of(executor=body.executor, blocks=body.blocks, again=begun.seq)
        started = run.log.append(fact, source=begun.source)
        began = monotonic()
        result = await agent._run_again(body.blocks, token)
        ended = CodeFinished(executor=body.executor, exit_code=result.exit_code, output=result.output)
        run.log.append(ended, source=begun.source, parent=started.id, took=monotonic() - began)
        if result.exit_code != 0:
            shared = sorted({name for e in run.log if isinstance(e.body, VariablesShared) for name in e.body.names})
            way_out = (
                f"The variables {', '.join(shared)} had been handed over then: hand them over again with `share`, "
                "and resume once more."
                if shared
                else "Make ready what it needs and resume once more, or resume without rerun_code."
            )
            raise ToolError(
                f"Code that {begun.source!r} ran before fails when it is run again, and nothing after it was run. "
                f"{way_out}\n{body.blocks[0].code[:500]}\n{result.output[-1000:]}"
            )
        ran += 1
    if ran:
        run.log.note(f"{ran} piece{'s' * (ran != 1)} of code ran again, to have their variables.")


def revive(log: RunLog, factory: MessageFactory) -> None:
    """Read messages again whose classes were not known when the log was opened, in their places."""
    for place, event in enumerate(log._events):
        if event.kind != "message":
            continue
        body: Any = event.body
        if isinstance(body.message, UnknownMessage) and factory.knows(body.message.data.get("type")):
            said = body.model_copy(update={"message": factory.create(body.message.data)})
            log._events[place] = event.model_copy(update={"body": said})
