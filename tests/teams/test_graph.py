"""Teams that follow a graph."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from agentnb.agents import AssistantAgent
from agentnb.base import Team
from agentnb.conditions import MaxMessageTermination, TextMentionTermination
from agentnb.core import CancellationToken
from agentnb.exceptions import AgentFailed, RuntimeFault, UserError
from agentnb.messages import BaseChatMessage, TextMessage
from agentnb.models import ScriptedChatCompletionClient
from agentnb.runlog import RunStarted
from agentnb.teams import DiGraph, DiGraphEdge, DiGraphNode, GraphFlow, RoundRobinGroupChat
from tests.teams.conftest import Line, Speaker, Waiter, choices, sources

FINISHED = "the graph is finished: no node is left to run"
Edge = tuple[str, str] | tuple[str, str, Any]


def made(*edges: Edge, start: str | None = None, alone: str = "", **options: dict[str, Any]) -> DiGraph:
    """Make a graph of edges `(source, target)` or `(source, target, condition)`.

    Args:
        edges: The edges.
        start: The default start node.
        alone: Names of nodes besides those of the edges.
        options: What else an edge says, by `source_target`.
    """
    names = dict.fromkeys([*alone, *(name for edge in edges for name in edge[:2])])
    nodes = {name: DiGraphNode(name=name) for name in names}
    for source, target, *condition in edges:
        more = options.get(f"{source}_{target}", {})
        nodes[source].edges.append(DiGraphEdge(target=target, condition=condition[0] if condition else None, **more))
    return DiGraph(nodes=nodes, default_start_node=start)


def flow(graph: DiGraph, *special: Speaker, lines: dict[str, list[Line]] | None = None, **options: Any) -> GraphFlow:
    """Make a team of speakers, some with lines of their own."""
    speakers = {name: Speaker(name, *(lines or {}).get(name, ())) for name in graph.nodes}
    speakers |= {speaker.name: speaker for speaker in special}
    return GraphFlow(list(speakers.values()), graph, **options)


def speaker(team: GraphFlow, name: str) -> Speaker:
    found = next(agent for agent in team.participants if agent.name == name)
    assert isinstance(found, Speaker)
    return found


def rounds(result: Any) -> list[str]:
    """Return who spoke in each round, such as ["a", "bc"]."""
    return ["".join(choice.names) for choice in choices(result.log)]


def approved(message: BaseChatMessage) -> bool:
    return "yes" in message.to_text()


def rejected(message: BaseChatMessage) -> bool:
    return not approved(message)


DIAMOND: list[Edge] = [("a", "b"), ("a", "c"), ("b", "d"), ("c", "d")]
BRANCH: list[Edge] = [("a", "b", "left"), ("a", "c", "right"), ("b", "d"), ("c", "d")]
LOOP: list[Edge] = [("a", "b"), ("b", "a", rejected), ("b", "c", approved)]


# -- one after another, side by side ----------------------------------------------------------------------------------


async def test_nodes_follow_each_other_and_the_run_ends_behind_the_last() -> None:
    result = await flow(made(("a", "b"), ("b", "c"))).run(task="go")

    assert sources(result) == ["user", "a", "b", "c"]
    assert result.stop_reason == FINISHED


async def test_a_diamonds_branches_overlap_and_the_join_is_last() -> None:
    b, c = Waiter("b"), Waiter("c")
    team = flow(made(*DIAMOND), b, c)
    running = asyncio.ensure_future(team.run(task="go"))
    await b.begun.wait()
    await c.begun.wait()
    c.go_on.set()
    b.go_on.set()

    result = await running

    assert rounds(result) == ["a", "bc", "d"]
    assert speaker(team, "d").got == [["go", "a says", "b says", "c says"]]


async def test_several_start_nodes_speak_in_the_first_round() -> None:
    assert rounds(await flow(made(("a", "c"), ("b", "c"))).run(task="go")) == ["ab", "c"]


async def test_a_join_waits_for_the_longer_branch() -> None:
    team = flow(made(("a", "b"), ("a", "c"), ("c", "e"), ("b", "d"), ("e", "d")))

    assert rounds(await team.run(task="go")) == ["a", "bc", "e", "d"]


async def test_any_edge_is_enough_where_the_group_says_so() -> None:
    any_: dict[str, Any] = {"activation_condition": "any"}
    edges: list[Edge] = [("a", "b"), ("a", "c"), ("c", "e"), ("b", "d"), ("e", "d")]

    team = flow(made(*edges, b_d=any_, e_d=any_))

    # The second edge, taken later, lets the node speak again.
    assert rounds(await team.run(task="go")) == ["a", "bc", "ed", "d"]


async def test_two_parents_in_the_same_round_trigger_an_any_node_once() -> None:
    any_: dict[str, Any] = {"activation_condition": "any"}

    assert rounds(await flow(made(*DIAMOND, b_d=any_, c_d=any_)).run(task="go")) == ["a", "bc", "d"]


async def test_a_nodes_activation_any_is_not_ignored() -> None:
    graph = made(("a", "b"), ("a", "d"), ("b", "d"))
    graph.nodes["d"].activation = "any"

    assert rounds(await flow(graph).run(task="go")) == ["a", "bd", "d"]


async def test_each_group_fires_by_itself() -> None:
    one: dict[str, Any] = {"activation_group": "one"}
    two: dict[str, Any] = {"activation_group": "two"}
    graph = made(("a", "b"), ("b", "c"), ("a", "d"), ("b", "d"), ("c", "d"), a_d=one, b_d=one, c_d=two)

    assert rounds(await flow(graph).run(task="go")) == ["a", "b", "cd", "d"]


async def test_a_participant_outside_the_graph_hears_and_is_silent() -> None:
    team = GraphFlow([Speaker("a"), Speaker("b"), Speaker("guest")], made(("a", "b")))

    assert sources(await team.run(task="go")) == ["user", "a", "b"]


async def test_a_graph_may_be_a_turn_of_another_team() -> None:
    inner = flow(made(("a", "b")), name="inner")
    outer = RoundRobinGroupChat([inner, Speaker("z")], max_turns=3)

    assert sources(await outer.run(task="go")) == ["user", "a", "b", "z", "a", "b"]


# -- conditions and loops ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("says", "order"), [("go left", "abd"), ("go right", "acd"), ("stay", "a")])
async def test_only_the_branch_whose_text_was_said_runs_and_the_join_behind_it(says: str, order: str) -> None:
    """In AutoGen a join waits for the branch not taken for ever, and the run ends before it."""
    result = await flow(made(*BRANCH), lines={"a": [says]}).run(task="go")

    assert sources(result) == ["user", *order]
    assert result.stop_reason == FINISHED


async def test_a_branch_not_taken_is_dead_all_the_way_to_the_join() -> None:
    edges: list[Edge] = [("a", "b", "left"), ("a", "c", "right"), ("b", "e"), ("e", "f"), ("f", "d"), ("c", "d")]

    assert rounds(await flow(made(*edges), lines={"a": ["right"]}).run(task="go")) == ["a", "c", "d"]


async def test_a_branch_that_can_still_be_taken_is_waited_for() -> None:
    edges: list[Edge] = [
        ("a", "b"),
        ("a", "c"),
        ("b", "e"),
        ("e", "f", "yes"),
        ("e", "d", "no"),
        ("f", "d"),
        ("c", "d"),
    ]

    no, yes = [await flow(made(*edges), lines={"e": [line]}).run(task="go") for line in ("no", "yes")]

    assert rounds(no) == ["a", "bc", "e", "d"]
    assert rounds(yes) == ["a", "bc", "e", "f", "d"]


async def test_a_join_behind_a_join_waits_for_it() -> None:
    """Both joins lack an edge that never comes; the inner one is to speak first, and the outer one once."""
    edges: list[Edge] = [("a", "c", "go"), ("a", "x", "never"), ("a", "d", "go"), ("x", "c"), ("c", "d")]

    assert rounds(await flow(made(*edges), lines={"a": ["go"]}).run(task="go")) == ["a", "c", "d"]


async def test_a_loop_goes_round_three_times_and_leaves() -> None:
    team = flow(made(*LOOP, start="a"), lines={"b": ["no", "no", "no", "yes"]}, max_turns=20)

    result = await team.run(task="go")

    assert sources(result) == ["user", *"abababab", "c"]
    assert result.stop_reason == FINISHED


async def test_a_node_is_entered_although_its_loop_has_not_come_round_yet() -> None:
    """In AutoGen, without groups, the node waits for the edge that begins at itself, and the run ends at once."""
    graph = made(("s", "a"), *LOOP)

    assert rounds(await flow(graph, lines={"b": ["no", "yes"]}, max_turns=9).run(task="go")) == [*"sababc"]


async def test_a_node_does_not_wait_for_a_loop_to_itself() -> None:
    edges: list[Edge] = [("s", "a"), ("s", "x"), ("x", "s", "again"), ("a", "a", "more"), ("a", "e", "enough")]
    team = flow(made(*edges, start="s"), lines={"a": ["more", "enough"]}, max_turns=9)

    assert rounds(await team.run(task="go")) == ["s", "ax", "a", "e"]


async def test_a_node_does_not_wait_for_what_only_its_own_turn_could_bring() -> None:
    """`u` can only come behind `t`, so `t` does not wait for it while `y` and `x` are on their way to `t`."""
    one: dict[str, Any] = {"activation_group": "one"}
    two: dict[str, Any] = {"activation_group": "two"}
    edges: list[Edge] = [("s", "p"), ("s", "y"), ("y", "x"), ("x", "t"), ("p", "t"), ("t", "u", "more"), ("u", "t")]
    graph = made(*edges, ("t", "e", "enough"), p_t=one, u_t=one, x_t=two)

    assert rounds(await flow(graph, max_turns=9).run(task="go")) == ["s", "py", "xt", "t"]


async def test_a_join_inside_a_loop_is_armed_again() -> None:
    edges: list[Edge] = [*BRANCH, ("d", "a", "more"), ("d", "e", "enough")]
    team = flow(
        made(*edges, start="a"),
        lines={"a": ["left", "left right", "right"], "d": ["more", "more", "enough"]},
        max_turns=20,
    )

    assert rounds(await team.run(task="go")) == ["a", "b", "d", "a", "bc", "d", "a", "c", "d", "e"]


async def test_nodes_that_wait_only_for_each_other_run_together() -> None:
    edges: list[Edge] = [("s", "a"), ("s", "b"), ("a", "b", "more"), ("b", "a", "more"), ("a", "e", "enough")]
    team = flow(made(*edges), lines={"a": ["more", "enough"], "b": ["more", "enough"]}, max_turns=9)

    assert rounds(await team.run(task="go")) == ["s", "ab", "ab", "e"]


async def test_an_edge_of_a_group_that_has_not_fired_is_not_lost_when_another_fires() -> None:
    """In AutoGen a group that fired once is armed again with every later one, and forgets what it had."""
    pair: dict[str, Any] = {"activation_group": "pair"}
    loop: dict[str, Any] = {"activation_group": "loop"}
    edges: list[Edge] = [("p", "t"), ("l", "t"), ("p", "l"), ("l", "q"), ("q", "t", "never")]
    graph = made(*edges, p_t=pair, q_t=pair, l_t=loop)

    assert rounds(await flow(graph).run(task="go")) == ["p", "l", "tq", "t"]


async def test_a_cycle_without_any_limit_is_refused_when_it_runs() -> None:
    team = flow(made(*LOOP, start="a"))

    with pytest.raises(ValueError, match=r"cycle.*termination_condition or max_turns"):
        await team.run(task="go")


@pytest.mark.parametrize("limit", [{"max_turns": 2}, {"termination_condition": MaxMessageTermination(3)}])
async def test_a_cycle_with_a_limit_runs(limit: dict[str, Any]) -> None:
    assert sources(await flow(made(*LOOP, start="a"), **limit).run(task="go")) == ["user", "a", "b"]


async def test_a_condition_that_raises_names_its_edge_and_loses_nothing() -> None:
    broken = [True]

    def fails_once(message: BaseChatMessage) -> bool:
        if broken.pop():
            raise KeyError("score")
        return True

    team = flow(made(("a", "b"), ("b", "c", fails_once)))
    with pytest.raises(
        RuntimeFault, match=r"condition of the edge 'b' -> 'c' failed on what 'b' said: KeyError: 'score'"
    ):
        await team.run(task="go")
    broken[:] = [False]

    assert sources(await team.run()) == ["b", "c"]


# -- the next run -----------------------------------------------------------------------------------------------------


async def test_after_the_end_the_next_run_begins_with_the_start_nodes() -> None:
    team = flow(made(*BRANCH), lines={"a": ["left", "right"]})

    first, second = await team.run(task="go"), await team.run(task="again")

    assert (sources(first), sources(second)) == (["user", *"abd"], ["user", *"acd"])


@pytest.mark.parametrize("limit", ["max_turns", "condition"])
async def test_ended_on_the_way_the_next_run_goes_on_with_the_pending_nodes(limit: str) -> None:
    options: dict[str, Any] = {"max_turns": 2}
    if limit == "condition":
        options = {"termination_condition": TextMentionTermination("c says")}
    team = flow(made(*DIAMOND, ("d", "e")), **options)

    first, second = await team.run(task="go"), await team.run()

    assert rounds(first) == ["a", "bc"]
    assert rounds(second) == ["d", "e"]


async def test_the_end_of_the_graph_goes_before_the_condition_and_the_limit() -> None:
    team = flow(made(("a", "b")), termination_condition=TextMentionTermination("b says"), max_turns=2)

    assert (await team.run(task="go")).stop_reason == FINISHED


async def test_a_task_in_a_nodes_name_is_not_taken_for_its_turn() -> None:
    """In AutoGen the node's edges are followed as though it had spoken."""
    result = await flow(made(("a", "b"), ("b", "c"))).run(task=TextMessage(content="go", source="b"))

    assert sources(result) == ["b", "a", "b", "c"]


