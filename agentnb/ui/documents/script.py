"""A run as a script: its accepted code in `# %%` cells, the talk as comments."""

from __future__ import annotations

import re
import textwrap

from agentnb.transcripts.export import (
    Aside,
    Asked,
    Code,
    Failures,
    Fault,
    Opening,
    Remark,
    Speech,
    Story,
    Talk,
    Verdict,
    cells,
)
from agentnb.transcripts.methods import counted
from agentnb.ui.documents import words
from agentnb.ui.markup import plain_text

WIDTH = 100

_FUTURE = re.compile(r"(?m)^from __future__ import .*$\n?")
_MAGIC = re.compile(r"(?m)^([ \t]*)([%!].*|.*\?{1,2}[ \t]*)$")


def script_document(story: Story, *, failures: Failures = "none") -> str:
    """Return a story as a Python script that compiles.

    What only a notebook or a shell runs stands in comments: magics, shell blocks, top-level `await`, other languages,
    and code that failed where `failures` is "text".
    """
    blocks: list[str] = []
    future: dict[str, None] = {}
    for cell in cells(story, failures=failures):
        match cell:
            case Opening():
                if len(story.episodes) > 1:
                    blocks.append(
                        f"# %% [markdown]\n{_comment(f'## {cell.episode.runner}: {words.outcome(cell.episode)}')}"
                    )
            case Talk():
                blocks.append(f"# %% [markdown]\n{_comment(_said(cell))}")
            case Code(accepted=True, language="python"):
                future |= dict.fromkeys(line.strip() for line in _FUTURE.findall(cell.code))
                blocks.append(f"# %%\n{_runnable(_FUTURE.sub('', cell.code))}")
            case Code(accepted=True):
                blocks.append(
                    f"# %% [markdown]\n{_comment(f'In {cell.name}, not run by this script:')}\n{_comment(cell.code)}"
                )
            case Code():
                said = f"{words.who(cell.run)} {words.ran(cell.run, follows=True)}:"
                blocks.append(f"# %% [markdown]\n{_comment(said)}\n{_comment(cell.code)}")
    return "\n\n".join([_opening(story), *(["\n".join(future)] if future else []), *blocks]) + "\n"


def _opening(story: Story) -> str:
    lines = [words.title(story), ""]
    for episode in story.episodes:
        lines.append(
            ", ".join(filter(None, [episode.runner, episode.model, words.when(episode.began), words.outcome(episode)]))
        )
    lines += [", ".join(f"{name.lower()} {value}" for name, value in words.measures(story)), ""]
    lines += ["The code that ran in this run, in its order. Written with agentnb from its log.", *story.notes]
    return _comment("\n".join(lines))


def _said(cell: Talk) -> str:
    entry = cell.entry
    who = words.who(entry)
    match entry:
        case Speech():
            label = f" ({plain_text(entry.label)})" if entry.label else ""
            pictures = f"\n[{counted(len(entry.images), 'picture')}]" if entry.images else ""
            return f"{who}{label}:\n\n{plain_text(cell.text).strip()}{pictures}"
        case Asked():
            return f"{who} is asked: {entry.prompt}\n\n{words.replied(entry)}"
        case Fault():
            return f"{who}: {entry.type}: {entry.message}"
        case Verdict():
            return f"{who} {words.judged(entry)}"
        case Aside():
            return f"{who} {entry.label}: make them before the code runs.\n\n{entry.text}"
        case Remark():
            return f"({entry.text})"
    return ""


def _comment(text: str) -> str:
    lines = []
    for line in plain_text(text).split("\n"):
        indent = line[: len(line) - len(line.lstrip())]
        lines += textwrap.wrap(line, WIDTH, subsequent_indent=indent, break_long_words=False) or [""]
    return "\n".join(f"# {line}".rstrip() for line in lines)


def _runnable(code: str) -> str:
    code = plain_text(code)
    if code.lstrip().startswith("%%"):
        return _comment("For a notebook's kernel only:") + "\n" + _quiet(code)
    if _compiles(code):
        return code
    without = _MAGIC.sub(lambda match: f"{match[1]}pass  # {match[2]}" if match[1] else f"# {match[2]}", code)
    if _compiles(without):
        return without
    return _comment("For a notebook's kernel only:") + "\n" + _quiet(code)


def _quiet(code: str) -> str:
    return "\n".join(f"# {line}".rstrip() for line in code.split("\n"))


def _compiles(code: str) -> bool:
    try:
        compile(code, "script", "exec", dont_inherit=True)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    return True
