"""Code in fences: how it is found in a text, and written into one."""

from __future__ import annotations

import re
from collections.abc import Sequence

from agentnb.messages import CodeBlock

# A fence as CommonMark has it (4.5): closed by as many backticks or more, so that a longer one quotes a shorter one.
_FENCE = re.compile(
    r"^([ \t]*)(`{3,})[ \t]*([\w+#-]*)[^\n`]*\n(.*?)^[ \t]*\2`*[ \t]*$",
    re.DOTALL | re.MULTILINE,
)


def code_blocks(text: str, languages: Sequence[str]) -> list[CodeBlock]:
    """Return the fenced blocks of `text` in one of the languages, upper and lower case alike.

    The indentation of a fence, as in a list, is taken off its code.
    """
    wanted = {language.lower() for language in languages}
    return [
        CodeBlock(
            code=re.sub(rf"^[ \t]{{1,{len(indent)}}}", "", code, flags=re.MULTILINE) if indent else code,
            language=language.lower(),
        )
        for indent, _, language, code in _FENCE.findall(text.replace("\r\n", "\n"))
        if language.lower() in wanted
    ]


def has_fence(text: str) -> bool:
    """Whether there is a fenced block in any language, or in none."""
    return _FENCE.search(text.replace("\r\n", "\n")) is not None


def fenced(blocks: Sequence[CodeBlock]) -> str:
    """Return blocks as text, each in a fence that its code cannot close."""
    return "\n\n".join(
        f"{mark}{block.language}\n{block.code}{'' if block.code.endswith(chr(10)) or not block.code else chr(10)}{mark}"
        for block in blocks
        for mark in [_longer_than_within(block.code)]
    )


def quoted(text: str) -> str:
    """Return a text in a fence of no language: what is fenced within it is shown and does not run."""
    mark = _longer_than_within(text)
    return f"{mark}\n{text}\n{mark}"


def _longer_than_within(text: str) -> str:
    longest = max((len(run) for run in re.findall(r"^[ \t]*(`{3,})", text, flags=re.MULTILINE)), default=2)
    return "`" * (longest + 1)