async def test_what_was_ready_is_not_lost_when_a_participant_fails() -> None:
    """In AutoGen every later run ends at once."""
    team = flow(made(*DIAMOND), lines={"c": [OSError("x"), "fine"]})
    with pytest.raises(AgentFailed, match="'c' failed"):
        await team.run(task="go")

    result = await team.run(task="on")

    assert rounds(result) == ["bc", "d"]


async def test_a_reset_after_a_failure_begins_anew() -> None:
    team = flow(made(*DIAMOND), lines={"a": ["fine"], "c": [OSError("x")]})
    with pytest.raises(AgentFailed):
        await team.run(task="go")
    await team.reset()
    speaker(team, "c").lines = ("fine",)

    assert rounds(await team.run(task="go")) == ["a", "bc", "d"]


async def test_a_cancelled_run_goes_on_with_the_node_that_was_interrupted() -> None:
    b, token = Waiter("b"), CancellationToken()
    team = flow(made(*DIAMOND), b)
    running = asyncio.ensure_future(team.run(task="go", cancellation_token=token))
    await b.begun.wait()
    token.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    b.go_on.set()

    assert rounds(await team.run()) == ["bc", "d"]


async def test_a_function_decides_again_after_a_second_run_a_reset_and_a_loaded_state() -> None:
    """In AutoGen a function is lost wherever the graph is written, and the edge opens to everything."""
    graph = made(("a", "b", approved), ("a", "c", rejected))
    team, other = (flow(graph, lines={"a": ["yes", "no"]}) for _ in range(2))

    before = [await team.run(task="go"), await team.run(task="go")]
    await other.load_state(json.loads(json.dumps(await team.save_state())))
    await team.reset()
    after = [await team.run(task="go"), await team.run(task="go"), await other.run(task="go")]

    assert [sources(result)[-1] for result in before + after] == ["b", "c", "b", "c", "b"]


