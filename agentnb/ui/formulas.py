r"""Formulas in a model's Markdown: $x$ and \(x\) in a line, $$x$$ and \[x\] by themselves.

Markdown would take their backslashes and underscores for its own, and a notebook takes any two dollars of a page for
a formula: "between $5 and $10" loses its words. So formulas are found here, kept as they were written, and nothing else
of a page is typeset.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from markdown_it import MarkdownIt
    from markdown_it.rules_block import StateBlock
    from markdown_it.rules_inline import StateInline

# The second of each is MathJax's name of today, the first that of version 2, which nbconvert's pages load.
PLAIN_CLASS = "tex2jax_ignore mathjax_ignore"
"""The class of a page in which no text is typeset."""
FORMULA_CLASS = "tex2jax_process mathjax_process"
"""The class of what is typeset within such a page."""

# A dollar opens before something and closes behind something, as in Pandoc, and next to no letter or digit.
_INLINE = re.compile(
    r"\\\((?:(?!\\\)).){1,2000}\\\)"
    r"|\\\[(?:(?!\\\]).){1,4000}\\\]"
    r"|\$\$(?:(?!\$\$).){1,4000}\$\$"
    r"|(?<![\w$])\$(?![\s$])(?:\\.|[^\\$]){1,1000}(?<!\s)\$(?![\w$])",
    re.DOTALL,
)
_ENDS = {"$$": "$$", "\\[": "\\]"}
_LINES = 200
_OPENING = re.compile(r"\$\$|\\\[")
_DOLLAR = re.compile(r"\\?\$")
# Where nobody knows formulas, these begin raw HTML or a picture; TeX does not mind a space.
_WITHIN = re.compile(r"<(?=[A-Za-z/!?])|!(?=\[)")
# TeX that leads somewhere, borrows looks, leaves its place, or changes what a later formula means.
_ACTS = re.compile(
    r"\\(?:href|url|style|class|cssId|data|html\w*|require|mmlToken|unicode|bbox|includegraphics|toggle|mathtip|texttip"
    r"|[egx]?def|let|futurelet|(?:re)?new\w*|provide\w+|Declare\w+|definecolor|csname|catcode|char"
    r"|[hv]space|[hvm]skip|m?kern|raise|lower|moveleft|moveright|[Rr]ule|Space|[rlc]lap|math[rlc]lap|smash"
    r")(?![A-Za-z])"
)


def in_dollars(text: str, otherwise: Callable[[str], str]) -> str:
    """Return a line of Markdown with its formulas between dollars, which all readers know.

    Args:
        text: What stands outside of code.
        otherwise: Makes the rest harmless. Its dollars, and commands of TeX that could act, become references.
    """
    pieces = []
    end = 0
    for found in _INLINE.finditer(text):
        if _ACTS.search(found[0]) or _is_escaped(text, found.start()):
            continue
        words = _WITHIN.sub(r"\g<0> ", found[0])
        match words[:2]:
            case "\\(":
                words = f"${words[2:-2].strip()}$"
            case "\\[":
                words = f"$${words[2:-2].strip()}$$"
        pieces += [_inert(otherwise(text[end : found.start()])), words]
        end = found.end()
    return "".join([*pieces, _inert(otherwise(text[end:]))])


def block_in_dollars(lines: list[str]) -> list[str] | None:
    """Return the lines of a formula that stands by itself, between double dollars; None if it could act."""
    if _ACTS.search("\n".join(lines)):
        return None
    lines = [_WITHIN.sub(r"\g<0> ", line).rstrip() for line in lines]
    lines[0] = _OPENING.sub("$$", lines[0], count=1)
    lines[-1] = f"{lines[-1][:-2]}$$"
    return lines


def _inert(text: str) -> str:
    # A backslash before it only kept the dollar from opening a formula: both are the reference.
    text = _DOLLAR.sub("&#36;", text)
    return _ACTS.sub(lambda found: f"&#92;{found[0][1:]}", text)


def _is_escaped(text: str, place: int) -> bool:
    return (place - len(text[:place].rstrip("\\"))) % 2 == 1


def formulas(markdown: MarkdownIt) -> None:
    """Teach a parser of Markdown to leave formulas as they are."""
    markdown.inline.ruler.before("escape", "formula", _inline)
    interrupts = {"alt": ["paragraph", "reference", "blockquote", "list"]}
    markdown.block.ruler.before("fence", "formula_block", _block, interrupts)  # type: ignore[arg-type]
    rules = markdown.renderer.rules  # type: ignore[attr-defined]
    rules["formula"] = _drawn("span")
    rules["formula_block"] = _drawn("div")


def _inline(state: StateInline, silent: bool) -> bool:
    if state.src[state.pos] not in "\\$":
        return False
    found = _INLINE.match(state.src, state.pos, state.posMax)
    if found is None:
        return False
    if not silent:
        state.push("formula", "", 0).content = found[0]
    state.pos = found.end()
    return True


def _block(state: StateBlock, first: int, end: int, silent: bool) -> bool:
    if state.is_code_block(first):
        return False
    opening = _line(state, first)
    close = _ENDS.get(opening[:2])
    if close is None:
        return False
    lines = [opening]
    while len(lines[-1]) < (4 if len(lines) == 1 else 2) or not lines[-1].endswith(close):
        line = first + len(lines)
        if line >= end or len(lines) >= _LINES or state.isEmpty(line) or state.sCount[line] < state.blkIndent:
            return False
        lines.append(_line(state, line))
    if close in "\n".join(lines)[2:-2]:
        return False  # two formulas in a line, and words between them
    if not silent:
        state.line = first + len(lines)
        token = state.push("formula_block", "", 0)
        token.content = "\n".join(lines)
        token.map = [first, state.line]
    return True


def _line(state: StateBlock, line: int) -> str:
    return state.src[state.bMarks[line] + state.tShift[line] : state.eMarks[line]].rstrip()


def _drawn(tag: str) -> Any:
    from markdown_it.common.utils import escapeHtml

    def draw(tokens: Any, index: int, options: Any, env: Any) -> str:
        content = tokens[index].content
        typeset = "" if _ACTS.search(content) else f' class="{FORMULA_CLASS}"'
        return f"<{tag}{typeset}>{escapeHtml(content)}</{tag}>"

    return draw
