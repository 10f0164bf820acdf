"""A log that was broken off and taken up again tells its conversation once, and everybody counts it the same."""

from __future__ import annotations

import asyncio
import io
import re
from datetime import UTC, datetime, timedelta
from html import unescape
from itertools import count
from pathlib import Path

import pytest

import agentnb
from agentnb.agents import AssistantAgent, UserProxyAgent
from agentnb.core import Clock, set_clock
from agentnb.models import ScriptedChatCompletionClient
from agentnb.runlog import RUNS_VARIABLE, InputAnswered, RunLog, TurnStarted, totals
from agentnb.teams import RoundRobinGroupChat
from agentnb.transcripts import provenance, to_df
from agentnb.transcripts.export import Speech, Story, tell
from agentnb.ui.console import ConsoleFollower
from agentnb.ui.documents.html import html_document
from agentnb.ui.documents.markdown import markdown_document
from agentnb.ui.items import fold_items
from tests.teams.scenarios import SCENARIOS, World

SOME = ("round_robin", "nested", "graph", "person", "coder", "society")


@pytest.fixture(autouse=True)
def runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv(RUNS_VARIABLE, str(tmp_path))
    return tmp_path


async def pair(name: str, runs: Path) -> tuple[RunLog, RunLog]:
    """Return a run's log, and one of the same that broke off right after something was said in a turn."""
    result = await SCENARIOS[name](World()).run(task="Begin.")
    whole = result.log
    assert whole is not None
    assert whole.path is not None
    whole.close()
    turns = [event for event in whole if isinstance(event.body, TurnStarted) and event.parent == whole.events[0].id]
    later = (event.seq for event in whole if event.kind == "message" and event.seq > turns[1].seq)
    lines = whole.path.read_bytes().splitlines(keepends=True)
    cut = whole.path.with_name("cut.jsonl")
    cut.write_bytes(b"".join(lines[: next(later) + 1]))
    whole.path.rename(runs / "whole.jsonl")
    resumed = (await SCENARIOS[name](World()).resume(cut)).log
    assert resumed is not None
    resumed.close()
    return RunLog.open(runs / "whole.jsonl"), RunLog.open(cut)


def heard(story: Story) -> list[tuple[str, str]]:
    return [(one.source, one.text) for one in story.entries if isinstance(one, Speech) and not one.retracted]


@pytest.mark.parametrize("name", SOME)
async def test_turns_and_messages_are_the_same_numbers_wherever_they_are_told(name: str, runs: Path) -> None:
    whole, resumed = await pair(name, runs)
    table = agentnb.runs().set_index("path")

    assert any(event.body.again for event in resumed if isinstance(event.body, TurnStarted))
    wanted = {(totals(whole).turns, totals(whole).messages)}
    for log in (whole, resumed):
        row, story, known = table.loc[str(log.path)], tell(log), provenance(log)
        side, status = agentnb.diff(log, log).left, fold_items(log).status
        assert {
            (totals(log).turns, totals(log).messages),
            (row.turns, row.messages),
            (story.turns, story.messages),
            (known.turns, known.messages),
            (side.turns, side.messages),
            (status["turns"], int(to_df(log).is_heard.sum())),
        } == wanted
        assert totals(log).seconds == pytest.approx(row.seconds) == pytest.approx(story.seconds)
        assert status["seconds"] == pytest.approx(row.seconds, abs=0.01)


@pytest.mark.parametrize("name", SOME)
async def test_a_run_that_was_taken_up_again_is_the_same_as_one_that_never_broke_off(name: str, runs: Path) -> None:
    whole, resumed = await pair(name, runs)

    assert agentnb.diff(whole, resumed).same
    assert provenance(whole).code == provenance(resumed).code


@pytest.mark.parametrize("name", ["round_robin", "coder", "person"])
async def test_documents_fold_the_attempt_that_broke_off_and_say_the_rest_once(name: str, runs: Path) -> None:
    whole, resumed = await pair(name, runs)
    story = tell(resumed)
    broken = [part for episode in story.episodes for part in episode.parts if part.replaced]
    page, (text, _) = unescape(html_document(story)), markdown_document(story)
    unbroken = unescape(html_document(tell(whole)))

    numbers = [part.turn for episode in story.episodes for part in episode.parts if part.turn and not part.replaced]

    assert numbers == list(range(1, story.turns + 1))
    assert len(broken) == 1
    assert [part.agent for episode in story.episodes for part in episode.parts if part.again] == [broken[0].agent]
    folded = re.findall(r'<section class="part replaced".*?</section>', page, re.DOTALL)
    assert len(folded) == 1
    assert "broken off; taken up again below" in folded[0]
    assert folded[0].index("<details>") < folded[0].index("</h")
    outside = page.replace(folded[0], "")
    assert text.count("<details><summary>broken off; taken up again below</summary>") == 1
    for _, said in heard(tell(whole)):
        words = said.removeprefix("```python\n").removesuffix("\n```")
        assert outside.count(words) == unbroken.count(words) > 0
        assert words in text