# -- state ------------------------------------------------------------------------------------------------------------


async def test_a_run_stopped_on_its_way_is_saved_and_goes_on_in_a_new_team() -> None:
    edges: list[Edge] = [("a", "b"), ("a", "c"), ("c", "e"), ("b", "d"), ("e", "d")]
    team, other = (flow(made(*edges), max_turns=2) for _ in range(2))
    await team.run(task="go")

    await other.load_state(json.loads(json.dumps(await team.save_state())))

    assert rounds(await other.run()) == rounds(await team.run()) == ["e", "d"]


async def test_which_edges_were_taken_is_saved_and_not_only_how_many() -> None:
    """`c` spoke last and its edge was not taken: the join still waits for its next word."""
    edges: list[Edge] = [("a", "b"), ("a", "c"), ("b", "d"), ("c", "k", "no"), ("c", "d", "yes"), ("k", "c")]
    team, seen = flow(made(*edges), lines={"c": ["no", "yes"]}, max_turns=1), []

    for _ in range(5):
        seen += rounds(await team.run(task="go"))
        state = json.loads(json.dumps(await team.save_state()))
        team = flow(made(*edges), lines={"c": ["no", "yes"]}, max_turns=1)
        await team.load_state(state)

    assert seen == ["a", "bc", "k", "c", "d"]


