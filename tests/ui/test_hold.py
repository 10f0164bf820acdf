"""Whether a run is held, from its facts."""

from __future__ import annotations

import asyncio
from typing import Any

from agentnb.base import RunHandle
from agentnb.messages import TextMessage
from agentnb.runlog import (
    ModelFinished,
    ModelStarted,
    RunFinished,
    RunLog,
    RunPaused,
    RunStarted,
    Said,
    ToolFinished,
    ToolStarted,
    TurnFinished,
    TurnStarted,
)
from agentnb.teams import RoundRobinGroupChat
from agentnb.ui.items import ItemFold, fold_items
from tests.teams.conftest import Speaker, Waiter
from tests.ui.test_items import Page, feeding, told


class Story:
    """A log written fact by fact, and how the run is held after each."""

    def __init__(self) -> None:
        self.log = RunLog(run_id="r")
        self.fold = ItemFold()
        self.log.watch(feeding(self.fold))
        self.run = self.begin("run", None)

    @property
    def pause(self) -> str:
        return str(self.fold.status.get("pause", ""))

    def begin(self, what: str, parent: Any) -> Any:
        body: Any = {
            "run": RunStarted(runner="team", runner_type="T"),
            "turn": TurnStarted(agent="ana", turn=1),
            "model": ModelStarted(model="m"),
            "tool": ToolStarted(tool="ask_team"),
        }[what]
        return self.log.append(body, source="ana", parent=parent).id

    def end(self, what: str, begun: Any, outcome: Any = "done") -> None:
        body: Any = {
            "run": RunFinished(outcome=outcome),
            "turn": TurnFinished(agent="ana", turn=1, outcome=outcome),
            "model": ModelFinished(model="m"),
            "tool": ToolFinished(tool="ask_team"),
        }[what]
        self.log.append(body, source="ana", parent=begun)

    def say(self, state: Any) -> str:
        self.log.append(RunPaused(state=state))
        return self.pause

    @property
    def notes(self) -> list[str]:
        return [text for kind, _, text in told(self.fold) if kind == "note"]


def test_a_run_pauses_until_its_turn_is_over_and_then_is_paused() -> None:
    story = Story()
    turn = story.begin("turn", story.run)

    seen = [story.pause, story.say("paused")]
    model = story.begin("model", turn)
    story.end("model", model)
    seen.append(story.pause)
    story.end("turn", turn)
    seen += [story.pause, story.say("resumed")]

    assert seen == ["", "pausing", "pausing", "paused", ""]
    assert story.notes == ["The run was paused.", "The run went on."]


def test_it_is_said_where_the_run_was_held_not_where_somebody_pressed() -> None:
    story = Story()
    turn = story.begin("turn", story.run)
    story.say("paused")
    story.log.append(Said(message=TextMessage(content="my turn", source="ana")), source="ana", parent=turn)
    story.end("turn", turn)

    assert [text for _, _, text in told(story.fold)] == ["my turn", "The run was paused."]


def test_each_step_is_told_and_the_pause_only_once() -> None:
    story = Story()
    seen = [story.say("paused")]
    for _ in range(2):
        seen.append(story.say("step"))
        turn = story.begin("turn", story.run)
        seen.append(story.pause)
        story.end("turn", turn)
        seen.append(story.pause)

    assert seen == ["paused", *["pausing", "pausing", "paused"] * 2]
    assert story.notes == ["The run was paused.", *["The run took one more turn."] * 2]


def test_a_pause_that_is_taken_back_in_time_leaves_no_word() -> None:
    story = Story()
    story.begin("turn", story.run)
    story.say("paused")
    story.say("resumed")

    assert story.notes == []
    assert "pause" not in story.fold.status


def test_two_turns_side_by_side_are_both_waited_for() -> None:
    story = Story()
    turns = [story.begin("turn", story.run) for _ in range(2)]
    story.say("paused")
    story.end("turn", turns[0])
    before = story.pause
    story.end("turn", turns[1])

    assert (before, story.pause) == ("pausing", "paused")


def test_a_model_that_chooses_the_next_speaker_is_waited_for() -> None:
    story = Story()
    choosing = story.begin("model", story.run)
    before = story.say("paused")
    story.end("model", choosing)

    assert (before, story.pause) == ("pausing", "paused")


def test_a_team_within_a_turn_is_held_between_its_own_turns() -> None:
    story = Story()
    outer = story.begin("turn", story.run)
    tool = story.begin("tool", outer)
    inner = story.begin("run", tool)
    turn = story.begin("turn", inner)
    before = story.say("paused")
    story.end("turn", turn)
    held = story.pause
    beside = story.begin("tool", outer)

    assert (before, held, story.pause) == ("pausing", "paused", "pausing")
    story.end("tool", beside)
    assert story.pause == "paused"


def test_what_was_cut_short_does_not_keep_a_run_from_its_hold() -> None:
    story = Story()
    turn = story.begin("turn", story.run)
    story.begin("tool", turn)
    story.say("paused")
    story.end("turn", turn, "stopped")

    assert story.pause == "paused"


def test_the_end_of_a_run_ends_its_pause() -> None:
    story = Story()
    story.say("paused")
    story.end("run", story.run, "stopped")

    assert "pause" not in story.fold.status
    assert story.notes == ["The run was paused."]


def test_a_run_whose_last_turn_it_was_is_not_said_to_have_been_paused() -> None:
    story = Story()
    turn = story.begin("turn", story.run)
    story.say("paused")
    story.end("turn", turn)
    story.end("run", story.run)

    assert story.notes == []


def test_a_run_that_broke_off_while_paused_goes_on_without_one() -> None:
    story = Story()
    story.say("paused")
    story.run = story.begin("run", None)
    turn = story.begin("turn", story.run)
    story.end("turn", turn)

    assert "pause" not in story.fold.status
    assert story.notes == ["The run was paused."]


async def test_a_real_run_is_told_as_it_is_and_the_same_from_its_log_and_on_a_page() -> None:
    ana, fold, page = Waiter("ana", "a"), ItemFold(), Page()
    run: RunHandle = RoundRobinGroupChat([ana, Speaker("ben", "b")], max_turns=3).start(task="go")
    await ana.begun.wait()
    assert run.log is not None

    def feed(item: Any) -> None:
        page.apply(fold.feed(item))

    for event in run.log:
        feed(event)
    run.log.watch(feed)
    run.pause()
    seen = [page.status.get("pause")]
    ana.go_on.set()
    for act in (run.step, run.resume):
        async with asyncio.timeout(5):
            assert await run.held()
        seen.append(page.status.get("pause"))
        act()
    await run

    assert seen == ["pausing", "paused", "paused"]
    assert "pause" not in page.status
    assert [text for _, _, text in told(fold)] == [
        "go",
        "a",
        "The run was paused.",
        "The run took one more turn.",
        "b",
        "The run went on.",
        "a",
    ]
    assert page.same_as(fold)
    assert fold_items(run.log).items == fold.items
