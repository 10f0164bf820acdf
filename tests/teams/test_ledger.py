"""The progress ledger, however a model writes it down."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agentnb.teams.ledger import Judgement, ProgressLedger, Reading, Wish, ledger_format, read_ledger

NAMES = ("ana", "Ben", "web_surfer")


def ledger(speaker: Any = "ana", **changes: Any) -> dict[str, Any]:
    """Return a ledger as a model should write it, with some entries changed; None leaves an entry out."""
    entries: dict[str, Any] = {
        "is_request_satisfied": {"reason": "not yet", "answer": False},
        "is_in_loop": {"reason": "no", "answer": False},
        "is_progress_being_made": {"reason": "yes", "answer": True},
        "next_speaker": {"reason": "she can", "answer": speaker},
        "instruction_or_question": {"reason": "it is next", "answer": 'Do {this} and "that".'},
    }
    return {key: entry for key, entry in (entries | changes).items() if entry is not None}


WHOLE = json.dumps(ledger(), indent=2)
BROKEN = WHOLE.replace('"answer": true\n', '"answer": True,\n')


def speaker_of(reading: Reading) -> str:
    assert reading.ledger is not None, reading.problem
    return reading.ledger.next_speaker.answer


@pytest.mark.parametrize(
    "reply",
    [
        WHOLE,
        f"```json\n{WHOLE}\n```",
        f"Here it is:\n```\n{WHOLE}\n```\nI hope {{this}} helps.",
        f"My thoughts {{so far}} are many. {WHOLE} That is all.",
        f'<think>A ledger is {{"a": 1}}.</think>{WHOLE}',
        f"```python\nprint({{}})\n```\n{WHOLE}",
    ],
    ids=["plain", "fenced", "fenced among words", "among words", "after a thought", "beside code"],
)
def test_a_ledger_is_found_wherever_it_stands(reply: str) -> None:
    reading = read_ledger(reply, NAMES)

    assert reading == Reading(ProgressLedger.model_validate(ledger()))


def test_of_a_draft_and_the_ledger_after_it_the_last_counts() -> None:
    draft, last = json.dumps(ledger("Ben")), json.dumps(ledger("web_surfer"))

    assert speaker_of(read_ledger(f"First: {draft}\nNo, better: {last}", NAMES)) == "web_surfer"
    assert speaker_of(read_ledger(f"```json\n{draft}\n```\n```json\n{last}\n```", NAMES)) == "web_surfer"


@pytest.mark.parametrize(
    "reply",
    [
        BROKEN,
        f"```json\n{BROKEN}\n```",
        f"I think {{hm}} this: {BROKEN}",
        WHOLE.replace('"', "'"),
        WHOLE.removesuffix("}"),
        f"[{BROKEN}]",
    ],
    ids=["trailing comma", "in a fence", "among words", "single quotes", "no end", "in a list"],
)
def test_broken_json_is_mended_and_said_to_be(reply: str) -> None:
    reading = read_ledger(reply, NAMES)

    assert speaker_of(reading) == "ana"
    assert reading.repaired


def test_a_reply_that_was_cut_off_is_not_mended_for_its_instruction_may_lack_its_end() -> None:
    reading = read_ledger(WHOLE.removesuffix('"that\\"."\n  }\n}'), NAMES, complete=False)

    assert reading.ledger is None
    assert reading.problem.startswith("It was cut off. It is not valid JSON (")


def test_without_json_repair_broken_json_is_a_problem_and_not_an_import_error() -> None:
    program = (
        "import sys; sys.modules['json_repair'] = None\n"
        "from agentnb.teams.ledger import can_repair, read_ledger\n"
        f"reading = read_ledger({BROKEN!r}, ['ana', 'ben'])\n"
        "print(can_repair(), reading.ledger, reading.problem)"
    )

    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("False None It is not valid JSON (")


def test_missing_keys_are_all_named() -> None:
    lacking = ledger(is_in_loop=None, next_speaker=None, instruction_or_question={"reason": "?"})

    assert read_ledger(json.dumps(lacking), NAMES).problem == (
        "It lacks is_in_loop, next_speaker, instruction_or_question.answer."
    )


def test_what_is_no_yes_or_no_is_named_with_its_value() -> None:
    unsure = ledger(is_in_loop={"reason": "hm", "answer": "maybe"})

    assert read_ledger(json.dumps(unsure), NAMES).problem.startswith("is_in_loop.answer is 'maybe' (Input should be")


@pytest.mark.parametrize(
    ("reply", "says"),
    [
        ("", "It is not valid JSON"),
        ("I cannot do that.", "It is not valid JSON"),
        ("[1, 2]", "it must be an object"),
        ("{}", "It lacks is_request_satisfied, is_in_loop"),
        ("```python\n1\n```", "only JSON is read"),
        ('{"a":' * 5000, ""),
    ],
)
def test_what_is_no_ledger_at_all_is_told_to_the_model(reply: str, says: str) -> None:
    reading = read_ledger(reply, NAMES)

    assert reading.ledger is None
    assert reading.problem
    assert says in reading.problem


def test_small_models_may_leave_out_reasons_and_write_yes() -> None:
    terse = {
        "is_request_satisfied": "no",
        "is_in_loop": False,
        "is_progress_being_made": {"answer": "yes"},
        "next_speaker": "Ben",
        "instruction_or_question": {"answer": "Go on."},
    }

    assert read_ledger(json.dumps(terse), NAMES).ledger == ProgressLedger(
        is_request_satisfied=Judgement(reason="", answer=False),
        is_in_loop=Judgement(reason="", answer=False),
        is_progress_being_made=Judgement(reason="", answer=True),
        next_speaker=Wish(reason="", answer="Ben"),
        instruction_or_question=Wish(reason="", answer="Go on."),
    )


@pytest.mark.parametrize(("written", "meant"), [("ben", "Ben"), (" ANA\n", "ana"), ("Web_Surfer", "web_surfer")])
def test_a_name_may_be_written_in_other_case(written: str, meant: str) -> None:
    assert speaker_of(read_ledger(json.dumps(ledger(written)), NAMES)) == meant


def test_names_that_differ_in_case_alone_must_be_written_as_they_are() -> None:
    assert speaker_of(read_ledger(json.dumps(ledger("ANA")), ("ana", "ANA"))) == "ANA"
    assert read_ledger(json.dumps(ledger("Ana")), ("ana", "ANA")).ledger is None


def test_a_stranger_is_a_problem_while_there_is_work_to_do() -> None:
    assert read_ledger(json.dumps(ledger("zoe")), NAMES).problem == (
        "next_speaker.answer is 'zoe', and nobody of that name is in the team."
    )


def test_who_speaks_next_does_not_matter_once_the_task_is_done() -> None:
    done = ledger("nobody", is_request_satisfied={"reason": "all there", "answer": True})

    assert read_ledger(json.dumps(done), NAMES).ledger is not None


def test_one_alone_is_the_next_speaker_whatever_the_model_wrote() -> None:
    assert speaker_of(read_ledger(json.dumps(ledger("zoe")), ("ana",))) == "ana"


@pytest.mark.parametrize(
    ("loop", "progress", "stuck"), [(False, True, False), (True, True, True), (False, False, True), (True, False, True)]
)
def test_a_loop_or_no_progress_is_a_stall(loop: bool, progress: bool, stuck: bool) -> None:
    entries = ledger(is_in_loop=loop, is_progress_being_made=progress)

    assert ProgressLedger.model_validate(entries).stuck is stuck


def test_structured_output_can_name_only_members_of_the_team() -> None:
    schema = ledger_format(NAMES).model_json_schema()

    assert schema["title"] == "ProgressLedger"
    assert schema["$defs"]["NextSpeaker"]["properties"]["answer"]["enum"] == list(NAMES)
    assert schema["required"] == list(ProgressLedger.model_fields)
    assert ledger_format(("ana",)) is ProgressLedger


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet='{}[]"\\`:, \nabj', max_size=80), st.booleans())
def test_whatever_a_model_writes_is_read_or_named_a_problem(words: str, complete: bool) -> None:
    alone, around = read_ledger(words, NAMES, complete=complete), read_ledger(f"{words}\n{WHOLE}", NAMES)

    assert (alone.ledger is None) is bool(alone.problem)
    assert (around.ledger is None) is bool(around.problem)
