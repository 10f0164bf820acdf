"""`%%agentteam` gives a team the cell as its task, or lets it go on from a run; `%agentteam` lists, shows, holds runs.

IPython does not await cell magics, so an input transformer turns the cell into a top-level `await run_cell(…)`:
tracebacks, interrupts and `_` then work as in any cell that awaits. The plain magic of the same name gives help and
completion, and says what is wrong where the cell was not transformed.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, TypeVar, cast

from IPython.core.getipython import get_ipython
from IPython.core.magic import Magics, cell_magic, line_magic, magics_class, no_var_expand
from IPython.display import display
from traitlets import Enum, Integer, Unicode
from traitlets.config import Configurable

from agentnb.base import TaskRunner, Team
from agentnb.core import plugins
from agentnb.exceptions import AgentnbError, UnknownName, UserError
from agentnb.notebook.listing import aligned, kernel_runs, saved_runs
from agentnb.notebook.logged import LoggedRun
from agentnb.notebook.options import near, read, unquoted, with_options
from agentnb.notebook.runs import NotebookRun, busy, runs, start
from agentnb.notebook.saved import LEAST, SavedRun, broken_off, log_of, open_run
from agentnb.notebook.session import Wish, waiting
from agentnb.runlog import RunLog, RunStarted

F = TypeVar("F", bound=Callable[..., Any])

MODEL_VARIABLE = "AGENTNB_MODEL"


_FIRST_LINE = re.compile(r"\s*%%agentteam(?=\s|$)(.*)", re.DOTALL)


def transform(lines: list[str]) -> list[str]:
    """Turn a cell whose first line is `%%agentteam …` into one that awaits `run_cell`; leave others alone."""
    number = next((number for number, line in enumerate(lines) if line.strip()), None)
    first = _FIRST_LINE.match(lines[number]) if number is not None else None
    if number is None or first is None or not _may_await():
        return lines
    # Both are literals: nothing in the body can be read as a magic, a shell command, a format or a question mark.
    line, body = first[1].strip(), "".join(lines[number + 1 :])
    return [f"await __import__('agentnb.notebook.magics', fromlist=['run_cell']).run_cell({line!r}, {body!r})\n"]


# A terminal asks this transformer's manager whether a cell is complete: `%%agentteam x` alone is not.
transform.has_side_effects = True  # type: ignore[attr-defined]


def _may_await() -> bool:
    shell = get_ipython()
    if shell is not None and not shell.autoawait:
        return False
    # `%%time` and its like transform their body a second time, and run it without await.
    frame = sys._getframe(1)
    while frame is not None:
        if frame.f_code.co_name == "run_cell_magic":
            return False
        frame = frame.f_back  # type: ignore[assignment]
    return True


def install(shell: Any) -> None:
    """Add the transformer and the magics to an IPython shell; doing so twice changes nothing."""
    transforms = shell.input_transformer_manager.cleanup_transforms
    if transform not in transforms:
        transforms.insert(0, transform)  # first: IPython's own would strip `>>>` from the body
    if magics_of(shell) is None:
        shell.register_magics(AgentTeamMagics(shell))  # which joins the shell's configurables by itself


def remove(shell: Any) -> None:
    """Take the transformer and the magics away again."""
    transforms = shell.input_transformer_manager.cleanup_transforms
    while transform in transforms:
        transforms.remove(transform)
    magics = magics_of(shell)
    if magics is not None:
        shell.configurables.remove(magics)
        shell.magics_manager.registry.pop(type(magics).__name__, None)
    for table in shell.magics_manager.magics.values():
        table.pop("agentteam", None)


def magics_of(shell: Any) -> AgentTeamMagics | None:
    """Return the magics registered with a shell."""
    found = shell.magics_manager.registry.get("AgentTeamMagics") if shell is not None else None
    return found if isinstance(found, AgentTeamMagics) else None


async def run_cell(line: str, body: str) -> None:
    """Do what a `%%agentteam` cell asks for.

    Args:
        line: What follows `%%agentteam` on its line.
        body: The other lines, as written: the task.

    Raises:
        UserError: If an option, a name or the task is wrong.
        RunStopped: If the cell was interrupted; the run is kept and bound all the same.
        AgentnbError: If the run failed; it is kept and bound all the same.
    """
    magics = magics_of(get_ipython())
    if magics is None:
        raise UserError("The agentnb extension is not loaded here. Run `%load_ext agentnb` first.")
    await magics.launch(line, body)


@magics_class
class AgentTeamMagics(Magics, Configurable):
    """Settings of `%%agentteam`: `%config AgentTeamMagics.model = "openai:gpt-4o-mini"`."""

    shell: Any

    model = Unicode(
        "",
        help="The model for teams found by name, as in 'openai:gpt-4o-mini' or 'local'; empty: AGENTNB_MODEL decides.",
    ).tag(config=True)
    max_turns = Integer(None, allow_none=True, help="The most turns of teams found by name; None: the team's own.").tag(
        config=True
    )
    wait = Enum(
        ("auto", "wait", "background"),
        default_value="auto",
        help="Whether the cell waits for its run; 'auto': wherever the page stays usable meanwhile.",
    ).tag(config=True)

    @no_var_expand
    @cell_magic("agentteam")  # type: ignore[arg-type]
    @with_options
    def agentteam_cell(self, line: str, cell: str) -> None:
        """Give a team the text below as its task.

        The first line must be the first of the cell. ■ stops the run, and Pause above the transcript holds it behind
        the turn that goes on; what it did is kept in the run's log and in the variable of `--out`: `run.to_df()`,
        `run.plot()`, `run.to_html("run.html")`, `run.branch(message=2)`, `run.diff(other)` …

        With `--resume RUN` the team goes on from a run of its name, of this kernel or a saved one. Without a text
        below, a run that broke off (■, an error, a kernel that ended) is taken up: turns that had come to their end
        stand, and nothing that was done is done again. With a text, that is the next task. `--branch K` leaves the run
        as it is, and goes on from its first K messages in a run of its own.
        """
        shell = get_ipython()
        if shell is not None and not shell.autoawait:
            raise UserError("%%agentteam needs cells that may await. Run `%autoawait asyncio` first.")
        raise UserError(
            "%%agentteam must be the first line of its cell, with no other magic such as %%time above it: those run "
            "the cell without waiting for it. A run shows its own seconds."
        )

    @no_var_expand
    @line_magic("agentteam")  # type: ignore[arg-type]
    def agentteam_line(self, line: str) -> None:
        """List, show, stop and pause runs.

        `%agentteam list`: what can be given a task; `%agentteam runs`: the runs of this kernel, and those saved last;
        `%agentteam show RUN`: a run again, by its number, a variable, its id or its file; `-o VAR` binds it, with all
        a run can do (as `agentnb.open_run(RUN)` gives it): `to_df`, `plot`, `provenance`, `to_html`, `to_notebook`,
        `export`, `save`, `branch`, `diff`; `%agentteam stop 2`: stop run 2 (without a number: the newest that
        runs), and likewise `pause`: hold it behind the turn that goes on, `resume`: let it go on, `step`: let one more
        turn through; `%agentteam models`: which model is taken.
        """
        commands: dict[str, Callable[[list[str]], None]] = {
            "list": self._list,
            "runs": self._table,
            "show": self._show,
            "stop": self._stop,
            "pause": partial(self._hold, "pause"),
            "resume": partial(self._hold, "resume"),
            "step": partial(self._hold, "step"),
            "models": self._models,
        }
        word, *rest = line.split() or [""]
        if not word:
            print(_HELP)
        elif word not in commands:
            raise UnknownName(
                f"%agentteam has no command {word!r} (it has: {', '.join(commands)}).{near(word, commands)}"
            )
        else:
            commands[word](rest)

    def _list(self, rest: list[str]) -> None:
        _no_more("list", rest)
        rows = [(name, "ready-made team", "") for name in plugins.names("team")]
        for name, value in self.shell.user_ns.items():
            if isinstance(value, TaskRunner) and not name.startswith("_"):
                rows.append((name, type(value).__name__, value.description))
        print(aligned(rows))

    def _table(self, rest: list[str]) -> None:
        _no_more("runs", rest)
        print("\n\n".join(filter(None, (kernel_runs(), saved_runs()))))

    def _show(self, rest: list[str]) -> None:
        named = rest[:-2] if len(rest) > 1 and rest[-2] in ("-o", "--out") else rest
        name = rest[-1] if named is not rest else None
        if len(named) != 1 or (name is not None and not name.isidentifier()):
            raise UserError(
                "%agentteam show takes one run: its number, a variable, its id or its file, and `-o VAR` to bind it. "
                "`%agentteam runs` lists them."
            )
        run = self._run_named("%agentteam show", named[0])
        shown = run if isinstance(run, LoggedRun) else open_run(run)
        if name is not None:
            self.shell.user_ns[name] = shown
        display(shown)

    def _run_named(self, command: str, text: str) -> Any:
        """Return what a person means: a run of this kernel by number, a variable's value, else the text itself."""
        text = unquoted(text)
        if text.isdecimal() and len(text) < LEAST:
            return self._numbered(command, [text])
        if text.isidentifier() and text in self.shell.user_ns:
            return self.shell.user_ns[text]
        return text

    def _stop(self, rest: list[str]) -> None:
        run = self._at_work("stop", rest)
        if run is not None:
            run.stop("%agentteam stop")
            print(f"Run {run.number} of {run.runner.name!r} is being stopped; what it did is kept.")

    def _hold(self, command: str, rest: list[str]) -> None:
        run = self._at_work(command, rest)
        if run is not None:
            {"pause": run.pause, "resume": run.resume, "step": run.step}[command]()
            print(f"Run {run.number} of {run.runner.name!r} {_HELD[command]}.")

    def _at_work(self, command: str, rest: list[str]) -> NotebookRun | None:
        """Return the run a command is about, by default the newest that goes on; None if none is left to do it to."""
        at_work = [run for run in runs() if run.goes_on]
        if not rest and not at_work:
            print("Nothing runs.")
            return None
        run = self._numbered(f"%agentteam {command}", rest) if rest else at_work[-1]
        if run.goes_on:
            return run
        print(f"Run {run.number} is over already ({run.state}).")
        return None

    def _models(self, rest: list[str]) -> None:
        _no_more("models", rest)
        named = os.environ.get(MODEL_VARIABLE, "")
        rows = [
            ("1", "--model TEXT", "in the cell"),
            ("2", "%config AgentTeamMagics.model", repr(self.model) if self.model else "not set"),
            ("3", MODEL_VARIABLE, repr(named) if named else "not set"),
            ("4", "default", "what is at hand; the run says which and why"),
        ]
        print("The first of these that is set decides:\n" + aligned(rows))
        try:
            print(f"Now: {plugins.load('choice', 'model')(self.model or None).line()}")
        except AgentnbError as error:
            print(f"Now: none. {error}")

    def _numbered(self, command: str, rest: list[str]) -> NotebookRun:
        known = runs()
        if len(rest) != 1 or not rest[0].isdecimal():
            raise UserError(f"{command} takes the number of a run, as in `{command} 1`; `%agentteam runs` lists them.")
        number = int(rest[0])
        if not 1 <= number <= len(known):
            have = f"there are 1 to {len(known)}" if known else "there is none yet"
            raise UnknownName(f"No run {number} in this kernel ({have}).")
        return known[number - 1]

    async def launch(self, line: str, body: str) -> None:
        """Start the run of a cell, bind it, and wait for it where that is right."""
        options = self.options(line)
        task = body.strip("\n") if body.strip() else ""
        if not task and options.resume is None:
            raise UserError(
                f"The cell has no task. Write it below the first line: `%%agentteam {options.name}`, then what to do."
            )
        variables = self._variables(options.variables)
        runner, made_here = self._runner(options, variables)
        try:
            log = self._beginning(options, runner) if options.resume is not None else None
            if log is not None and not task and not broken_off(log, runner.name):
                run: LoggedRun = SavedRun(log)
            else:
                run = await self._started(runner, task, variables, options, log, made_here)
        except BaseException:
            if made_here and isinstance(runner, Team):
                await runner.close()
            raise
        if options.out:
            self.shell.user_ns[options.out] = run
        if isinstance(run, NotebookRun):
            await self._accompany(run, options)
            return
        if made_here and isinstance(runner, Team):
            await runner.close()
        if not options.quiet:
            display(run)
        print(
            f"The run {run.log.id[:8]} had come to its end, so nothing was done. Write a task below the first line to "
            "go on from there, or add `--branch K` to go on differently after its message K."
        )

    async def _started(
        self,
        runner: TaskRunner,
        task: str,
        variables: Mapping[str, Any],
        options: Any,
        log: RunLog | None,
        close_runner: bool,
    ) -> NotebookRun:
        try:
            return await start(
                runner,
                task,
                variables=variables,
                quiet=options.quiet,
                close_runner=close_runner,
                log=log,
                rerun_code=options.rerun_code,
            )
        except BaseException:
            if options.branch is not None and log is not None and log.path is not None:
                log.path.unlink(missing_ok=True)  # a branch that nothing went on in
            raise

    def _beginning(self, options: Any, runner: TaskRunner) -> RunLog:
        try:
            log = log_of(self._run_named("--resume", options.resume))
        except UserError as error:
            no_variable = options.resume.isidentifier() and len(options.resume) < LEAST
            if not no_variable and not isinstance(error, UnknownName):
                raise
            hint = near(options.resume, self._own_names())
            raise UnknownName(
                f"--resume {options.resume}: no variable of that name, and no run. {error}{hint}"
            ) from None
        there = {event.body.runner for event in log if isinstance(event.body, RunStarted) and event.parent is None}
        if runner.name not in there:
            whose = f"of {', '.join(map(repr, sorted(there)))}" if there else "without a beginning"
            raise UserError(
                f"The run {log.id[:8]} is one {whose}, and {options.name!r} holds {runner.name!r}. Give the cell a "
                "team or an agent of the run's name, with the same participants."
            )
        return log if options.branch is None else log.branch(message=options.branch)

    async def _accompany(self, run: NotebookRun, options: Any) -> None:
        wish: Wish = "wait" if options.wait else "background" if options.background else cast(Wish, self.wait)
        waits, may_detach, remark = waiting(run.session, asks_person=run.runner.asks_person, wish=wish)
        if remark:
            print(remark)
        if waits and may_detach and not await run.reachable():
            waits = False
            print("This page cannot reach the run while a cell waits: it goes on in the background.")
        if waits:
            await run.wait()
        elif run.session.kind == "page":
            name = options.out or "run"
            print(f"Run {run.number} goes on; `await {name}` waits for it, `%agentteam stop {run.number}` stops it.")

    def options(self, line: str) -> Any:
        """Read the first line.

        Raises:
            UserError: If an option is unknown, lacks its value, or contradicts another.
        """
        return read(self.agentteam_cell, line)

    def _variables(self, names: str | None) -> dict[str, Any]:
        found = {}
        for name in filter(None, (part.strip() for part in (names or "").split(","))):
            if name not in self.shell.user_ns:
                raise UnknownName(f"--with {name}: no such variable in this notebook.{near(name, self._own_names())}")
            found[name] = self.shell.user_ns[name]
        if names is not None and not found:
            raise UserError("--with wants the names of variables, as in `--with penguins,weights`.")
        return found

    def _own_names(self) -> list[str]:
        hidden = self.shell.user_ns_hidden
        return [name for name in self.shell.user_ns if not name.startswith("_") and name not in hidden]

    def _runner(self, options: Any, variables: Mapping[str, Any]) -> tuple[TaskRunner, bool]:
        value = self.shell.user_ns.get(options.name)
        ready_made = plugins.names("team")
        if isinstance(value, TaskRunner):
            for flag, given in (("--model", options.model), ("--max-turns", options.max_turns)):
                if given is not None:
                    raise UserError(
                        f"{flag} does not apply to the variable {options.name!r}: the {type(value).__name__} it holds "
                        f"is already made. Set it there, or use a ready-made team ({', '.join(ready_made)})."
                    )
            other = busy(value)
            if other is not None:
                raise UserError(
                    f"{options.name!r} is still at run {other.number}. Wait for it, stop it with `%agentteam stop "
                    f"{other.number}`, or make a second team."
                )
            return value, False
        if options.name in ready_made:
            team = plugins.load("team", options.name)(
                model=options.model or self.model or None,
                data=dict(variables) or None,
                max_turns=self.max_turns if options.max_turns is None else options.max_turns,
            )
            return team, True
        if value is not None:
            raise UserError(
                f"The variable {options.name!r} holds a {type(value).__name__}; a team or an agent is wanted, "
                f"or a ready-made team ({', '.join(ready_made)})."
            )
        teams = [name for name, held in self.shell.user_ns.items() if isinstance(held, TaskRunner) and name[0] != "_"]
        known = [*ready_made, *teams]
        raise UnknownName(
            f"No team named {options.name!r} (known: {', '.join(map(repr, known)) or 'none'})."
            f"{near(options.name, known)}"
        )


_HELP = """\
%%agentteam NAME [--with A,B] [-o VAR] [--model TEXT] [--max-turns N] [--wait | --background] [-q]
    gives a team the rest of the cell as its task (`%%agentteam?` explains)
%%agentteam NAME --resume RUN [--branch K] [--rerun-code] …
    goes on from a run: takes it up where it broke off, or gives the cell as the next task
%agentteam list      what can be given a task
%agentteam runs      the runs of this kernel, and those saved last
%agentteam show RUN [-o VAR]
                     a run again: by its number, a variable, its id or its file
%agentteam stop [N]  stop run N, or the newest
%agentteam pause [N], resume [N], step [N]
                     hold it behind the turn that goes on, let it go on, let one more turn through
%agentteam models    which model is taken, and how to change it"""


_HELD = {
    "pause": "is held behind the turn that goes on; `%agentteam resume` or `step` lets it, or one turn, go on",
    "resume": "goes on",
    "step": "takes one more turn",
}


def _no_more(command: str, rest: list[str]) -> None:
    if rest:
        raise UserError(f"%agentteam {command} takes nothing more; {' '.join(rest)!r} is too much.")
