"""Graphs, and what makes them invalid."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import ValidationError

from agentnb.exceptions import UserError
from agentnb.messages import BaseChatMessage, MultiModalMessage, TextMessage
from agentnb.teams import DiGraph, DiGraphEdge, DiGraphNode


def graph(start: str | None = None, **edges: list[Any]) -> DiGraph:
    """Make a graph; an edge is the target's name, or a `DiGraphEdge`."""
    nodes = {
        name: DiGraphNode(name=name, edges=[DiGraphEdge(target=to) if isinstance(to, str) else to for to in ways])
        for name, ways in edges.items()
    }
    return DiGraph(nodes=nodes, default_start_node=start)


def when(target: str, condition: Any = "yes", **options: Any) -> DiGraphEdge:
    return DiGraphEdge(target=target, condition=condition, **options)


def said(content: str) -> TextMessage:
    return TextMessage(content=content, source="a")


def approves(message: BaseChatMessage) -> bool:
    return "yes" in message.to_text()


DIAMOND = graph(a=["b", "c"], b=["d"], c=["d"], d=[])


# -- questions --------------------------------------------------------------------------------------------------------


def test_a_graph_knows_parents_start_nodes_and_leaf_nodes() -> None:
    assert DIAMOND.get_parents() == {"a": [], "b": ["a"], "c": ["a"], "d": ["b", "c"]}
    assert DIAMOND.get_start_nodes() == {"a"}
    assert DIAMOND.get_leaf_nodes() == {"d"}


def test_the_default_start_node_is_the_only_one() -> None:
    assert graph("b", a=["c"], b=["c"], c=[]).get_start_nodes() == {"b"}


def test_edges_are_counted_by_target_and_group() -> None:
    loop = graph("a", a=["b"], b=[when("a", activation_group="again"), when("c")], c=[])

    assert DIAMOND.get_remaining_map() == {"b": {"b": 1}, "c": {"c": 1}, "d": {"d": 2}}
    assert loop.get_remaining_map() == {"b": {"b": 1}, "a": {"again": 1}, "c": {"c": 1}}


def test_a_cycle_that_a_condition_leaves_has_an_exit() -> None:
    loop = graph("a", a=["b"], b=[when("a", "no"), when("c")], c=[])

    assert (loop.has_cycles_with_exit(), loop.get_has_cycles()) == (True, True)
    assert (DIAMOND.has_cycles_with_exit(), DIAMOND.get_has_cycles()) == (False, False)


def test_edges_are_listed_as_plain_data_for_drawings() -> None:
    drawn = graph(a=[when("b"), when("c", approves, activation_group="g", activation_condition="any")], b=[], c=[])

    assert json.loads(json.dumps(drawn.edges())) == [
        {"source": "a", "target": "b", "condition": "yes", "function": False, "group": "b", "activation": "all"},
        {"source": "a", "target": "c", "condition": "approves", "function": True, "group": "g", "activation": "any"},
    ]


# -- conditions -------------------------------------------------------------------------------------------------------


def test_an_edge_without_a_condition_is_open_to_every_message() -> None:
    assert DiGraphEdge(target="b").check_condition(said(""))


def test_a_text_must_occur_in_what_a_model_would_read() -> None:
    edge = when("b", "APPROVE")

    assert edge.check_condition(said("I APPROVE of it"))
    assert not edge.check_condition(said("approve"))
    assert edge.check_condition(MultiModalMessage(content=["APPROVED"], source="a"))


def test_a_function_decides_and_is_kept_apart_from_the_text() -> None:
    edge = when("b", approves)

    assert (edge.condition, edge.condition_function) == (None, approves)
    assert (edge.check_condition(said("yes")), edge.check_condition(said("no"))) == (True, False)


def test_a_function_assigned_later_decides_too() -> None:
    edge = DiGraphEdge(target="b")
    edge.condition = approves

    assert edge.conditional
    assert not edge.check_condition(said("no"))


def test_a_coroutine_function_is_refused_for_it_would_always_be_true() -> None:
    async def wait(message: BaseChatMessage) -> bool:
        return False

    with pytest.raises(ValueError, match=r"edge to 'b'.*coroutine function .*wait.*plain function"):
        when("b", wait)


@pytest.mark.parametrize("condition", [3, True, ["yes"]])
def test_a_condition_is_a_text_or_a_function(condition: Any) -> None:
    with pytest.raises(ValidationError, match="condition"):
        when("b", condition)


# -- activation -------------------------------------------------------------------------------------------------------


def test_edges_form_one_group_per_target_by_default() -> None:
    edge = DiGraphEdge(target="b")

    assert (edge.activation_group, edge.activation_condition) == ("b", "all")


