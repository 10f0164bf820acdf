"""Figures of runs with many agents, many turns, or none of what they show: nothing overlaps, nothing is left unsaid."""

from __future__ import annotations

from typing import Any

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from agentnb.transcripts.plots import PLOTS, context_fill, draw, overlay, turn_share
from tests.transcripts.plots.runs import (
    at_once,
    crowd,
    failed,
    going_on,
    named,
    nested,
    plain,
    small,
)
from tests.transcripts.plots.sight import collisions, cut_off, drawn, words
from tests.transcripts.plots.test_plots import KINDS

SIXTY = crowd(named(60), 300)
FEW_CALLS = crowd(("ana", "ben"), 60)
RUNS = {
    "one turn": crowd(("ana",), 1),
    "one agent": crowd(("ana",), 2000),
    "two agents": crowd(("ana", "ben"), 2000),
    "at once": at_once(plain(30), 3),
    "teams": nested(4, 4),
    "silent": crowd(plain(30), 90, usage=False),
    "failed": failed(),
    "going on": going_on(40),
}


@pytest.mark.parametrize("width", [3.3, 6.4])
@pytest.mark.parametrize(("kind", "options"), KINDS, ids=[f"{kind}{[*values.values()]}" for kind, values in KINDS])
def test_sixty_agents_with_long_names_in_many_alphabets_are_readable(
    kind: str, options: dict[str, Any], width: float
) -> None:
    runs = [SIXTY, small()] if kind == "overlay" else SIXTY

    ax = draw(runs, kind, width=width, title="What happened", **options)

    assert collisions(ax) == []
    assert cut_off(ax) == []
    figure: Any = ax.figure
    assert figure.get_size_inches()[1] < 10


@pytest.mark.parametrize("run", RUNS)
@pytest.mark.parametrize("kind", [*PLOTS])
def test_runs_of_every_size_and_end_are_readable(kind: str, run: str) -> None:
    ax = draw(RUNS[run], kind)

    assert collisions(ax) == []
    assert cut_off(ax) == []


@pytest.mark.parametrize("kind", PLOTS)
def test_many_agents_fit_a_part_of_a_figure(kind: str) -> None:
    figure = Figure(figsize=(13, 3.4), layout="constrained")
    FigureCanvasAgg(figure)
    ax = draw(SIXTY, kind, ax=figure.subplots(1, 2)[0])

    assert collisions(ax) == []
    assert cut_off(ax) == []


def test_of_very_many_calls_the_fullest_of_each_stretch_is_drawn() -> None:
    ax = context_fill(RUNS["two agents"])

    (line,) = drawn(ax, "line ana")
    (every,) = drawn(context_fill(FEW_CALLS), "line ana")
    tokens = [event.usage.prompt_tokens or 0 for event in RUNS["two agents"] if event.source == "ana" and event.usage]
    assert max(line.get_ydata()) == max(tokens)
    assert 100 < len(line.get_ydata()) <= 151
    calls = [event for event in FEW_CALLS if event.kind == "model.finished" and event.source == "ana"]
    assert len(every.get_ydata()) == len(calls)
    assert any("lines: the fullest call of each" in text for text in words(ax))


def test_bars_as_thin_as_their_edges_keep_their_colour() -> None:
    ax = overlay([RUNS["two agents"], small()], what="timeline")

    (thin,), (wide,) = drawn(ax, "run 1 ana"), drawn(overlay([small(), small()], what="timeline"), "run 1 writer")
    assert tuple(thin.get_edgecolor()[0]) == tuple(thin.get_facecolor()[0])
    assert tuple(wide.get_edgecolor()[0]) != tuple(wide.get_facecolor()[0])


def test_a_share_that_rounds_to_nothing_is_not_nothing() -> None:
    ax = turn_share(crowd(plain(12), 2000), of="turns", top=12)

    assert not any("(0 %)" in text for text in words(ax))
    assert turn_share(RUNS["one turn"]).get_xlabel() == "Share of 1 turn (%)"
