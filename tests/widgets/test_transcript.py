"""The widget on a comm that leads nowhere."""

from __future__ import annotations

import asyncio
import gc
import threading
import weakref

import ipywidgets
import pytest

from agentnb.exceptions import UserError
from agentnb.messages import TextMessage
from agentnb.runlog import RunFinished, RunLog, RunPaused, RunStarted, Said, TurnFinished, TurnStarted
from agentnb.widgets import TranscriptWidget
from tests.widgets.conftest import FakeComm


def nothing() -> None:
    """Stop nothing."""


async def settled() -> None:
    """Wait until the next batch has left."""
    await asyncio.sleep(0.06)


async def test_a_widget_made_before_the_run_shows_it_all(comms: list[FakeComm]) -> None:
    log = RunLog()
    widget = TranscriptWidget(log, on_stop=nothing)
    run = log.append(RunStarted(runner="team", runner_type="T"), source="team")
    log.append(Said(message=TextMessage(content="hi", source="a")), parent=run.id)
    log.append(RunFinished(outcome="done"), source="team", parent=run.id)
    await settled()

    comm = comms[-1]
    state = comm.published[0][1]["state"]
    assert state["run_id"] == log.id
    assert state["snapshot"] == {
        "n": 0,
        "items": [],
        "status": {"state": "running", "turns": 0, "tokens": None, "seconds": 0.0},
        "question": None,
    }
    assert "function" in state["_esm"]
    assert ".anb-card" in state["_css"]
    (batch,) = comm.custom
    assert (batch["t"], batch["n"], len(batch["ops"])) == ("ops", 1, 3)
    assert comm.snapshots[-1]["n"] == 3
    assert comm.snapshots[-1]["status"]["state"] == "done"
    widget.close()


async def test_stop_and_answer_reach_the_run_on_its_own_loop(comms: list[FakeComm]) -> None:
    log = RunLog()
    threads: list[int] = []
    widget = TranscriptWidget(log, on_stop=lambda: threads.append(threading.get_ident()))
    asking = asyncio.create_task(log.ask("sure?"))
    await settled()
    (question,) = log.open_questions
    comm = comms[-1]

    def page() -> None:  # ipykernel 7.0 to 7.3 handle a page's messages in another thread
        comm.receive({"t": "answer", "id": question, "text": "yes"})
        comm.receive({"t": "answer", "id": question, "text": "no"})
        comm.receive({"t": "stop"})

    thread = threading.Thread(target=page)
    thread.start()
    thread.join()
    before = list(threads)

    assert await asking == "yes"
    assert before == []
    assert threads == [threading.get_ident()]
    assert [event.body.by for event in log if event.kind == "input.answered"] == ["widget"]  # type: ignore[attr-defined]
    widget.close()


class Pressed:
    """A run that notes what it is told, and by which thread."""

    def __init__(self) -> None:
        self.told: list[tuple[str, int]] = []

    def pause(self) -> None:
        self.told.append(("pause", threading.get_ident()))

    def resume(self) -> None:
        self.told.append(("resume", threading.get_ident()))

    def step(self) -> None:
        if len(self.told) > 2:
            raise UserError("not paused")
        self.told.append(("step", threading.get_ident()))


async def test_pause_step_and_resume_reach_the_run_on_its_own_loop(comms: list[FakeComm]) -> None:
    run = Pressed()
    widget = TranscriptWidget(RunLog(), on_stop=nothing, pauses=run)
    comm = comms[-1]

    def page() -> None:
        for act in ("pause", "step", "resume", "step"):  # the last in a page that has not heard of the resuming yet
            comm.receive({"t": act})

    thread = threading.Thread(target=page)
    thread.start()
    thread.join()
    before = list(run.told)
    await settled()
    widget.detach()
    comm.receive({"t": "pause"})
    await settled()

    assert before == []
    assert run.told == [(act, threading.get_ident()) for act in ("pause", "step", "resume")]
    assert comm.published[0][1]["state"]["pausable"] is True
    widget.close()


