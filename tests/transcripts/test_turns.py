"""Tables of turns, choices, tools and questions, and how their ids join."""

from __future__ import annotations

import asyncio

import pandas as pd
import pytest

from agentnb.agents import AssistantAgent
from agentnb.messages import FunctionCall
from agentnb.models import ScriptedChatCompletionClient
from agentnb.runlog import Branched, InputRequested, Retracted, RunLog, open_run
from agentnb.runlog.events import RunStarted
from agentnb.teams import RoundRobinGroupChat
from agentnb.transcripts import (
    calls_frame,
    choices_frame,
    events_frame,
    inputs_frame,
    messages_frame,
    to_df,
    tools_frame,
    turns_frame,
)
from tests.transcripts.teams import Writing, told


def test_turns_are_one_row_each_with_what_happened_in_them() -> None:
    frame = turns_frame(told())

    assert frame.source.tolist() == ["ana", "ben", "ana"]
    assert frame.outcome.tolist() == ["done", "stopped", "running"]
    assert frame.turn.tolist() == [1, 2, 3]
    assert frame.messages.tolist() == [1, 1, 0]
    assert frame.model_calls.tolist() == [2, 0, 0]
    assert frame.tool_calls.tolist() == [1, 1, 0]
    assert frame.code_runs.tolist() == [1, 0, 0]
    assert frame.prompt_tokens.tolist() == [20, 0, 0]
    assert frame.cost_usd.tolist() == [1.0, 0.0, 0.0]
    assert (frame.turn_id == frame.event_id).all()


def test_a_turn_waits_from_the_end_of_the_one_before() -> None:
    log = told()
    frame = turns_frame(log)
    ends = [event.at for event in log if event.kind == "turn.finished"]

    began = pd.Series([log.events[0].at, *ends])
    assert frame.waited.tolist() == (frame.started_at - began).dt.total_seconds().tolist()
    assert (frame.waited > 0).all()


def test_a_turn_beside_another_has_not_waited() -> None:
    w = Writing()
    run = w.run()
    one, two = w.turn(run, "ana", 1), w.turn(run, "ben", 2)
    w.end(one, "ana", 1)
    w.end(two, "ben", 2)

    assert turns_frame(w.log).waited.tolist()[1] == 0.0


def test_money_is_missing_where_one_price_is_not_known() -> None:
    w = Writing()
    turn = w.turn(w.run(), "ana", 1)
    w.model(turn, "ana", cost=0.25)
    w.model(turn, "ana", cost=None)
    frame = turns_frame(w.log)

    assert frame.prompt_tokens.tolist() == [20]
    assert frame.cost_usd.isna().all()
    assert calls_frame(w.log).cost_usd.tolist()[0] == 0.25


def test_a_message_costs_what_its_model_calls_cost() -> None:
    w = Writing()
    turn = w.turn(w.run(), "ana", 1)
    w.model(turn, "ana", cost=0.25, tokens=(10, 3))
    w.model(turn, "ana", cost=0.5, tokens=(7, 2))
    w.say(turn, "ana", "the last call's", (7, 2))
    w.model(turn, "ana", cost=0.25, tokens=(1, 1))
    w.model(turn, "ana", cost=0.5, tokens=(2, 2))
    w.say(turn, "ana", "both calls'", (3, 3))
    w.say(turn, "ana", "nobody's", (9, 9))
    frame = messages_frame(w.log)

    assert frame.cost_usd.tolist()[:2] == [0.5, 0.75]
    assert pd.isna(frame.cost_usd[2])


def nested() -> RunLog:
    """Return a log of a team whose second agent is a team; both teams have a turn 1."""
    w = Writing()
    outer = w.run("outer")
    one = w.turn(outer, "ana", 1)
    w.model(one, "ana")
    w.end(one, "ana", 1)
    two = w.turn(outer, "panel", 2)
    inner = w.run("panel", parent=two)
    within = w.turn(inner, "ben", 1)
    w.model(within, "ben")
    w.say(within, "ben", "inner")
    w.end(within, "ben", 1)
    w.end_run(inner)
    w.say(two, "panel", "outer")
    w.end(two, "panel", 2)
    w.end_run(outer)
    return w.log


def test_turns_of_a_team_within_a_turn_are_told_apart_from_the_outer_ones() -> None:
    frame = turns_frame(nested())

    assert frame.team.tolist() == ["outer", "outer", "panel"]
    assert frame.depth.tolist() == [0, 0, 1]
    assert frame.turn.tolist() == [1, 2, 1]
    assert frame.turn_id.is_unique
    assert frame.outer_turn_id.tolist()[2] == frame.turn_id[1]
    assert frame.outer_turn_id.isna().tolist() == [True, True, False]


def test_what_happened_in_a_team_within_counts_once() -> None:
    log = nested()
    turns, calls, messages = turns_frame(log), calls_frame(log), messages_frame(log)

    assert turns.prompt_tokens.sum() == calls.prompt_tokens.sum() == 20
    assert turns.messages.tolist() == [0, 1, 1]
    joined = messages.merge(turns, on=["run_id", "turn_id"], suffixes=("", "_turn"))
    assert joined[["text", "team_turn"]].to_numpy().tolist() == [["inner", "panel"], ["outer", "outer"]]


def test_the_runs_of_a_resumed_log_are_numbered() -> None:
    w = Writing()
    first = w.run()
    broken = w.turn(first, "ana", 1)
    w.end(broken, "ana", 1, outcome="stopped")
    w.end_run(first)
    second = w.run()
    seq = next(event.seq for event in w.log if event.id == broken)
    again = w.turn(second, "ana", 1, again=seq)
    w.end(again, "ana", 1)
    frame = turns_frame(w.log)

    assert frame.run.tolist() == [1, 2]
    assert frame.again.isna().tolist() == [True, False]
    assert frame.again[1] == frame.seq[0]
    assert events_frame(w.log).run.tolist() == [1, 1, 1, 1, 2, 2, 2]


