"""Runs as tasks of the event loop: waited for, left alone, stopped from anywhere, kept whatever happens."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from agentnb.base import Team
from agentnb.core import CancellationToken
from agentnb.exceptions import AgentFailed, ModelAuthError, RunStopped, UnknownName, UserError
from agentnb.messages import BaseChatMessage, TextMessage
from agentnb.notebook.runs import NotebookRun, readable, runs, start
from agentnb.runlog import Run, RunLog
from agentnb.teams import RoundRobinGroupChat
from tests.notebook.runners import Asker, Coder, Failer, Small, Talker, Teller, Waiter


class SmallTeam(Team):
    """A team that notes how often it was closed."""

    def __init__(self, fails: bool = False) -> None:
        self.fails = fails
        self.closed = 0

    @property
    def name(self) -> str:
        return "small"

    @property
    def description(self) -> str:
        return "a team for tests"

    async def _perform(
        self, task: list[BaseChatMessage], run: Run, cancellation_token: CancellationToken | None, echo: bool
    ) -> None:
        run.say(TextMessage(content="said", source="small"))
        if self.fails:
            raise RuntimeError("broken")

    async def reset(self) -> None:
        self.closed = 0

    async def pause(self) -> None:
        raise NotImplementedError

    async def resume(self) -> None:
        raise NotImplementedError

    async def save_state(self) -> Mapping[str, Any]:
        return {}

    async def load_state(self, state: Mapping[str, Any]) -> None:
        raise NotImplementedError

    async def close(self) -> None:
        self.closed += 1


class Nesting(Small):
    """Gives its task to a team of its own."""

    async def act(self, run: Run) -> None:
        await Talker("inner").run(task="inner task")
        self.say(run, "outer")
        await asyncio.Event().wait()


class Told(Teller):
    """Notes when it is told that the run is held."""

    def __init__(self, name: str, *, waits: bool = False) -> None:
        super().__init__(name, waits=waits)
        self.told: list[str] = []

    async def on_pause(self, cancellation_token: CancellationToken) -> None:
        self.told.append("pause")

    async def on_resume(self, cancellation_token: CancellationToken) -> None:
        self.told.append("resume")


class HeldDuo(RoundRobinGroupChat):
    """Ana, who waits before her first message, and ben say four things."""

    def __init__(self) -> None:
        self.ana, self.ben = Told("ana", waits=True), Told("ben")
        super().__init__([self.ana, self.ben], name="duo", max_turns=4)


async def begun(run: NotebookRun) -> None:
    async for _ in run.log.follow(0, "turn.started"):
        return


async def said(run: NotebookRun, text: str) -> None:
    async for event in run.log.follow(0, "message"):
        if event.body.message.to_text() == text:  # type: ignore[attr-defined]
            return


async def test_a_run_is_awaited_for_its_result_as_often_as_one_likes() -> None:
    run = NotebookRun(Talker(), "count")

    assert run.state == "running"
    first, second = await run, await run

    assert first is second
    assert [message.to_text() for message in first.messages] == ["count", "one", "two", "three"]
    assert (run.state, run.stop_reason, run.error) == ("done", "all said", None)
    assert runs()[-1] is run
    assert runs()[run.number - 1] is run
    assert repr(run).startswith(f"<run {run.number} of 'ana': done, 4 messages, ")


async def test_a_run_draws_figures_by_their_names() -> None:
    run = NotebookRun(Talker(), "count")
    await run

    assert run.plot().get_xlabel().startswith("Time (")
    assert run.plot("turn_share", title="Who").get_title(loc="left") == "Who"
    with pytest.raises(UnknownName, match=r"No figure named 'pie' \(known: 'timeline'"):
        run.plot("pie")


async def test_a_run_is_a_table_and_a_picture() -> None:
    run = NotebookRun(Talker(), "count")
    await run

    assert list(run.to_df()["text"]) == ["count", "one", "two", "three"]
    assert len(run.to_df("events")) == len(run.log)
    assert "three" in run._repr_mimebundle_()["text/html"]


async def test_a_run_says_where_it_comes_from() -> None:
    run = NotebookRun(Talker(), "count")
    await run

    known = run.provenance()

    assert known.log_id == run.log.id
    assert known.runs[0].versions["python"]
    assert "text/html" in known._repr_mimebundle_()  # type: ignore[attr-defined]


async def test_a_run_is_stopped_from_any_thread() -> None:
    run = NotebookRun(Waiter(), "wait")
    await said(run, "before")

    thread = threading.Thread(target=run.stop)
    thread.start()
    result = await run
    thread.join()

    assert (run.state, run.stop_reason) == ("stopped", "stopped")
    assert [message.to_text() for message in result.messages] == ["wait", "before"]
    assert "Stopped with run.stop()." in [event.body.text for event in run.log if event.kind == "note"]  # type: ignore[attr-defined]
    run.stop()
    assert RunLog.open(run.log.path or "").events == run.log.events


async def test_a_run_is_paused_stepped_and_resumed_from_any_thread_and_its_agents_are_told() -> None:
    team = HeldDuo()
    run = NotebookRun(team, "count")
    await begun(run)
    seen = [run.state]

    await asyncio.to_thread(run.pause)
    team.ana.gate.set()
    assert await run.held()
    seen.append(run.state)
    await asyncio.to_thread(run.step)
    assert await run.held()
    seen.append(run.state)
    half = [message.to_text() for message in run.messages]
    await asyncio.to_thread(run.resume)
    await run

    assert seen == ["running", "paused", "paused"]
    assert half == ["count", "ana 1", "ben 1"]
    assert [message.to_text() for message in run.messages] == ["count", "ana 1", "ben 1", "ana 2", "ben 2"]
    assert team.ana.told == ["pause", "resume"]
    shown = run._repr_mimebundle_()["text/html"]
    assert "The run was paused." in shown
    assert "The run took one more turn." in shown
    assert "The run went on." in shown
    assert "<button" not in shown


async def test_a_paused_run_still_goes_on_for_those_who_stop_it_or_want_its_team() -> None:
    team = HeldDuo()
    run = NotebookRun(team, "count")
    run.pause()
    assert await run.held()

    with pytest.raises(UserError, match="is still at run"):
        NotebookRun(team, "again")
    run.stop()
    await run

    assert (run.state, run.stop_reason) == ("stopped", "stopped")
    for act in (run.pause, run.resume, run.step):
        act()
    assert not await run.held()
    assert run.state == "stopped"


async def test_a_step_of_a_run_that_is_not_paused_is_refused_in_words() -> None:
    run = NotebookRun(Waiter(), "wait")

    with pytest.raises(UserError, match=rf"run {run.number} is not paused. Call run.pause\(\) first"):
        run.step()
    run.stop()
    await run


async def test_a_run_that_is_stopped_before_its_first_step_is_stopped() -> None:
    run = NotebookRun(Waiter(), "wait")
    run.stop()

    result = await run

    assert (run.state, run.stop_reason, list(result.messages)) == ("stopped", "stopped", [])


async def test_who_is_cancelled_while_waiting_stops_the_run_and_gets_one_line() -> None:
    run = NotebookRun(Waiter(), "wait")
    await said(run, "before")

    waiting = asyncio.create_task(run.wait())
    await asyncio.sleep(0)
    waiting.cancel()

    with pytest.raises(RunStopped, match=r"was stopped; 2 messages and all facts are kept") as caught:
        await waiting
    assert run.state == "stopped"
    assert len(caught.value.result.messages) == 2


async def test_only_the_runs_own_messages_count_before_its_end() -> None:
    run = NotebookRun(Nesting("outer"), "go")
    await said(run, "outer")

    assert [message.content for message in run.messages] == ["go", "outer"]
    run.stop()
    await run


async def test_a_failed_run_keeps_what_was_said_and_raises_the_readable_cause() -> None:
    run = NotebookRun(Failer(), "try")

    with pytest.raises(ModelAuthError):
        await run

    assert run.state == "failed"
    assert isinstance(run.error, AgentFailed)
    assert [message.to_text() for message in run.result.messages] == ["try", "so far"]


def test_an_agents_own_bug_keeps_its_stack() -> None:
    error = AgentFailed("ana failed")
    error.__cause__ = ValueError("bug")

    assert readable(error) is error


@pytest.mark.parametrize("fails", [False, True])
async def test_a_team_made_for_the_run_is_closed_after_it_and_others_are_not(fails: bool) -> None:
    made, own = SmallTeam(fails), SmallTeam()

    run = NotebookRun(made, "go", close_runner=True)
    if fails:
        with pytest.raises(RuntimeError, match="broken"):
            await run
    else:
        await run
    await NotebookRun(own, "go")

    assert (made.closed, own.closed) == (1, 0)


async def test_a_stopped_team_is_closed_too() -> None:
    team = SmallTeam()
    run = NotebookRun(team, "go", close_runner=True)
    run.stop()
    await run

    assert run.state == "stopped"
    assert team.closed == 1


async def test_one_runner_does_one_run_at_a_time_and_then_the_next() -> None:
    waiter = Waiter()
    run = NotebookRun(waiter, "first")

    with pytest.raises(UserError, match=f"'ana' is still at run {run.number}"):
        NotebookRun(waiter, "second")
    waiter.gate.set()
    await run
    await NotebookRun(waiter, "second")


async def test_two_runs_go_on_side_by_side() -> None:
    slow = Waiter("slow")
    one, two = NotebookRun(slow, "wait"), NotebookRun(Talker("quick"), "talk")

    await two
    assert one.state == "running"
    slow.gate.set()
    await one

    assert one.log.path != two.log.path
    assert {event.source.split("/")[0] for event in two.log if event.kind == "message"} == {"quick"}


async def test_a_question_without_a_person_is_refused_and_the_run_goes_on() -> None:
    run = NotebookRun(Asker(), "ask")

    await run

    assert "nobody: ana asks 'Which island?'" in run.messages[-1].content


async def test_an_interrupt_while_variables_are_handed_over_begins_no_run() -> None:
    class Slow(Coder):
        async def share(self, variables: Mapping[str, Any]) -> list[str]:
            await asyncio.Event().wait()
            return []

    before = len(runs())
    starting = asyncio.create_task(start(Slow(), "go", variables={"x": 1}))
    await asyncio.sleep(0)
    starting.cancel()

    with pytest.raises(RunStopped, match="before the run began"):
        await starting
    assert len(runs()) == before


async def test_begun_runs_say_who_works() -> None:
    run = NotebookRun(Waiter("slow"), "wait")
    await begun(run)

    assert run.team is run.runner
    assert run.question is None
    with pytest.raises(UserError, match="asks nothing just now"):
        run.answer("x")
    run.stop()
    await run


async def test_a_run_is_exported_by_what_it_is_to_become_and_a_missing_suffix_is_added(tmp_path: Path) -> None:
    run = NotebookRun(Talker(), "hi")
    await run

    made = [
        run.to_html(tmp_path / "a"),
        run.to_markdown(str(tmp_path / "b.md")),
        run.to_notebook(tmp_path / "c.v2"),
        run.to_script(tmp_path / "d", names="remove"),
        run.export(tmp_path / "e.htm"),
    ]

    assert [path.name for path in made] == ["a.html", "b.md", "c.v2.ipynb", "d.py", "e.htm"]
    assert all("hi" in path.read_text() for path in made)