async def test_the_saved_state_has_autogens_fields() -> None:
    any_: dict[str, Any] = {"activation_condition": "any"}
    edges: list[Edge] = [("a", "b"), ("a", "c"), ("c", "e"), ("b", "d"), ("e", "d"), ("a", "f"), ("c", "f")]
    team = flow(made(*edges, a_f=any_, c_f=any_), max_turns=2)
    await team.run(task="go")

    manager = (await team.save_state())["agent_states"]["GraphManager"]

    thread = manager.pop("message_thread")
    assert [message["source"] for message in thread] == ["user", "a", "b", "c", "f"]
    assert {key: manager[key] for key in ("current_turn", "remaining", "enqueued_any", "ready")} == {
        "current_turn": 0,
        "remaining": {"b": {"b": 1}, "c": {"c": 1}, "f": {"f": 2}, "e": {"e": 0}, "d": {"d": 1}},
        "enqueued_any": {"b": {"b": False}, "c": {"c": False}, "f": {"f": True}, "e": {"e": False}, "d": {"d": False}},
        "ready": ["e", "f"],
    }


@pytest.mark.parametrize("spoke", ["b", "c"])
async def test_a_state_of_autogens_is_read(spoke: str) -> None:
    """Its counts do not say which edge was taken: it is that of the node that spoke."""
    team = flow(made(("a", "b"), ("a", "c"), ("b", "d"), ("c", "d")))
    other = "c" if spoke == "b" else "b"
    state: dict[str, Any] = dict(await team.save_state())
    said = [TextMessage(content="x", source=name).dump() for name in ("user", "a", spoke)]
    state["agent_states"]["GraphManager"] = {
        "message_thread": json.loads(json.dumps(said)),
        "current_turn": 2,
        "remaining": {"b": {"b": 1}, "c": {"c": 1}, "d": {"d": 1}} | {other: {other: 0}},
        "enqueued_any": {"b": {"b": False}, "c": {"c": False}, "d": {"d": False}},
        "ready": [other],
    }

    await team.load_state(state)
    result = await team.run()

    assert rounds(result) == [other, "d"]
    assert choices(result.log)[1].why == "'d' follows 'b' and 'c'"


