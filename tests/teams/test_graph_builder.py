"""Building a graph of agents."""

from __future__ import annotations

from typing import Any

import pytest

from agentnb.messages import BaseChatMessage
from agentnb.teams import DiGraphBuilder, GraphFlow
from tests.teams.conftest import Speaker, sources


def builder(*names: str) -> DiGraphBuilder:
    made = DiGraphBuilder()
    for name in names:
        made.add_node(Speaker(name))
    return made


def approves(message: BaseChatMessage) -> bool:
    return True


async def test_agents_and_edges_make_a_graph_that_a_team_follows() -> None:
    ana, ben = Speaker("ana"), Speaker("ben")
    made = DiGraphBuilder().add_node(ana).add_node(ben).add_edge(ana, "ben")

    result = await GraphFlow(made.get_participants(), made.build()).run(task="go")

    assert made.get_participants() == [ana, ben]
    assert sources(result) == ["user", "ana", "ben"]


def test_an_edge_takes_condition_group_and_activation() -> None:
    made = builder("a", "b", "c", "d")
    made.add_edge("a", "b", "yes").add_edge("a", "c", approves)
    made.add_edge("b", "d", activation_group="g", activation_condition="any").add_edge("c", "d")

    assert [(edge["condition"], edge["group"], edge["activation"]) for edge in made.build().edges()] == [
        ("yes", "b", "all"),
        ("approves", "c", "all"),
        ("", "g", "any"),
        ("", "d", "all"),
    ]


def test_a_nodes_activation_is_not_ignored() -> None:
    """AutoGen takes `activation="any"` and waits for all."""
    made = builder("a", "b").add_node(Speaker("c"), activation="any")
    made.add_edge("a", "c").add_edge("b", "c")

    assert {edge["activation"] for edge in made.build().edges()} == {"any"}


def test_the_entry_point_is_an_agent_or_its_name() -> None:
    ana = Speaker("ana")
    made = DiGraphBuilder().add_node(ana).add_node(Speaker("ben"))

    assert made.set_entry_point(ana).build().get_start_nodes() == {"ana"}
    assert made.set_entry_point("ben").build().get_start_nodes() == {"ben"}


def test_edges_by_keyword_still_work_and_say_that_they_are_old() -> None:
    made = builder("a", "b", "c")

    with pytest.warns(DeprecationWarning, match="add_edge"):
        made.add_conditional_edges("a", {"yes": "b", "no": made.agents["c"]})

    assert [(edge["target"], edge["condition"]) for edge in made.build().edges()] == [("b", "yes"), ("c", "no")]


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda made: made.add_edge("z", "a"), "The source 'z' is not in the graph.*'a', 'b'.*add_node"),
        (lambda made: made.add_edge("a", Speaker("z")), "The target 'z'"),
        (lambda made: made.set_entry_point("z"), "The entry point 'z'"),
        (lambda made: made.add_node(Speaker("a")), "Another agent named 'a'"),
        (lambda made: made.add_edge("a", "b", 3), "condition"),
        (lambda made: made.add_edge("a", "b", activation_condition="some"), "activation_condition"),
        (lambda made: made.add_edge("a", "b").add_edge("b", "a").build(), "no start node"),
        (lambda _: DiGraphBuilder().build(), "no nodes"),
    ],
)
def test_what_cannot_be_built_is_refused(call: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        call(builder("a", "b"))


def test_the_same_agent_may_be_added_again() -> None:
    ana = Speaker("ana")
    made = DiGraphBuilder().add_node(ana).add_node(Speaker("ben")).add_edge("ana", "ben")

    made.add_node(ana, activation="any")

    assert [node.activation for node in made.build().nodes.values()] == ["any", "all"]
    assert len(made.build().edges()) == 1


def test_a_graph_stays_as_it_was_built() -> None:
    made = builder("a", "b", "c").add_edge("a", "b")
    graph = made.build()

    made.add_edge("b", "c").nodes["c"].activation = "any"

    assert [edge["target"] for edge in graph.edges()] == ["b"]
    assert [edge["target"] for edge in made.build().edges()] == ["b", "c"]


def test_what_is_no_agent_or_no_graph_is_named() -> None:
    builder = DiGraphBuilder()
    with pytest.raises(TypeError, match="A node of the graph must be an agent, not 'ana'"):
        builder.add_node("ana")  # type: ignore[arg-type]
    with pytest.raises(TypeError, match=r"The graph is a DiGraphBuilder; call its build\(\)"):
        GraphFlow([Speaker("ana")], builder.add_node(Speaker("ana")))  # type: ignore[arg-type]
