"""Teams that follow a graph, on graphs of all kinds."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from agentnb.core import CancellationToken
from agentnb.exceptions import AgentFailed
from agentnb.messages import StopMessage, TextMessage
from agentnb.teams import DiGraph, DiGraphEdge, DiGraphNode, GraphFlow, TeamView
from agentnb.teams.graph import GraphPolicy
from tests.teams.conftest import Speaker

ROUNDS = 40
VIEW = TeamView((), [], 0)
Answers = Callable[[str, int], str]


@dataclass
class Followed:
    """What came of following a graph."""

    rounds: list[tuple[str, ...]] = field(default_factory=list)
    taken: list[tuple[int, str, str]] = field(default_factory=list)
    """Round, source and target of every edge that was open when its source had spoken."""
    finished: bool = False

    def turns(self, name: str) -> list[int]:
        return [number for number, names in enumerate(self.rounds) if name in names]


def answering(seed: int) -> Answers:
    """Return what nodes say: any of the texts that conditions look for, drawn anew for each node and round."""

    def answer(name: str, number: int) -> str:
        draw = Random(f"{seed} {name} {number}")
        return " ".join(text for text in ("<0>", "<1>", "<2>", "<3>") if draw.random() < 0.45)

    return answer


@st.composite
def graphs(draw: st.DrawFn, *, cyclic: bool, grouped: bool) -> DiGraph:
    names = "abcdefg"[: draw(st.integers(2, 7))]
    pairs = [(one, other) for one in names[:-1] for other in names if cyclic or one < other]
    edges = draw(st.lists(st.sampled_from(pairs), min_size=1, max_size=14, unique=not grouped))
    conditional = {name: draw(st.booleans()) for name in names}
    groups = draw(st.lists(st.sampled_from(["", "x"]), min_size=len(edges), max_size=len(edges)))
    any_ = {(name, group): grouped and draw(st.booleans()) for name in names for group in ("", "x")}
    nodes = {name: DiGraphNode(name=name) for name in names}
    for (source, target), group in zip(edges, groups, strict=True):
        group = group if grouped else ""
        nodes[source].edges.append(
            DiGraphEdge(
                target=target,
                condition=f"<{len(nodes[source].edges) % 4}>" if conditional[source] else None,
                activation_group=group,
                activation_condition="any" if any_[target, group] else "all",
            )
        )
    graph = DiGraph(nodes=nodes, default_start_node="a" if cyclic else None)
    try:
        graph.graph_validate()
    except ValueError:  # such as a cycle that cannot end
        assume(False)
    return graph


any_graph = st.booleans().flatmap(lambda cyclic: graphs(cyclic=cyclic, grouped=True))


async def follow(
    graph: DiGraph, answer: Answers, *, reload_at: frozenset[int] = frozenset(), limit: int = ROUNDS
) -> Followed:
    """Follow a graph to its end or through `limit` rounds, in a new policy from each round of `reload_at` on."""
    policy, seen = GraphPolicy(graph, ends=True), Followed()
    for number in range(limit):
        if number in reload_at:
            state = json.loads(json.dumps(await policy.save_state()))
            policy = GraphPolicy(graph, ends=True)
            await policy.load_state(state)
        names = (await policy(VIEW)).names
        assert names, "nobody is ready, and the graph was not said to be finished"
        # What was chosen and not heard is chosen again: a run that failed.
        assert (await policy(VIEW)).names == names
        seen.rounds.append(names)
        said = {name: TextMessage(content=answer(name, number), source=name) for name in names}
        for name in names:
            for edge in graph.nodes[name].edges:
                if edge.check_condition(said[name]):
                    seen.taken.append((number, name, edge.target))
        if await policy.heard(VIEW, {name: [message] for name, message in said.items()}) is not None:
            seen.finished = True
            return seen
    return seen


@settings(max_examples=200, deadline=None)
@given(graphs(cyclic=False, grouped=False), st.integers(0, 2**32))
def test_without_cycles_every_node_that_is_reached_runs_once_and_behind_all_before_it(
    graph: DiGraph, seed: int
) -> None:
    """Who is reached is worked out from the start nodes on; every edge between two that ran leads onwards."""
    seen = asyncio.run(follow(graph, answering(seed)))

    reached = graph.get_start_nodes() | {target for _, _, target in seen.taken}
    assert seen.finished
    assert sorted(name for names in seen.rounds for name in names) == sorted(reached)
    for edge in graph.edges():
        if {edge["source"], edge["target"]} <= reached:
            assert seen.turns(edge["source"]) < seen.turns(edge["target"])


@settings(max_examples=300, deadline=None)
@given(any_graph, st.integers(0, 2**32))
def test_no_edge_that_is_taken_is_lost_and_nobody_runs_without_one(graph: DiGraph, seed: int) -> None:
    seen = asyncio.run(follow(graph, answering(seed)))

    for number, source, target in seen.taken:
        later = [turn for turn in seen.turns(target) if turn > number]
        assert later or not seen.finished, f"{source} -> {target}, taken in round {number}, led nowhere"
    for name in graph.nodes:
        free = int(name in graph.get_start_nodes())
        for before, turn in enumerate(seen.turns(name)):
            came = sum(number < turn and target == name for number, _, target in seen.taken)
            assert came + free > before


@settings(max_examples=100, deadline=None)
@given(any_graph, st.integers(0, 2**32), st.integers(0, ROUNDS))
def test_a_run_ends_when_no_condition_holds_any_more(graph: DiGraph, seed: int, quiet: int) -> None:
    """From any round on, answers open no edge that has a condition: nothing can go round, and nothing may hang."""
    answer = answering(seed)

    seen = asyncio.run(follow(graph, lambda name, number: answer(name, number) if number < quiet else "", limit=200))

    assert seen.finished


@settings(max_examples=100, deadline=None)
@given(any_graph, st.integers(0, 2**32), st.frozensets(st.integers(1, ROUNDS), max_size=6))
def test_saved_and_loaded_anywhere_it_goes_on_identically(graph: DiGraph, seed: int, reload_at: frozenset[int]) -> None:
    straight, reloaded = (
        asyncio.run(follow(graph, answering(seed), reload_at=at)) for at in (frozenset[int](), reload_at)
    )

    assert reloaded == straight


trouble = st.lists(st.sampled_from(["", "", "fails", "cancelled", "loaded"]), min_size=8, max_size=8)


@settings(max_examples=40, deadline=None)
@given(any_graph, st.integers(0, 2**32), trouble)
def test_a_team_that_fails_is_cancelled_or_loaded_on_its_way_says_the_same(
    graph: DiGraph, seed: int, troubles: list[str]
) -> None:
    answer = answering(seed)

    def team(clock: list[Any]) -> GraphFlow:
        def line(name: str) -> Any:
            def say(_: Any) -> Any:
                number, trouble, token = clock
                if trouble == "fails":
                    raise OSError(name)
                if trouble == "cancelled":
                    token.cancel()
                    return asyncio.Event().wait()
                return TextMessage(content=answer(name, number), source=name)

            return say

        return GraphFlow([Speaker(name, line(name)) for name in graph.nodes], graph, max_turns=1)

    async def check() -> None:
        straight = await follow(graph, answer)
        clock: list[Any] = [0, "", None]
        crew = team(clock)
        for number, (names, trouble) in enumerate(zip(straight.rounds, troubles, strict=False)):
            if trouble == "loaded":
                state = json.loads(json.dumps(dict(await crew.save_state())))
                crew = team(clock)
                await crew.load_state(state)
            elif trouble:
                clock[:] = [number, trouble, token := CancellationToken()]
                with pytest.raises((AgentFailed, asyncio.CancelledError)):
                    await crew.run(cancellation_token=token)
            clock[:] = [number, "", None]
            result = await crew.run()
            finished = straight.finished and number == len(straight.rounds) - 1
            assert sorted(message.source for message in result.messages) == sorted(names)
            assert ("finished" in (result.stop_reason or "")) is finished

    asyncio.run(check())


def test_a_stop_message_of_the_policy_names_the_manager() -> None:
    graph = DiGraph(nodes={"a": DiGraphNode(name="a")})
    said = {"a": [TextMessage(content="x", source="a")]}

    stop = asyncio.run(GraphPolicy(graph, ends=False).heard(VIEW, said))

    assert isinstance(stop, StopMessage)
    assert stop.source == "GraphManager"
