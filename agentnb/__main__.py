"""agentnb in a terminal: `python -m agentnb demo`, `run`, `runs`, `show`, `models`, `fetch`, `migrate`."""

from __future__ import annotations

import argparse
import asyncio
import os
import shutil
import sys
import tempfile
import threading
import warnings
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import IO, Any

import agentnb
from agentnb.base import Team
from agentnb.core import plugins
from agentnb.exceptions import AgentnbError, LogUnreadable, MissingExtra, UserError
from agentnb.runlog import RUNS_VARIABLE, Event, LineReader, RunLog, Totals, add_totals, log_of, thread
from agentnb.ui import ConsoleFollower
from agentnb.ui.bundle import plain_header

FIRST_NOTEBOOK = Path("notebooks", "00-first-team.ipynb")
MODEL_VARIABLE = "AGENTNB_MODEL"
LOOK = 0.1
"""Seconds between two looks at a run's file."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return the exit code.

    It is 0, 1 after an error, 2 for a wrong call, 130 after Ctrl-C, and 141 where nobody reads on, as behind `| head`.
    """
    options = _parser().parse_args(arguments)
    command: Callable[[argparse.Namespace], int] = options.command
    with warnings.catch_warnings():
        warnings.showwarning = _warn
        try:
            code = command(options)
            sys.stdout.flush()
            return code
        except AgentnbError as error:
            _complain(error)
            return 1
        except KeyboardInterrupt:
            print("\nStopped.", file=sys.stderr)
            return 130
        except BrokenPipeError:
            # What is left is written nowhere: Python would fail with it once more when it ends.
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            return 141


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m agentnb", description="Teams of agents, in a terminal.")
    parser.add_argument("--version", action="version", version=f"agentnb-toolkit {agentnb.__version__}")
    commands = parser.add_subparsers(title="commands", required=True, metavar="COMMAND")

    demo = commands.add_parser("demo", help="run the first notebook on a real kernel, and watch its team work")
    demo.add_argument("--notebook", type=Path, metavar="PATH", help=f"default: {FIRST_NOTEBOOK.as_posix()}")
    demo.add_argument("--model", metavar="TEXT", help="as in openai:gpt-4o-mini, local, local:FILE.gguf, replay:FILE")
    demo.add_argument("--out", type=Path, default=Path(".demo"), metavar="DIR", help="for what comes out (%(default)s)")
    demo.set_defaults(command=_demo)

    run = commands.add_parser("run", help="give a ready-made team a task")
    run.add_argument("team", metavar="TEAM", help=f"one of: {', '.join(plugins.names('team'))}")
    run.add_argument("task", metavar="TASK")
    run.add_argument("--model", metavar="TEXT", help="as in openai:gpt-4o-mini, local, local:FILE.gguf, replay:FILE")
    run.add_argument("--max-turns", type=_positive, metavar="N", help="stop after so many turns")
    run.add_argument(
        "--csv", type=_table, action="append", default=[], metavar="NAME=PATH", help="a table for the team's code"
    )
    run.set_defaults(command=_run)

    runs = commands.add_parser("runs", help="list saved runs, or search what was said in them")
    runs.add_argument("--search", metavar="TEXT", help='words that have to occur; "in quotes" side by side')
    runs.add_argument("--folder", type=Path, metavar="DIR", help="default: .agentnb/runs, or what AGENTNB_RUNS names")
    runs.add_argument("--newest", type=_positive, default=30, metavar="N", help="list so many (%(default)s)")
    runs.set_defaults(command=_runs)

    show = commands.add_parser("show", help="print a saved run")
    show.add_argument("log", metavar="LOG", help="a file of .agentnb/runs, or a run's id, or the beginning of it")
    show.set_defaults(command=_show)

    models = commands.add_parser("models", help="say which model would be taken, and why")
    models.add_argument("--model", metavar="TEXT", help="which would be taken for this text")
    models.set_defaults(command=_models)

    fetch = commands.add_parser("fetch", help="download the small embedded model (93 MB), once")
    fetch.set_defaults(command=_fetch)

    migrate = commands.add_parser("migrate", help="show what becomes of an AutoGen program, and rewrite it")
    migrate.add_argument(
        "paths", type=Path, nargs="+", metavar="PATH", help="files (.py, .ipynb, requirements) or folders"
    )
    migrate.add_argument("--write", action="store_true", help="rewrite imports and dotted uses; keeps FILE.bak")
    migrate.add_argument("--json", action="store_true", help="print JSON")
    migrate.set_defaults(command=_migrate)
    return parser


