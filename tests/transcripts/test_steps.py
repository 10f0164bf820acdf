"""A run as its steps."""

from __future__ import annotations

from typing import Any

from agentnb.messages import (
    CodeGenerationEvent,
    CreateResult,
    FunctionExecutionResult,
    MemoryContent,
    MemoryMimeType,
    MemoryQueryEvent,
    RequestUsage,
    SelectorEvent,
    TextMessage,
    ThoughtEvent,
    ToolCallExecutionEvent,
)
from agentnb.runlog import (
    InputAnswered,
    InputRequested,
    ModelFinished,
    ModelStarted,
    Retracted,
    RunFinished,
    RunLog,
    RunStarted,
    Said,
    SpeakerChosen,
    TurnFinished,
    TurnStarted,
    Usage,
)
from agentnb.transcripts.steps import Act, steps
from tests.transcripts.talks import Turn, begin, end, take, talk
from tests.ui.sample import sample_log


def test_a_task_is_a_step_outside_of_turns_and_each_turn_is_one() -> None:
    found = steps(talk(("ana", "hello"), ("ben", "bye"), task="say something"))

    assert [(step.source, step.turn, step.text) for step in found] == [
        ("user", None, "say something"),
        ("ana", 1, "hello"),
        ("ben", 2, "bye"),
    ]
    assert [step.outcome for step in found] == [None, "done", "done"]
    assert [step.took for step in found] == [None, 1.5, 1.5]


def test_a_step_holds_what_was_called_run_thought_and_asked() -> None:
    kinds = {(act.kind, act.name): act for step in steps(sample_log()) for act in step.acts}

    assert kinds["calls", "weigh"] == Act("calls", "weigh", '{"species": "Gentoo", "unit": "g"}', "5076.02")
    assert kinds["runs", "JupyterCodeExecutor"].failed
    assert kinds["thinks", ""].given == "Group, then compare."
    assert kinds["asks", ""] == Act("asks", "", "Good enough?", "yes")


def test_a_tool_call_that_only_a_message_tells_of_counts_once() -> None:
    log, run = begin()
    turn = log.append(TurnStarted(agent="ana", turn=1), source="ana", parent=run).id
    result = FunctionExecutionResult(content="3", name="add", call_id="1")
    log.append(Said(message=ToolCallExecutionEvent(content=[result], source="ana")), parent=turn)

    assert steps(log)[1].acts == [Act("calls", "add", "", "3")]


def test_memories_are_acts_and_the_choice_of_a_speaker_is_not() -> None:
    log, run = begin()
    log.append(Said(message=SelectorEvent(content="ana", source="writers"), heard=False), parent=run)
    turn = log.append(TurnStarted(agent="ana", turn=1), source="ana", parent=run).id
    memory = MemoryContent(content="it rained", mime_type=MemoryMimeType.TEXT)
    log.append(Said(message=MemoryQueryEvent(content=[memory], source="ana")), parent=turn)
    log.append(Said(message=ThoughtEvent(content="hm", source="ana")), parent=turn)

    assert [(step.source, step.acts) for step in steps(log)][1:] == [
        ("ana", [Act("recalls", "", "it rained"), Act("thinks", "", "hm")])
    ]


def test_what_a_run_within_a_turn_did_belongs_to_the_turn() -> None:
    log, run = begin()
    turn = log.append(TurnStarted(agent="ana", turn=1), source="ana", parent=run).id
    inner = log.append(RunStarted(runner="inner", runner_type="T"), source="ana/inner", parent=turn).id
    log.append(Said(message=TextMessage(content="go", source="user"), left_out=True), parent=inner)
    take(log, inner, Turn("deep", "found it", usage=Usage(prompt_tokens=5, completion_tokens=2)), 1)
    log.append(RunFinished(outcome="done", turns=1), parent=inner, took=1.0)
    log.append(TurnFinished(agent="ana", turn=1), source="ana", parent=turn, took=2.0)

    _, step = steps(end(log, run, 1))

    assert (step.source, step.text, step.took) == ("ana", "found it", 2.0)
    assert (step.prompt_tokens, step.completion_tokens, step.cost_usd) == (5, 2, None)


