"""From facts to stretches of time."""

from __future__ import annotations

from datetime import timedelta

import pytest

from agentnb.runlog import Branched, RunLog
from agentnb.transcripts.plots.spans import course
from tests.transcripts.plots.runs import Told, resumed, small


def test_calls_lie_in_the_turn_they_belong_to() -> None:
    found = course(small())

    first = found.of("turn")[0]
    call = found.of("model")[0]
    assert (first.agent, first.start, first.end) == ("writer", 0.0, 1.6)
    assert (call.agent, call.name, call.start, call.end) == ("writer", "m-small", 0.1, 1.6)
    assert found.spans[call.within or 0] is first
    assert round(found.seconds, 3) == 8.2


def test_a_pause_before_a_resumed_run_is_cut_out() -> None:
    found = course(resumed())

    (seam,) = found.seams
    assert (seam.what, seam.at, seam.pause) == ("resumed", 4.0, 14 * 3600)
    assert found.seconds == 10.0


def test_a_turn_that_a_crash_broke_off_ends_there_and_counts_once_it_is_taken_up() -> None:
    found = course(resumed())

    broken, again = (turn for turn in found.of("turn") if turn.agent == "ben")
    assert (broken.start, broken.end, broken.outcome, broken.replaced) == (2.0, 4.0, "stopped", True)
    assert (again.start, again.outcome) == (4.0, "done")
    assert [turn.agent for turn in found.turns()] == ["ana", "ben", "cara", "ana"]


def test_what_goes_on_is_open_until_the_last_fact() -> None:
    found = course(resumed())

    going = [span for span in found.spans if span.outcome == "open"]
    assert [(span.kind, span.start, span.end) for span in going] == [
        ("turn", 7.5, 10.0),
        ("model", 7.5, 10.0),
        ("person", 9.0, 10.0),
    ]


def test_a_question_that_was_withdrawn_ends_with_its_turn() -> None:
    told = Told()
    run = told.run("ana")
    turn = told.turn("ana", run)
    told.ask(turn, 1)
    log = RunLog()
    log._events = [event for event in told.log if event.kind != "input.answered"]
    told = Told(log)
    told.wait(3)
    told.done(turn, "stopped")

    (asked,) = course(told.log).of("person")
    assert (asked.start, asked.end, asked.outcome) == (0.0, 3.0, "stopped")


def test_teams_in_teams_have_paths() -> None:
    told = Told()
    run = told.run("inner", "cara")
    turn = told.turn("inner", run)
    within = told.run("ana", within=turn, runner="inner")
    told.model(within, 1, source="chooser")
    inner = told.turn("ana", within)
    told.model(inner, 1)

    found = course(told.log)
    assert [span.path for span in found.spans] == [
        ("inner",),
        ("inner", "chooser"),
        ("inner", "ana"),
        ("inner", "ana"),
    ]
    assert found.names == ("inner", "cara", "ana", "chooser")


def test_a_call_that_is_passed_on_to_another_client_is_one_call() -> None:
    told = Told()
    turn = told.turn("ana", told.run("ana"))
    told.model(turn, 1, model="cache")
    outer = next(event for event in told.log if event.kind == "model.started")
    told.model(outer, 0.5, model="m")

    found = course(told.log)
    assert [call.name for call in found.calls()] == ["cache"]
    assert len(found.of("model")) == 2


def test_a_branch_is_a_seam() -> None:
    told = Told(small())
    told.time = told.log.events[-1].at + timedelta(hours=1)
    told.add(Branched(origin="other", at=len(told.log)))
    told.run("writer", "critic")

    (seam,) = course(told.log).seams
    assert (seam.what, seam.pause) == (f"branch at {len(small())}", 3600)


def test_the_time_until_somebody_goes_on_with_a_branch_is_cut_out() -> None:
    told = Told(small())
    told.time = told.log.events[-1].at + timedelta(hours=1)
    told.add(Branched(origin="other", at=len(told.log)))
    told.wait(7200)
    told.done(told.turn("critic", told.run("writer", "critic")))

    found = course(told.log)
    assert [seam.pause for seam in found.seams] == [3 * 3600]
    assert found.seconds == pytest.approx(course(small()).seconds)


def test_the_time_until_somebody_goes_on_with_an_empty_branch_is_cut_out() -> None:
    told = Told()
    told.add(Branched(origin="other", at=0))
    told.wait(7200)
    told.done(told.turn("ana", told.run("ana")))

    found = course(told.log)
    assert (found.seams, found.seconds) == ([], 0.0)


def test_a_clock_that_was_set_back_leaves_no_negative_time() -> None:
    told = Told()
    turn = told.turn("ana", told.run("ana"))
    told.wait(-5)
    told.done(turn)

    assert [span.seconds for span in course(told.log).spans] == [0.0]


def test_several_logs_follow_one_another() -> None:
    found = course([small(), small()])

    assert [seam.what for seam in found.seams] == ["run 2"]
    assert round(found.seconds, 3) == 16.4
    assert found.names == ("writer", "critic")
    assert len(found.turns()) == 8
