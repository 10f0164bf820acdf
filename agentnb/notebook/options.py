"""What the first line of a `%%agentteam` cell may say."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable
from typing import Any, TypeVar

from IPython.core.error import UsageError
from IPython.core.magic_arguments import argument, magic_arguments, parse_argstring

from agentnb.core import plugins, well_formed
from agentnb.exceptions import UserError

F = TypeVar("F", bound=Callable[..., Any])

_OPTIONS: tuple[tuple[tuple[str, ...], dict[str, Any]], ...] = (
    (("name",), {"metavar": "NAME", "help": "a variable that holds a team or an agent, or a ready-made team's name"}),
    (("-o", "--out"), {"metavar": "VAR", "help": "bind the run to this variable"}),
    (("--with",), {"dest": "variables", "metavar": "A,B", "help": "hand these variables to the team's code"}),
    (("--max-turns",), {"metavar": "N", "help": "stop after so many turns (ready-made teams)"}),
    (("--model",), {"metavar": "TEXT", "help": "as in openai:gpt-4o-mini or local (ready-made teams)"}),
    (("--resume",), {"metavar": "RUN", "help": "go on from a run: a variable, a run's number, its id, or its file"}),
    (("--branch",), {"metavar": "K", "help": "with --resume: go on in another run, after the first K messages"}),
    (("--rerun-code",), {"action": "store_true", "help": "with --resume: run its code again first, for its variables"}),
    (("--wait",), {"action": "store_true", "help": "let the cell wait for the run"}),
    (("--background",), {"action": "store_true", "help": "let the run go on after the cell"}),
    (("-q", "--quiet"), {"action": "store_true", "help": "show nothing; display the run later by its variable"}),
)
_FLAGS = [flag for flags, _ in _OPTIONS[1:] for flag in flags]


def with_options(magic: F) -> F:
    """Give a magic the options."""
    decorate: Any = argument  # IPython's decorators carry no types
    for flags, settings in reversed(_OPTIONS):
        magic = decorate(*flags, **settings)(magic)
    finish: Any = magic_arguments
    decorated: F = finish("%agentteam")(magic)
    return decorated


def read(magic: Any, line: str) -> Any:
    """Return the options of a line.

    Raises:
        UserError: If one is unknown, lacks its value, or contradicts another.
    """
    try:
        options = parse_argstring(magic, line)
    except (UsageError, ValueError) as error:
        raise UserError(_explained(str(error), line)) from None
    for name, value in vars(options).items():
        if isinstance(value, str):
            setattr(options, name, unquoted(value))
    if options.out is not None and not options.out.isidentifier():
        raise UserError(f"--out {options.out}: a variable's name is wanted, as in `--out run`.")
    if options.wait and options.background:
        raise UserError("--wait and --background contradict each other; give one of them.")
    if options.max_turns is not None:
        if not options.max_turns.isdecimal() or int(options.max_turns) < 1:
            raise UserError(f"--max-turns {options.max_turns}: a whole number from 1 on is wanted.")
        options.max_turns = int(options.max_turns)
    if options.branch is not None:
        if not options.branch.isdecimal():
            raise UserError(f"--branch {options.branch}: a number of messages is wanted, 0 or more.")
        options.branch = int(options.branch)
    for flag, given in (("--branch", options.branch is not None), ("--rerun-code", options.rerun_code)):
        if given and options.resume is None:
            raise UserError(f"{flag} needs a run to go on from: give `--resume RUN` as well.")
    return options


def unquoted(text: str) -> str:
    """Return a value without the quotes round it."""
    # IPython splits at blanks outside of quotes and keeps those.
    return text[1:-1] if len(text) > 1 and text[0] == text[-1] and text[0] in "'\"" else text


def near(name: str, known: Iterable[str]) -> str:
    """Return a hint at the known name that is most like one that is not; empty if none is like it."""
    found = difflib.get_close_matches(name, list(known), n=1)
    return f" Did you mean {found[0]!r}?" if found else ""


def _explained(message: str, line: str) -> str:
    if message.startswith("unrecognized arguments:"):
        extra = message.partition(":")[2].split()
        if not extra[0].startswith("-"):
            return (
                f"%%agentteam takes one name; {' '.join(extra)!r} is too much. The task goes on the lines below, "
                "and `--with` takes names joined by commas, without blanks."
            )
        return f"%%agentteam has no option {extra[0]!r}.{near(extra[0].partition('=')[0], _FLAGS)}"
    if "the following arguments are required" in message:
        known = ", ".join(plugins.names("team"))
        return f"%%agentteam wants a name: a variable that holds a team or an agent, or a ready-made team ({known})."
    return f"%%agentteam {well_formed(line)}: {message}."
