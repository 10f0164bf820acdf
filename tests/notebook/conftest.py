"""Kernels of several versions, started once for each file of tests, and a shell in this process."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest
from IPython.core.interactiveshell import InteractiveShell

from agentnb.notebook import load_ipython_extension, unload_ipython_extension
from tests.notebook.front_end import ROOT, Client, Kernel, python_with


@pytest.fixture(scope="module")
def client(request: pytest.FixtureRequest) -> Client:
    """Which kernel and page the test runs on; parametrised by `CLIENTS`."""
    chosen: Client = request.param
    return chosen


@pytest.fixture(scope="module")
def shared_kernel(client: Client, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kernel]:
    folder = tmp_path_factory.mktemp("kernel")
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    own = {"AGENTNB_RUNS": str(folder / "runs"), "IPYTHONDIR": str(folder / "ipython"), "PYTHONPATH": path}
    kernel = Kernel(python_with(client.version), {**os.environ, **own}, drowsy=(7, 0) <= client.release < (7, 4))
    try:
        started = kernel.do("%load_ext agentnb\nfrom tests.notebook.runners import *\nimport asyncio, agentnb.notebook")
        assert started.error is None, started.error
        if client.subshell:
            kernel.open_subshell()
        yield kernel
    finally:
        kernel.close()


@pytest.fixture
def kernel(shared_kernel: Kernel) -> Iterator[Kernel]:
    """A kernel without a page and without a run."""
    shared_kernel.seen.clear()
    shared_kernel.pages.clear()
    yield shared_kernel
    left = shared_kernel.do("for left in agentnb.notebook.runs():\n    left.stop()\nawait asyncio.sleep(0)")
    assert left.error is None, left.error


@pytest.fixture
def shell() -> Iterator[Any]:
    """A shell with the extension."""
    shell = InteractiveShell.instance()
    load_ipython_extension(shell)
    names = set(shell.user_ns)
    yield shell
    unload_ipython_extension(shell)
    for name in set(shell.user_ns) - names:
        del shell.user_ns[name]