def _positive(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number from 1 on")
    return int(text)


def _table(text: str) -> tuple[str, Path]:
    name, equals, path = text.partition("=")
    if not (equals and path and name.isidentifier()):
        raise argparse.ArgumentTypeError(f"{text!r} is not of the form NAME=PATH, as in penguins=data/penguins.csv")
    return name, Path(path)


def _complain(error: BaseException) -> None:
    print(f"{type(error).__name__}: {error}", file=sys.stderr)


def _warn(message: Warning | str, category: type[Warning], *where: Any, **more: Any) -> None:
    print(f"{category.__name__}: {message}", file=sys.stderr)


def _near(path: Path) -> str:
    here = Path.cwd()
    return str(path.relative_to(here) if path.is_relative_to(here) else path)


def _fetch(_: argparse.Namespace) -> int:
    from agentnb.models.weights import fetch

    fetch()
    return 0


def _migrate(options: argparse.Namespace) -> int:
    from agentnb.compat import migrate

    return migrate.main(options.paths, write=options.write, as_json=options.json)


def _models(options: argparse.Namespace) -> int:
    from agentnb.models.naming import choose

    print(choose(options.model).line())
    return 0


def _show(options: argparse.Namespace) -> int:
    log, follower = _opened(options.log), ConsoleFollower()
    if not len(log) and log.path is not None:
        print(f"No fact is written in {_near(log.path)}.")
    follower.follow(log)
    if log.damage is not None:
        sys.stdout.flush()
        _complain(log.damage)
        return 1
    if line := _way_on(log, follower.status):
        print(f"\n{line}")
    return 0


def _opened(run: str) -> RunLog:
    """Return a run; of one that is damaged, what is whole."""
    from agentnb.transcripts.library import find_run

    try:
        return log_of(run, "show")
    except LogUnreadable:
        log = RunLog.open(find_run(run), until_damage=True)
        if not len(log):
            raise
        return log


def _way_on(log: RunLog, status: Mapping[str, Any]) -> str:
    """Return how a run goes on that did not come to its end; empty for one that did."""
    from agentnb.transcripts.summary import is_written

    state = status["state"]
    if state == "done" or not status.get("team") or log.path is None:
        return ""
    ended = {"stopped": "was stopped", "failed": "failed"}.get(state)
    if ended is None and is_written(log.path):
        return "The run goes on: its log is being written."
    if ended is None:
        print(f"\n{plain_header({**status, 'state': 'broken off'})}")
    way = f"await team.resume({_near(log.path)!r})"
    return f"The run {ended or 'broke off'}. To go on, make the same team again and `{way}`."


def _runs(options: argparse.Namespace) -> int:
    from agentnb.transcripts.library import library_folder, summaries
    from agentnb.transcripts.listing import list_hits, list_runs
    from agentnb.transcripts.search import hits

    folder, newest = library_folder(options.folder), options.newest
    width = shutil.get_terminal_size().columns if sys.stdout.isatty() else None
    known = summaries(options.folder)
    if options.search is None:
        found, what = len(known), "runs"
        lines = list_runs(known[:newest], width)
    else:
        listed = hits(options.search, options.folder)
        found, what = len(listed), "hits"
        lines = list_hits(listed[:newest], width)
    if not found:
        where = f"{_near(folder)} ({len(known)} runs)"
        print(f"No runs in {_near(folder)}." if options.search is None else f"{options.search!r} is not in {where}.")
        return 0
    print(*lines, sep="\n")
    if found > newest:
        print(f"The newest {newest} of {found} {what}; `--newest {found}` lists all.")
    return 0


def _run(options: argparse.Namespace) -> int:
    data = {name: _read_table(path) for name, path in options.csv}
    return asyncio.run(_run_team(options, data))


def _read_table(path: Path) -> Any:
    import pandas as pd

    try:
        return pd.read_csv(path)
    except (OSError, ValueError) as error:
        raise UserError(f"The table {path} cannot be read: {getattr(error, 'strerror', None) or error}.") from error


async def _run_team(options: argparse.Namespace, data: Mapping[str, Any]) -> int:
    from agentnb.notebook.runs import start

    make = plugins.load("team", options.team)
    team: Team = make(model=options.model, data=dict(data) or None, max_turns=options.max_turns)
    try:
        run = await start(team, options.task, variables=data)
        try:
            await run.wait()
        finally:
            _where(run.log.path)
    finally:
        await team.close()
    return 0


def _where(path: Path | None) -> None:
    if path is not None:
        print(f"\nThe run's log: {_near(path)}")


def _demo(options: argparse.Namespace) -> int:
    notebook = _notebook(options.notebook)
    folder: Path = options.out.resolve()
    watch = _Watch(folder / "runs")
    execution = _Execution(notebook, folder, options.model)
    execution.start()
    try:
        while not execution.ended.wait(LOOK):
            watch.look()
    except KeyboardInterrupt:
        execution.stop()
        raise
    watch.look()
    _report(watch, folder / notebook.name)
    if execution.error is None:
        return 0
    print(_told(execution.error), file=sys.stderr)
    return 1


def _notebook(given: Path | None) -> Path:
    places = [given] if given else [Path(agentnb.__file__).parent.parent / FIRST_NOTEBOOK, FIRST_NOTEBOOK]
    for place in places:
        if place.is_file():
            return place.resolve()
    if given:
        raise UserError(f"There is no notebook {given}.")
    raise UserError(f"{FIRST_NOTEBOOK.as_posix()} is not here. Run this from a checkout, or give `--notebook PATH`.")


class _Execution(threading.Thread):
    """Executes a notebook on a kernel of its own; a thread, so that the main one can print and hear Ctrl-C."""

    def __init__(self, notebook: Path, folder: Path, model: str | None) -> None:
        super().__init__(name="agentnb-demo", daemon=True)
        try:
            import nbclient
            import nbformat
        except ImportError as error:
            raise MissingExtra(
                "The demo needs nbclient and nbformat. Install them with `pip install 'agentnb-toolkit[demo]'`."
            ) from error
        self.error: BaseException | None = None
        # Not `join`: a Ctrl-C in it makes Python 3.11 take the thread for ended.
        self.ended = threading.Event()
        self._nbformat = nbformat
        self._out = folder / notebook.name
        try:
            self._content = nbformat.read(notebook, as_version=4)
        except ValueError as error:
            raise UserError(f"{notebook} is no notebook: {str(error).splitlines()[0][:200]}") from error
        self._environment = {**os.environ, RUNS_VARIABLE: str(folder / "runs")}
        if model:
            self._environment[MODEL_VARIABLE] = model
        self._sockets = tempfile.TemporaryDirectory(prefix="anb-")
        self._client = nbclient.NotebookClient(
            self._content,
            timeout=None,
            kernel_manager_class=_own_kernel(self._sockets.name),
            resources={"metadata": {"path": str(notebook.parent)}},
        )
        self._loop = asyncio.new_event_loop()
        self._task: asyncio.Task[Any] | None = None

    def run(self) -> None:
        # Kernels talk on their way out, of things nobody can act on: it is shown only if the kernel died.
        words = Path(self._sockets.name, "stderr")
        try:
            with words.open("wb") as file, asyncio.Runner(loop_factory=lambda: self._loop) as runner:
                runner.run(self._execute(file))
        except RuntimeError as error:
            last = words.read_text(errors="replace").strip()[-2000:]
            self.error = RuntimeError(f"{error} Its last words: {last}") if last else error
        except (Exception, asyncio.CancelledError) as error:
            self.error = error
        finally:
            self._sockets.cleanup()
            self.ended.set()

    async def _execute(self, words: IO[bytes]) -> None:
        self._task = asyncio.current_task()
        self._out.parent.mkdir(parents=True, exist_ok=True)
        try:
            await self._client.async_execute(env=self._environment, stderr=words)
        finally:
            self._nbformat.write(self._content, self._out)

    def stop(self) -> None:
        """End the kernel and what it started."""
        self._client.shutdown_kernel = "immediate"
        task = self._task
        if task is not None and not self.ended.is_set():
            self._loop.call_soon_threadsafe(task.cancel)
        self.ended.wait(10)


def _own_kernel(folder: str) -> type[Any]:
    from jupyter_client.kernelspec import KernelSpec
    from jupyter_client.manager import AsyncKernelManager

    class OwnKernel(AsyncKernelManager):
        """The kernel of this very Python, whatever kernels are installed for the user."""

        def __init__(self, **settings: Any) -> None:
            super().__init__(**settings)
            self.connection_file = os.path.join(folder, "kernel.json")
            if os.name == "posix" and len(folder) < 90:  # a socket's path has at most 107 bytes
                self.transport, self.ip = "ipc", os.path.join(folder, "k")

        @property
        def kernel_spec(self) -> KernelSpec:
            return KernelSpec(
                argv=[sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"],
                display_name="agentnb demo",
                language="python",
            )

    return OwnKernel


class _Watch:
    """Prints the runs whose files appear in a folder, as they are written by another process."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._old = set(self._files())
        self._readers: dict[Path, tuple[LineReader, ConsoleFollower]] = {}
        self.events: dict[Path, list[Event]] = {}

    def _files(self) -> list[Path]:
        return sorted(self._folder.glob("*.jsonl"))

    def look(self) -> None:
        """Print what is new."""
        for path in self._files():
            if path in self._old:
                continue
            reader, follower = self._readers.setdefault(path, (LineReader(path), ConsoleFollower()))
            try:
                fresh = reader.read()
            except LogUnreadable as error:
                _complain(error)
                self._old.add(path)
                continue
            self.events.setdefault(path, []).extend(fresh)
            for event in fresh:
                follower.feed(event)


def _report(watch: _Watch, executed: Path) -> None:
    runs = sorted(((path, events) for path, events in watch.events.items() if events), key=lambda run: run[1][0].at)
    if runs:
        # The first run is the notebook's main one: the cell with the team.
        events = runs[0][1]
        so_far = Totals()
        for event in events:
            so_far = add_totals(so_far, event)
        messages = thread(events)
        if so_far.state == "done" and messages:
            print(f"\nAnswer of {messages[-1].source}:\n\n{messages[-1].to_text()}")
        tokens = so_far.prompt_tokens + so_far.completion_tokens
        turns = "1 turn" if so_far.turns == 1 else f"{so_far.turns} turns"
        print(f"\n{turns}, {tokens:,} tokens, {so_far.seconds:.1f} seconds")
    print(f"Executed notebook: {_near(executed)}")
    for path, _ in runs:
        print(f"The run's log: {_near(path)}")


def _told(error: BaseException) -> str:
    name, value = getattr(error, "ename", type(error).__name__), getattr(error, "evalue", str(error))
    line = " ".join(str(value).split())
    return f"The notebook failed with {name}: {line}"


if __name__ == "__main__":
    sys.exit(main())
