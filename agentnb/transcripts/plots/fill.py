"""How full the models' windows are."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from agentnb.exceptions import UserError
from agentnb.transcripts.plots import base, labels, lettering, palette
from agentnb.transcripts.plots.fold import fold
from agentnb.transcripts.plots.labels import End
from agentnb.transcripts.plots.spans import Course, Span, course

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Window = int | Mapping[str, int]
MOST = 8
"""Lines that are told apart, for they cross."""
STRETCHES = 300
"""Of how many stretches of the run all lines together show the fullest call, where there are far more calls."""
TOLD = 4
"""Models of which it is written how full their windows were."""
NEAR = 0.2
"""Share of a window from which on the window itself is drawn; below, its share is only written."""


def context_fill(
    runs: Any,
    *,
    ax: Axes | None = None,
    window: Window | None = None,
    top: int | None = None,
    title: str | None = None,
    width: float = base.WIDTH,
) -> Axes:
    """Draw how many tokens each call showed its model, a line per agent, against what the model can hold.

    Args:
        runs: A log, a run or result that has one, or several, which follow one another.
        ax: Where to draw; default: axes of a new figure, which a cell shows if they are its last value.
        window: Tokens that a model can hold: of all models, or by the model's name, as in `{"gpt-4o-mini": 128_000}`.
            A log does not say. A window that no call fills by a fifth is written beneath instead of drawn.
        top: How many agents are shown by name, those with the fullest calls; of the rest a line is the most any was
            shown; default: as many as can be read.
        title: Above the axes.
        width: Inches, of a new figure; 3.3 fits a column of print.

    Raises:
        UserError: If `runs` is none of these, or a window is no number above 0.

    Calls whose servers reported no tokens are missing; those that repeat what was shown before count whole, since a
    model reads it all again. Of very many calls a line shows the fullest of each stretch of the run.
    """
    _check(window)
    found = course(runs)
    calls = [call for call in found.of("model") if call.prompt_tokens is not None]
    held: dict[str, list[Span]] = defaultdict(list)
    for call in calls:
        held[call.agent].append(call)
    fullest = {agent: max(call.prompt_tokens or 0 for call in several) for agent, several in held.items()}
    folded = fold(fullest, MOST, ax=ax, top=top)
    lines = folded.gathered(held)
    ax = base.begin(ax, width=width, height=2.0 + 0.1 * len(lines))
    if not held:
        why = "no model call reported its tokens" if found.calls() else "no model was asked"
        return base.missing(ax, f"No context fill: {why}.", title=title)
    drawn, shown = folded.looks(found.names), lettering.shorts(lines, labels.longest(ax))
    factor, _ = base.time_axis(ax, found.seconds)
    few = len(calls) / len(lines) <= 40
    stretches = min(STRETCHES // 2, max(30, STRETCHES // len(lines)))
    stretch = found.seconds / stretches
    thinned = False
    ends = []
    for agent, every in lines.items():
        look = drawn[agent]
        several = _fullest(every, stretch) if agent == folded.label or len(every) > 2 * stretches else every
        thinned = thinned or len(several) < len(every)
        x, y = _points(several, factor)
        marker = look.marker if few and agent != folded.label else ""
        behind = agent == folded.label
        style = {"color": look.color, "linestyle": look.dash, "linewidth": 0.6 if behind else 1.1}
        style["zorder"] = 1 if behind else 2
        ax.plot(x, y, marker=marker, markersize=3.2, clip_on=False, gid=f"line {agent}", **style)
        if not marker:
            ax.plot(x[-1:], y[-1:], marker=look.marker, markersize=3.5, color=look.color, gid="last")
        # From the last call to the name: nothing was shown there.
        rest = [x[-1], max(found.seconds / factor, 1e-9)]
        ax.plot(rest, [y[-1]] * 2, color=look.color, linewidth=0.6, linestyle=":", gid="rest")
        ends.append(End(y[-1], f"{shown[agent]} {base.thousands(y[-1])}", look))
    remarks: list[str | None] = [*_windows(ax, found, calls, window)]
    ax.set_ylim(0, ax.get_ylim()[1] * (1.1 if found.seams else 1.02))
    ax.set_ylabel("Tokens shown per call", fontsize=base.LETTERING)
    ax.yaxis.set_major_formatter(lambda value, _: base.thousands(value))
    base.plain_frame(ax)
    said = ", ".join(f"{agent} {max(call.prompt_tokens or 0 for call in every)}" for agent, every in lines.items())
    peaks = f"lines: the fullest call of each {base.lasting(stretch)}" if thinned else None

    def names() -> None:
        labels.name_ends(ax, ends, max(found.seconds / factor, 1e-9))
        base.seams(ax, found, factor)

    remarks = [folded.remark, peaks, *remarks, base.cut(found)]
    about, need = f"Most tokens shown in a call: {said}", base.LINE * len(ends)
    return base.finish(ax, about, title=title, remarks=remarks, need=need, last=names)


def _fullest(calls: list[Span], stretch: float) -> list[Span]:
    """Return the fullest call of each stretch of the run, in order of time."""
    found: dict[tuple[int, int], Span] = {}
    for call in calls:
        place = (call.log, int(call.start / stretch) if stretch else 0)
        if place not in found or (call.prompt_tokens or 0) > (found[place].prompt_tokens or 0):
            found[place] = call
    return sorted(found.values(), key=lambda call: call.start)


def _points(calls: list[Span], factor: float) -> tuple[list[float], list[float]]:
    """Return the calls' places, with a gap between those of different logs."""
    x: list[float] = []
    y: list[float] = []
    for before, call in zip([calls[0], *calls], calls, strict=False):
        if call.log != before.log:
            x.append(math.nan)
            y.append(math.nan)
        x.append(call.start / factor)
        y.append(call.prompt_tokens or 0)
    return x, y


