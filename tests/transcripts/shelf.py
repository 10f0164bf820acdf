"""Runs to fill a folder with: real teams of scripted agents, and logs made by hand."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path

from agentnb.agents import AssistantAgent
from agentnb.conditions import MaxMessageTermination
from agentnb.core import Clock, set_clock
from agentnb.messages import CodeBlock, CreateResult, RequestUsage, TextMessage
from agentnb.models.scripted import ScriptedChatCompletionClient
from agentnb.runlog import (
    CodeFinished,
    CodeStarted,
    ModelFinished,
    ModelStarted,
    RunFinished,
    RunLog,
    RunStarted,
    Said,
    ToolFinished,
    ToolStarted,
    TurnStarted,
    Usage,
)
from agentnb.teams import RoundRobinGroupChat


async def team_run(task: str, *answers: str, folder: Path, name: str = "writers") -> RunLog:
    """Let a team of two scripted agents speak, and return its log, opened from its file."""
    ana = AssistantAgent("ana", ScriptedChatCompletionClient(list(answers), repeats=True, name="scripted-a"))
    ben = AssistantAgent("ben", ScriptedChatCompletionClient(["I agree."], repeats=True, name="scripted-b"))
    team = RoundRobinGroupChat([ana, ben], termination_condition=MaxMessageTermination(3), name=name)
    log = RunLog.create(name, folder=folder)
    await team.run(task=task, log=log)
    log.close()
    assert log.path is not None
    return RunLog.open(log.path)


def pair() -> RoundRobinGroupChat:
    """Return a team of two."""
    agents = [AssistantAgent(name, ScriptedChatCompletionClient([name], repeats=True)) for name in ("ana", "ben")]
    return RoundRobinGroupChat(agents, max_turns=2)


async def conversation(folder: Path, *tasks: str) -> list[RunLog]:
    """Let one team do several tasks, each in a file of its own."""
    team = pair()
    logs = []
    for task in tasks:
        log = RunLog.create("pair", folder=folder)
        await team.run(task=task, log=log)
        log.close()
        logs.append(log)
    return logs


def made(
    folder: Path,
    said: str = "hello",
    *,
    task: str = "say something",
    over: bool = True,
    tool: str | None = None,
    code: str | None = None,
    cost_usd: float | None = None,
    runner: str = "team",
) -> RunLog:
    """Write a small run by hand; its log is still open for writing if it is not over."""
    log = RunLog.create(runner, folder=folder)
    run = log.append(RunStarted(runner=runner, runner_type="T"), source=runner).id
    log.append(Said(message=TextMessage(content=task, source="user")), source=runner, parent=run)
    turn = log.append(TurnStarted(agent="ana", turn=1), source="ana", parent=run).id
    model = log.append(ModelStarted(model="m-1"), source="ana", parent=turn).id
    usage = RequestUsage(prompt_tokens=10, completion_tokens=3)
    result = CreateResult(finish_reason="stop", content=said, usage=usage, cached=False)
    spent = Usage(prompt_tokens=10, completion_tokens=3, cost_usd=cost_usd)
    log.append(ModelFinished(model="m-1", result=result), source="ana", parent=model, took=0.5, usage=spent)
    if tool is not None:
        call = log.append(ToolStarted(tool="look_up", arguments={"q": "weather\nin Łódź"}), source="ana", parent=turn)
        log.append(ToolFinished(tool="look_up", result=tool), source="ana", parent=call.id, took=0.1)
    if code is not None:
        begun = log.append(CodeStarted(executor="X", blocks=(CodeBlock(code, "python"),)), source="ana", parent=turn)
        log.append(CodeFinished(executor="X", exit_code=0, output="42\n"), source="ana", parent=begun.id, took=0.1)
    log.append(Said(message=TextMessage(content=said, source="ana")), source="ana", parent=turn)
    if over:
        log.append(RunFinished(outcome="done", stop_reason="enough"), source=runner, parent=run, took=2.0)
        log.close()
    return log


def path_of(log: RunLog) -> Path:
    """Return the file a log has for certain."""
    assert log.path is not None
    return log.path


class Calendar(Clock):
    """A clock that stands on a day, and goes on by a second with each look."""

    def __init__(self, days_ago: float) -> None:
        super().__init__()
        self._now = datetime.now(UTC) - timedelta(days=days_ago)

    def now(self) -> datetime:
        self._now += timedelta(seconds=1)
        return self._now


@contextmanager
def days_ago(days: float) -> Iterator[None]:
    """Let it be some days ago while the block runs."""
    with set_clock(Calendar(days)):
        yield
