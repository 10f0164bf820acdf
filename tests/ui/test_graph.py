"""Agents and topics as a graph."""

from __future__ import annotations

import itertools
import random
import re
import xml.etree.ElementTree as ET

import pytest

from agentnb.runlog import EnvelopeDelivered, EnvelopeSent, RunLog
from agentnb.transcripts import fold_deliveries
from agentnb.ui.actors import actors
from agentnb.ui.graph import graph_svg
from tests.transcripts.colony import colony
from tests.ui.test_actors import sends

SVG = "{http://www.w3.org/2000/svg}"
ALLOWED = {"svg", "title", "desc", "g", "rect", "path", "circle", "text"}
ATTRIBUTES = {
    *("role", "width", "height", "viewBox", "x", "y", "rx", "cx", "cy", "r", "d"),
    *("fill", "stroke", "stroke-width", "stroke-dasharray", "font-family", "font-size", "font-weight", "text-anchor"),
}

Box = tuple[float, float, float, float]


def drawn(log: RunLog) -> str:
    return graph_svg(actors(fold_deliveries(log)))


def texts(svg: str) -> list[str]:
    return [element.text or "" for element in ET.fromstring(svg).iter(f"{SVG}text")]


def check_harmless(svg: str) -> None:
    """Nothing in a picture can run, load, link, or meet something else in the page."""
    for element in ET.fromstring(svg).iter():
        assert element.tag.removeprefix(SVG) in ALLOWED
        assert set(element.attrib) <= ATTRIBUTES
    assert "http" not in svg.replace("http://www.w3.org/2000/svg", "", 1)


def cards(svg: str) -> list[Box]:
    """Return left, top, width, height of each node's own box."""
    boxes = []
    for group in ET.fromstring(svg).iter(f"{SVG}g"):
        box = max(group.iter(f"{SVG}rect"), key=lambda rect: float(rect.attrib["width"]))
        boxes.append(
            (
                float(box.attrib["x"]),
                float(box.attrib["y"]),
                float(box.attrib["width"]),
                float(box.attrib["height"]),
            )
        )
    return boxes


def apart(one: Box, other: Box) -> bool:
    return (
        one[0] + one[2] <= other[0]
        or other[0] + other[2] <= one[0]
        or one[1] + one[3] <= other[1]
        or other[1] + other[3] <= one[1]
    )


async def test_agents_topics_and_ways_stand_there_with_their_counts() -> None:
    said = texts(drawn(await colony(1, 4)))

    assert {"asked", "ear", "eye", "news", "nowhere", "outside", "Ask", "×2"} <= set(said)
    assert {"topic · a", "your code"} <= set(said)


async def test_failures_and_drops_are_told_apart_by_word_and_by_sign() -> None:
    svg = drawn(await colony(1, 2, 3))

    assert {"1 failed", "1 dropped", "handler failed", "dropped"} <= set(texts(svg))
    calm = drawn(await colony(1))
    assert svg.count("<circle") == 2  # the cross at the way, and in the legend
    assert calm.count("<circle") == 0
    assert not {"handler failed", "dropped"} & set(texts(calm))


async def test_a_picture_has_a_role_a_title_and_its_facts_in_words() -> None:
    root = ET.fromstring(drawn(await colony(1, 2, 3)))

    assert root.attrib["role"] == "img"
    assert root[0].tag == f"{SVG}title"
    assert "3 agents" in str(root[0].text)
    assert root[1].tag == f"{SVG}desc"
    assert "your code sends asked/a: 3 Ask (1 failed, 1 dropped)" in str(root[1].text)


def hostile() -> RunLog:
    """Return a log whose names try to be markup, to leave their place, or to break the file."""
    log = RunLog()
    name = "<script>alert(1)</script>\"'&]]>\x00\x1b[31m\ud83d\ufffe" + "W" * 500
    sent = log.append(
        EnvelopeSent(message_id="1", sort="publish", sender=f"{name}/{name}", recipient=f"{name}/k", type=name)
    )
    log.append(
        EnvelopeDelivered(message_id="1", sort="publish", agent=f"b/{name}", topic=f"{name}/k", role=name),
        parent=sent.id,
    )
    return log


def test_names_are_text_whatever_stands_in_them() -> None:
    svg = drawn(hostile())

    check_harmless(svg)
    assert any(text.startswith("<script>") and text.endswith("…") for text in texts(svg))
    assert all(box[2] < 260 for box in cards(svg))


async def test_a_picture_needs_nothing_and_holds_nothing_that_acts() -> None:
    check_harmless(drawn(await colony(1, 2, 3, 4)))


def some(seed: int, nodes: int = 29) -> RunLog:
    """Return sends between so many agents, at random."""
    rng = random.Random(seed)
    names = [f"type{number % 7}/key{number}" for number in range(nodes)]
    return sends(*((rng.choice(names), rng.choice(names)) for _ in range(nodes * 2)))


@pytest.mark.parametrize("seed", range(8))
def test_up_to_thirty_nodes_stand_apart_and_all_is_inside_the_picture(seed: int) -> None:
    svg = drawn(some(seed))
    root = ET.fromstring(svg)

    boxes = cards(svg)
    assert len(boxes) > 20
    assert all(apart(one, other) for one, other in itertools.combinations(boxes, 2))
    left, top, width, height = map(float, root.attrib["viewBox"].split())
    for rect in root.iter(f"{SVG}rect"):  # nodes and labels
        x, y, w, h = (float(rect.attrib[name]) for name in ("x", "y", "width", "height"))
        assert left <= x <= x + w <= left + width
        assert top <= y <= y + h <= top + height


def test_the_same_log_gives_the_same_picture() -> None:
    log = some(3)

    assert drawn(log) == drawn(log)


def test_many_agents_and_messages_do_not_make_a_large_picture() -> None:
    svg = drawn(sends(*((f"a{n % 50}/k{n}", f"b{n % 40}/k{n}") for n in range(2000))))

    assert len(svg) < 60_000
    assert "drawn by type" in svg


def test_a_message_to_oneself_and_an_empty_log_are_drawn_too() -> None:
    loop = drawn(sends(("a/x", "a/x")))
    check_harmless(loop)

    assert len(cards(loop)) == 1
    assert "Ask" in texts(loop)
    assert cards(drawn(RunLog())) == []
    assert re.match(r"<svg [^>]*width=\"300\"", drawn(RunLog()))
