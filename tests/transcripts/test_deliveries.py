"""What becomes of each message of a runtime."""

from __future__ import annotations

import asyncio

import pandas as pd
import pytest

from agentnb.core import AgentId, TopicId
from agentnb.exceptions import MailboxFull
from agentnb.runlog import RunLog
from agentnb.runtimes import (
    Capacity,
    ClosureAgent,
    ClosureContext,
    MessageContext,
    SingleThreadedAgentRuntime,
    TypeSubscription,
)
from agentnb.transcripts import DELIVERIES, DeliveryFold, deliveries_frame, events_frame, fold_deliveries, to_df
from tests.transcripts.colony import Asked, News, colony


async def test_a_delivery_is_one_row_per_message_and_recipient() -> None:
    frame = to_df(await colony(1), "deliveries")

    rows = frame[["sort", "type", "sender", "recipient", "topic", "outcome"]].astype(object)
    assert rows.where(rows.notna(), None).values.tolist() == [
        ["send", "Ask", None, "asked/a", None, "done"],
        ["response", "int", "asked/a", None, None, "done"],
        ["publish", "News", None, None, "nowhere/a", "unheard"],
        ["publish", "News", "asked/a", "ear/a", "news/a", "done"],
        ["publish", "News", "asked/a", "eye/a", "news/a", "done"],
    ]
    assert frame.payload.tolist() == ['{"n":1}', "1", '{"n":0}', '{"n":1}', '{"n":1}']
    assert frame.seq.is_monotonic_increasing
    assert frame.event_id.is_unique


async def test_a_failure_says_what_was_raised_and_has_no_answer() -> None:
    frame = deliveries_frame(await colony(3))

    failed = frame[frame.outcome == "failed"]
    assert failed.error.tolist() == ["ValueError: three <b>is</b> wrong"]
    assert "response" not in frame.sort.tolist()


async def test_a_dropped_message_names_who_dropped_it_and_a_changed_one_who_changed_it() -> None:
    frame = deliveries_frame(await colony(2, 4))

    sends = frame[frame.sort == "send"]
    assert sends.outcome.tolist() == ["dropped", "done"]
    assert sends.by.tolist() == ["Border", "Border"]
    assert sends.recipient.tolist() == ["asked/a", "asked/a"]
    assert sends.began_at.isna().tolist() == [True, False]


async def test_what_a_handler_sent_joins_with_the_delivery_it_handled() -> None:
    frame = deliveries_frame(await colony(1))

    joined = frame.merge(frame, left_on="parent_id", right_on="event_id", suffixes=("", "_cause"))
    assert set(zip(joined.recipient.dropna(), joined.type_cause, strict=False)) == {("ear/a", "Ask"), ("eye/a", "Ask")}


async def test_deliveries_join_with_events_and_their_times_agree() -> None:
    log = await colony(1, 2, 3)
    frame = deliveries_frame(log)

    joined = frame.merge(events_frame(log), on=["run_id", "seq", "event_id"], suffixes=("", "_event"))
    begun = joined[joined.began_at.notna()]
    assert len(joined) == len(frame)
    assert begun.began_at.equals(begun.created_at)
    assert (begun.waited >= 0).all()
    assert begun.loc[begun.sort != "response", "took"].notna().all()
    assert ((begun.began_at - begun.sent_at).dt.total_seconds() - begun.waited).abs().max() < 1e-6


async def test_tables_with_and_without_deliveries_are_put_together_by_concat() -> None:
    logs = [await colony(1, 2), RunLog(), await colony(3)]

    together = pd.concat([to_df(log, "deliveries") for log in logs], ignore_index=True)

    at_once = to_df(logs, "deliveries")
    assert together.astype(at_once.dtypes.to_dict()).equals(at_once)
    assert [str(dtype) for dtype in at_once.dtypes] == [column.dtype for column in DELIVERIES]


async def test_a_message_under_way_is_seen_waiting_then_running() -> None:
    log, begun, go = RunLog(), asyncio.Event(), asyncio.Event()
    runtime = SingleThreadedAgentRuntime(log=log)

    async def slow(agent: ClosureContext, message: News, ctx: MessageContext) -> int:
        begun.set()
        await go.wait()
        return message.n

    await ClosureAgent.register_closure(runtime, "slow", slow, capacity=Capacity(concurrency=1))
    runtime.start()
    sends = [asyncio.create_task(runtime.send_message(News(n), AgentId("slow", "x"))) for n in (1, 2)]
    await begun.wait()
    under_way = [one.outcome for one in fold_deliveries(log).deliveries]
    go.set()
    await asyncio.gather(*sends)
    await runtime.stop_when_idle()

    assert sorted(under_way) == ["running", "waiting"]
    assert {one.outcome for one in fold_deliveries(log).deliveries} == {"done"}


async def test_a_full_mailbox_drops_for_one_hearer_and_not_for_the_other() -> None:
    log, go = RunLog(), asyncio.Event()
    runtime = SingleThreadedAgentRuntime(log=log)

    async def wait(agent: ClosureContext, message: News, ctx: MessageContext) -> None:
        await go.wait()

    small = Capacity(concurrency=1, queue=0, on_full="fail")
    await ClosureAgent.register_closure(runtime, "small", wait, capacity=small)
    await ClosureAgent.register_closure(runtime, "wide", wait)
    for name in ("small", "wide"):
        await runtime.add_subscription(TypeSubscription("t", name))
    runtime.start()
    await runtime.publish_message(News(1), TopicId("t", "x"))
    with pytest.raises(MailboxFull):
        await runtime.publish_message(News(2), TopicId("t", "x"))
    full = fold_deliveries(log).agents["small/x"].mailbox
    go.set()
    await runtime.stop_when_idle()

    fold = fold_deliveries(log)
    assert sorted((one.recipient, one.outcome) for one in fold.deliveries) == [
        ("small/x", "done"),
        ("small/x", "dropped"),
        ("wide/x", "done"),
        ("wide/x", "done"),
    ]
    assert [one.by for one in fold.deliveries if one.outcome == "dropped"] == ["capacity"]
    assert (full, fold.agents["small/x"].mailbox) == ("full", "room")


async def test_an_agent_that_cannot_be_made_is_known_with_its_error() -> None:
    log = RunLog()
    runtime = SingleThreadedAgentRuntime(log=log)

    def broken() -> Asked:
        raise OSError("no such file")

    await runtime.register_factory("broken", broken)
    runtime.start()
    with pytest.raises(OSError, match="no such file"):
        await runtime.send_message(News(1), AgentId("broken", "x"))
    await runtime.stop_when_idle()

    fold = fold_deliveries(log)
    assert fold.agents["broken/x"].error == "OSError: no such file"
    assert [(one.recipient, one.outcome, one.by) for one in fold.deliveries] == [("broken/x", "dropped", "factory")]


async def test_folding_fact_by_fact_gives_the_same_as_folding_at_once() -> None:
    log = await colony(1, 2, 3, 4)
    fold = DeliveryFold()
    counts = []
    for event in log:
        fold.add(event)
        counts.append(len(fold.deliveries))

    assert fold.deliveries == fold_deliveries(log).deliveries
    assert counts == sorted(counts)
