"""Tables drawn from logs."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
from pandas.testing import assert_frame_equal

from agentnb.exceptions import LogUnreadable, UnknownName
from agentnb.messages import (
    CodeBlock,
    CreateResult,
    FunctionCall,
    RequestUsage,
    TextMessage,
    ThoughtEvent,
    UnknownMessage,
)
from agentnb.runlog import (
    AgentMade,
    CapacityChanged,
    CodeFinished,
    CodeStarted,
    EnvelopeDelivered,
    EnvelopeDropped,
    EnvelopeHandled,
    EnvelopeIntercepted,
    EnvelopeSent,
    ModelFinished,
    ModelStarted,
    RunLog,
    RunStarted,
    Said,
    ToolFinished,
    ToolStarted,
    TurnFinished,
    TurnStarted,
    Usage,
)
from agentnb.runlog.events import BODIES
from agentnb.runlog.unread import Unread
from agentnb.transcripts import (
    DIFF,
    EXPENDABLE,
    FRAMES,
    HITS,
    RUNS,
    TABLES,
    calls_frame,
    code_frame,
    events_frame,
    load,
    messages_frame,
    save,
    to_df,
)
from agentnb.transcripts.foreign import FOREIGN
from agentnb.transcripts.said import SUMMARIES
from tests.steps import steps
from tests.transcripts.teams import renamed, sent, told

COLUMNS = {name: table.columns for name, table in TABLES.items()}


def worked(agent: str = "ana", turns: int = 1) -> RunLog:
    """Return a log in which an agent asks a model, calls a tool, runs code and speaks, once per turn."""
    log = RunLog()
    run = log.append(RunStarted(runner="team", runner_type="T"), source="team").id
    usage = RequestUsage(prompt_tokens=10, completion_tokens=3)
    for number in range(1, turns + 1):
        turn = log.append(TurnStarted(agent=agent, turn=number), source=agent, parent=run).id
        model = log.append(ModelStarted(model="m"), source=agent, parent=turn).id
        result = CreateResult(finish_reason="stop", content="hi", usage=usage, cached=False)
        spent = Usage(prompt_tokens=10, completion_tokens=3)
        log.append(ModelFinished(model="m", result=result), source=agent, parent=model, took=0.5, usage=spent)
        tool = log.append(ToolStarted(tool="add", call_id="c", arguments={"a": 1}), source=agent, parent=turn).id
        log.append(ToolFinished(tool="add", call_id="c", result="2"), source=agent, parent=tool, took=0.1)
        blocks = (CodeBlock("print(1)\n", "python"), CodeBlock("2", "python"))
        code = log.append(CodeStarted(executor="X", blocks=blocks), source=agent, parent=turn).id
        outputs = ({"text/plain": "1"}, {"image/png": "AAAA"})
        log.append(
            CodeFinished(executor="X", exit_code=0, output="1\n", outputs=outputs), source=agent, parent=code, took=0.2
        )
        log.append(Said(message=ThoughtEvent(content="hm", source=agent)), source=agent, parent=turn)
        log.append(Said(message=TextMessage(content="hi", source=agent, models_usage=usage)), source=agent, parent=turn)
        log.append(TurnFinished(agent=agent, turn=number), source=agent, parent=turn, took=1.0)
    return log


@pytest.mark.parametrize("kind", FRAMES)
def test_every_table_has_its_declared_columns_and_dtypes_full_or_empty(kind: str) -> None:
    declared = {column.name: column.dtype for column in COLUMNS[kind]}

    for logs in ([], RunLog(), worked(), [worked(), RunLog()]):
        frame = to_df(logs, kind)
        assert {name: str(dtype) for name, dtype in frame.dtypes.items()} == declared
        assert isinstance(frame.index, pd.RangeIndex)


@pytest.mark.parametrize("kind", FRAMES)
def test_tables_of_several_runs_are_put_together_by_concat(kind: str) -> None:
    logs = [worked("ana"), RunLog(), worked("ben", turns=2)]

    together = pd.concat([to_df(log, kind) for log in logs], ignore_index=True)

    assert_frame_equal(together, to_df(logs, kind))


@pytest.mark.parametrize("kind", FRAMES)
def test_concat_of_two_runs_that_share_no_name_keeps_every_dtype(kind: str, tmp_path: Path) -> None:
    one, other = to_df(sent(told()), kind), to_df(renamed(sent(told())), kind)
    frames = {"": [one, other]}
    for suffix in ("parquet", "arrow", "csv", "jsonl"):
        frames[suffix] = [load(save(df, tmp_path / f"{place}.{suffix}")) for place, df in enumerate((one, other))]

    assert len(one)
    assert len(other)
    for how, pair in frames.items():
        together = pd.concat(pair, ignore_index=True)
        assert together.dtypes.equals(one.dtypes), how
        assert {name: str(dtype) for name, dtype in together.dtypes.items()} == {
            column.name: column.dtype for column in COLUMNS[kind]
        }, how


@pytest.mark.parametrize(
    ("style", "kind"), [("inspect", "messages"), ("inspect", "events"), ("openinference", "calls")]
)
def test_concat_in_other_styles_keeps_every_dtype_too(style: Any, kind: str) -> None:
    one, other = to_df(told(), kind, style=style), to_df(renamed(told()), kind, style=style)

    assert pd.concat([one, other]).dtypes.equals(one.dtypes)


def test_a_table_is_named_by_a_text_and_an_odd_one_is_answered_with_those_that_are_known() -> None:
    odds: tuple[Any, ...] = (None, 3, ["turns"], {})
    for odd in odds:
        with pytest.raises(UnknownName, match=r"No table named .* \(known: 'messages', 'turns'"):
            to_df(RunLog(), odd)
        if odd is not None:
            with pytest.raises(UnknownName, match=r"No style named .* \(known: 'agentnb', 'inspect'"):
                to_df(RunLog(), style=odd)


def test_every_category_says_beforehand_what_its_values_are() -> None:
    foreign = [columns for tables in FOREIGN.values() for columns in tables.values()]
    for columns in [*COLUMNS.values(), *foreign, RUNS, EXPENDABLE, HITS, DIFF]:
        assert [column.name for column in columns if (column.dtype == "category") != bool(column.categories)] == []


@pytest.mark.parametrize("kind", FRAMES)
@pytest.mark.parametrize("make", [lambda: worked(turns=3), lambda: sent(told())])
def test_a_log_just_opened_gives_the_table_it_gave_in_memory_and_stays_unread(
    kind: str, make: Callable[[], RunLog], tmp_path: Path
) -> None:
    log = make()
    opened = RunLog.open(log.save(tmp_path / "run.jsonl"))

    assert_frame_equal(to_df(opened, kind), to_df(log, kind))
    assert {type(event) for event in opened} == {Unread}


def test_a_log_that_was_read_in_part_gives_the_same_table(tmp_path: Path) -> None:
    log = worked(turns=3)
    opened = RunLog.open(log.save(tmp_path / "run.jsonl"))
    for event in opened.events[::3]:
        assert event.body
    assert opened.events[1].at

    assert_frame_equal(to_df(opened, "events"), to_df(log, "events"))


@pytest.mark.parametrize("time", ["2026-13-41T00:00:00Z", "yesterday", "2026-01-01T00:00:00.000000X"])
def test_a_fact_without_a_time_is_named_by_the_table_that_shows_it(tmp_path: Path, time: str) -> None:
    log = worked()
    path = log.save(tmp_path / "run.jsonl")
    header, *lines = path.read_text().splitlines()
    lines[3] = json.dumps(json.loads(lines[3]) | {"at": time})
    path.write_text("\n".join([header, *lines]) + "\n")

    with pytest.raises(LogUnreadable, match=f"Fact 4 of the run {log.id} is damaged: its value is '{time}'"):
        to_df(RunLog.open(path), "events")


def test_messages_are_one_row_each() -> None:
    log = worked(turns=2)
    frame = messages_frame(log)

    assert frame.text.tolist() == ["hm", "hi", "hm", "hi"]
    assert frame.type.tolist() == ["ThoughtEvent", "TextMessage"] * 2
    assert frame.is_chat.tolist() == [False, True] * 2
    assert frame.turn.tolist() == [1, 1, 2, 2]
    assert frame.prompt_tokens.isna().tolist() == [True, False, True, False]
    assert frame.completion_tokens.sum() == 6
    assert frame.run_id.unique().tolist() == [log.id]
    said = [event for event in log if event.kind == "message"]
    assert frame.event_id.tolist() == [event.id for event in said]
    assert frame.created_at.tolist() == [pd.Timestamp(event.body.message.created_at) for event in said]  # type: ignore[attr-defined]
    assert (frame.took >= 0).all()


def test_events_join_with_messages_on_their_ids() -> None:
    log = worked()
    events, messages = events_frame(log), messages_frame(log)

    joined = messages.merge(events, on=["run_id", "seq", "event_id"], suffixes=("", "_event"))
    assert joined.kind.tolist() == ["message", "message"]
    assert (joined.text == joined.text_event).all()
    assert events.seq.tolist() == list(range(1, len(log) + 1))
    assert "model.finished" in events.kind.cat.categories
    assert events.loc[events.kind == "code.started", "text"].tolist() == ["print(1)\n"]


def test_calls_are_one_row_from_start_to_finish() -> None:
    frame = calls_frame(worked())

    assert frame.kind.tolist() == ["model", "tool"]
    assert frame.name.tolist() == ["m", "add"]
    assert frame.outcome.tolist() == ["done", "done"]
    assert frame.text.tolist() == ["hi", "2"]
    assert frame.arguments.tolist()[1] == '{"a": 1}'
    assert frame.took.tolist() == [0.5, 0.1]
    assert frame.prompt_tokens[0] == 10


def test_calls_that_failed_or_still_run_say_so() -> None:
    log = RunLog()
    failed = log.append(ModelStarted(model="m")).id
    log.append(ModelFinished(model="m", error="ModelTimeout: late", partial="He"), parent=failed)
    asked = log.append(ModelStarted(model="m")).id
    calls = CreateResult(
        finish_reason="function_calls",
        content=[FunctionCall(id="c", name="add", arguments="{}")],
        usage=RequestUsage(prompt_tokens=1, completion_tokens=1),
        cached=True,
    )
    log.append(ModelFinished(model="m", result=calls), parent=asked)
    bad = log.append(ToolStarted(tool="add")).id
    log.append(ToolFinished(tool="add", result="boom", is_error=True), parent=bad)
    log.append(ToolStarted(tool="add"))
    frame = calls_frame(log)

    assert frame.outcome.tolist() == ["failed", "done", "failed", "running"]
    assert frame.error.tolist()[0] == "ModelTimeout: late"
    assert frame.text.tolist()[:3] == ["He", "add({})", "boom"]
    assert frame.cached.tolist()[1] is True
    assert frame.took.isna().all()


def test_code_is_one_row_per_hand_over() -> None:
    log = worked()
    log.append(CodeStarted(executor="X", blocks=(CodeBlock("x", "sh"),)))
    frame = code_frame(log)

    assert frame.code.tolist() == ["print(1)\n\n2", "x"]
    assert frame.language.tolist() == ["python", "sh"]
    assert frame.outcome.tolist() == ["done", "running"]
    assert frame.figures.tolist()[0] == 1
    assert frame.exit_code.isna().tolist() == [False, True]


def test_a_message_of_an_unknown_class_keeps_its_name() -> None:
    log = RunLog()
    log.append(Said(message=UnknownMessage(source="x", data={"type": "Vote", "content": "aye"})))
    frame = messages_frame(log)

    assert (frame.type[0], frame.text[0]) == ("Vote", "aye")


def test_what_a_runtime_did_is_told_in_short_texts() -> None:
    log = RunLog()
    about = {"message_id": "m", "sort": "send"}
    log.append(AgentMade(agent="ana/k", role="Ana"))
    log.append(AgentMade(agent="ben/k", error="TypeError: no"))
    log.append(EnvelopeSent.model_validate({**about, "recipient": "ana/k", "type": "Add", "payload": '{"a":1}'}))
    log.append(EnvelopeSent.model_validate({**about, "type": "int", "payload": "2"}))
    log.append(EnvelopeIntercepted.model_validate({**about, "by": "Guard", "changed": True}))
    log.append(EnvelopeDelivered.model_validate({**about, "agent": "ana/k"}))
    log.append(EnvelopeDelivered.model_validate({**about, "agent": None}))
    log.append(EnvelopeHandled(message_id="m", agent="ana/k"), took=0.5)
    log.append(EnvelopeHandled(message_id="m", agent="ana/k", outcome="failed", error="bad"))
    log.append(EnvelopeDropped.model_validate({**about, "recipient": "ana/k", "by": "capacity"}))
    log.append(CapacityChanged(agent="ana/k", state="full"))
    frame = events_frame(log)

    assert frame.text[1] == "ben/k: TypeError: no"
    assert "ana/k" in frame.text[2]
    assert "outside" in frame.text[3]
    assert frame.text.tolist()[7:9] == ["ana/k: done", "ana/k: bad"]
    assert all(frame.text)
    assert frame.took.tolist()[7] == 0.5


def test_every_kind_of_fact_has_a_short_text() -> None:
    assert set(SUMMARIES) == set(BODIES)


def test_an_unknown_table_is_refused_with_the_known_ones() -> None:
    with pytest.raises(UnknownName, match=r"'mesages' \(known: 'messages', 'turns', .*Did you mean 'messages'\?"):
        to_df(RunLog(), "mesages")


def test_a_table_of_all_facts_takes_a_few_steps_for_each() -> None:
    logs = [worked(turns=turns) for turns in (100, 200)]
    for log in logs:
        events_frame(log)
    few, many = (steps(events_frame, log) for log in logs)

    assert many - few < 50 * (len(logs[1]) - len(logs[0]))


def test_what_a_row_says_is_seen_before_its_ids() -> None:
    """A notebook shows ten columns from the beginning: four were ids, and what was said was not seen."""
    for name, table in TABLES.items():
        columns = to_df(RunLog(), name).columns.tolist()

        assert columns == [column.name for column in table.columns]
        assert columns[:4] == ["run", "turn", "seq", "team"]
        assert columns[-4:] == ["run_id", "event_id", "parent_id", "turn_id"]
    assert to_df(RunLog()).columns[6:9].tolist() == ["type", "source", "text"]
