"""`%%agentteam` gives a team the cell as its task; `%agentteam` lists, shows and stops runs.

IPython does not await cell magics, so an input transformer turns the cell into a top-level `await run_cell(…)`:
tracebacks, interrupts and `_` then work as in any cell that awaits. The plain magic of the same name gives help and
completion, and says what is wrong where the cell was not transformed.
"""

from __future__ import annotations

import difflib
import os
import re
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar, cast

from IPython.core.error import UsageError
from IPython.core.getipython import get_ipython
from IPython.core.magic import Magics, cell_magic, line_magic, magics_class, no_var_expand
from IPython.core.magic_arguments import argument, magic_arguments, parse_argstring
from IPython.display import display
from traitlets import Enum, Integer, Unicode
from traitlets.config import Configurable

from agentnb.base import TaskRunner, Team
from agentnb.core import plugins, well_formed
from agentnb.exceptions import AgentnbError, UnknownName, UserError
from agentnb.notebook.runs import NotebookRun, busy, runs, start
from agentnb.notebook.session import Wish, waiting
from agentnb.runlog import totals

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


_OPTIONS: tuple[tuple[tuple[str, ...], dict[str, Any]], ...] = (
    (("name",), {"metavar": "NAME", "help": "a variable that holds a team or an agent, or a ready-made team's name"}),
    (("-o", "--out"), {"metavar": "VAR", "help": "bind the run to this variable"}),
    (("--with",), {"dest": "variables", "metavar": "A,B", "help": "hand these variables to the team's code"}),
    (("--max-turns",), {"metavar": "N", "help": "stop after so many turns (ready-made teams)"}),
    (("--model",), {"metavar": "TEXT", "help": "as in openai:gpt-4o-mini or local (ready-made teams)"}),
    (("--wait",), {"action": "store_true", "help": "let the cell wait for the run"}),
    (("--background",), {"action": "store_true", "help": "let the run go on after the cell"}),
    (("-q", "--quiet"), {"action": "store_true", "help": "show nothing; display the run later by its variable"}),
)
_FLAGS = [flag for flags, _ in _OPTIONS[1:] for flag in flags]


