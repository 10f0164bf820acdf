"""`df.agents`."""

from __future__ import annotations

from typing import Any

import pandas as pd
import pytest

from agentnb.exceptions import UnknownName, UserError
from agentnb.runlog import RunLog
from agentnb.transcripts import FRAMES, AgentsAccessor, to_df
from tests.transcripts.teams import Writing, told


def agents(frame: pd.DataFrame) -> AgentsAccessor:
    accessor: Any = frame.agents
    assert isinstance(accessor, AgentsAccessor)
    return accessor


def taking_turns(*names: str) -> RunLog:
    """Return a run in which these have the word one after the other."""
    w = Writing()
    run = w.run()
    for number, name in enumerate(names, start=1):
        turn = w.turn(run, name, number)
        w.say(turn, name, "x")
        w.end(turn, name, number)
    return w.log


def test_a_frame_that_is_no_table_of_a_log_has_no_agents() -> None:
    to_df([])

    with pytest.raises(AttributeError, match=r"needs a table made by agentnb\.transcripts\.to_df, .* no run_id, seq"):
        _ = pd.DataFrame({"event_id": ["a"]}).agents
    assert not hasattr(pd.DataFrame({"a": [1]}), "agents")


@pytest.mark.parametrize("kind", FRAMES)
def test_the_kind_of_a_table_is_found_even_if_columns_are_dropped(kind: str) -> None:
    frame = to_df(told(), kind)

    assert agents(frame).table == kind
    assert agents(frame.drop(columns=["team", "depth", "turn"])).table == kind


def test_cost_is_summed_by_agent_and_model() -> None:
    cost = agents(to_df(told(), "calls")).cost()

    assert cost[["source", "model", "n", "prompt_tokens", "unpriced"]].to_numpy().tolist() == [
        ["ana", "m", 2, 20, 0],
        ["team", "picker", 1, 10, 1],
    ]
    assert cost.cost_usd.tolist()[0] == 1.0
    assert pd.isna(cost.cost_usd[1])


def test_cost_of_a_table_without_models_is_summed_by_what_it_has() -> None:
    turns = to_df(told(), "turns")

    assert agents(turns).cost(by="source").cost_usd.tolist() == [1.0, 0.0]
    assert agents(turns).cost().equals(agents(turns).cost(by="source"))
    assert agents(to_df(told())).cost().columns[0] == "source"
    with pytest.raises(UnknownName, match=r"no column 'model'.*to_df\(log, 'calls'\)"):
        agents(turns).cost(by=["model"])


def test_the_same_run_twice_in_a_table_costs_once() -> None:
    log = told()

    once, twice = agents(to_df(log, "calls")).cost(), agents(to_df([log, log], "calls")).cost()
    assert once.equals(twice)


def test_turn_share_is_the_part_of_the_turns() -> None:
    share = agents(to_df(taking_turns("ana", "ben", "ana", "ana"), "turns")).turn_share()

    assert share.to_numpy().tolist() == [["ana", 3, 0.75], ["ben", 1, 0.25]]


def test_turn_share_within_each_run_sums_to_one() -> None:
    logs = [taking_turns("ana", "ben"), taking_turns("ben", "ben", "ana")]
    share = agents(to_df(logs, "turns")).turn_share(by=("run_id",))

    assert share.groupby("run_id").share.sum().tolist() == pytest.approx([1.0, 1.0])


@pytest.mark.parametrize("kind", ["turns", "events", "messages"])
def test_transitions_count_who_spoke_after_whom(kind: str) -> None:
    logs = [taking_turns("ana", "ben", "ana", "ana"), taking_turns("ben", "ana")]
    matrix = agents(to_df(logs, kind)).transitions()

    assert matrix.to_numpy().tolist() == [[1, 1], [2, 0]]
    assert matrix.index.tolist() == matrix.columns.tolist() == ["ana", "ben"]


def test_transitions_as_shares_sum_to_one() -> None:
    matrix = agents(to_df(taking_turns("ana", "ben", "ana", "ana", "zoe"), "turns")).transitions(normalize=True)

    assert matrix.loc["ana"].sum() == pytest.approx(1.0)
    assert matrix.loc["zoe"].isna().all()


def test_transitions_of_an_empty_table_are_empty() -> None:
    assert agents(to_df(RunLog(), "turns")).transitions().shape == (0, 0)


def test_a_turn_taken_up_again_counts_once() -> None:
    w = Writing()
    first = w.run()
    broken = w.turn(first, "ana", 1)
    second = w.run()
    seq = next(event.seq for event in w.log if event.id == broken)
    w.turn(second, "ana", 1, again=seq)
    w.turn(second, "ben", 2)

    for kind in ("turns", "events"):
        assert agents(to_df(w.log, kind)).turn_share().turns.tolist() == [1, 1]
        assert agents(to_df(w.log, kind)).transitions().loc["ana", "ben"] == 1