async def test_a_state_in_which_autogen_lost_what_was_ready_begins_anew() -> None:
    team = flow(made(("a", "b")))
    state: dict[str, Any] = dict(await team.save_state())
    state["agent_states"]["GraphManager"] |= {"remaining": {"b": {"b": 0}}, "ready": []}

    await team.load_state(state)

    assert rounds(await team.run()) == ["a", "b"]


async def test_a_count_that_autogen_did_not_set_back_fires_nothing() -> None:
    """It sets no count back in a team that went on from a state, and saves it as it stands."""
    team = flow(made(("a", "b"), ("b", "c")))
    state: dict[str, Any] = dict(await team.save_state())
    said = [TextMessage(content="x", source=name).dump() for name in ("user", "a", "b")]
    state["agent_states"]["GraphManager"] = {
        "message_thread": json.loads(json.dumps(said)),
        "current_turn": 0,
        "remaining": {"b": {"b": 0}, "c": {"c": 0}},
        "enqueued_any": {"b": {"b": False}, "c": {"c": False}},
        "ready": ["c"],
    }

    await team.load_state(state)

    assert rounds(await team.run()) == ["c"]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"ready": ["z"]}, "no node 'z'. Load it into a team of the graph it was saved with"),
        ({"taken": [["b", 7]]}, r"no edge \('b', 7\)"),
        ({"triggered": {"b": ["z"]}}, r"no activation group \('b', 'z'\)"),
        ({"taken": 3}, "cannot be read"),
    ],
)
async def test_a_state_of_another_graph_is_refused_and_changes_nothing(wrong: dict[str, Any], message: str) -> None:
    team = flow(made(("a", "b")), max_turns=1)
    await team.run(task="go")
    state: dict[str, Any] = dict(await team.save_state())
    state["agent_states"]["GraphManager"] |= wrong

    with pytest.raises(UserError, match=message):
        await team.load_state(state)
    assert rounds(await team.run()) == ["b"]


