"""From facts to items."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentnb.core import Clock, EventId
from agentnb.messages import (
    CodeBlock,
    CodeExecutionEvent,
    CodeGenerationEvent,
    CodeResult,
    HandoffMessage,
    ModelClientStreamingChunkEvent,
    TextMessage,
    ThoughtEvent,
    ToolCallExecutionEvent,
    UnknownMessage,
)
from agentnb.messages.llm import FunctionExecutionResult
from agentnb.runlog import (
    AgentState,
    CodeFinished,
    CodeStarted,
    ErrorRaised,
    InputAnswered,
    InputRequested,
    ModelFinished,
    ModelStarted,
    OutputChunk,
    Retracted,
    RunFinished,
    RunLog,
    RunStarted,
    Said,
    SpeakerChosen,
    TurnFinished,
    TurnStarted,
    UnknownFact,
)
from agentnb.ui.bundle import plain_item
from agentnb.ui.items import ItemFold, fold_items, fold_messages
from agentnb.ui.page import page as page_of
from tests.strategies import bodies, names

Item = dict[str, Any]


class Page:
    """What widgets/src/shared/store.ts does with ops, in a few lines."""

    def __init__(self) -> None:
        self.n = 0
        self.items: dict[str, Item] = {}
        self.status: dict[str, Any] = {}
        self.question: dict[str, Any] | None = None

    def load(self, fold: ItemFold) -> None:
        snapshot = json.loads(json.dumps({"items": fold.items, "status": fold.status, "question": fold.question}))
        self.n, self.items = fold.n, {item["id"]: item for item in snapshot["items"]}
        self.status, self.question = snapshot["status"], snapshot["question"]

    def apply(self, ops: list[dict[str, Any]]) -> None:
        for op in json.loads(json.dumps(ops)):
            self.n += 1
            match op.pop("op"):
                case "add":
                    assert op["item"]["id"] not in self.items
                    self.items[op["item"]["id"]] = op["item"]
                case "text":
                    item = self.items[op["id"]]
                    item["text"] = item.get("text", "") + op["text"]
                case "set":
                    self.items[op["id"]] |= op
                case "drop":
                    del self.items[op["id"]]
                case "status":
                    self.status = op["status"]
                case "ask":
                    self.question = op["question"]
                case "answered":
                    if self.question and self.question["id"] == op["id"]:
                        self.question = None
                case other:
                    raise AssertionError(other)

    def same_as(self, fold: ItemFold) -> bool:
        return (
            list(self.items.values()) == fold.items
            and self.status == fold.status
            and self.question == fold.question
            and self.n == fold.n
        )


def started(log: RunLog, agent: str = "a") -> tuple[EventId, EventId]:
    run = log.append(RunStarted(runner="team", runner_type="T", model="m"), source="team").id
    return run, log.append(TurnStarted(agent=agent, turn=1), source=agent, parent=run).id


def feeding(fold: ItemFold) -> Callable[[Any], None]:
    def feed(piece: Any) -> None:
        fold.feed(piece)

    return feed


def shown(fold: ItemFold, *fields: str) -> list[tuple[Any, ...]]:
    return [tuple(item.get(field) for field in fields) for item in fold.items]


def test_a_run_becomes_the_items_a_reader_expects(run_log: RunLog) -> None:
    fold = fold_items(run_log)

    assert shown(fold, "kind", "source", "label", "open") == [
        ("note", None, None, True),
        ("event", "analysts", "penguins handed over", False),
        ("task", "user", None, True),
        ("event", "coder", "thought", False),
        ("message", "coder", "fixed plan · 312 tokens", True),
        ("code", "kernel", "runs the code above", False),
        ("output", "kernel", "0.4 s", True),
        ("event", "kernel", "what the others read", False),
        ("code", "kernel", None, True),
        ("output", "kernel", "NameError: name 'x' is not defined · exit code 1 · 0.1 s", False),
        ("event", "kernel", "weigh", False),
        ("message", "person", "answered", True),
        ("error", "analysts", "ModelTimeout", True),
        ("event", None, "traceback", False),
    ]
    assert fold.status | {"seconds": 0} == {
        "state": "failed",
        "turns": 3,
        "tokens": 312,
        "seconds": 0,
        "model": "openai:gpt-4o-mini",
        "team": "analysts",
        "reason": "ModelTimeout: The server did not answer within 60 s.",
    }


def test_outputs_are_text_then_table_then_figure(run_log: RunLog) -> None:
    output = next(item for item in fold_items(run_log).items if item["kind"] == "output")

    assert [part["mime"] for part in output["parts"]] == ["text/plain", "text/html", "image/png"]
    assert output["parts"][0]["data"] == "Gentoo is heaviest\n"
    assert output["parts"][1]["data"].startswith("<div>")
    assert "class" not in output["parts"][1]["data"]


@given(st.integers(0, 40))
def test_a_snapshot_and_the_rest_give_what_the_whole_gives(cut: int) -> None:
    log = every_kind()
    fold, page = ItemFold(), Page()
    pieces = list(log)
    for piece in pieces[:cut]:
        fold.feed(piece)
    page.load(fold)
    for piece in pieces[cut:]:
        before = fold.n
        ops = fold.feed(piece)
        page.apply(ops)
        assert fold.n == before + len(ops)

    assert page.same_as(fold)
    assert fold.items == fold_items(log).items


@given(st.lists(st.tuples(bodies, st.integers(0, 12), names), max_size=12))
def test_any_facts_in_any_order_keep_page_and_fold_the_same(facts: list[tuple[Any, int, str]]) -> None:
    log, fold, page = RunLog(run_id="r"), ItemFold(), Page()
    log.watch(lambda piece: page.apply(fold.feed(piece)))
    for body, parent, source in facts:
        log.append(body, parent=EventId(f"r:{parent}") if parent else None, source=source, took=0.5)
    for item in fold.items:
        plain_item(item)

    assert page.n == fold.n
    assert list(page.items.values()) == fold.items
    assert page.question == fold.question
    assert "<script" not in page_of(fold.items, fold.status)


def every_kind() -> list[Any]:
    """Facts and fanned-out pieces of a run, in order."""
    log = RunLog(run_id="r")
    pieces: list[Any] = []
    log.watch(pieces.append)
    run, turn = started(log)
    log.append(ModelStarted(model="m"), source="a", parent=turn)
    for piece in ("He", "llo", " \ud83d"):
        log.fan_out(ModelClientStreamingChunkEvent(content=piece, source="a", full_message_id="1"))
    log.append(ModelFinished(model="m"), source="a", parent=EventId("r:3"))
    log.append(Said(message=TextMessage(id="1", content="Hello", source="a")), source="a", parent=turn)
    code = log.append(CodeStarted(executor="X", blocks=(CodeBlock("1", "python"),)), source="a", parent=turn)
    log.fan_out(OutputChunk(code=code.id, data={"text/plain": "one\n"}))
    log.fan_out(OutputChunk(code=code.id, data={"text/html": "<table><tr><td>1</td></tr></table>"}))
    log.fan_out(OutputChunk(code=code.id, data={"text/plain": "two\n"}))
    log.append(CodeFinished(executor="X", exit_code=0, output="one\ntwo\n"), source="a", parent=code.id)
    log.append(InputRequested(input_id="q", prompt="?"), source="a", parent=turn)
    log.append(InputRequested(input_id="q2", prompt="??"), source="b", parent=turn)
    log.append(InputAnswered(input_id="q", text="yes"), parent=turn)
    log.append(SpeakerChosen(names=("b",)), source="team")
    log.append(AgentState(agent="a", state={}), source="a")
    log.append(UnknownFact(data={"kind": "new"}))
    log.append(ErrorRaised(type="E", message="m", traceback="t"), parent=run)
    log.append(RunFinished(outcome="failed", turns=1), source="team", parent=run)
    return pieces


def test_the_same_run_live_and_from_its_file_shows_the_same() -> None:
    pieces = every_kind()
    live, read = ItemFold(), ItemFold()
    for piece in pieces:
        live.feed(piece)
        if hasattr(piece, "seq"):
            read.feed(piece)

    assert shown(live, "kind", "text", "label", "open") == [
        (kind, text if text else live_text, label if label else live_label, is_open)
        for (kind, text, label, is_open), (_, live_text, live_label, _) in zip(
            shown(read, "kind", "text", "label", "open"), shown(live, "kind", "text", "label", "open"), strict=True
        )
    ]
    assert live.status == read.status
    assert live.question is None


def test_output_is_shown_while_code_runs_and_can_be_cleared() -> None:
    log, fold = RunLog(), ItemFold()
    log.watch(feeding(fold))
    _, turn = started(log)
    code = log.append(CodeStarted(executor="X", blocks=(CodeBlock("1", "python"),)), source="a", parent=turn).id
    log.fan_out(OutputChunk(code=code, data={"text/plain": "10 %", "stream": "stdout"}))
    log.fan_out(OutputChunk(code=code, data={"image/png": "AAAA"}))
    first = shown(fold, "kind", "text", "streaming")[-1]
    log.fan_out(OutputChunk(code=code, data={"clear_output": True}))
    cleared = fold.items[-1]
    error = {"error": {"ename": "E", "evalue": "v", "traceback": "E: v"}}
    log.append(CodeFinished(executor="X", exit_code=1, outputs=(error,)), source="a", parent=code)

    assert first == ("output", "10 %", True)
    assert (cleared["text"], cleared["parts"]) == ("", [])
    assert shown(fold, "kind", "label", "streaming", "open")[-1] == ("output", "exit code 1", False, True)
    assert fold.items[-1]["parts"] == [{"mime": "text/plain", "data": "E: v"}]


def test_a_streamed_text_is_one_item_that_the_message_makes_final() -> None:
    fold = ItemFold()
    for piece in ("Hel", "lo"):
        fold.feed(ModelClientStreamingChunkEvent(content=piece, source="a", full_message_id="m1"))
    streaming = fold.items
    ops = fold_feed_said(fold, TextMessage(id="m1", content="Hello!", source="a"))

    assert [(item["id"], item["text"], item["streaming"]) for item in streaming] == [("m1", "Hello", True)]
    assert [op["op"] for op in ops] == ["set"]
    assert shown(fold, "id", "text", "streaming", "format") == [("m1", "Hello!", False, "markdown")]


def fold_feed_said(fold: ItemFold, message: Any) -> list[dict[str, Any]]:
    log = RunLog(run_id="x")
    return fold.feed(log.append(Said(message=message), source=message.source))


def test_a_message_with_another_id_replaces_what_its_source_streamed() -> None:
    fold = ItemFold()
    fold.feed(ModelClientStreamingChunkEvent(content="Hel", source="a"))
    fold_feed_said(fold, TextMessage(id="m2", content="Hello", source="a"))

    assert shown(fold, "id", "text") == [("m2", "Hello")]


def test_a_streamed_thought_is_not_shown_twice() -> None:
    fold = ItemFold()
    fold.feed(ModelClientStreamingChunkEvent(content="hmm", source="a", full_message_id="m1"))
    fold_feed_said(fold, ThoughtEvent(content="hmm", source="a"))

    assert shown(fold, "kind", "text") == [("event", "hmm")]


def test_an_answer_cut_short_is_kept_and_says_so() -> None:
    log, fold = RunLog(), ItemFold()
    log.watch(feeding(fold))
    run, turn = started(log)
    model = log.append(ModelStarted(model="m"), source="a", parent=turn)
    log.fan_out(ModelClientStreamingChunkEvent(content="Once upon", source="a", full_message_id="m1"))
    log.append(ModelFinished(model="m", error="CancelledError", partial="Once upon"), source="a", parent=model.id)
    log.append(TurnFinished(agent="a", turn=1, outcome="stopped"), source="a", parent=turn)
    log.append(RunFinished(outcome="stopped"), source="team", parent=run)

    assert shown(fold, "kind", "text", "label") == [("message", "Once upon", "cut short")]
    assert fold.items == fold_items(log).items


def test_asking_a_model_is_shown_until_it_answers() -> None:
    log, fold = RunLog(), ItemFold()
    log.watch(feeding(fold))
    _, turn = started(log)
    model = log.append(ModelStarted(model="openai:gpt-4o-mini"), source="a", parent=turn)
    while_asking = shown(fold, "kind", "source", "text")
    log.append(ModelFinished(model="m"), source="a", parent=model.id)

    assert while_asking == [("note", "a", "asking openai:gpt-4o-mini…")]
    assert fold.items == []


def test_a_question_is_open_until_answered_and_the_next_one_follows() -> None:
    log, fold, page = RunLog(), ItemFold(), Page()
    log.watch(lambda piece: page.apply(fold.feed(piece)))
    _, turn = started(log)
    for key in ("q1", "q2"):
        log.append(InputRequested(input_id=key, prompt=f"{key}?", choices=("y", "n")), source="a", parent=turn)
    first, state = page.question, page.status["state"]
    log.append(InputAnswered(input_id="q1", text="y"), source="a")

    assert first == {"id": "q1", "source": "a", "prompt": "q1?", "choices": ["y", "n"]}
    assert state == "waiting"
    assert page.question is not None
    assert page.question["id"] == "q2"
    assert [item["text"] for item in fold.items if item.get("label") == "q1? · answered"] == ["y"]


def test_a_question_nobody_answered_is_closed_with_its_turn() -> None:
    log, fold, page = RunLog(), ItemFold(), Page()
    log.watch(lambda piece: page.apply(fold.feed(piece)))
    _, turn = started(log)
    log.append(InputRequested(input_id="q1", prompt="?"), source="a", parent=turn)
    log.append(TurnFinished(agent="a", turn=1), source="a", parent=turn)

    assert page.question is None
    assert page.status["state"] == "running"


def test_code_that_no_message_showed_is_open() -> None:
    log = RunLog()
    _, turn = started(log)
    log.append(CodeStarted(executor="X", blocks=(CodeBlock("1 + 1", "python"),)), source="a", parent=turn)

    assert shown(fold_items(log), "kind", "text", "language", "open") == [("code", "1 + 1", "python", True)]


def test_a_message_said_to_repeat_output_is_open_if_no_code_ran() -> None:
    """A refused approval is answered with the same metadata, and nothing else tells of it."""
    log = RunLog()
    _, turn = started(log)
    message = TextMessage(content="not approved", source="a", metadata={"code_output": "yes"})
    log.append(Said(message=message), source="a", parent=turn)

    assert shown(fold_items(log), "kind", "open") == [("message", True)]


def test_a_tools_result_without_a_fact_of_its_own_is_shown() -> None:
    result = FunctionExecutionResult(content="42", name="ask", call_id="c9")

    assert shown(fold_messages([ToolCallExecutionEvent(content=[result], source="a")]), "label", "text", "open") == [
        ("ask", "42", False)
    ]


def test_a_nested_team_does_not_end_the_run_or_repeat_its_task(clock: Clock) -> None:
    log = RunLog()
    _, turn = started(log)
    task = TextMessage(content="go", source="user")
    log.append(Said(message=task), source="a", parent=turn)
    inner = log.append(RunStarted(runner="inner", runner_type="T"), source="inner", parent=turn)
    log.append(Said(message=task), source="inner", parent=inner.id)
    log.append(RunFinished(outcome="failed", turns=9), source="inner", parent=inner.id)
    fold = fold_items(log)

    assert shown(fold, "text") == [("go",)]
    assert (fold.status["state"], fold.status["team"], fold.status["turns"]) == ("running", "team", 1)


def test_a_plan_that_a_manager_announces_before_the_first_turn_is_no_task() -> None:
    log = RunLog()
    run = log.append(RunStarted(runner="team", runner_type="T"), source="team").id
    log.append(Said(message=TextMessage(content="go", source="user")), source="team", parent=run)
    log.append(Said(message=TextMessage(content="- a plan", source="boss")), source="boss", parent=run)

    assert shown(fold_items(log), "kind", "format") == [("task", "plain"), ("message", "markdown")]


@pytest.mark.parametrize(
    ("metadata", "label"),
    [({}, "writes code"), ({"edited": "a person changed the code"}, "code changed before it ran · a person changed")],
)
def test_code_that_somebody_changed_says_so(metadata: dict[str, str], label: str) -> None:
    log = RunLog()
    _, turn = started(log)
    event = CodeGenerationEvent(retry_attempt=0, content="x", code_blocks=[], source="a", metadata=metadata)
    log.append(Said(message=event), source="a", parent=turn)

    ((found,),) = shown(fold_items(log), "label")
    assert found.startswith(label)


def test_a_second_run_in_the_same_log_shows_its_task_again() -> None:
    log = RunLog()
    task = TextMessage(content="go", source="user")
    for _ in range(2):
        run = log.append(RunStarted(runner="team", runner_type="T"), source="team").id
        log.append(Said(message=task), source="team", parent=run)
        log.append(RunFinished(outcome="done"), source="team", parent=run)

    assert shown(fold_items(log), "kind", "text") == [("task", "go"), ("task", "go")]


def test_odd_messages_are_shown_as_well_as_can_be() -> None:
    fold = fold_messages(
        [
            UnknownMessage(source="x", data={"type": "New", "content": "\x1b[31mhi"}),
            HandoffMessage(source="a", target="b", content="yours"),
        ]
    )

    assert shown(fold, "text", "format", "label") == [
        ("hi", "plain", None),
        ("yours", "markdown", "hands over to b"),
    ]


def test_every_op_can_be_written_as_json(run_log: RunLog) -> None:
    fold = ItemFold()
    for event in run_log:
        json.dumps(fold.feed(event), allow_nan=False).encode()


def test_a_message_of_a_megabyte_stays_whole() -> None:
    fold = fold_messages([TextMessage(content="x" * 1_000_000, source="a")])

    assert len(fold.items[0]["text"]) == 1_000_000


def told(fold: ItemFold) -> list[tuple[str, str, str]]:
    return [(item["kind"], item.get("label", ""), item.get("text", "")) for item in fold.items]


def broken_log() -> RunLog:
    """A run whose second turn broke off while a model was asked."""
    log = RunLog(run_id="r")
    run = log.append(RunStarted(runner="t", runner_type="T"), source="t")
    log.append(Said(message=TextMessage(content="go", source="user")), source="t", parent=run.id)
    for name in ("ana", "ben"):
        turn = log.append(TurnStarted(agent=name, turn=1), source=name, parent=run.id)
        log.append(Said(message=TextMessage(content=f"{name} 1", source=name)), source=name, parent=turn.id)
        if name == "ana":
            log.append(TurnFinished(agent=name, turn=1), source=name, parent=turn.id)
    log.append(ModelStarted(model="m"), source="ben", parent=turn.id)
    return log


def take_up(log: RunLog) -> None:
    again = log.append(RunStarted(runner="t", runner_type="T", continues="r:1", resumed=True), source="t")
    log.append(Retracted(said=7, anew=True), source="t", parent=again.id)
    turn = log.append(TurnStarted(agent="ben", turn=1, again=6), source="ben", parent=again.id)
    log.append(Said(message=TextMessage(content="ben 1", source="ben")), source="ben", parent=turn.id)


def test_a_run_that_is_taken_up_says_anew_what_its_broken_turn_had_said() -> None:
    log = broken_log()
    live = ItemFold()
    for event in log:
        live.feed(event)
    assert ("note", "", "asking m…") in told(live)

    seen = len(log)
    take_up(log)
    for event in log.since(seen):
        live.feed(event)

    assert told(live) == [
        ("task", "", "go"),
        ("message", "", "ana 1"),
        ("note", "", "The run broke off here, and is taken up again."),
        ("note", "", "takes up the turn that broke off"),
        ("message", "", "ben 1"),
    ]
    assert live.items == fold_items(log).items
    assert (live.status["turns"], live.status["state"]) == (2, "running")


def test_the_time_between_two_runs_of_a_log_does_not_count() -> None:
    log = broken_log()
    take_up(log)
    log.append(RunFinished(outcome="done", turns=1), parent=EventId("r:9"))
    began = datetime(2026, 1, 1, tzinfo=UTC)
    days = [began + timedelta(days=event.seq // 9, seconds=event.seq) for event in log]
    events = [event.model_copy(update={"at": at}) for event, at in zip(log, days, strict=True)]

    # 7 seconds from fact 1 to 8, then those from fact 9 to the last.
    assert fold_items(events).status["seconds"] == 7.0 + (len(log) - 9)
    assert fold_items(events).status["turns"] == 2


def test_code_that_ran_in_a_turn_that_is_taken_up_is_shown_once() -> None:
    log = RunLog(run_id="r")
    run = log.append(RunStarted(runner="t", runner_type="T"), source="t")
    turn = log.append(TurnStarted(agent="ana", turn=1), source="ana", parent=run.id)
    code = log.append(CodeStarted(executor="e", blocks=(CodeBlock(code="1+1", language="python"),)), parent=turn.id)
    log.append(CodeFinished(executor="e", exit_code=0, output="2"), parent=code.id)
    again = log.append(RunStarted(runner="t", runner_type="T", continues=run.id, resumed=True), source="t")
    turn = log.append(TurnStarted(agent="ana", turn=1, again=turn.seq), source="ana", parent=again.id)
    result = CodeExecutionEvent(source="ana", retry_attempt=0, result=CodeResult(exit_code=0, output="2"))
    log.append(Said(message=result), source="ana", parent=turn.id)

    assert [kind for kind, _, _ in told(fold_items(log))] == ["code", "output", "note", "note"]


def test_a_message_that_nobody_was_told_is_shown_as_taken_back() -> None:
    log = broken_log()
    log.append(Retracted(said=4))

    (back,) = (item for item in fold_items(log).items if item.get("text") == "ana 1")
    assert (back["kind"], back["label"], back["open"]) == ("event", "taken back", False)


def test_a_branch_says_where_it_begins_and_why() -> None:
    log = broken_log().branch(at=5, why="check: too short.")

    assert told(fold_items(log))[-1] == ("note", "", "From here on a branch of the run r goes on (check: too short).")


def test_a_fold_that_goes_on_in_a_branch_shows_what_it_does_not_share_as_taken_back() -> None:
    log, fold, page = broken_log(), ItemFold(), Page()
    added: list[str] = []

    def feed(event: Any) -> None:
        ops = fold.feed(event)
        page.apply(ops)
        added.extend(op["item"]["id"] for op in ops if op["op"] == "add")

    for event in log:
        feed(event)
    branch = log.branch(at=5)
    again = branch.append(RunStarted(runner="t", runner_type="T", continues="r:1", resumed=True), source="t")
    turn = branch.append(TurnStarted(agent="cy", turn=1), source="cy", parent=again.id)
    branch.append(ModelStarted(model="m"), source="cy", parent=turn.id)
    for event in branch.since(5):
        feed(event)

    assert told(fold) == [
        ("task", "", "go"),
        ("message", "", "ana 1"),
        ("event", "taken back", "ben 1"),
        ("note", "", "From here on a branch of the run r goes on."),
        ("note", "", "asking m…"),
    ]
    assert fold.status["turns"] == 2
    assert list(page.items.values()) == fold.items
    assert len(added) == len(set(added)), "an id was used twice"


def test_a_person_reads_all_of_the_code_they_are_asked_about() -> None:
    log, fold = RunLog(), ItemFold()
    _, turn = started(log)
    prompt, proposed = "Run this?\n\n```python\nevil()\rok()\n```", "a\rb"
    log.append(InputRequested(input_id="q", prompt=prompt, suggestion=proposed), source="a", parent=turn)
    for event in log:
        fold.feed(event)

    assert fold.question is not None
    assert fold.question["prompt"] == "Run this?\n\n```python\nevil()\nok()\n```"
    assert fold.question["suggestion"] == "a\nb"


def test_an_answer_stands_with_its_question_and_code_in_it_is_code() -> None:
    log = RunLog()
    _, turn = started(log)
    for key, prompt, text in (("q1", "Run this code?\n\nx", "edit"), ("q2", "Which: ", "```python\nif a:\n    b\n```")):
        log.append(InputRequested(input_id=key, prompt=prompt), source="coder", parent=turn)
        log.append(InputAnswered(input_id=key, text=text, by="widget"), source="coder", parent=turn)

    assert shown(fold_items(log), "label", "text", "format", "open") == [
        ("Run this code? · answered", "edit", "plain", True),
        ("Which · answered", "```python\nif a:\n    b\n```", "markdown", False),
    ]


def test_a_message_without_words_says_that_it_has_none() -> None:
    log = RunLog()
    _, turn = started(log)
    log.append(Said(message=TextMessage(content=" \n", source="a")), source="a", parent=turn)

    assert shown(fold_items(log), "label") == [("says nothing",)]


def test_an_error_that_breaks_a_run_off_names_whose_turn_it_was() -> None:
    log = RunLog()
    run, turn = started(log)
    log.append(TurnFinished(agent="a", turn=1, outcome="failed"), source="a", parent=turn)
    log.append(ErrorRaised(type="ConnectionError", message="down"), parent=run)

    assert shown(fold_items(log), "kind", "source", "label") == [("error", "a", "ConnectionError")]
