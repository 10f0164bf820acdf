"""Two runs side by side in a cell: what is the same is folded, what differs is marked word by word."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import fields
from difflib import SequenceMatcher
from itertools import groupby, zip_longest
from typing import Any

from agentnb.runlog import SpeakerChosen
from agentnb.transcripts.diff import Row, RunDiff, Side
from agentnb.transcripts.diff import diff as compared
from agentnb.transcripts.methods import counted, duration
from agentnb.transcripts.steps import Act, Step
from agentnb.transcripts.words import Piece, differences
from agentnb.ui.formulas import PLAIN_CLASS
from agentnb.ui.markup import CODE_STYLE, escape_html, fenced, plain_text
from agentnb.ui.outputs import clip, clip_line
from agentnb.ui.page import hue_of

ROWS = 200
"""Rows that differ and are shown; of more the first ones."""
TEXT = 8_000
"""Characters of one text that are shown."""
KEPT = 240
"""Characters beside a change; a longer stretch that is the same is left out."""

_LINE = "1px solid rgba(128,128,128,0.35)"
_GREY = "color:#808080"
_CELL = f"padding:4px 10px; text-align:left; vertical-align:top; border:none; border-bottom:{_LINE}"
_CELL += "; width:50%; white-space:normal; overflow-wrap:anywhere"
_FACT = "padding:1px 16px 1px 0; text-align:left; vertical-align:top; border:none; font-weight:400"
_TABLE = "border-collapse:collapse; border:none; margin:4px 0 8px 0; font-size:1em"
_ROW = "background-color:transparent"
_DEL = "background-color:rgba(208,67,63,0.24); color:inherit; text-decoration:line-through"
_INS = "background-color:rgba(46,139,87,0.28); color:inherit; text-decoration:underline; font-weight:600"
_VERBS = {"thinks": "thinks", "recalls": "remembers", "calls": "calls", "runs": "runs code", "asks": "asks a person"}
_OUTCOMES = {"done": "done", "failed": "failed", "stopped": "stopped"}

_SIDES = ("left", "right")

Acts = tuple[Act | None, Act | None]


class DrawnDiff(RunDiff):
    """What differs between two runs; a cell that ends with it shows it."""

    __slots__ = ()

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> dict[str, Any]:
        return diff_bundle(self)

    def __str__(self) -> str:
        return diff_text(self)


def diff(left: Any, right: Any) -> DrawnDiff:
    """Compare two runs, step by step; a cell that ends with the result shows them side by side.

    ```python
    diff(log, log.branch(message=2)).to_df()
    ```

    Arguments and errors are those of `agentnb.transcripts.diff`.
    """
    made = compared(left, right)
    return DrawnDiff(**{one.name: getattr(made, one.name) for one in fields(made)})


def diff_bundle(made: RunDiff) -> dict[str, Any]:
    """Return a comparison as a mime bundle."""
    text = diff_text(made)
    return {"text/html": diff_html(made), "text/markdown": fenced(text), "text/plain": text}


# As HTML


def diff_html(made: RunDiff) -> str:
    """Return a comparison as a page without script or style sheet."""
    hues: dict[str, str] = {}
    heads = "".join(
        f'<th scope="col" style="{_CELL}; font-weight:600">{escape_html(f"{side}: {one.name}")}</th>'
        for side, one in (("left", made.left), ("right", made.right))
    )
    rows = "".join(_html_rows(made, hues))
    remarks = "".join(f"<li>{escape_html(clip(remark, 1000))}</li>" for remark in made.remarks)
    return (
        f'<div class="{PLAIN_CLASS}" style="border:{_LINE}; border-radius:6px; padding:8px 14px; margin:2px; '
        f'max-width:1200px; line-height:1.5">'
        f'<div style="font-weight:600">{escape_html(_headline(made))}</div>'
        + _summary(made)
        + (f'<div>Before you compare:</div><ul style="margin:2px 0 8px 0">{remarks}</ul>' if remarks else "")
        + f'<table style="{_TABLE}; width:100%; table-layout:fixed"><thead><tr style="{_ROW}">{heads}</tr></thead>'
        f"<tbody>{rows}</tbody></table></div>"
    )


def _headline(made: RunDiff) -> str:
    counts = made.counts()
    if not made.rows:
        return "Nothing was said in either run."
    if made.same:
        return "The runs are the same, step by step."
    parts = [
        f"{counts['same']} the same",
        f"{counts['changed']} changed" if counts["changed"] else "",
        f"{counts['only left']} only left" if counts["only left"] else "",
        f"{counts['only right']} only right" if counts["only right"] else "",
    ]
    return f"{counted(len(made.rows), 'step')}: {', '.join(filter(None, parts))}."


def _measures(made: RunDiff) -> list[tuple[str, str, str]]:
    """Return what is told of both runs as a whole: what, left, right."""
    sides = made.left, made.right
    rows: list[tuple[str, list[str]]] = [
        ("outcome", [_outcome(side) for side in sides]),
        ("model", [side.totals.model for side in sides]),
        ("turns", [f"{side.turns:,}" for side in sides]),
        ("messages", [f"{side.messages:,}" for side in sides]),
        ("tokens read", [_tokens(side, side.totals.prompt_tokens) for side in sides]),
        ("tokens written", [_tokens(side, side.totals.completion_tokens) for side in sides]),
        ("US dollars", ["" if side.cost_usd is None else f"{side.cost_usd:.4f}" for side in sides]),
        ("time", [duration(side.totals.seconds) for side in sides]),
    ]
    return [(what, left or "not known", right or "not known") for what, (left, right) in rows if left or right]


def _outcome(side: Side) -> str:
    state = _OUTCOMES.get(side.totals.state, "not finished")
    return f"{state}: {clip(side.totals.stop_reason, 300)}" if side.totals.stop_reason else state


def _tokens(side: Side, count: int) -> str:
    return f"{count:,}" if side.totals.model_calls else ""


def _summary(made: RunDiff) -> str:
    cells = "".join(
        f'<tr style="{_ROW}"><th scope="row" style="{_FACT}; {_GREY}">{what}</th>'
        f'<td style="{_FACT}">{escape_html(left)}</td><td style="{_FACT}">{escape_html(right)}</td>'
        f'<td style="{_FACT}">{"" if left == right else "≠"}</td></tr>'
        for what, left, right in _measures(made)
    )
    head = "".join(f'<th scope="col" style="{_FACT}; {_GREY}">{one}</th>' for one in ("", "left", "right", ""))
    return f'<table style="{_TABLE}; font-size:0.93em"><thead><tr style="{_ROW}">{head}</tr></thead>{cells}</table>'


def _html_rows(made: RunDiff, hues: dict[str, str]) -> Iterator[str]:
    shown = 0
    for left, right in _visual(made.rows):
        if isinstance(left, list):
            yield _folded(made, left, hues)
            continue
        shown += 1
        if shown > ROWS:
            continue
        cells = "".join(_cell(row, side, hues) for side, row in enumerate((left, right)))
        yield f'<tr style="{_ROW}">{cells}</tr>'
    if shown > ROWS:
        yield (
            f'<tr style="{_ROW}"><td colspan="2" style="{_CELL}; {_GREY}">{shown - ROWS:,} more rows that differ '
            "are not shown here; to_df() has them.</td></tr>"
        )


Visual = tuple[Row | list[Row] | None, Row | None]


def _visual(rows: Sequence[Row]) -> Iterator[Visual]:
    """Yield what stands side by side: equal rows in a list, a changed one twice, what only one run has in pairs."""
    for (sort, _), group in groupby(rows, key=lambda row: (row.status.partition(" ")[0], row.shared)):
        some = list(group)
        if sort == "same":
            yield some, None
        elif sort == "changed":
            yield from ((row, row) for row in some)
        else:
            left = [row for row in some if row.left is not None]
            yield from zip_longest(left, [row for row in some if row.right is not None])


def _folded(made: RunDiff, rows: list[Row], hues: dict[str, str]) -> str:
    said = "".join(
        f'<div style="margin:2px 0">{_who(row.left, hues)} {escape_html(clip_line(_brief(row.left), 160))}</div>'
        for row in rows
        if row.left is not None
    )
    return (
        f'<tr style="{_ROW}"><td colspan="2" style="{_CELL}"><details><summary style="cursor:pointer; {_GREY}">'
        f"= {escape_html(_alike(made, rows))}</summary>{said}</details></td></tr>"
    )


def _alike(made: RunDiff, rows: Sequence[Row]) -> str:
    turns = sum(row.left is not None and row.left.turn is not None for row in rows)
    what = " and ".join(
        filter(
            None,
            [
                counted(len(rows) - turns, "message") if len(rows) - turns else "",
                counted(turns, "turn") if turns else "",
            ],
        )
    )
    is_one = len(rows) == 1
    shared = f": the first {counted(made.shared_facts, 'fact')} are shared by branching" if rows[0].shared else ""
    return f"{what} {'is' if is_one else 'are'} the same{shared}"


def _brief(step: Step | None) -> str:
    if step is None:
        return ""
    return step.text or "; ".join(f"{_VERBS.get(act.kind, act.kind)} {act.name}" for act in step.acts)


def _who(step: Step | None, hues: dict[str, str]) -> str:
    if step is None:
        return ""
    turn = f' <span style="{_GREY}">turn {step.turn}</span>' if step.turn is not None else ""
    return f'<span style="font-weight:600; color:{hue_of(step.source, hues)}">{escape_html(step.source)}</span>{turn}'


def _cell(row: Row | None, side: int, hues: dict[str, str]) -> str:
    step = _step(row, side)
    if step is None or row is None:
        return f'<td style="{_CELL}; {_GREY}">— nothing here —</td>'
    if row.status == "changed":
        pairs = [(pair[side], pair[1 - side]) for pair in _pairs(row)]
        body = "".join(_html_act(own, beside, side, alone=beside is None) for own, beside in pairs if own is not None)
    else:
        body = "".join(_html_act(act, None, side) for act in step.acts)
    label = f'<span style="{_GREY}; font-size:0.88em">{_status(row)}</span>'
    choice = _choice_line(step, _step(row, 1 - side))
    chosen = f'<div style="{_GREY}; font-size:0.88em">{escape_html(clip(choice, 600))}</div>' if choice else ""
    foot = " · ".join(_spent(step))
    spent = f'<div style="{_GREY}; font-size:0.86em">{foot}</div>' if foot else ""
    return f'<td style="{_CELL}"><div>{_who(step, hues)} {label}</div>{chosen}{body}{spent}</td>'


def _step(row: Row | None, side: int) -> Step | None:
    return None if row is None else (row.left, row.right)[side]


def _status(row: Row) -> str:
    return f"changed, {row.similarity:.0%} alike" if row.similarity is not None else row.status


def _spent(step: Step) -> list[str]:
    tokens = [
        f"{step.prompt_tokens:,} tokens read" if step.prompt_tokens is not None else "",
        f"{step.completion_tokens:,} written" if step.completion_tokens is not None else "",
    ]
    return [
        *filter(None, tokens),
        *([f"{step.cost_usd:.4f} USD"] if step.cost_usd else []),
        *([duration(step.took)] if step.took is not None else []),
        *([step.outcome] if step.outcome in ("failed", "stopped") else []),
        *(["not finished"] if step.turn is not None and step.outcome is None else []),
    ]


def _choice_line(step: Step, other: Step | None) -> str:
    """Return why the word was given, where the other run has not the same reason."""
    if step.choice is None or (
        other is not None and other.choice is not None and _why(step.choice) == _why(other.choice)
    ):
        return ""
    return _why(step.choice)


def _why(choice: SpeakerChosen) -> str:
    names = ", ".join(choice.names)
    rule = f" ({choice.rule})" if choice.rule else ""
    among = f", of {', '.join(choice.candidates)}" if choice.candidates else ""
    return f"chosen: {names}{rule}{among}" + (f": {choice.why}" if choice.why else "")


def _pairs(row: Row) -> list[Acts]:
    """Return what a changed step did, side by side."""
    if row.left is None or row.right is None:
        return []
    ours, theirs = row.left.acts, row.right.acts
    keys, more = [[(act.kind, act.name) for act in acts] for acts in (ours, theirs)]
    pairs: list[Acts] = []
    for tag, i, j, k, m in SequenceMatcher(None, keys, more, autojunk=False).get_opcodes():
        if tag == "equal":
            pairs += zip(ours[i:j], theirs[k:m], strict=True)
        else:
            pairs += [*((act, None) for act in ours[i:j]), *((None, act) for act in theirs[k:m])]
    return pairs


def _html_act(act: Act, beside: Act | None, side: int, *, alone: bool = False) -> str:
    verb = " ".join(filter(None, [_VERBS.get(act.kind, "says" if alone else ""), act.name]))
    only = f"only {_SIDES[side]}" if alone else ""
    label = " · ".join(filter(None, [verb, "failed" if act.failed else "", only]))
    head = f'<div style="{_GREY}; font-size:0.88em">{escape_html(label)}</div>' if label else ""
    code = act.kind in ("calls", "runs")
    parts = [_html_text(act.given, None if beside is None else beside.given, side, code=code)]
    if act.gave:
        answer = {"calls": "result", "runs": "output"}.get(act.kind, "answer")
        parts.append(f'<div style="{_GREY}; font-size:0.88em">{answer}</div>')
        parts.append(_html_text(act.gave, None if beside is None else beside.gave, side, code=code))
    return f'<div style="margin:4px 0">{head}{"".join(parts)}</div>'


def _html_text(text: str, beside: str | None, side: int, *, code: bool) -> str:
    if not text:
        return ""
    tag, style = (("del", _DEL), ("ins", _INS))[side]
    marked = "".join(
        f'<{tag} style="{style}">{escape_html(piece.text)}</{tag}>' if piece.changed else escape_html(piece.text)
        for piece in pieces(text, beside, side, code=code)
    )
    if code:
        return f'<pre style="{CODE_STYLE}">{marked}</pre>'
    return f'<div style="white-space:pre-wrap; overflow-wrap:anywhere" dir="auto">{marked}</div>'


def pieces(text: str, beside: str | None, side: int, *, code: bool = False) -> list[Piece]:
    """Return a text in pieces, marked where the text beside it differs; long stretches that are the same are left out.

    Args:
        text: What is shown.
        beside: The other run's; None where it has none: then nothing is marked, the whole is of one run only.
        side: 0 for left, 1 for right.
        code: Compare line by line.
    """
    own = plain_text(text)
    if beside is None:
        return [Piece(clip(own, TEXT), False)]
    pair = (own, plain_text(beside)) if side == 0 else (plain_text(beside), own)
    found = differences(*pair, lines=code and "\n" in own.strip())[side]
    shown = [
        piece if piece.changed else Piece(_shortened(piece.text, at, len(found)), False)
        for at, piece in enumerate(found)
    ]
    return list(_cut(shown))


def _shortened(text: str, place: int, count: int) -> str:
    """Return a stretch that is the same with its middle left out; at an end of the whole, all but what is near."""
    if len(text) <= 2 * KEPT + 60:
        return text
    begin, end = (KEPT if place else 60), (KEPT if place < count - 1 else 60)
    return f"{text[:begin]} … {len(text) - begin - end:,} characters the same … {text[-end:]}"


def _cut(found: Iterable[Piece]) -> Iterator[Piece]:
    left = TEXT
    for piece in found:
        if left <= 0:
            yield Piece(" …", False)
            return
        yield Piece(clip(piece.text, left), piece.changed)
        left -= len(piece.text)


# As plain text


def diff_text(made: RunDiff) -> str:
    """Return a comparison as plain text: `[-…-]` is only left, `{+…+}` only right."""
    lines = [f"left:  {made.left.name}", f"right: {made.right.name}", _headline(made), ""]
    told = _measures(made)
    width = max((len(left) for _, left, _ in told), default=0)
    lines += [f"  {what:14}  {left:{min(width, 40)}}  {right}" for what, left, right in told]
    lines += [f"  ! {remark}" for remark in made.remarks]
    for left, right in _visual(made.rows):
        lines.append("")
        if isinstance(left, list):
            lines.append(f"= {_alike(made, left)}")
        elif left is right and left is not None:
            lines += _text_changed(left)
        else:
            lines += _text_only("<", left, 0) + _text_only(">", right, 1)
    return plain_text("\n".join(lines))


def _text_changed(row: Row) -> list[str]:
    lines = [f"~ {_plain_who(row.left)} ({_status(row)})"]
    for side, step in ((0, row.left), (1, row.right)):
        choice = _choice_line(step, _step(row, 1 - side)) if step is not None else ""
        lines += [f"  {'<>'[side]} {choice}"] if choice else []
    for one, other in _pairs(row):
        act = one or other
        if act is None:
            continue
        verb = " ".join(filter(None, [_VERBS.get(act.kind, ""), act.name]))
        lines += [f"  {verb}:"] if verb else []
        if one is None or other is None:
            lines += [f"  {'<' if other is None else '>'} {line}" for line in _text_of(act)]
            continue
        for ours, theirs in ((one.given, other.given), (one.gave, other.gave)):
            if ours == theirs:
                lines += [f"    {line}" for line in clip(ours, 400).splitlines()]
                continue
            for side, marks in ((0, "[-{}-]"), (1, "{{+{}+}}")):
                found = pieces((ours, theirs)[side], (ours, theirs)[1 - side], side)
                text = "".join(marks.format(piece.text) if piece.changed else piece.text for piece in found)
                lines += [f"  {'<>'[side]} {line}" for line in text.splitlines()]
    return lines


def _text_only(mark: str, row: Row | None, side: int) -> list[str]:
    step = _step(row, side)
    if step is None or row is None:
        return []
    lines = [f"{mark} {_plain_who(step)} ({row.status})"]
    lines += [f"{mark}   {_why(step.choice)}"] if step.choice is not None else []
    return lines + [f"{mark}   {line}" for act in step.acts for line in _text_of(act)]


def _text_of(act: Act) -> list[str]:
    verb = " ".join(filter(None, [_VERBS.get(act.kind, ""), act.name]))
    text = "\n".join(filter(None, [f"{verb}:" if verb else "", act.given, f"→ {act.gave}" if act.gave else ""]))
    return clip(text, TEXT).splitlines()


def _plain_who(step: Step | None) -> str:
    if step is None:
        return ""
    return f"{step.source}, turn {step.turn}" if step.turn is not None else step.source