@pytest.mark.parametrize("name", ["round_robin", "person"])
async def test_a_terminal_shows_the_whole_conversation_once(name: str, runs: Path) -> None:
    whole, resumed = await pair(name, runs)
    shown = []
    for log in (whole, resumed):
        ConsoleFollower(file := io.StringIO()).follow(log)
        shown.append(file.getvalue())

    for _, said in heard(tell(whole)):
        lines = [text.splitlines().count(said) for text in shown]
        assert lines[0] == lines[1], said
    assert shown[1].count("takes up the turn that broke off") == 1


async def test_a_persons_answer_is_printed_once(runs: Path) -> None:
    result = await SCENARIOS["person"](World()).run(task="Begin.")
    assert result.log is not None
    answers = [event.body.text for event in result.log if isinstance(event.body, InputAnswered)]

    ConsoleFollower(file := io.StringIO()).follow(result.log)

    assert answers
    for answer in set(answers):
        assert file.getvalue().splitlines().count(answer) == answers.count(answer)


def speakers(name: str, turns: int) -> RoundRobinGroupChat:
    answers = [ScriptedChatCompletionClient(["hm"], repeats=True) for _ in range(2)]
    agents = [AssistantAgent(f"{name}_{n}", client) for n, client in enumerate(answers)]
    return RoundRobinGroupChat(agents, max_turns=turns, name=name)


@pytest.mark.parametrize(("one", "other"), [(5, 3), (2, 6)])
async def test_two_teams_that_run_at_once_into_one_log_are_counted_whole(one: int, other: int, runs: Path) -> None:
    log = RunLog.create("both", folder=runs)
    await asyncio.gather(
        speakers("one", one).run(task="first", log=log), speakers("other", other).run(task="second", log=log)
    )
    log.close()

    row, story, known = agentnb.runs().iloc[0], tell(log), provenance(log)
    side, sums = agentnb.diff(log, log).left, totals(log)
    assert {
        (sums.turns, sums.messages),
        (row.turns, row.messages),
        (story.turns, story.messages),
        (known.turns, known.messages),
        (side.turns, side.messages),
        (len(to_df(log, "turns")), int(to_df(log).is_heard.sum())),
    } == {(one + other, one + other + 2)}
    took = sum(event.took or 0.0 for event in log if event.kind == "run.finished")
    assert sums.seconds == pytest.approx(row.seconds) == pytest.approx(took)
    assert (sums.runner, sums.state, row.outcome, sums.going_on) == ("other", "done", "done", ())
    assert [episode.outcome for episode in story.episodes] == ["done", "done"]
    assert fold_items(log).status["turns"] == one + other
    turns = to_df(log, "turns")
    assert set(zip(turns["run"], turns["team"], strict=True)) == {(1, "one"), (2, "other")}
    assert "some of them at the same time." in known.methods()


class Retreating(Clock):
    """A clock that is set back each time somebody looks."""

    def __init__(self) -> None:
        super().__init__()
        self.times = count()

    def now(self) -> datetime:
        return datetime(2026, 1, 1, tzinfo=UTC) - timedelta(seconds=next(self.times))


async def test_a_clock_that_is_set_back_leaves_no_negative_seconds_anywhere(tmp_path: Path) -> None:
    with set_clock(Retreating()):
        log = RunLog.create("team", folder=tmp_path)
        person = UserProxyAgent("me", input_func=lambda prompt: "fine")
        ana = AssistantAgent("ana", ScriptedChatCompletionClient(["one", "two"]))
        await RoundRobinGroupChat([ana, person], max_turns=3).run(task="go", log=log)
        log.close()
    assert log.path is not None
    whole = log.path.read_bytes().splitlines(keepends=True)
    seconds: list[float] = []
    for facts in (len(whole), len(whole) - 3):
        log.path.write_bytes(b"".join(whole[:facts]))
        again = RunLog.open(log.path)
        for kind in ("messages", "turns", "calls", "inputs"):
            table = to_df(again, kind)
            seconds += [s for name in {"took", "waited"} & {*table.columns} for s in table[name].dropna()]
        seconds += [*agentnb.runs(tmp_path)["seconds"], totals(again).seconds]
        ConsoleFollower(out := io.StringIO()).follow(again)
        assert "-" not in out.getvalue().rpartition("turns,")[2].partition(" s ")[0]

    assert len(seconds) > 10
    assert min(seconds) >= 0
