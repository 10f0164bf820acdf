"""Whatever way a run takes through a graph: the picture shows no edge as taken that was not."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import example, given, reject, settings
from hypothesis import strategies as st

from agentnb.messages import BaseChatMessage
from agentnb.teams import DiGraphBuilder, GraphFlow
from agentnb.ui.team import team_picture
from tests.teams.conftest import Speaker

NAMES = "abcde"
WORDS = ("X", "Y", "XY", "-")

pytestmark = pytest.mark.timeout(60)


@dataclass
class Drawn:
    """A graph of random edges, and how often its functions said yes."""

    edges: list[tuple[str, str, str]] = field(default_factory=list)
    """Source, target, and the word that opens it: "f X" by a function, "X" by itself, or nothing."""
    opened: Counter[int] = field(default_factory=Counter)

    def condition(self, number: int, kind: str) -> str | Callable[[BaseChatMessage], bool] | None:
        if not kind.startswith("f "):
            return kind or None

        def says(message: BaseChatMessage) -> bool:
            held = kind[2:] in message.to_text()
            self.opened[number] += held
            return held

        return says


@st.composite
def drawn(draw: Any) -> Drawn:
    graph = Drawn()
    for source in NAMES[:-1]:
        kinds = draw(st.sampled_from([[""], ["X", "Y"], ["f X", "f Y"], ["X", "f Y"]]))
        for target in draw(st.lists(st.sampled_from(NAMES.replace(source, "")), unique=True, max_size=3)):
            graph.edges.append((source, target, draw(st.sampled_from(kinds))))
    return graph


TWICE = [("a", "e", "f Y"), ("a", "b", "f X"), ("a", "c", "f X"), ("b", "a", ""), ("d", "e", "")]
"""What speaks twice before the one it leads to, which waits for all."""


@settings(max_examples=150, deadline=None)
@example(graph=Drawn(TWICE), says=["X", "Y"], kinds=["all"] * 5, rounds=4)
@given(
    graph=drawn(),
    says=st.lists(st.sampled_from(WORDS), min_size=1, max_size=6),
    kinds=st.lists(st.sampled_from(["all", "any"]), min_size=5, max_size=5),
    rounds=st.integers(1, 7),
)
def test_a_picture_shows_the_edges_that_were_taken(
    graph: Drawn, says: list[str], kinds: list[Any], rounds: int
) -> None:
    builder = DiGraphBuilder()
    for number, name in enumerate(NAMES):
        builder.add_node(Speaker(name, *says[number % len(says) :], *says), activation=kinds[number])
    for number, (source, target, kind) in enumerate(graph.edges):
        builder.add_edge(source, target, graph.condition(number, kind))
    builder.set_entry_point("a")
    try:
        flow = GraphFlow(builder.get_participants(), builder.build(), max_turns=rounds)
    except ValueError:
        reject()  # it has a cycle without an exit
    result = asyncio.run(flow.run(task="go"))

    said = [(message.source, message.to_text()) for message in result.messages[1:]]
    for number, ((source, _, kind), link) in enumerate(
        zip(graph.edges, team_picture(result, edges=flow.graph.edges()).links, strict=True)
    ):
        if kind.startswith("f "):
            assert link.took != "yes" or link.count <= graph.opened[number]
        else:
            assert link.took != "perhaps"
            assert link.count == sum(name == source and kind in text for name, text in said)