async def test_a_view_without_a_run_to_hold_says_so_and_pauses_nothing(comms: list[FakeComm]) -> None:
    widget = TranscriptWidget(RunLog(), on_stop=nothing)
    for act in ("pause", "resume", "step"):
        comms[-1].receive({"t": act})
    await asyncio.sleep(0)

    assert comms[-1].published[0][1]["state"]["pausable"] is False
    widget.close()


async def test_a_page_that_opens_later_finds_the_run_paused(comms: list[FakeComm]) -> None:
    log = RunLog()
    run = log.append(RunStarted(runner="team", runner_type="T"), source="team")
    turn = log.append(TurnStarted(agent="a", turn=1), source="a", parent=run.id)
    log.append(RunPaused(state="paused"))
    early = TranscriptWidget(log, on_stop=nothing, pauses=Pressed())
    log.append(TurnFinished(agent="a", turn=1), source="a", parent=turn.id)
    late = TranscriptWidget(log, on_stop=nothing, pauses=Pressed())
    early.detach()

    assert [comm.snapshots[0]["status"]["pause"] for comm in comms[1::2]] == ["pausing", "paused"]
    assert comms[1].snapshots[-1]["status"]["pause"] == "paused"
    late.close()


async def test_ping_is_answered_by_a_live_page(comms: list[FakeComm]) -> None:
    widget = TranscriptWidget(RunLog(), on_stop=nothing)
    comm = comms[-1]
    probing = asyncio.create_task(widget.probe(timeout=5, every=0.5))
    await asyncio.sleep(0.01)
    comm.receive({"t": "pong", "k": comm.custom[0]["k"]})

    assert await probing is True
    assert widget.alive
    widget.close()


async def test_a_page_that_asks_for_a_replay_gets_it(comms: list[FakeComm]) -> None:
    log = RunLog()
    widget = TranscriptWidget(log, on_stop=nothing)
    for text in ("a", "b", "c"):
        log.note(text)
        await settled()
    comm = comms[-1]
    comm.receive({"t": "replay", "since": 1})
    await asyncio.sleep(0)

    assert [message["n"] for message in comm.custom] == [1, 2, 3, 2]
    assert len(comm.custom[-1]["ops"]) == 2
    widget.close()


async def test_after_detaching_a_reloaded_page_still_gets_the_snapshot(comms: list[FakeComm]) -> None:
    log = RunLog()
    widget = TranscriptWidget(log, on_stop=nothing)
    log.note("a")
    widget.detach()
    comm = comms[-1]
    count = len(comm.snapshots)
    comm.receive({"t": "replay", "since": 0})
    await asyncio.sleep(0)

    assert len(comm.snapshots) == count + 1
    assert comm.snapshots[-1]["items"][0]["text"] == "a"
    widget.close()


@pytest.mark.parametrize("message", [None, "x", {}, {"t": "replay"}, {"t": "pong", "k": "1"}, {"t": "answer", "id": 1}])
async def test_a_malformed_message_is_ignored(comms: list[FakeComm], message: object) -> None:
    widget = TranscriptWidget(RunLog(), on_stop=nothing)
    comms[-1].receive(message)
    await asyncio.sleep(0)

    assert comms[-1].custom == []
    assert not widget.alive
    widget.close()


async def test_closing_takes_the_widget_off_the_page_and_frees_the_log(comms: list[FakeComm]) -> None:
    log = RunLog()
    widget = TranscriptWidget(log, on_stop=nothing)
    log.note("last words")
    gone = weakref.ref(log)
    widget.close()
    widget.close()
    del log
    gc.collect()

    comm = comms[-1]
    assert [kind for kind, _ in comm.published][-1] == "comm_close"
    assert comm.custom[-1]["ops"][0]["item"]["text"] == "last words"
    assert gone() is None
    assert widget not in ipywidgets.Widget.get_manager_state()["state"].values()


async def test_lone_surrogates_do_not_reach_the_wire(comms: list[FakeComm]) -> None:
    log = RunLog()
    widget = TranscriptWidget(log, on_stop=nothing)
    log.append(Said(message=TextMessage(content="\ud800 <script>", source="a\udfff")), source="a\udfff")
    await settled()

    assert comms[-1].custom[0]["ops"][0]["item"]["text"] == "� <script>"
    str(comms[-1].custom).encode()
    widget.close()