# -- why --------------------------------------------------------------------------------------------------------------


async def test_the_log_says_why_each_speaks() -> None:
    graph = made(("a", "b", "left"), ("a", "c", approved), ("a", "x", "never"), ("b", "d"), ("c", "d"), ("x", "d"))

    result = await flow(graph, lines={"a": ["left, yes"]}).run(task="go")

    assert [(choice.rule, choice.why) for choice in choices(result.log)] == [
        ("start", "'a' begins"),
        ("b after a (left); c after a (approved())", "'b' follows 'a' (on 'left'); 'c' follows 'a' (on 'approved')"),
        ("after b and c", "'d' follows 'b' and 'c', without 'x', which cannot come before it"),
    ]


async def test_the_table_of_choices_counts_how_often_each_edge_was_taken() -> None:
    graph = made(("a", "b"), ("b", "a", "again"), ("b", "c", "and done, " * 20), start="a")
    lines: dict[str, list[Any]] = {"b": ["again", "again", "and done, " * 20]}

    result = await flow(graph, lines=lines, max_turns=9).run(task="go")

    assert result.to_df("choices").rule.value_counts().to_dict() == {
        "start": 1,
        "after a": 3,
        "after b (again)": 2,
        "after b (and done, and done, and done, and done,…)": 1,
    }


async def test_the_log_holds_the_graph_for_those_who_draw_it() -> None:
    result = await flow(made(("a", "b", approved))).run(task="go")

    assert result.log is not None
    started = next(event.body for event in result.log if isinstance(event.body, RunStarted))
    assert started.component is not None
    edge = started.component["config"]["graph"]["nodes"]["a"]["edges"][0]
    assert (edge["target"], edge["condition"]) == ("b", {"not written": "approved"})


# -- what a team takes, and its config --------------------------------------------------------------------------------


def test_a_team_is_no_node() -> None:
    inner = RoundRobinGroupChat([Speaker("x")], name="a")

    with pytest.raises(TypeError, match="GraphFlow takes agents only, and 'a' is a team"):
        GraphFlow([inner], made(alone="a"))  # type: ignore[list-item]


def test_a_node_needs_a_participant() -> None:
    with pytest.raises(UserError, match=r"No participant is named 'b'.*participants: 'a'"):
        GraphFlow([Speaker("a")], made(("a", "b")))


def test_an_invalid_graph_is_refused_when_the_team_is_made() -> None:
    with pytest.raises(UserError, match="no start node"):
        flow(made(("a", "b"), ("b", "a")))


def test_what_is_no_graph_is_refused_by_name() -> None:
    with pytest.raises(TypeError, match="The graph is None; give a DiGraph"):
        GraphFlow([Speaker("a")], None)  # type: ignore[arg-type]


async def test_a_team_is_written_and_made_again() -> None:
    agents = [AssistantAgent(name, ScriptedChatCompletionClient([f"{name} goes left"])) for name in "abcd"]
    condition = MaxMessageTermination(9)
    team = GraphFlow(agents, made(*BRANCH), name="branching", max_turns=5, termination_condition=condition)

    model = team.dump_component()
    again = Team.load_component(json.loads(model.model_dump_json()))

    assert (model.provider, model.component_type, model.version) == ("agentnb.teams.GraphFlow", "team", 1)
    assert set(model.config) == {"name", "participants", "graph", "max_turns", "termination_condition"}
    assert model.config["graph"] == team.graph.model_dump(exclude_none=True)
    assert isinstance(again, GraphFlow)
    assert again.graph == team.graph
    assert sources(await again.run(task="go")) == ["user", *"abd"]


def test_a_function_is_refused_on_dump_naming_the_edge() -> None:
    with pytest.raises(UserError, match="edge 'a' -> 'b' is the function approved"):
        flow(made(("a", "b", approved))).dump_component()


def test_changing_the_graph_afterwards_does_not_change_the_team() -> None:
    graph = made(("a", "b"))
    team = flow(graph)
    graph.nodes["a"].edges[0].condition = "never"

    assert sources(team.run_sync(task="go")) == ["user", "a", "b"]
