"""Money over time."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from agentnb.exceptions import UserError
from agentnb.transcripts.plots import base, lettering
from agentnb.transcripts.plots.cumulative import By, draw, over
from agentnb.transcripts.plots.spans import Span, course

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Prices = Mapping[str, tuple[float, float]]


def cost(
    runs: Any,
    *,
    ax: Axes | None = None,
    by: By = "agent",
    prices: Prices | None = None,
    top: int | None = None,
    title: str | None = None,
    width: float = base.WIDTH,
) -> Axes:
    """Draw what models cost in US dollars, added up over time, as a line per agent.

    ```python
    cost(log, prices={"gpt-4o-mini": (0.15, 0.60), "*": (0, 0)})
    ```

    Args:
        runs: A log, a run or result that has one, or several, which follow one another.
        ax: Where to draw; default: axes of a new figure, which a cell shows if they are its last value.
        by: "agent" or "model".
        prices: US dollars per million prompt tokens and per million completion tokens, by the model's name; `"*"`
            stands for every other model. Only for calls of which the log does not say what they cost.
        top: How many agents or models are shown by name, the rest put together; default: as many as can be read.
        title: Above the axes.
        width: Inches, of a new figure; 3.3 fits a column of print.

    Raises:
        UserError: If `runs` is none of these, a price is no pair of numbers from 0, or `by` is not known.

    Calls without a price are missing from the lines, and counted beneath them; a cached answer costs nothing.
    """
    known = checked(prices)
    found = course(runs)
    told = [span for span in found.of("model") if span.prompt_tokens is not None or span.cost_usd is not None]
    lines = over(told, lambda span: price_of(span, known), by, ax=ax, top=top)
    held = lines.steps
    ax = base.begin(ax, width=width, height=2.0 + 0.1 * len(held))
    unpriced = [span for span in told if price_of(span, known) is None]
    if not held:
        return base.missing(ax, _missing(found.calls(), unpriced), title=title)
    names = draw(ax, found, lines, by=by, unit="US dollars, added up", text=dollars)
    remark = None
    if unpriced:
        models = base.listed(list(lettering.shorts(span.name for span in unpriced).values()))
        remark = f"prices unknown for {len(unpriced)} of {base.many(len(told), 'call')}: {models}"
    said = ", ".join(f"{name} ${line.total:.4g}" for name, line in held.items())
    about = f"Cost over {base.lasting(found.seconds)}: {said}"
    need = base.LINE * (len(held) + 1)
    remarks = [lines.fold.remark, remark, base.cut(found)]
    return base.finish(ax, about, title=title, remarks=remarks, need=need, last=names)


def price_of(span: Span, prices: Prices) -> float | None:
    """Return what a call cost in US dollars: as the log says, else at these prices; None if neither knows."""
    if span.cost_usd is not None:
        return span.cost_usd
    if span.prompt_tokens is None and span.completion_tokens is None:
        return None
    if span.cached:
        return 0.0
    names = (span.name, span.name.partition(":")[2], "*")
    price = next((prices[name] for name in names if name in prices), None)
    if price is None:
        return None
    return ((span.prompt_tokens or 0) * price[0] + (span.completion_tokens or 0) * price[1]) / 1_000_000


def dollars(value: float) -> str:
    """Return money in a few characters."""
    sign = r"\$"
    if value >= 1:
        return f"{sign}{value:,.2f}"
    if value >= 0.095:
        return f"{sign}{value:.2f}"
    return f"{sign}{value:.2g}" if value >= 0.0001 or not value else f"{sign}{value:.1e}"


def checked(prices: Prices | None) -> dict[str, tuple[float, float]]:
    """Return prices as pairs of floats.

    Raises:
        UserError: If one is no pair of finite numbers from 0.
    """
    known = {}
    for model, price in (prices or {}).items():
        try:
            prompt, completion = map(float, price)
        except (TypeError, ValueError):
            prompt = completion = math.nan
        if not (prompt >= 0 and completion >= 0 and math.isfinite(prompt + completion)):
            raise UserError(
                f"The price of {model!r} is {price!r}; give US dollars per million prompt and per million completion "
                "tokens, as in (0.15, 0.60)."
            )
        known[model] = (prompt, completion)
    return known


def _missing(calls: list[Span], unpriced: list[Span]) -> str:
    if not calls:
        return "No cost: no model was asked."
    if not unpriced:
        return "No cost: the models reported no tokens."
    model = next(iter(unpriced)).name
    return (
        f"Prices are unknown for all {base.many(len(unpriced), 'model call')}. Give US dollars per million prompt and "
        f"completion tokens: prices={{{model!r}: (…, …)}}."
    )
