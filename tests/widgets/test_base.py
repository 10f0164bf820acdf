"""A log on its way to a page."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import threading
import weakref
from typing import Any, cast

import pytest

from agentnb.messages import ModelClientStreamingChunkEvent, TextMessage
from agentnb.runlog import RunFinished, RunLog, RunStarted, Said, TurnStarted
from agentnb.widgets.base import REPLAY_OPS, Feed
from tests.ui.test_items import Page
from tests.widgets.conftest import FakeLoop


def as_loop(loop: FakeLoop) -> asyncio.AbstractEventLoop:
    return cast(asyncio.AbstractEventLoop, loop)


class Wire:
    """What a feed sent and published."""

    def __init__(self, log: RunLog, loop: FakeLoop, **options: Any) -> None:
        self.sent: list[dict[str, Any]] = []
        self.times: list[float] = []
        self.published: list[dict[str, Any]] = []
        self.loop = loop
        self.feed = Feed(log, send=self._send, publish=self.published.append, loop=as_loop(loop), **options)

    def _send(self, message: dict[str, Any]) -> None:
        self.sent.append(message)
        self.times.append(self.loop.time())


def chunk(text: str) -> ModelClientStreamingChunkEvent:
    return ModelClientStreamingChunkEvent(content=text, source="a", full_message_id="m")


def test_many_ops_travel_in_few_batches(loop: FakeLoop) -> None:
    log = RunLog()
    wire = Wire(log, loop)
    for number in range(1000):  # 200 a second for 5 seconds
        log.fan_out(chunk(f"{number} "))
        loop.advance(0.005)
    loop.advance(1)

    assert 90 <= len(wire.sent) <= 101
    assert all(b - a >= 0.05 - 1e-9 for a, b in zip(wire.times, wire.times[1:], strict=False))
    assert sum(len(message["ops"]) for message in wire.sent) == 1000


def test_a_single_op_leaves_at_once(loop: FakeLoop) -> None:
    log = RunLog()
    wire = Wire(log, loop)
    loop.advance(10)
    log.note("hello")
    loop.advance(0)

    assert [message["t"] for message in wire.sent] == ["ops"]


def test_ops_are_numbered_densely_and_give_the_page_the_same_items(loop: FakeLoop) -> None:
    log = RunLog()
    wire = Wire(log, loop)
    page = Page()
    run = log.append(RunStarted(runner="team", runner_type="T"), source="team")
    for number in range(50):
        log.append(Said(message=TextMessage(content=f"{number}", source="a")), parent=run.id)
        loop.advance(0.02)
    loop.advance(1)
    for message in wire.sent:
        assert message["n"] == page.n + 1
        page.apply(message["ops"])

    snapshot = wire.feed.snapshot
    assert (page.n, list(page.items.values())) == (snapshot["n"], snapshot["items"])


def test_facts_from_before_are_in_the_first_snapshot(loop: FakeLoop) -> None:
    log = RunLog()
    log.note("early")
    wire = Wire(log, loop)
    first = wire.feed.snapshot
    log.note("late")
    loop.advance(1)

    assert [item["text"] for item in first["items"]] == ["early"]
    assert [message["n"] for message in wire.sent] == [first["n"] + 1]


def test_snapshots_are_refreshed_until_a_page_answers(loop: FakeLoop) -> None:
    log = RunLog()
    wire = Wire(log, loop)
    for number in range(4):
        log.note(f"{number}")
        loop.advance(1)
    before = len(wire.published)
    loop.advance(5)
    quiet = len(wire.published)
    wire.feed.pong(0)
    log.note("after")
    loop.advance(5)

    assert before == 4
    assert quiet == before
    assert len(wire.published) == quiet


def test_the_end_of_the_run_publishes_a_snapshot_also_to_a_live_page(loop: FakeLoop) -> None:
    log = RunLog()
    wire = Wire(log, loop)
    wire.feed.pong(0)
    run = log.append(RunStarted(runner="team", runner_type="T"), source="team")
    log.append(RunFinished(outcome="done"), source="team", parent=run.id)
    loop.advance(1)

    assert [snapshot["status"]["state"] for snapshot in wire.published] == ["done"]
    assert wire.published[0]["n"] == wire.sent[-1]["n"] + len(wire.sent[-1]["ops"]) - 1


def test_a_page_that_missed_ops_gets_them_again(loop: FakeLoop) -> None:
    log = RunLog()
    wire = Wire(log, loop)
    for number in range(10):
        log.note(f"{number}")
        loop.advance(0.1)
    count = len(wire.sent)
    wire.feed.replay(4)
    wire.feed.replay(10)

    assert len(wire.sent) == count + 1
    assert wire.sent[-1]["n"] == 5
    assert [op["item"]["text"] for op in wire.sent[-1]["ops"]] == ["4", "5", "6", "7", "8", "9"]


def test_a_page_that_missed_too_much_gets_a_snapshot(loop: FakeLoop) -> None:
    log = RunLog()
    wire = Wire(log, loop)
    wire.feed.pong(0)
    for number in range(REPLAY_OPS + 10):
        log.note(f"{number}")
    loop.advance(1)
    wire.feed.replay(0)

    assert [snapshot["n"] for snapshot in wire.published] == [REPLAY_OPS + 10]


def test_replayed_additions_say_what_they_said_then(loop: FakeLoop) -> None:
    """An item that grew since must not reach a page with its new text, and then grow again."""
    log = RunLog()
    wire = Wire(log, loop)
    for piece in ("Hel", "lo"):
        log.fan_out(chunk(piece))
        loop.advance(1)
    wire.feed.replay(0)
    page = Page()
    page.apply(wire.sent[-1]["ops"])

    assert page.items["m"]["text"] == "Hello"


def test_closing_sends_what_waits_and_lets_go_of_the_log(loop: FakeLoop) -> None:
    log = RunLog()
    wire = Wire(log, loop)
    log.note("last")
    wire.feed.close()
    log.note("unseen")
    loop.advance(5)
    gone = weakref.ref(log)
    del log
    gc.collect()

    assert [op["item"]["text"] for message in wire.sent for op in message["ops"]] == ["last"]
    assert [len(snapshot["items"]) for snapshot in wire.published] == [1]
    assert gone() is None


def test_a_closed_feed_still_answers_a_reloaded_page(loop: FakeLoop) -> None:
    log = RunLog()
    wire = Wire(log, loop)
    log.note("last")
    wire.feed.close()
    wire.feed.replay(0)

    assert [snapshot["n"] for snapshot in wire.published] == [1, 1]


def test_everything_leaves_in_the_cells_context(loop: FakeLoop) -> None:
    cell: contextvars.ContextVar[str] = contextvars.ContextVar("cell", default="none")
    context = contextvars.copy_context()
    context.run(cell.set, "launching")
    seen: list[str] = []
    log = RunLog()
    feed = Feed(
        log,
        send=lambda _: seen.append(cell.get()),
        publish=lambda _: seen.append(cell.get()),
        loop=as_loop(loop),
        context=context,
    )
    log.note("x")
    loop.advance(2)
    feed.hand_over(lambda _: seen.append(cell.get()), {})
    loop.advance(1)

    assert seen == ["launching"] * 3


def test_facts_from_another_thread_are_taken_on_the_loop(loop: FakeLoop) -> None:
    log = RunLog()
    wire = Wire(log, loop)
    thread = threading.Thread(target=log.note, args=("from afar",))
    thread.start()
    thread.join()
    before = wire.feed.snapshot["n"]
    loop.advance(1)

    assert before == 0
    assert wire.feed.snapshot["n"] == 1


def test_a_fact_that_cannot_be_drawn_does_not_stop_the_run(loop: FakeLoop) -> None:
    class Odd(TextMessage):
        def to_text(self) -> str:
            raise RuntimeError("no")

    log = RunLog()
    wire = Wire(log, loop)
    log.append(Said(message=Odd(content="x", source="a")))
    log.note("goes on")
    loop.advance(1)

    assert len(loop.failures) == 1
    assert [item["text"] for item in wire.feed.snapshot["items"]] == ["goes on"]


async def test_a_probe_asks_until_a_page_answers() -> None:
    sent: list[dict[str, Any]] = []

    def send(message: dict[str, Any]) -> None:
        sent.append(message)
        if message["k"] == 3:  # a page that drew only now
            feed.pong(3)

    feed = Feed(RunLog(), send=send, publish=lambda _: None)

    assert await feed.probe(timeout=5, every=0.01) is True
    assert [message["k"] for message in sent] == [1, 2, 3]
    assert feed.alive
    feed.close()


async def test_a_probe_nobody_answers_is_over_in_time_and_old_answers_do_not_count() -> None:
    feed = Feed(RunLog(), send=lambda _: None, publish=lambda _: None)
    feed._pings = 1
    feed.pong(1)
    began = asyncio.get_running_loop().time()

    assert await feed.probe(timeout=0.05, every=0.01) is False
    assert asyncio.get_running_loop().time() - began < 2
    feed.close()


@pytest.mark.parametrize("kind", ["start", "turn"])
def test_a_status_reaches_the_page(loop: FakeLoop, kind: str) -> None:
    log = RunLog()
    wire = Wire(log, loop)
    run = log.append(RunStarted(runner="team", runner_type="T", model="m"), source="team")
    if kind == "turn":
        log.append(TurnStarted(agent="a", turn=1), source="a", parent=run.id)
    loop.advance(1)
    page = Page()
    page.apply(wire.sent[0]["ops"])

    assert (page.status["team"], page.status["turns"]) == ("team", int(kind == "turn"))


def test_a_feed_goes_on_with_a_branch_of_its_log(loop: FakeLoop) -> None:
    log = RunLog()
    wire, page = Wire(log, loop), Page()
    run = log.append(RunStarted(runner="team", runner_type="T"), source="team")
    for text in ("kept", "not kept"):
        log.append(Said(message=TextMessage(content=text, source="a")), parent=run.id)
    loop.advance(1)
    branch = log.branch(at=2)

    wire.feed.follow(branch)
    log.note("nobody hears this any more")
    branch.note("heard")
    loop.advance(1)

    for message in wire.sent:
        assert message["n"] == page.n + 1
        page.apply(message["ops"])
    texts = [(item["text"], item.get("label", "")) for item in page.items.values()]
    assert [text for text, label in texts if label == "taken back"] == ["not kept"]
    assert texts[0] == ("kept", "")
    assert texts[-1] == ("heard", "")
    assert "nobody hears this any more" not in dict(texts)
    wire.feed.close()
    wire.feed.follow(log)
    assert wire.feed.snapshot["n"] == page.n
