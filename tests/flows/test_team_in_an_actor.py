"""A team that an actor runs while it handles a message."""

from __future__ import annotations

from typing import Any

from agentnb.agents import AssistantAgent
from agentnb.base import TaskResult
from agentnb.core import AgentId
from agentnb.models import ReplayChatCompletionClient
from agentnb.runlog import RunLog, observe
from agentnb.runtimes import MessageContext, RoutedAgent, SingleThreadedAgentRuntime, message_handler
from agentnb.teams import RoundRobinGroupChat

DESK = AgentId("desk", "default")


class Desk(RoutedAgent):
    """Hands every task to a team."""

    def __init__(self) -> None:
        super().__init__("hands tasks to a team")
        self.team = RoundRobinGroupChat([AssistantAgent("ana", ReplayChatCompletionClient(["yes", "no"]))], max_turns=1)

    @message_handler
    async def on_task(self, message: str, ctx: MessageContext) -> TaskResult:
        return await self.team.run(task=message)


async def ask(runtime: SingleThreadedAgentRuntime) -> Any:
    await Desk.register(runtime, "desk", Desk)
    runtime.start()
    result = await runtime.send_message("go", DESK)
    await runtime.stop_when_idle()
    return result


async def test_its_run_has_a_file_of_its_own() -> None:
    result = await ask(SingleThreadedAgentRuntime())

    assert [message.source for message in result.messages] == ["user", "ana"]
    assert result.log.path is not None


async def test_its_run_has_a_file_of_its_own_while_somebody_watches_the_process() -> None:
    seen: list[RunLog] = []
    end = observe(seen.append)
    try:
        result = await ask(SingleThreadedAgentRuntime())
    finally:
        end()

    assert result.log.path is not None
    assert result.log in seen
    assert len(seen) == 2  # the runtime's deliveries, and the run
    assert {event.kind for event in result.log} >= {"run.started", "turn.started", "model.finished", "run.finished"}


async def test_its_run_is_part_of_the_log_the_runtime_was_given() -> None:
    log = RunLog()

    result = await ask(SingleThreadedAgentRuntime(log=log))

    assert result.log is log
    delivered = next(event for event in log if event.kind == "envelope.delivered")
    run = [event for event in log if event.kind == "run.started"][1]
    assert run.parent == delivered.id


async def test_a_log_that_is_only_passed_on_is_begun_anew_when_nothing_is_under_way(
    monkeypatch: Any,
) -> None:
    seen: list[RunLog] = []
    monkeypatch.setattr("agentnb.runtimes.trace._RENEWED_AFTER", 20)
    end = observe(seen.append)
    try:
        runtime = SingleThreadedAgentRuntime()
        await Desk.register(runtime, "desk", Desk)
        runtime.start()
        for _ in range(30):
            await runtime.get("desk", lazy=False)
            await runtime.send_message(1, DESK)  # nobody handles numbers: the answer is None
        await runtime.stop_when_idle()
    finally:
        end()

    assert len(seen) > 3
    assert all(len(log) < 40 for log in seen)
    assert sum(event.kind == "envelope.handled" for log in seen for event in log) == 30
    assert all([event.kind for event in log][-1] == "run.finished" for log in seen)
