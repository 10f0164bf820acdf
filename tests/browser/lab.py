"""JupyterLab in headless Chromium: open a notebook, run cells, read what stands there."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import nbformat

from agentnb.models.weights import cache_folder

READY = """() => { const w = window.jupyterapp?.shell.currentWidget; const k = w?.sessionContext?.session?.kernel;
  return Boolean(k && k.connectionStatus === 'connected' && k.status === 'idle'); }"""
RUN = """(i) => { const n = window.jupyterapp.shell.currentWidget.content; n.activeCellIndex = i; n.deselectAll();
  window.jupyterapp.commands.execute('notebook:run-cell'); }"""
CELLS = "() => window.jupyterapp.shell.currentWidget.content.model.toJSON().cells"
COMMAND = "(name) => { window.jupyterapp.commands.execute(name); }"
TRUSTED = """() => [...window.jupyterapp.shell.currentWidget.content.model.cells].every(
  (c) => c.type !== 'code' || c.trusted)"""

CHROMIUM = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]


def free_port() -> int:
    """Return a port nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


class LabServer:
    """A JupyterLab server that knows nothing of the user's settings."""

    def __init__(self, folder: Path) -> None:
        self.notebooks = folder / "notebooks"
        self.notebooks.mkdir()
        self.port = free_port()
        self.token = "test"
        settings = folder / "settings" / "@jupyterlab" / "apputils-extension"
        settings.mkdir(parents=True)
        (settings / "notification.jupyterlab-settings").write_text(
            json.dumps({"fetchNews": "false", "checkForUpdates": False})
        )
        homes = ("HOME", "JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR")
        environment = {**os.environ, **{name: str(folder / name.lower()) for name in homes}}
        environment["JUPYTERLAB_SETTINGS_DIR"] = str(folder / "settings")
        environment["JUPYTERLAB_WORKSPACES_DIR"] = str(folder / "workspaces")
        environment["JUPYTER_PLATFORM_DIRS"] = "1"
        environment.pop("AGENTNB_RUNS", None)
        # Its home is another, but the embedded model's weights are where they are.
        environment["AGENTNB_CACHE"] = str(cache_folder())
        for name in homes:
            Path(environment[name]).mkdir()
        self.log = (folder / "lab.log").open("wb")
        self._process = subprocess.Popen(
            [
                sys.executable, "-m", "jupyter", "lab", "--no-browser", "--allow-root", "--ip=127.0.0.1",
                f"--port={self.port}", "--ServerApp.port_retries=0", f"--IdentityProvider.token={self.token}",
                "--LabApp.expose_app_in_browser=True", "--JupyterNotebookApp.expose_app_in_browser=True",
                f"--ServerApp.root_dir={self.notebooks}",
            ],
            env=environment,
            stdout=self.log,
            stderr=subprocess.STDOUT,
        )  # fmt: skip
        self._wait()

    def _wait(self) -> None:
        until = time.monotonic() + 60
        while time.monotonic() < until:
            try:
                with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/api?token={self.token}", timeout=2):
                    return
            except (urllib.error.URLError, ConnectionError, TimeoutError):
                if self._process.poll() is not None:
                    raise RuntimeError(f"JupyterLab ended: {Path(self.log.name).read_text()[-2000:]}") from None
                time.sleep(0.2)
        raise RuntimeError("JupyterLab did not answer within 60 s.")

    def write(self, name: str, cells: Sequence[str]) -> str:
        """Write a notebook of code cells and return its name."""
        notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in cells])
        notebook.metadata["kernelspec"] = {"display_name": "Python 3", "language": "python", "name": "python3"}
        nbformat.write(notebook, self.notebooks / name)
        return name

    def add(self, source: Path, name: str | None = None) -> str:
        """Copy a file or a folder beside the notebooks and return its name."""
        target = self.notebooks / (name or source.name)
        if source.is_dir():
            shutil.copytree(source, target)
        else:
            shutil.copy(source, target)
        return target.name

    def read(self, name: str) -> Any:
        """Return a notebook as it is saved."""
        return nbformat.read(self.notebooks / name, as_version=4)

    def kernels(self, method: str = "GET", kernel: str = "") -> Any:
        """Ask the server about kernels."""
        path = f"http://127.0.0.1:{self.port}/api/kernels{kernel and '/' + kernel}?token={self.token}"
        until = time.monotonic() + 10
        while True:
            try:
                with urllib.request.urlopen(urllib.request.Request(path, method=method), timeout=10) as answer:
                    text = answer.read()
                return json.loads(text) if text else None
            except urllib.error.HTTPError as error:
                # For a moment of every kernel's start Jupyter's server cannot list the kernels, and answers 500.
                error.close()
                if error.code != 500 or time.monotonic() > until:
                    raise
            time.sleep(0.1)

    def stop_kernels(self) -> None:
        """End every kernel."""
        for kernel in self.kernels():
            self.kernels("DELETE", kernel["id"])

    def close(self) -> None:
        """End the server and its kernels."""
        try:
            self.stop_kernels()
        finally:
            self._process.terminate()
            self._process.wait(timeout=20)
            self.log.close()


class Notebook:
    """A notebook that is open in the page."""

    def __init__(self, page: Any, server: LabServer, name: str) -> None:
        self.page = page
        self.server = server
        self.name = name

    def open(self, *, kernel: bool = True) -> Notebook:
        """Load the page; with a kernel, wait until it is ready."""
        address = f"http://127.0.0.1:{self.server.port}/lab/tree/{self.name}?token={self.server.token}&reset"
        self.page.goto(address)
        self.page.wait_for_selector(".jp-NotebookPanel .jp-Cell", timeout=60_000)
        if kernel:
            self.page.wait_for_function(READY, timeout=60_000)
        return self

    def run(self, cell: int) -> None:
        """Start a cell."""
        self.page.evaluate(RUN, cell)

    def finish(self, cell: int, *, timeout: float = 60) -> None:
        """Run a cell and wait for its end."""
        self.run(cell)
        self.done(cell, timeout=timeout)

    def done(self, cell: int, *, timeout: float = 60) -> None:
        """Wait until a cell has its number and the kernel is idle."""
        self.page.wait_for_function(
            f"() => {{ const c = ({CELLS})()[{cell}]; return c.execution_count !== null && ({READY})(); }}",
            timeout=timeout * 1000,
        )

    def outputs(self, cell: int) -> list[dict[str, Any]]:
        """Return a cell's outputs as the notebook holds them."""
        return list(self.page.evaluate(CELLS)[cell]["outputs"])

    def cell(self, cell: int) -> Any:
        """Return the place of a cell in the page."""
        return self.page.locator(".jp-NotebookPanel .jp-Cell").nth(cell)

    def command(self, name: str) -> None:
        """Carry out a command of JupyterLab, such as `notebook:interrupt-kernel`."""
        self.page.evaluate(COMMAND, name)

    def save(self) -> None:
        """Save, and wait until it is."""
        self.command("docmanager:save")
        self.page.wait_for_function("() => !window.jupyterapp.shell.currentWidget.context.model.dirty", timeout=20_000)

    def until(self, look: Callable[[], bool], *, timeout: float = 30, every: float = 0.05) -> float:
        """Look until it is so; return the seconds it took."""
        began = time.monotonic()
        while not look():
            if time.monotonic() - began > timeout:
                raise AssertionError(f"not within {timeout} s")
            self.page.wait_for_timeout(every * 1000)
        return time.monotonic() - began