def test_the_tokens_of_a_choice_belong_to_the_turn_it_leads_to() -> None:
    log, run = begin()
    asked = log.append(ModelStarted(model="m"), source="writers", parent=run).id
    result = CreateResult(finish_reason="stop", content="ben", usage=RequestUsage(7, 1), cached=False)
    usage = Usage(prompt_tokens=7, completion_tokens=1, cost_usd=0.5)
    log.append(ModelFinished(model="m", result=result), parent=asked, usage=usage)
    take(log, run, Turn("ben", "hi", why="he knows", usage=Usage(prompt_tokens=3, completion_tokens=2, cost_usd=1)), 1)

    step = steps(log)[1]

    assert (step.prompt_tokens, step.completion_tokens, step.cost_usd) == (10, 3, 1.5)
    assert step.choice == SpeakerChosen(names=("ben",), why="he knows", rule="model")


def test_a_turn_that_broke_off_and_was_taken_up_again_is_one_step() -> None:
    log, run = begin()
    broken = log.append(TurnStarted(agent="ana", turn=1), source="ana", parent=run)
    log, run = begin(log, task=None, continues=run, resumed=True)
    turn = log.append(TurnStarted(agent="ana", turn=1, again=broken.seq), source="ana", parent=run).id
    log.append(Said(message=TextMessage(content="hello", source="ana")), source="ana", parent=turn)
    log.append(TurnFinished(agent="ana", turn=1), source="ana", parent=turn, took=1.0)

    assert [(step.source, step.text, step.outcome) for step in steps(log)] == [
        ("user", "go", None),
        ("ana", "hello", "done"),
    ]


def test_what_was_taken_back_was_not_said() -> None:
    log, run = begin()
    turn = log.append(TurnStarted(agent="ana", turn=1), source="ana", parent=run).id
    said = log.append(Said(message=TextMessage(content="wrong", source="ana")), source="ana", parent=turn).seq
    asked = log.append(InputRequested(input_id="q", prompt="ok?"), source="ana", parent=turn)
    log.append(Retracted(said=said), source="ana", parent=turn)
    log.append(InputAnswered(input_id="q", text="no"), parent=asked.parent)

    assert steps(log)[1].acts == [Act("asks", "", "ok?", "no")]


def test_a_task_that_was_taken_back_is_no_step() -> None:
    log, run = begin()
    log.append(Retracted(said=2), parent=run)

    assert steps(log) == []


def test_an_empty_log_has_no_steps_and_a_turn_that_goes_on_has_no_outcome() -> None:
    log, run = begin()
    log.append(TurnStarted(agent="ana", turn=1), source="ana", parent=run)

    assert steps(RunLog()) == []
    assert (steps(log)[1].outcome, steps(log)[1].took) == (None, None)


def test_ids_and_times_are_no_part_of_what_must_be_equal() -> None:
    turns: Any = [Turn("ana", "hello", tool=("add", {"b": 2, "a": 1}, "3"))]
    one, other = talk(*turns), talk(Turn("ana", "hello", tool=("add", {"a": 1, "b": 2}, "3")))

    assert [step.content for step in steps(one)] == [step.content for step in steps(other)]


def test_who_writes_code_is_said_to_write_it() -> None:
    log = RunLog()
    run = log.append(RunStarted(runner="team", runner_type="T"), source="team").id
    turn = log.append(TurnStarted(agent="ana", turn=1), source="ana", parent=run).id
    wrote = CodeGenerationEvent(source="ana", content="Look.", code_blocks=[], retry_attempt=0)
    log.append(Said(message=wrote), source="ana", parent=turn)

    assert [act for step in steps(log) for act in step.acts] == [Act("thinks", "and writes code", "Look.")]
