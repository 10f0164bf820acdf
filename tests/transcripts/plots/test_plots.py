"""What all figures have in common: axes in, axes out, nothing overlaps, nothing is touched."""

from __future__ import annotations

import base64
import io
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import matplotlib
import pytest
from IPython.core.formatters import DisplayFormatter
from matplotlib.figure import Figure
from PIL import Image

import agentnb
from agentnb.base import TaskResult
from agentnb.exceptions import UnknownName, UserError
from agentnb.runlog import RunLog
from agentnb.transcripts.plots import PLOTS, draw
from tests.transcripts.plots.runs import Told, large, resumed, small
from tests.transcripts.plots.sight import collisions, cut_off, words

PRICES = {"m-large": (2.5, 10.0), "m-mini": (0.15, 0.6), "m-small": (0.1, 0.4)}
KINDS: list[tuple[str, dict[str, Any]]] = [(kind, {}) for kind in PLOTS if kind != "overlay"] + [
    ("cost", {"prices": PRICES}),
    ("context_fill", {"window": {"m-large": 12_000, "m-mini": 128_000}}),
    ("transitions", {"shares": True}),
    ("latency", {"by": "agent"}),
    ("latency", {"by": "tool"}),
    ("turn_share", {"of": "tokens"}),
    ("overlay", {"what": "timeline"}),
    ("overlay", {"what": "tokens"}),
]
RUNS = {
    "small": small(),
    "large": large(),
    "resumed": resumed(),
    "two": [large(24, 1), large(30, 2)],
    "empty": RunLog(),
}


SIGHTS = [(*kind, "large", 3.3) for kind in KINDS] + [(*kind, "resumed", 3.3) for kind in KINDS]
SIGHTS += [(kind, {}, "two", 6.4) for kind in ("timeline", "tokens", "turn_share", "context_fill", "overlay")]


@pytest.mark.parametrize(
    ("kind", "options", "run", "width"),
    SIGHTS,
    ids=[f"{run}-{kind}{[*values.values()]}" for kind, values, run, _ in SIGHTS],
)
def test_nothing_that_is_written_overlaps_or_is_cut_off(
    kind: str, options: dict[str, Any], run: str, width: float
) -> None:
    ax = draw(RUNS[run], kind, width=width, title="What happened", **options)

    assert collisions(ax) == []
    assert cut_off(ax) == []
    assert "What happened" in words(ax)


@pytest.mark.parametrize("kind", PLOTS)
def test_a_log_without_facts_gives_axes_that_say_what_is_missing(kind: str) -> None:
    ax = draw(RunLog(), kind)

    assert any(word in words(ax)[0] for word in ("No ", "no "))
    assert not ax.lines
    assert not ax.patches


@pytest.mark.parametrize("kind", PLOTS)
def test_a_run_that_has_only_begun_is_no_error(kind: str) -> None:
    told = Told()
    told.turn("ana", told.run("ana"))

    ax = draw(told.log, kind)

    assert collisions(ax) == []


@pytest.mark.parametrize("kind", PLOTS)
def test_given_axes_are_drawn_on_and_returned_and_nothing_else_is_written(kind: str) -> None:
    figure = Figure(figsize=(8, 4), layout="constrained")
    left, right = figure.subplots(1, 2)

    ax = draw(large(12), kind, ax=left)

    assert ax is left
    assert ax.has_data() or ax.texts
    assert not right.has_data()
    assert ax.get_title(loc="left") == ""


def test_settings_and_pyplot_stay_untouched() -> None:
    program = """
import matplotlib
before = matplotlib.rcParams.copy()
import agentnb
from tests.transcripts.plots.runs import large
for kind in agentnb.plot.PLOTS:
    agentnb.plot.draw(large(12), kind)._repr_mimebundle_()
assert matplotlib.rcParams.copy() == before
import sys
print("matplotlib.pyplot" in sys.modules)
"""
    root = Path(__file__).parents[3]
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=root, check=False)

    assert (done.stdout.strip(), done.stderr) == ("False", "")


def test_a_cell_shows_the_figure_once_sharp_and_in_words() -> None:
    ax = draw(small(), "timeline")

    data, metadata = DisplayFormatter().format(ax)

    picture = Image.open(io.BytesIO(base64.b64decode(data["image/png"])))
    size = metadata["image/png"]
    assert (picture.width // 2, picture.height // 2) == (size["width"], size["height"])
    assert 550 < size["width"] < 680
    assert data["text/plain"] == "Timeline of 4 turns in 8.2 s (writer 2, critic 2)."
    assert set(data) == {"image/png", "text/plain"}


def test_figures_are_drawn_off_the_main_thread() -> None:
    made: list[Any] = []
    thread = threading.Thread(target=lambda: made.append(DisplayFormatter().format(draw(large(12), "tokens"))))

    thread.start()
    thread.join()

    assert made[0][0]["image/png"]


@pytest.mark.parametrize("suffix", ["pdf", "svg"])
def test_figures_are_written_as_vectors(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"timeline.{suffix}"

    draw(large(12), "timeline").figure.savefig(path)  # type: ignore[union-attr]

    content = path.read_bytes()
    assert b"<image" not in content
    assert b"/Subtype /Image" not in content
    assert len(content) > 5000


def test_a_dark_style_is_followed() -> None:
    with matplotlib.rc_context({"text.color": "white", "axes.labelcolor": "white", "axes.facecolor": "black"}):
        ax = draw(large(12), "transitions")
        cells = [text for text in ax.texts if text.get_text() == "1"]

        assert cells
        assert {text.get_color() for text in cells} == {"#FFFFFF"}


def test_results_and_what_else_has_a_log_are_drawn() -> None:
    log = small()
    result = TaskResult(messages=[], log=log)

    assert words(draw(result)) == words(draw(log)) == words(draw([result]))


@pytest.mark.parametrize("runs", [None, 3, "run.jsonl", [RunLog(), 3], TaskResult(messages=[])])
def test_what_has_no_log_is_named(runs: Any) -> None:
    with pytest.raises(UserError, match=r"(A plot needs the log of a run|'run\.jsonl' is no file).* Give a RunLog"):
        draw(runs)


def test_an_unknown_figure_is_answered_with_those_that_are_known() -> None:
    with pytest.raises(UnknownName, match=r"'pie' \(known: 'timeline', 'tokens', .*'overlay'\)"):
        draw(RunLog(), "pie")


@pytest.mark.parametrize(
    ("kind", "option"),
    [
        ("tokens", "by"),
        ("tokens", "count"),
        ("cost", "by"),
        ("latency", "by"),
        ("turn_share", "of"),
        ("overlay", "what"),
    ],
)
def test_an_unknown_choice_is_answered_with_those_that_are_known(kind: str, option: str) -> None:
    with pytest.raises(UnknownName, match=r"'moon' are not known|by 'moon' \(known"):
        draw(small(), kind, **{option: "moon"})


def test_the_figures_are_at_hand_as_agentnb_plot() -> None:
    assert agentnb.plot.timeline is PLOTS["timeline"]
    assert "plot" in dir(agentnb)
