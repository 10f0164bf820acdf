"""One kernel per module for tests that do not care what ran before."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from agentnb.code_executors import JupyterCodeExecutor, Kernel
from agentnb.core.sync import run_sync


@pytest.fixture(scope="module")
def kernel() -> Iterator[Kernel]:
    """Give a kernel; any event loop may use it."""
    kernel = Kernel()
    yield kernel
    run_sync(kernel.stop)


@pytest.fixture(scope="module")
def executor() -> Iterator[JupyterCodeExecutor]:
    """Give an executor with a time-out no honest test reaches."""
    executor = JupyterCodeExecutor(timeout=30)
    yield executor
    run_sync(executor.stop)
