"""Deliveries in the order of time."""

from __future__ import annotations

import xml.etree.ElementTree as ET

import pytest

from agentnb.runlog import RunLog
from agentnb.transcripts import fold_deliveries
from agentnb.ui.sequence import sequence_facts, sequence_svg
from tests.transcripts.colony import colony
from tests.ui.test_actors import sends
from tests.ui.test_graph import SVG, check_harmless, hostile, texts


def drawn(log: RunLog, last: int = 30) -> str:
    return sequence_svg(fold_deliveries(log), last=last)


def heights(svg: str, word: str) -> list[float]:
    return [float(text.attrib["y"]) for text in ET.fromstring(svg).iter(f"{SVG}text") if text.text == word]


def bars(svg: str) -> list[tuple[float, float, float]]:
    """Return left, top and bottom of the handlers' bars."""
    return [
        (float(r.attrib["x"]), float(r.attrib["y"]), float(r.attrib["y"]) + float(r.attrib["height"]))
        for r in ET.fromstring(svg).iter(f"{SVG}rect")
        if r.attrib["width"] == "10"
    ]


async def test_time_runs_downwards() -> None:
    svg = drawn(await colony(1))

    (asked,), (answered,) = heights(svg, "Ask"), heights(svg, "int")
    assert asked < answered < min(heights(svg, "→ news/a"))


async def test_what_went_wrong_is_said_where_it_happened() -> None:
    said = texts(drawn(await colony(2, 3, 4)))

    assert {"dropped by Border", "ValueError: three <b>is</b> wrong", "changed by Border", "nobody hears"} <= set(said)


async def test_only_the_last_deliveries_are_drawn_and_that_is_said() -> None:
    log = await colony(*[1] * 10)

    svg = drawn(log, last=5)
    assert "the last 5 of 41 deliveries" in texts(svg)
    assert len(sequence_facts(fold_deliveries(log), last=5)) == 5
    assert svg.count("<path") < drawn(log).count("<path")
    check_harmless(svg)


def test_two_messages_at_once_on_one_agent_are_bars_side_by_side() -> None:
    (one, other) = bars(drawn(sends((None, "a/x"), (None, "a/x"))))

    assert one[0] < other[0]
    assert one[1] < other[1] < one[2]


def test_a_handler_that_began_before_the_picture_begins_has_its_bar() -> None:
    svg = drawn(sends((None, "a/x"), ("a/x", "b/x"), ("a/x", "c/x")), last=2)

    lefts = {left for left, _, _ in bars(svg)}
    assert len(bars(svg)) == len(lefts) == 3


async def test_a_long_wait_is_said() -> None:
    log = sends((None, "a/x"))
    late = log.events[1].model_copy(update={"at": log.events[0].at.replace(year=log.events[0].at.year + 1)})
    log._events[1] = late

    assert any(text.startswith(("waited 3153", "waited 3162")) for text in texts(drawn(log)))


def test_names_are_text_whatever_stands_in_them() -> None:
    check_harmless(drawn(hostile()))


def test_many_lifelines_are_put_together_by_type() -> None:
    svg = drawn(sends(*((None, f"worker/{n}") for n in range(40))))

    assert "31 agents and topics are drawn by type, as more than 12 cannot be read" in texts(svg)
    assert len(svg) < 60_000


@pytest.mark.parametrize("last", [1, 200])
def test_an_empty_log_is_an_empty_picture(last: int) -> None:
    check_harmless(drawn(RunLog(), last))