def test_tools_join_the_model_calls_that_asked_for_them() -> None:
    log = told()
    joined = agents(to_df(log, "tools")).join(to_df(log, "calls"))

    assert joined.name.tolist()[0] == "m"
    assert joined.took_calls.tolist()[0] == 0.5
    assert len(joined) == 2


def test_messages_join_their_turns_and_calls_their_choices() -> None:
    log = told()

    messages = agents(to_df(log, "messages")).join(to_df(log, "turns"))
    assert messages.outcome.dropna().tolist()[-1] == "stopped"
    calls = agents(to_df(log, "calls")).join(to_df(log, "choices"), how="inner")
    assert calls.rule.tolist() == ["model"]
    turns = agents(to_df(log, "turns")).join(to_df(log, "choices"))
    assert turns.rule.tolist()[:2] == ["in turn", "model"]


@pytest.mark.parametrize("kind", ["messages", "calls", "tools", "code", "inputs"])
def test_turns_join_what_was_done_in_them_as_it_joins_its_turn(kind: str) -> None:
    log = told()
    turns, others = to_df(log, "turns"), to_df(log, kind)

    joined = agents(turns).join(others, how="inner")

    back = agents(others).join(turns, how="inner")
    assert sorted(joined[f"event_id_{kind}"]) == sorted(back.event_id)
    assert (joined.turn_id == joined.event_id).all()
    assert set(agents(turns).join(others).event_id) == set(turns.event_id)


@pytest.mark.parametrize("how", ["left", "right", "inner", "outer"])
def test_what_is_in_no_turn_joins_nothing_by_its_turn(how: str) -> None:
    w = Writing()
    run = w.run()
    w.say(run, "user", "go")
    w.model(run, "chooser")
    turn = w.turn(run, "ana", 1)
    w.say(turn, "ana", "hello")
    w.model(turn, "ana")
    messages, calls = to_df(w.log, "messages"), to_df(w.log, "calls")

    joined = agents(messages).join(calls, on="turn_id", how=how)

    pairs = [tuple(None if pd.isna(one) else one for one in row) for row in zip(joined.text, joined.name, strict=True)]
    alone: dict[str, list[tuple[str | None, str | None]]] = {
        "left": [("go", None)],
        "right": [(None, "m")],
        "inner": [],
        "outer": [("go", None), (None, "m")],
    }
    assert sorted(pairs, key=str) == sorted([("hello", "m"), *alone[how]], key=str)
    assert "joins" not in joined


def test_whatever_joins_one_way_joins_the_other_way_too() -> None:
    log = told()
    frames = [to_df(log, kind) for kind in FRAMES]

    def joins(one: Any, other: Any) -> bool:
        try:
            agents(one).join(other)
        except UserError:
            return False
        return True

    assert [joins(one, other) for one in frames for other in frames] == [
        joins(other, one) for one in frames for other in frames
    ]


def test_tables_that_have_nothing_in_common_are_not_joined() -> None:
    log = told()

    with pytest.raises(UserError, match=r"messages and one of inputs have no row in common.*on='turn_id'"):
        agents(to_df(log, "messages")).join(to_df(log, "inputs"))
    assert len(agents(to_df(log, "messages")).join(to_df(log, "inputs"), on="turn_id", how="inner")) == 4


@pytest.mark.parametrize("odd", [None, 3])
def test_what_cannot_be_joined_or_grouped_by_is_named(odd: Any) -> None:
    turns = agents(to_df(told(), "turns"))

    with pytest.raises(UserError, match=r"Only a table of agentnb can be joined, not \w+: .*to_df\(log, 'turns'\)"):
        turns.join(odd)
    for sums in (turns.turn_share, *([turns.cost] if odd is not None else [])):
        with pytest.raises(UserError, match=r"by=\w+ names no columns; .*by=\['source'\]"):
            sums(odd)


def test_a_team_that_has_the_word_twice_begins_anew_each_time() -> None:
    w = Writing()
    outer = w.run("outer")
    for number in (1, 2):
        inner = w.run("inner", w.turn(outer, "inner", number))
        for place, name in enumerate(("ana", "ben"), start=1):
            w.say(w.turn(inner, name, place), name, "hm")

    tables = [agents(to_df(w.log, kind)).transitions() for kind in ("turns", "events", "messages")]

    for followed in tables:
        assert followed.loc["ana", "ben"] == 2
        assert followed.loc["ben", "ana"] == 0


def test_describe_says_what_each_column_means() -> None:
    frame = to_df(told(), "turns").assign(mine=1)
    described = agents(frame).describe().set_index("column")

    assert described.index.tolist() == frame.columns.tolist()
    assert described.meaning["waited"].startswith("seconds from the end")
    assert pd.isna(described.meaning["mine"])
    assert described.missing["again"] == 3
    assert described["dtype"]["started_at"] == "datetime64[ns, UTC]"