def test_the_facts_a_branch_shares_are_marked() -> None:
    origin = told()
    branch = RunLog(run_id="branch")
    branch._events = list(origin.events[:10])
    branch.append(Branched(origin=origin.id, at=10))
    branch.append(Retracted(said=2))
    together = to_df([origin, branch], "events")

    own = together[together.run_id == "branch"]
    assert own.is_shared.tolist() == [True] * 10 + [False, False]
    assert not together[together.run_id == origin.id].is_shared.any()
    assert together[~together.is_shared].event_id.is_unique
    assert own.event_id.tolist()[:10] == [event.id for event in origin.events[:10]]


def test_a_message_that_was_taken_back_is_heard_by_nobody() -> None:
    w = Writing()
    turn = w.turn(w.run(), "ana", 1)
    w.log.append(Retracted(said=w.say(turn, "ana", "no")), parent=turn)
    w.say(turn, "ana", "picked ben", heard=False)
    w.say(turn, "ana", "yes")

    assert messages_frame(w.log).is_heard.tolist() == [False, False, True]
    assert turns_frame(w.log).messages.tolist() == [2]


def test_tools_name_the_model_call_that_asked_for_them() -> None:
    log = told()
    tools, calls = tools_frame(log), calls_frame(log)

    assert tools.call_id.tolist()[0] == "c1"
    assert tools.model_event_id.tolist()[0] == calls.event_id[0]
    assert tools.model_event_id.isna().tolist() == [False, True]
    assert tools.outcome.tolist() == ["done", "failed"]
    assert tools.result.tolist()[0] == "2"
    assert tools.error.tolist()[1] == "boom"
    assert tools.arguments.tolist()[0] == '{"a": 1}'
    assert set(tools.event_id) < set(calls.event_id)


def test_a_call_id_that_occurs_again_belongs_to_the_model_call_of_its_own_turn() -> None:
    w = Writing()
    run = w.run()
    call = FunctionCall(id="c", name="add", arguments="{}")
    asked = []
    for number, agent in enumerate(("ana", "ben"), start=1):
        turn = w.turn(run, agent, number)
        asked.append(w.model(turn, agent, [call]))
        w.tool(turn, agent, "c")
    once_more = w.turn(run, "ana", 3)
    w.tool(once_more, "ana", "c")

    assert tools_frame(w.log).model_event_id.tolist() == [*asked, asked[1]]


async def test_a_team_within_a_turn_chooses_by_its_name() -> None:
    def says(name: str) -> AssistantAgent:
        return AssistantAgent(name, ScriptedChatCompletionClient([name]))

    inner = RoundRobinGroupChat([says("ana")], name="inner", description="Speaks.", max_turns=1)
    log = RunLog()
    await RoundRobinGroupChat([inner, says("ben")], name="outer", max_turns=2).run(task="go", log=log)

    choices = choices_frame(log)

    assert choices.source.tolist() == ["outer", "inner", "outer"]
    assert choices.source.tolist() == choices.team.tolist()


def test_choices_say_why_and_join_the_turn_and_the_model_calls() -> None:
    log = told()
    choices, turns, calls = choices_frame(log), turns_frame(log), calls_frame(log)

    assert choices.names.tolist() == ["ana", "ben"]
    assert choices.rule.tolist() == ["in turn", "model"]
    assert choices.why.tolist()[1] == "ben has not spoken"
    assert choices.candidates.tolist()[1] == "ana, ben"
    assert choices.previous.tolist()[1] == "ana"
    assert choices.next_turn_id.tolist() == turns.turn_id.tolist()[:2]
    assert choices.prompt_tokens.tolist() == [0, 10]
    assert choices.cost_usd.isna().tolist() == [False, True]
    asked = calls[calls.choice_id.notna()]
    assert asked.choice_id.tolist() == [choices.event_id[1]]
    assert asked.event_id.tolist() == [choices.asked[1]]


def test_questions_are_answered_withdrawn_or_open() -> None:
    log = told()
    log.append(InputRequested(input_id="q3", prompt="Well?"), source="ana")
    frame = inputs_frame(log)

    assert frame.outcome.tolist() == ["answered", "withdrawn", "open"]
    assert frame.answer.tolist()[0] == "yes"
    assert frame.by.tolist()[0] == "cell"
    assert frame.choices.tolist()[0] == '["yes", "no"]'
    assert frame.waited.tolist()[0] == (frame.answered_at[0] - frame.asked_at[0]).total_seconds()
    assert frame.waited.isna().tolist() == [False, False, True]


async def test_a_question_given_up_while_its_run_goes_on_is_withdrawn() -> None:
    log = RunLog()
    async with open_run(RunStarted(runner="team", runner_type="T"), log=log):
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(log.ask("Anybody?"), timeout=0.01)
        frame = inputs_frame(log)

    assert frame.outcome.tolist() == ["withdrawn"]


def test_texts_that_cannot_be_written_are_mended() -> None:
    w = Writing()
    w.model(w.turn(w.run(), "ana", 1), "ana")
    w.log.append(RunStarted.of(runner="a\ud800", runner_type="T", participants=(), versions={}), source="b\udfff")
    frame = events_frame(w.log)

    assert frame.text.tolist()[-1] == "a\ufffd (T)"
    assert frame.source.tolist()[-1] == "b\ufffd"