def test_what_a_node_says_of_its_activation_holds_for_edges_that_say_nothing() -> None:
    nodes = {
        "a": DiGraphNode(name="a", edges=[DiGraphEdge(target="c")]),
        "b": DiGraphNode(
            name="b", edges=[DiGraphEdge(target="c", activation_group="both", activation_condition="all")]
        ),
        "c": DiGraphNode(name="c", activation="any"),
    }
    made = DiGraph(nodes=nodes)

    again = DiGraph.model_validate(made.model_dump())
    for one in (made, again):
        one.graph_validate()
        assert [(edge["group"], edge["activation"]) for edge in one.edges()] == [("c", "any"), ("both", "all")]


def test_an_edge_added_later_is_settled_when_the_graph_is_validated() -> None:
    made = graph(a=[], b=[])
    made.nodes["b"].activation = "any"
    made.nodes["a"].edges.append(DiGraphEdge(target="b"))

    made.graph_validate()

    assert made.edges()[0]["activation"] == "any"


# -- invalid graphs ---------------------------------------------------------------------------------------------------

INVALID: dict[str, tuple[DiGraph, str]] = {
    "no nodes": (DiGraph(nodes={}), "no nodes.*add_node"),
    "no start": (graph(a=[when("b"), when("c")], b=["a"], c=["a"]), "no start node.*set_entry_point"),
    "no leaf": (graph("a", a=["b"], b=[when("a")]), "no leaf node: .* Add a node that no edge leaves"),
    "mixed": (graph(a=["b", when("c")], b=[], c=[]), "'a' has edges with and without.*'b', 'c' on a condition"),
    "endless": (graph("a", a=["b"], b=["c"], c=["b", "d"], d=[]), "cycle ('b' -> 'c' -> 'b'|'c' -> 'b' -> 'c')"),
    "endless beside one that ends": (
        graph("a", a=[when("a"), when("b")], b=["b", "c"], c=[]),
        "cycle 'b' -> 'b' never ends.*condition",
    ),
    "groups disagree": (
        graph(a=["c"], b=[DiGraphEdge(target="c", activation_condition="any")], c=[]),
        "into 'c' of the group 'c' disagree: 'b' -> 'c' says 'any', another says 'all'",
    ),
    "unknown start": (graph("z", a=["b"], b=[]), "default start node 'z' is no node.*'a', 'b'"),
    "other name": (DiGraph(nodes={"a": DiGraphNode(name="b")}), "key 'a' is named 'b'"),
}


@pytest.mark.parametrize("case", INVALID)
def test_an_invalid_graph_is_refused_with_the_way_out(case: str) -> None:
    invalid, message = INVALID[case]

    with pytest.raises(UserError, match=message):
        invalid.graph_validate()


def test_an_edge_to_nowhere_is_a_key_error_that_reads_well() -> None:
    with pytest.raises(KeyError, match=r"^The edge 'a' -> 'z' leads to no node \(there are: 'a'\)\.$"):
        graph(a=["z"]).graph_validate()


@pytest.mark.parametrize(
    "valid",
    [
        DIAMOND,
        graph(a=[]),
        graph(a=[], b=[]),
        graph("a", a=[when("a"), when("b")], b=[]),
        graph("a", a=["b"], b=["c"], c=[when("a"), when("d")], d=[]),
    ],
    ids=["diamond", "one", "two alone", "self", "ring"],
)
def test_a_valid_graph_is_accepted(valid: DiGraph) -> None:
    valid.graph_validate()

    assert DiGraph.model_validate_json(valid.model_dump_json()) == valid


# -- dumps ------------------------------------------------------------------------------------------------------------


def test_a_dump_has_autogens_fields() -> None:
    assert graph("a", a=[when("b")], b=[]).model_dump() == {
        "nodes": {
            "a": {
                "name": "a",
                "edges": [
                    {"target": "b", "condition": "yes", "activation_group": "b", "activation_condition": "all"},
                ],
                "activation": "all",
            },
            "b": {"name": "b", "edges": [], "activation": "all"},
        },
        "default_start_node": "a",
    }


def test_a_function_is_refused_on_dump_instead_of_becoming_no_condition() -> None:
    made = graph(a=[when("b", approves)], b=[])

    for dump in (made.model_dump, made.model_dump_json, made.refuse_functions):
        with pytest.raises(ValueError, match=r"edge 'a' -> 'b' is the function approves.*Use a text"):
            dump()
    with pytest.raises(ValueError, match=r"edge to 'b' is the function approves"):
        made.nodes["a"].edges[0].model_dump()


def test_a_reader_is_shown_functions_by_name() -> None:
    shown = graph(a=[when("b", approves), when("c")], b=[], c=[]).describe()

    assert [edge["condition"] for edge in shown["nodes"]["a"]["edges"]] == [{"not written": "approves"}, "yes"]
