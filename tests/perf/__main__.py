"""`make perf`: send, team turn, log append, import, kernel block.

`python -m tests.perf --autogen PATH` also pairs the import with AutoGen agentchat's, where PATH is the Python of an
environment that holds it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any

from agentnb.agents import BaseChatAgent
from agentnb.base import Response
from agentnb.core import AgentId, CancellationToken
from agentnb.messages import BaseChatMessage, CodeBlock, TextMessage
from agentnb.runlog import RunLog, Said
from agentnb.runtimes import BaseAgent, MessageContext, SingleThreadedAgentRuntime
from agentnb.teams import RoundRobinGroupChat
from tests.perf.bench import Figure, pair, table


class _Adder(BaseAgent):
    async def on_message_impl(self, message: Any, ctx: MessageContext) -> int:
        return int(message) + 1


async def send() -> Figure:
    """One direct send with its answer, against awaiting the handler."""
    runtime = SingleThreadedAgentRuntime()
    agent, where = _Adder("adds one"), AgentId("adder", "default")
    await runtime.register_agent_instance(agent, where)
    runtime.start()
    context = MessageContext(None, None, True, CancellationToken(), "id")

    async def ours(units: int) -> None:
        for number in range(units):
            await runtime.send_message(number, where)

    async def bare(units: int) -> None:
        for number in range(units):
            await agent.on_message_impl(number, context)

    return await pair("send_message", ours, bare, units=20_000, against="`await handler(message)`")


class _Says(BaseChatAgent):
    produced_message_types: Sequence[type[BaseChatMessage]] = (TextMessage,)

    async def on_messages(self, messages: Sequence[BaseChatMessage], cancellation_token: CancellationToken) -> Response:
        return Response(chat_message=TextMessage(content="a message of ordinary length " * 5, source=self.name))

    async def on_reset(self, cancellation_token: CancellationToken) -> None:
        return None


def _agents() -> list[_Says]:
    return [_Says(name, "says the same") for name in ("ana", "ben", "cleo")]


async def turn(turns: int, *, logged: bool) -> Figure:
    """One turn of a round-robin team of three, against calling the agents in a loop."""

    async def ours(units: int) -> None:
        team = RoundRobinGroupChat(_agents(), max_turns=units)
        await team.run(task="go", log=None if logged else RunLog())

    async def bare(units: int) -> None:
        agents, thread = _agents(), [TextMessage(content="go", source="user")]
        token = CancellationToken()
        for number in range(units):
            answer = await agents[number % 3].on_messages(thread[-3:], token)
            thread.append(answer.chat_message)  # type: ignore[arg-type]

    kind = "log on disk" if logged else "log in memory"
    return await pair(f"team turn, {turns} turns, {kind}", ours, bare, units=turns, against="agents called in a loop")


async def append() -> Figure:
    """One fact appended and written, against `json.dumps` and `os.write`."""
    with tempfile.TemporaryDirectory() as folder:
        message = TextMessage(content="a message of ordinary length " * 5, source="ana")
        bare_file = os.open(Path(folder, "bare"), os.O_WRONLY | os.O_CREAT | os.O_APPEND)

        async def ours(units: int) -> None:
            log = RunLog.create("perf", folder=Path(folder))
            for _ in range(units):
                log.append(Said(message=message))
            log.close()

        async def bare(units: int) -> None:
            for number in range(units):
                fact = {"id": number, "at": time.time(), "body": {"kind": "message", "content": message.content}}
                os.write(bare_file, json.dumps(fact).encode() + b"\n")

        try:
            return await pair("log append", ours, bare, units=5_000, against="`os.write(json.dumps(fact))`")
        finally:
            os.close(bare_file)


def _import_ms(python: str, statement: str) -> float:
    """Return the CPU milliseconds of one fresh process that runs `statement`."""
    before = os.times()
    subprocess.run([python, "-c", statement], check=True, env={**os.environ, "PYTHONDONTWRITEBYTECODE": "1"})
    after = os.times()
    return (after.children_user + after.children_system - before.children_user - before.children_system) * 1e3


def imports(name: str, ours: str, python: str, theirs: str, against: str, rounds: int = 7) -> Figure:
    """One import in a fresh process against another, less an empty process each."""
    mine, others = [], []
    for number in range(rounds + 1):
        a = _import_ms(sys.executable, ours) - _import_ms(sys.executable, "pass")
        b = _import_ms(python, theirs) - _import_ms(python, "pass")
        if number:
            mine.append(a)
            others.append(b)
    return Figure(name, "ms", statistics.median(mine), statistics.median(others), against)


async def _wall_us(work: Callable[[int], Awaitable[object]], units: int) -> float:
    """Return µs of wall time per unit: a kernel's work is another process's CPU time."""
    began = time.perf_counter()
    await work(units)
    return (time.perf_counter() - began) / units * 1e6


async def kernel_block() -> Figure:
    """One small block on a kernel of its own, against `jupyter_client` by hand."""
    from jupyter_client.manager import start_new_async_kernel

    from agentnb.code_executors import JupyterCodeExecutor

    manager, client = await start_new_async_kernel()
    executor = JupyterCodeExecutor()
    await executor.start()
    token = CancellationToken()
    block = [CodeBlock(code="1 + 1", language="python")]

    async def ours(units: int) -> None:
        for _ in range(units):
            await executor.execute_code_blocks(block, token)

    async def bare(units: int) -> None:
        for _ in range(units):
            await client.execute_interactive("1 + 1", output_hook=lambda _: None)

    try:
        return await pair(
            "kernel block (wall)",
            ours,
            bare,
            units=100,
            against="`jupyter_client.execute_interactive`",
            measure=_wall_us,
        )
    finally:
        await executor.stop()
        client.stop_channels()
        await manager.shutdown_kernel(now=True)


async def run(autogen: str | None) -> list[Figure]:
    """Run every benchmark."""
    rooms = "import agentnb, agentnb.agents, agentnb.teams, agentnb.conditions"
    figures = [
        await send(),
        await turn(50, logged=False),
        await turn(2000, logged=False),
        await turn(50, logged=True),
        await turn(2000, logged=True),
        await append(),
        imports("import agentnb", "import agentnb", sys.executable, "import pydantic", "`import pydantic`"),
        imports("import agents, teams, conditions", rooms, sys.executable, "import pydantic", "`import pydantic`"),
    ]
    if autogen:
        theirs = "import autogen_agentchat.agents, autogen_agentchat.teams, autogen_agentchat.conditions"
        figures += [
            imports(
                "import agentnb, beside AutoGen", "import agentnb", autogen, theirs, "AutoGen agentchat's three rooms"
            ),
            imports("the three rooms, beside AutoGen", rooms, autogen, theirs, "AutoGen agentchat's three rooms"),
        ]
    figures.append(await kernel_block())
    return figures


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(prog="python -m tests.perf", description=__doc__)
    parser.add_argument("--autogen", metavar="PYTHON", help="Python of an environment with autogen-agentchat")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        os.environ["AGENTNB_RUNS"] = folder
        print(table(asyncio.run(run(arguments.autogen))))


if __name__ == "__main__":
    main()
