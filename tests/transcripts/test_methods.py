"""The paragraph for a methods section, sentence by sentence."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import pytest

from agentnb.core import Clock, set_clock
from agentnb.runlog import (
    InputAnswered,
    InputRequested,
    Participant,
    RunFinished,
    RunLog,
    RunStarted,
    ToolFinished,
    ToolStarted,
    TurnFinished,
    TurnStarted,
    Usage,
)
from agentnb.transcripts import provenance
from agentnb.transcripts.methods import SENTENCES, counted, duration, listed, number
from tests.transcripts.talks import Turn, begin, end, take, talk
from tests.transcripts.test_provenance import agent, ask, client, sha, team


class Day(Clock):
    """A clock that stands still until it is set."""

    def __init__(self) -> None:
        super().__init__()
        self.time = datetime(2026, 3, 1, 12, tzinfo=UTC)

    def now(self) -> datetime:
        return self.time


@pytest.fixture(autouse=True)
def clock() -> Iterator[Day]:
    day = Day()
    with set_clock(day):
        yield day


def told(log: RunLog, about: str) -> list[str]:
    """Return the sentences that one of the writers gives."""
    (write,) = [write for write in SENTENCES if write.__name__ == f"_{about}"]
    return write(provenance(log))


def test_a_team_is_named_with_those_who_take_part() -> None:
    assert told(talk(("ana", "hi")), "runs") == [
        "The team writers (RoundRobinGroupChat), with two participants, ana (AssistantAgent) and ben (AssistantAgent), "
        "was run once on 1 March 2026 (UTC)."
    ]


def test_an_agent_by_itself_is_no_team() -> None:
    one = (Participant(name="ana", role="AssistantAgent"),)

    assert told(talk(runner="ana", runner_type="AssistantAgent", participants=one), "runs") == [
        "The agent ana (AssistantAgent) was run once on 1 March 2026 (UTC)."
    ]


def test_a_team_of_one_is_a_team() -> None:
    one = (Participant(name="ana", role="AssistantAgent"),)

    assert told(talk(participants=one), "runs") == [
        "The team writers (RoundRobinGroupChat), with one participant, ana (AssistantAgent), was run once "
        "on 1 March 2026 (UTC)."
    ]


def test_runs_of_one_team_are_counted_and_others_have_a_sentence_of_their_own(clock: Day) -> None:
    log = talk(participants=())
    clock.time = datetime(2026, 4, 2, tzinfo=UTC)
    for runner in ("writers", "judges"):
        again, run = begin(log, participants=(), runner=runner)
        end(again, run, 0)

    assert told(log, "runs") == [
        "The agent writers (RoundRobinGroupChat) was run twice between 1 March 2026 and 2 April 2026 (UTC).",
        "The agent judges (RoundRobinGroupChat) was run once on 2 April 2026 (UTC).",
    ]


def test_a_branch_and_a_resumption_are_told() -> None:
    origin = talk(("ana", "one"), ("ben", "two"))
    branch = origin.branch(message=2)
    at = branch.events[-1].seq - 1
    begin(branch, task=None, continues=origin.events[0].id, resumed=True)
    begin(branch, task=None, continues=branch.events[-1].id)

    assert told(branch, "lineage") == [
        f"The first {number(at)} facts of the log were taken over from run {origin.id[:8]} by branching.",
        "One run continued the conversation of an earlier one.",
        "One run took up an earlier one where it had been branched, at message 2.",
    ]
    assert told(origin, "lineage") == []


@pytest.mark.parametrize(
    ("outcome", "ending"),
    [
        ("failed", "that had failed"),
        ("stopped", "that had been stopped by a person"),
        (None, "that had been broken off"),
    ],
)
def test_how_the_run_ended_that_was_taken_up_is_told_truthfully(outcome: Any, ending: str) -> None:
    log, run = begin()
    take(log, run, Turn("ana", "one"), 1)
    if outcome:
        end(log, run, 1, outcome)
    begin(log, task=None, continues=run, resumed=True)

    assert told(log, "lineage") == [f"One run took up an earlier one {ending}."]


def test_a_turn_that_was_taken_up_again_and_those_of_teams_within_are_told_once() -> None:
    log, run = begin()
    first = log.append(TurnStarted(agent="ana", turn=1), source="ana", parent=run)
    inner = log.append(RunStarted(runner="inner", runner_type="T"), parent=first.id).id
    take(log, inner, Turn("deep", "found it"), 1)
    _, again = begin(log, task=None, continues=run, resumed=True)
    log.append(TurnStarted(agent="ana", turn=1, again=first.seq), source="ana", parent=again)
    take(log, again, Turn("ben", "two"), 2)

    assert told(log, "extent")[0] == "The conversation comprised two turns and three messages."


def test_software_is_told_as_far_as_it_was_noted() -> None:
    versions = {"agentnb-toolkit": "0.5", "python": "3.11.7", "openai": "3.1", "pydantic": "2.9", "pandas": "3.0"}
    noted = {"os": "Linux 6.1", "distribution": "Debian 12", "machine": "x86_64", "implementation": "CPython"}

    assert told(talk(versions=versions, circumstances=noted), "software") == [
        "agentnb-toolkit 0.5 was used with Python 3.11.7 (CPython) on Linux 6.1 (Debian 12; x86_64).",
        "Further packages noted at the start were openai 3.1, pydantic 2.9, and pandas 3.0.",
    ]
    assert told(talk(versions={"agentnb-toolkit": "0.5", "pydantic": "2.9"}), "software") == [
        "agentnb-toolkit 0.5 was used.",
        "One further package was noted at the start, pydantic 2.9.",
    ]
    assert told(talk(), "software") == []


def test_versions_that_changed_between_runs_are_both_told() -> None:
    log = talk(versions={"agentnb-toolkit": "0.5", "python": "3.11"})
    begin(log, versions={"agentnb-toolkit": "0.6", "python": "3.11"})

    assert told(log, "software") == ["agentnb-toolkit 0.5 and 0.6 were used with Python 3.11."]


@pytest.mark.parametrize(
    ("noted", "said"),
    [
        (
            {"place": "notebook", "file": "a.ipynb", "kernel": "ipykernel"},
            "The run was started in the notebook a.ipynb (kernel: ipykernel).",
        ),
        ({"place": "notebook", "kernel": "ipykernel"}, "The run was started in a notebook (kernel: ipykernel)."),
        ({"place": "script", "file": "run.py"}, "The run was started from the script run.py."),
        ({"place": "script", "file": "-m study"}, "The run was started with python -m study."),
        ({"place": "ipython"}, "The run was started in an IPython terminal."),
        ({"place": "python"}, None),
        (None, None),
    ],
)
def test_the_place_is_told_where_it_is_known(noted: dict[str, Any] | None, said: str | None) -> None:
    assert told(talk(circumstances=noted), "place") == ([said] if said else [])


@pytest.mark.parametrize(
    ("state", "rest"),
    [
        (
            {"branch": "main", "dirty": False, "changed_files": 0},
            " (branch main), without uncommitted changes to tracked files.",
        ),
        (
            {"branch": "main", "dirty": True, "changed_files": 1},
            " (branch main), with one changed file that had not been committed.",
        ),
        ({"dirty": True, "changed_files": 26}, ", with 26 changed files that had not been committed."),
        ({}, "."),
    ],
)
def test_the_state_of_the_code_is_told_as_far_as_git_said_it(state: dict[str, Any], rest: str) -> None:
    log = talk(circumstances={"git": {"commit": "0123456789abcdef" * 2 + "01234567", **state}})

    assert told(log, "code_state") == [f"The working folder was at git commit 0123456789ab{rest}"]
    assert told(talk(), "code_state") == []


def test_a_model_is_told_with_its_options_and_the_name_it_answered_under() -> None:
    log, run = begin(component=team(agent("ana", client(temperature=0.2, seed=7))))
    for _ in range(3):
        ask(log, run, "ana", returned_model="gpt-4o-mini-2024-07-18", fingerprint="fp_1")

    assert told(log, "models") == [
        "The model openai:gpt-4o-mini (temperature 0.2, seed 7) was called three times; the server named it "
        "gpt-4o-mini-2024-07-18 (system fingerprint fp_1)."
    ]


def test_what_failed_came_from_a_cache_or_never_returned_is_told_and_so_is_what_was_not_recorded() -> None:
    log, run = begin()
    for _ in range(12):
        ask(log, run, "ana")
    ask(log, run, "ana", error="ModelTimeout")
    ask(log, run, "ana", cached=True)
    ask(log, run, "ana", done=False)
    ask(log, run, "ben", model="other", error="ModelTimeout")

    assert told(log, "models") == [
        "The model openai:gpt-4o-mini was called 15 times; one of the answers came from a cache; one of the calls "
        "failed; one of the calls had not returned; the name under which the server answered was not recorded.",
        "The model other was called once; the call failed; the name under which the server answered was not recorded.",
    ]


def test_scripts_and_recordings_are_not_passed_off_as_models() -> None:
    log, run = begin()
    ask(log, run, "ana", model="scripted")
    ask(log, run, "ana", model="replay:old.jsonl")
    ask(log, run, "ana", model="replay:old.jsonl")

    assert told(log, "models") == [
        "The answer under the name scripted came from a script; no language model was called for it.",
        "The two answers under the name replay:old.jsonl came from a recording; no language model was called for them.",
    ]
    assert told(log, "extent") == ["The conversation comprised no turns and one message."]


def test_tools_are_told_with_their_calls() -> None:
    config = {"name": "add", "description": "Adds."}
    tool = {"provider": "agentnb.tools.FunctionTool", "component_type": "tool", "config": config}
    log, run = begin(component=team(agent("ana", client(), tools=[tool])))
    digest = sha('{"description":"Adds.","name":"add"}')[:12]

    assert told(log, "tools") == [f"One tool was available, add (not called; SHA-256 {digest})."]

    for is_error in (True, False):
        called = log.append(ToolStarted(tool="add"), parent=run).id
        log.append(ToolFinished(tool="add", is_error=is_error), parent=called)
    log.append(ToolFinished(tool="search", is_error=True), parent=log.append(ToolStarted(tool="search"), parent=run).id)

    assert told(log, "tools") == [
        f"One tool was available, add (called twice, one of them without success; SHA-256 {digest}).",
        "One further tool was called that no model had been offered, search (called once, without success).",
    ]


def test_code_and_questions_are_told() -> None:
    log, run = begin()
    take(log, run, Turn("ana", "", code=("1", "1")), 1)
    log.append(InputRequested(input_id="q", prompt="ok?"), parent=run)

    assert told(log, "executors") == ["Code was run once by Kernel."]
    assert told(log, "person") == ["A person was asked once and did not answer."]

    log.append(InputAnswered(input_id="q", text="yes"), parent=run)

    assert told(log, "person") == ["A person was asked once and answered."]

    log.append(InputRequested(input_id="r", prompt="sure?"), parent=run)

    assert told(log, "person") == ["A person was asked twice and answered once."]

    log.append(InputRequested(input_id="f", prompt="and?"), parent=run)
    log.append(InputAnswered(input_id="f", text="yes", by="input_func"), parent=run)

    assert told(log, "person") == [
        "A person was asked twice and answered once.",
        "One question to a person was answered by a function of the program.",
    ]


def test_scripts_that_failed_are_not_said_to_have_answered() -> None:
    log, run = begin()
    ask(log, run, "ana", model="scripted", error="RuntimeError")
    assert told(log, "models") == [
        "The call under the name scripted, which a script was to answer, got no answer; no language model was called "
        "for it.",
    ]

    ask(log, run, "ana", model="scripted")

    assert told(log, "models") == [
        "The answer under the name scripted came from a script; no language model was called; one of the calls failed.",
    ]


def test_extent_tokens_money_and_time_are_told_as_far_as_they_are_known() -> None:
    priced = Usage(prompt_tokens=1200, completion_tokens=300, cost_usd=0.0125)
    log = talk(Turn("ana", "hi", usage=priced), circumstances={"prices": "1 February 2026"})

    assert told(log, "extent") == [
        "The conversation comprised one turn and two messages.",
        "The models read 1,200 tokens and wrote 300, at a cost of 0.0125 US dollars.",
        "Prices were those of 1 February 2026.",
        "The run took 1.0 s of wall-clock time.",
    ]

    silent = talk(Turn("ana", "hi", usage=priced), Turn("ben", "hi", usage=Usage()))

    assert (
        told(silent, "extent")[1] == "The models read 1,200 tokens and wrote 300, as far as the server reported them."
    )


@pytest.mark.parametrize(
    ("outcome", "reason", "said"),
    [
        (
            "done",
            "the limit of 2 turns was reached",
            'The run came to its end (reason given: "the limit of 2 turns was reached").',
        ),
        ("done", None, "The run came to its end."),
        ("stopped", "stopped", 'The run was stopped before its end (reason given: "stopped").'),
        ("failed", "ValueError:\n  bad\n", 'The run ended with an error (reason given: "ValueError: bad").'),
    ],
)
def test_the_outcome_is_told_with_the_reason_given(outcome: Any, reason: str | None, said: str) -> None:
    log, run = begin()
    log.append(RunFinished(outcome=outcome, stop_reason=reason), parent=run)

    assert told(log, "outcome") == [said]


def test_runs_within_turns_are_told_apart_and_so_is_what_was_taken_over() -> None:
    origin, run = begin()
    turn = origin.append(TurnStarted(agent="ana", turn=1), source="ana", parent=run).id
    inner = origin.append(RunStarted(runner="inner", runner_type="T"), parent=turn).id
    take(origin, inner, Turn("deep", "found it"), 1)
    origin.append(RunFinished(outcome="done", turns=1), parent=inner, took=1.0)
    origin.append(TurnFinished(agent="ana", turn=1), source="ana", parent=turn, took=2.0)
    end(origin, run, 1)

    assert told(origin, "extent") == [
        "The conversation comprised one turn and two messages.",
        "One further run took place within a turn.",
        "The run took 1.0 s of wall-clock time.",
    ]

    branch = origin.branch(message=1)
    again, run = begin(branch, task=None)
    end(again, run, 0)

    assert told(branch, "extent")[-1] == "What was not taken over took 0 s of wall-clock time."


def test_a_run_that_goes_on_has_no_end_and_no_time() -> None:
    log, _ = begin()

    assert told(log, "outcome") == ["The run had not ended when its log was read."]
    assert told(log, "extent") == ["The conversation comprised no turns and one message."]


def test_the_paragraph_of_a_run_that_says_little_says_little() -> None:
    assert provenance(talk(("ana", "hi"), participants=(), component=None)).methods() == (
        "The agent writers (RoundRobinGroupChat) was run once on 1 March 2026 (UTC). "
        "The conversation comprised one turn and two messages. The run took 1.0 s of wall-clock time. "
        'The run came to its end (reason given: "enough").'
    )


def test_a_word_up_to_twelve_then_digits() -> None:
    assert [number(count) for count in (0, 1, 12, 13, 4200)] == ["no", "one", "twelve", "13", "4,200"]
    assert [counted(count, "run") for count in (0, 1, 2)] == ["0 runs", "1 run", "2 runs"]
    assert [listed(values) for values in ([], ["a"], ["a", "b"], ["a", "b", "c"])] == [
        "",
        "a",
        "a and b",
        "a, b, and c",
    ]
    assert [duration(seconds) for seconds in (0.0123, 1, 4321.55)] == ["0.012 s", "1.0 s", "4,321.6 s"]