def _with_options(magic: F) -> F:
    decorate: Any = argument  # IPython's decorators carry no types
    for flags, settings in reversed(_OPTIONS):
        magic = decorate(*flags, **settings)(magic)
    finish: Any = magic_arguments
    decorated: F = finish("%agentteam")(magic)
    return decorated


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
    @_with_options
    def agentteam_cell(self, line: str, cell: str) -> None:
        """Give a team the text below as its task.

        The first line must be the first of the cell. ■ stops the run; what it did is kept in the run's log and in
        the variable of `--out`.
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
        """List, show and stop runs.

        `%agentteam list`: what can be given a task; `%agentteam runs`: the runs of this kernel; `%agentteam show 2`:
        run 2 again; `%agentteam stop 2`: stop run 2 (without a number: the newest that runs); `%agentteam models`:
        which model is taken.
        """
        commands = {
            "list": self._list,
            "runs": self._table,
            "show": self._show,
            "stop": self._stop,
            "models": self._models,
        }
        word, *rest = line.split() or [""]
        if not word:
            print(_HELP)
        elif word not in commands:
            raise UnknownName(
                f"%agentteam has no command {word!r} (it has: {', '.join(commands)}).{_near(word, commands)}"
            )
        else:
            commands[word](rest)

    def _list(self, rest: list[str]) -> None:
        _no_more("list", rest)
        rows = [(name, "ready-made team", "") for name in plugins.names("team")]
        for name, value in self.shell.user_ns.items():
            if isinstance(value, TaskRunner) and not name.startswith("_"):
                rows.append((name, type(value).__name__, value.description))
        print(_aligned(rows))

    def _table(self, rest: list[str]) -> None:
        _no_more("runs", rest)
        rows = [("run", "team", "state", "messages", "tokens", "seconds", "log")]
        for run in runs():
            so_far = totals(run.log)
            tokens = so_far.prompt_tokens + so_far.completion_tokens
            where = os.path.relpath(run.log.path) if run.log.path else "in memory"
            rows.append(
                (
                    str(run.number),
                    run.runner.name,
                    run.state,
                    str(so_far.messages),
                    str(tokens),
                    f"{so_far.seconds:.1f}",
                    where,
                )
            )
        print(_aligned(rows) if len(rows) > 1 else "No run in this kernel yet. `%%agentteam NAME` starts one.")

    def _show(self, rest: list[str]) -> None:
        display(self._numbered("show", rest))

    def _stop(self, rest: list[str]) -> None:
        running = [run for run in runs() if run.state == "running"]
        if not rest and not running:
            print("Nothing runs.")
            return
        run = self._numbered("stop", rest) if rest else running[-1]
        if run.state != "running":
            print(f"Run {run.number} is over already ({run.state}).")
            return
        run.stop("%agentteam stop")
        print(f"Run {run.number} of {run.runner.name!r} is being stopped; what it did is kept.")

    def _models(self, rest: list[str]) -> None:
        _no_more("models", rest)
        named = os.environ.get(MODEL_VARIABLE, "")
        rows = [
            ("1", "--model TEXT", "in the cell"),
            ("2", "%config AgentTeamMagics.model", repr(self.model) if self.model else "not set"),
            ("3", MODEL_VARIABLE, repr(named) if named else "not set"),
            ("4", "default", "what is at hand; the run says which and why"),
        ]
        print("The first of these that is set decides:\n" + _aligned(rows))
        try:
            print(f"Now: {plugins.load('choice', 'model')(self.model or None).line()}")
        except AgentnbError as error:
            print(f"Now: none. {error}")

    def _numbered(self, command: str, rest: list[str]) -> NotebookRun:
        known = runs()
        if len(rest) != 1 or not rest[0].isdecimal():
            raise UserError(
                f"%agentteam {command} takes the number of a run, as in `%agentteam {command} 1`; "
                "`%agentteam runs` lists them."
            )
        number = int(rest[0])
        if not 1 <= number <= len(known):
            have = f"there are 1 to {len(known)}" if known else "there is none yet"
            raise UnknownName(f"No run {number} in this kernel ({have}).")
        return known[number - 1]

    async def launch(self, line: str, body: str) -> None:
        """Start the run of a cell, bind it, and wait for it where that is right."""
        options = self.options(line)
        if not body.strip():
            raise UserError(
                f"The cell has no task. Write it below the first line: `%%agentteam {options.name}`, then what to do."
            )
        variables = self._variables(options.variables)
        runner, made_here = self._runner(options, variables)
        try:
            run = await start(
                runner, body.strip("\n"), variables=variables, quiet=options.quiet, close_runner=made_here
            )
        except BaseException:
            if made_here and isinstance(runner, Team):
                await runner.close()
            raise
        if options.out:
            self.shell.user_ns[options.out] = run
        await self._accompany(run, options)

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
        try:
            options = parse_argstring(self.agentteam_cell, line)
        except (UsageError, ValueError) as error:
            raise UserError(_explained(str(error), line)) from None
        for name, value in vars(options).items():
            if isinstance(value, str) and len(value) > 1 and value[0] == value[-1] and value[0] in "'\"":
                setattr(options, name, value[1:-1])  # IPython splits at blanks outside of quotes and keeps those
        if options.out is not None and not options.out.isidentifier():
            raise UserError(f"--out {options.out}: a variable's name is wanted, as in `--out run`.")
        if options.wait and options.background:
            raise UserError("--wait and --background contradict each other; give one of them.")
        if options.max_turns is not None:
            if not options.max_turns.isdecimal() or int(options.max_turns) < 1:
                raise UserError(f"--max-turns {options.max_turns}: a whole number from 1 on is wanted.")
            options.max_turns = int(options.max_turns)
        return options

    def _variables(self, names: str | None) -> dict[str, Any]:
        found = {}
        for name in filter(None, (part.strip() for part in (names or "").split(","))):
            if name not in self.shell.user_ns:
                raise UnknownName(f"--with {name}: no such variable in this notebook.{_near(name, self._own_names())}")
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
            f"{_near(options.name, known)}"
        )


_HELP = """\
%%agentteam NAME [--with A,B] [-o VAR] [--model TEXT] [--max-turns N] [--wait | --background] [-q]
    gives a team the rest of the cell as its task (`%%agentteam?` explains)
%agentteam list      what can be given a task
%agentteam runs      the runs of this kernel
%agentteam show N    run N again
%agentteam stop [N]  stop run N, or the newest
%agentteam models    which model is taken, and how to change it"""


def _near(name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, list(known), n=1)
    return f" Did you mean {near[0]!r}?" if near else ""


def _explained(message: str, line: str) -> str:
    if message.startswith("unrecognized arguments:"):
        extra = message.partition(":")[2].split()
        if not extra[0].startswith("-"):
            return (
                f"%%agentteam takes one name; {' '.join(extra)!r} is too much. The task goes on the lines below, "
                "and `--with` takes names joined by commas, without blanks."
            )
        return f"%%agentteam has no option {extra[0]!r}.{_near(extra[0].partition('=')[0], _FLAGS)}"
    if "the following arguments are required" in message:
        known = ", ".join(plugins.names("team"))
        return f"%%agentteam wants a name: a variable that holds a team or an agent, or a ready-made team ({known})."
    return f"%%agentteam {well_formed(line)}: {message}."


def _no_more(command: str, rest: list[str]) -> None:
    if rest:
        raise UserError(f"%agentteam {command} takes nothing more; {' '.join(rest)!r} is too much.")


def _aligned(rows: Sequence[tuple[str, ...]]) -> str:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))] if rows else []
    return "\n".join("  ".join(map(str.ljust, row, widths)).rstrip() for row in rows)