def _check(window: Any) -> None:
    sizes = window if isinstance(window, Mapping) else {"every model": window}
    for model, size in sizes.items():
        wrong = isinstance(size, bool) or not isinstance(size, int) or size <= 0
        if wrong and window is not None:
            raise UserError(
                f"The window of {model!r} is {size!r}; give a number of tokens, as in window=128_000 or "
                "window={'gpt-4o-mini': 128_000}."
            )


def _windows(ax: Axes, found: Course, calls: list[Span], window: Window | None) -> list[str]:
    if window is None:
        return ["windows unknown: give window="]
    fullest: dict[str, int] = {}
    for call in calls:
        fullest[call.name] = max(fullest.get(call.name, 0), call.prompt_tokens or 0)
    sizes: dict[int, list[str]] = defaultdict(list)
    remarks: list[tuple[float, str]] = []
    unknown = []
    for model, most in fullest.items():
        size = window if isinstance(window, int) else window.get(model, window.get(model.partition(":")[2]))
        if size is None:
            unknown.append(lettering.short(model))
            continue
        share = most / size
        remarks.append((share, _share(model, share, size)))
        if share >= NEAR:
            sizes[size].append(model)
    for size, models in sizes.items():
        ax.axhline(size, color=palette.ink(ax), linewidth=0.9, linestyle=(0, (5, 2)), gid="window")
        names = base.listed(list(lettering.shorts(models).values()))
        ax.annotate(
            f"window of {names}: {size:,}",
            (0, size),
            (3, 2),
            xycoords=("axes fraction", "data"),
            textcoords="offset points",
            va="bottom",
            **lettering.style(names, size=base.FINE),
            gid="window name",
        )
        ax.set_ylim(0, max(ax.get_ylim()[1], size * 1.12))
    remarks.sort(key=lambda remark: -remark[0])
    said = [text for _, text in remarks[:TOLD]]
    said += [f"{base.many(len(remarks) - TOLD, 'more model')}: less full"] if len(remarks) > TOLD else []
    return said + ([f"window of {base.listed(unknown)} unknown"] if unknown else [])


def _share(model: str, share: float, size: int) -> str:
    percent = f"{share * 100:.0f}" if share >= 0.1 else f"{share * 100:.2g}"
    return f"{lettering.short(model)}: at most {percent} % of {size:,}"
