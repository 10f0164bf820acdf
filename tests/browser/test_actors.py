"""The picture of actors in JupyterLab."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from tests.browser.lab import TRUSTED, LabServer, Notebook

pytestmark = [pytest.mark.browser, pytest.mark.timeout(120)]

SETUP = """
import asyncio
from agentnb import AgentId, RunLog, SingleThreadedAgentRuntime
from agentnb.runtimes import ClosureAgent, ClosureContext, MessageContext
from agentnb.ui import show_actors

go = asyncio.Event()

async def listen(agent: ClosureContext, message: str, ctx: MessageContext) -> str:
    if message == "second":
        await go.wait()
    return message

log = RunLog()
runtime = SingleThreadedAgentRuntime(log=log)
await ClosureAgent.register_closure(runtime, "listener", listen)
"""

WORK = """
show_actors(log)
runtime.start()
await runtime.send_message("first", AgentId("listener", "x"))
await runtime.send_message("second", AgentId("listener", "x"))
await runtime.stop_when_idle()
"""


def told(notebook: Notebook, cell: int) -> str:
    line = notebook.cell(cell).locator("summary")
    return str(line.first.inner_text()) if line.count() else ""


def width(notebook: Notebook, cell: int) -> int:
    """Return how wide the picture is by itself; 0 if it is not shown."""
    images = notebook.cell(cell).locator("img[src^='data:image/svg+xml']")
    return int(images.first.evaluate("image => image.naturalWidth")) if images.count() else 0


def test_the_picture_follows_the_runtime_and_is_shown_without_a_kernel_trusted_or_not(
    notebook: Callable[..., Notebook], lab: LabServer, page: Any
) -> None:
    later = "asyncio.get_running_loop().call_later(1.5, go.set)\n"
    book = notebook("actors.ipynb", SETUP, later + WORK)
    book.finish(0)
    book.run(1)
    book.until(lambda: "1 under way" in told(book, 1))
    early = width(book, 1)
    book.done(1)
    book.until(lambda: told(book, 1) == "1 agent, 0 topics, 4 deliveries")
    book.save()
    lab.stop_kernels()

    trusted = Notebook(page, lab, "actors.ipynb").open(kernel=False)
    trusted.until(lambda: width(trusted, 1) > 0)
    copy = lab.notebooks / "copied.ipynb"
    copy.write_text((lab.notebooks / "actors.ipynb").read_text().replace("4 deliveries", "4  deliveries"))
    untrusted = Notebook(page, lab, "copied.ipynb").open(kernel=False)
    untrusted.until(lambda: width(untrusted, 1) > 0)

    assert early > 0
    assert len(lab.read("actors.ipynb").cells[1].outputs) == 1
    assert page.evaluate(TRUSTED) is False
    assert "deliveries" in told(untrusted, 1)
