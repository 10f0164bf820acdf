"""What an executor adds to a kernel."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable

from agentnb.core import CancellationToken
from agentnb.messages import CodeBlock
from tests.perf.bench import Effort, Figure, pair


async def _wall_us(work: Callable[[int], Awaitable[object]], units: int) -> float:
    """Return µs of wall time per unit: a kernel's work is another process's CPU time."""
    began = time.perf_counter()
    await work(units)
    return (time.perf_counter() - began) / units * 1e6


async def run(peer: str | None, effort: Effort) -> list[Figure]:
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
        return [
            await pair(
                "kernel block (wall)",
                ours,
                bare,
                units=100,
                against="`jupyter_client.execute_interactive`",
                rounds=effort.rounds,
                measure=_wall_us,
            )
        ]
    finally:
        await executor.stop()
        client.stop_channels()
        await manager.shutdown_kernel(now=True)
