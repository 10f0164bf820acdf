"""What runs code, as users write it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest
from pydantic import BaseModel

from agentnb.agents import CodeExecutorAgent, approve_all
from agentnb.code_executors import CodeBlock, CodeExecutor, CodeResult
from agentnb.core import CancellationToken, Component
from agentnb.messages import TextMessage
from agentnb.runlog import CodeFinished, CodeStarted, RunLog


class FakeConfig(BaseModel):
    answer: str


class Fake(CodeExecutor, Component[FakeConfig]):
    """An executor as AutoGen's users write it."""

    component_config_schema = FakeConfig

    def __init__(self, answer: str = "42") -> None:
        self.answer = answer
        self.calls: list[str] = []

    async def execute_code_blocks(
        self, code_blocks: Sequence[CodeBlock], cancellation_token: CancellationToken
    ) -> CodeResult:
        self.calls += [block.code for block in code_blocks]
        if cancellation_token.is_cancelled():
            raise asyncio.CancelledError
        if "slow" in self.calls[-1]:
            raise TimeoutError("took 60 s")
        return CodeResult(exit_code=0, output=self.answer)

    async def start(self) -> None:
        self.calls.append("start")

    async def stop(self) -> None:
        self.calls.append("stop")

    async def restart(self) -> None:
        self.calls.append("restart")

    def _to_config(self) -> FakeConfig:
        return FakeConfig(answer=self.answer)

    @classmethod
    def _from_config(cls, config: FakeConfig) -> Fake:
        return cls(config.answer)


@pytest.mark.parametrize("missing", ["execute_code_blocks", "start", "stop", "restart"])
def test_an_executor_must_say_how_to_run_start_stop_and_restart(missing: str) -> None:
    lacking: Any = type("Lacking", (Fake,), {missing: getattr(CodeExecutor, missing)})

    with pytest.raises(TypeError, match=missing):
        lacking()


async def test_an_executor_is_started_and_stopped_by_its_block_whatever_happens() -> None:
    fake = Fake()

    async def fail() -> None:
        async with fake as started:
            await started.restart()
            raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        await fail()
    assert fake.calls == ["start", "restart", "stop"]


def test_an_executor_is_written_as_a_code_executor() -> None:
    written = Fake("7").dump_component()

    assert (written.component_type, written.config) == ("code_executor", {"answer": "7"})


async def test_an_executor_of_the_users_runs_the_code_of_an_agent() -> None:
    fake, log = Fake("the answer is 42"), RunLog()
    agent = CodeExecutorAgent("runner", fake, approval_func=approve_all)

    result = await agent.run(task="```python\n6 * 7\n```", log=log)

    assert isinstance(result.messages[-1], TextMessage)
    assert result.messages[-1].content == "the answer is 42"
    assert fake.calls == ["6 * 7\n"]
    bodies = [event.body for event in log.events if isinstance(event.body, CodeStarted | CodeFinished)]
    assert [type(body).__name__ for body in bodies] == ["CodeStarted", "CodeFinished"]


async def test_a_timeout_of_the_users_executor_is_an_answer() -> None:
    agent = CodeExecutorAgent("runner", Fake(), approval_func=approve_all)

    result = await agent.run(task="```python\nslow()\n```", log=RunLog())

    assert isinstance(result.messages[-1], TextMessage)
    assert "exit code 124" in result.messages[-1].content
    assert "took 60 s" in result.messages[-1].content


async def test_an_executor_cannot_take_variables_unless_it_says_so() -> None:
    assert await Fake().share({"a": 1}) is False
