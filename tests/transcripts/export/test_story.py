"""A log is told turn by turn: each thing once, where it belongs."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from agentnb.core import Clock, set_clock
from agentnb.messages import TextMessage
from agentnb.runlog import (
    CodeStarted,
    ErrorRaised,
    InputRequested,
    ModelFinished,
    RunLog,
    RunStarted,
    Said,
    SpeakerChosen,
    TurnStarted,
    Usage,
)
from agentnb.transcripts.export import Asked, Chosen, Code, CodeRun, Fault, Speech, Talk, cells, tell
from tests.ui.documents.runs import Told


class Set(Clock):
    """Stands still until it is set."""

    at = datetime(2026, 1, 1, tzinfo=UTC)

    def now(self) -> datetime:
        return self.at


def test_a_choice_stands_at_the_head_of_the_turn_it_led_to() -> None:
    told = Told("ana", "ben").task("Go.").turn("ana", why="first").says("a").turn("ben", why="second").says("b")

    opening, first, second = tell(told.over()).episodes[0].parts

    assert [type(entry) for entry in opening.entries] == [Speech]
    assert [(part.turn, part.agent) for part in (first, second)] == [(1, "ana"), (2, "ben")]
    assert isinstance(chosen := second.entries[0], Chosen)
    assert chosen.why == "second"


def test_turns_that_go_on_side_by_side_keep_what_is_theirs() -> None:
    told = Told("ana", "ben").turn("ana")
    ana = told.where
    told.turn("ben").says("b")
    told.log.append(Said(message=TextMessage(content="a", source="ana")), parent=ana)

    parts = tell(told.log).episodes[0].parts

    assert [[entry.source for entry in part.entries] for part in parts] == [["ana"], ["ben"]]


def test_what_a_team_within_a_team_says_is_told_once_in_the_outer_turn() -> None:
    told = Told("inner").task("Go.").turn("inner")
    inner = told.log.append(RunStarted(runner="inner", runner_type="Team"), parent=told.where).id
    turn = told.log.append(TurnStarted(agent="ana", turn=1), parent=inner).id
    message = TextMessage(content="said once", source="ana")
    told.log.append(Said(message=message), parent=turn)
    told.log.append(Said(message=message), parent=told.where)

    story = tell(told.over())

    assert story.turns == 1
    assert [entry.text for entry in story.entries if isinstance(entry, Speech)] == ["Go.", "said once"]


def test_a_person_s_answer_and_the_message_that_repeats_it_are_one_entry() -> None:
    asked = list(tell(Told("ben").turn("ben").asked("Well?", "Yes.").over()).entries)

    assert len(asked) == 1
    assert isinstance(asked[0], Asked)
    assert (asked[0].prompt, asked[0].answer) == ("Well?", "Yes.")


def test_what_did_not_end_says_so() -> None:
    told = Told("k").turn("k")
    told.log.append(InputRequested(input_id="q", prompt="Well?"), parent=told.where)
    told.log.append(CodeStarted(executor="k", blocks=()), parent=told.where)

    story = tell(told.log)

    asked, code = story.entries
    assert isinstance(asked, Asked)
    assert asked.answer is None
    assert isinstance(code, CodeRun)
    assert not code.finished
    assert story.episodes[0].outcome == "running"


def test_an_error_told_again_by_the_run_around_it_is_told_once() -> None:
    told = Told("ana").turn("ana")
    for parent in (told.where, told.run):
        told.log.append(ErrorRaised(type="ValueError", message="no"), parent=parent)

    assert [type(entry) for entry in tell(told.over("failed")).entries] == [Fault]


def test_tokens_and_money_are_summed_and_what_is_not_known_is_counted() -> None:
    told = Told("ana").turn("ana")
    for usage in (Usage(prompt_tokens=10, completion_tokens=5, cost_usd=0.25), Usage(prompt_tokens=1), None):
        told.log.append(ModelFinished(model="m"), parent=told.where, usage=usage)

    story = tell(told.over())

    assert (story.prompt_tokens, story.completion_tokens, story.cost_usd) == (11, 5, 0.25)
    assert (story.calls, story.calls_without_usage, story.calls_without_cost) == (3, 1, 2)
    assert story.episodes[0].parts[0].tokens == 16


def test_a_run_that_was_broken_off_and_taken_up_is_two_episodes() -> None:
    told = Told("ana").task("Go.").turn("ana").says("half")
    told.log.append(RunStarted(runner="lab", runner_type="Team", continues=told.run))

    first, second = tell(told.log).episodes

    assert (first.outcome, second.continues) == ("broken off", told.run)


def test_a_speaker_who_was_chosen_but_never_spoke_is_told_at_the_end() -> None:
    told = Told("ana", "ben").turn("ana").says("a")
    told.log.append(SpeakerChosen(names=("ben",)), parent=told.run)

    parts = tell(told.over("stopped")).episodes[0].parts

    assert isinstance(parts[-1].entries[0], Chosen)


def test_accepted_is_what_ended_with_exit_code_0_as_it_ran() -> None:
    said = "Try:\n\n```python\nx = 1\n```\nor\n```python\ny = 2\n```"
    told = Told("k").task("Go.").turn("k").says(said).runs("x = 1  # edited").runs("y = 2", exit_code=1)
    told.log.append(CodeStarted(executor="k", blocks=()), parent=told.where)

    made = cells(tell(told.over()))

    assert [cell.code for cell in made if isinstance(cell, Code)] == ["x = 1  # edited"]
    assert [cell.text for cell in made if isinstance(cell, Talk)][-1] == said


def test_an_empty_log_is_a_story_without_episodes() -> None:
    assert tell(RunLog()).episodes == []


def test_a_branch_took_no_time_before_somebody_went_on_with_it() -> None:
    clock = Set()
    with set_clock(clock):
        told = Told("ana").task("Go.").turn("ana").says("half")
        clock.at += timedelta(seconds=5)
        told.log.note("the last word")
        clock.at += timedelta(hours=1)
        branch = told.log.branch(at=len(told.log))

        assert [episode.seconds for episode in tell(branch).episodes] == [5.0]
