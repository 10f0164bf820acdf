"""Two runs, aligned step by step."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from agentnb.base import TaskResult
from agentnb.exceptions import UnknownName, UserError
from agentnb.runlog import RunLog, Usage
from agentnb.transcripts import DIFF, diff
from agentnb.transcripts.diff import REMARKS, RunDiff, shared_prefix
from tests.steps import steps
from tests.transcripts.talks import Turn, begin, end, take, talk, texts

WORDS = ["mass", "of", "the", "gentoo", "penguin", "is", "higher", "than", "any", "other", "species", "on", "islands"]


def rows(made: RunDiff) -> list[tuple[str, str | None, str | None]]:
    return [
        (row.status, row.left.text if row.left else None, row.right.text if row.right else None) for row in made.rows
    ]


def test_runs_that_said_the_same_are_the_same_whatever_their_ids_and_times() -> None:
    made = diff(talk(("ana", "hello"), ("ben", "bye")), talk(("ana", "hello"), ("ben", "bye")))

    assert made.same
    assert made.counts() == {"same": 3, "changed": 0, "only left": 0, "only right": 0}
    assert (made.shared_facts, made.remarks) == (0, ())


def test_a_changed_turn_is_set_beside_its_counterpart() -> None:
    made = diff(
        talk(("ana", "the mass is 5 g"), ("ben", "fine")),
        talk(("ana", "the mass is 7 g"), ("ben", "fine")),
    )

    assert rows(made)[1:] == [("changed", "the mass is 5 g", "the mass is 7 g"), ("same", "fine", "fine")]
    assert made.rows[1].similarity == 0.8
    assert not made.same


def test_a_turn_that_only_one_run_has_does_not_shift_the_others() -> None:
    left = talk(("ana", "one"), ("ben", "two"), ("ana", "three"))
    right = talk(("ana", "one"), ("ana", "in between"), ("ben", "two"), ("ana", "three"))

    assert rows(diff(left, right))[1:] == [
        ("same", "one", "one"),
        ("only right", None, "in between"),
        ("same", "two", "two"),
        ("same", "three", "three"),
    ]
    assert [row.status for row in diff(right, left).rows].count("only left") == 1


def test_reworded_turns_of_one_speaker_find_each_other_by_their_words() -> None:
    left = talk(("ana", "gentoo penguins are heavy"), ("ana", "plots need labels"))
    right = talk(("ana", "hm"), ("ana", "gentoo penguins are very heavy"), ("ana", "plots need good labels"))

    assert rows(diff(left, right))[1:] == [
        ("only right", None, "hm"),
        ("changed", "gentoo penguins are heavy", "gentoo penguins are very heavy"),
        ("changed", "plots need labels", "plots need good labels"),
    ]


def test_turns_of_different_speakers_are_never_one_row() -> None:
    made = diff(talk(("ana", "same words")), talk(("ben", "same words")))

    assert [row.status for row in made.rows] == ["same", "only left", "only right"]


@pytest.mark.parametrize(
    "other",
    [
        Turn("ana", "x", tool=("add", {"a": 1}, "4"), code=("1+1", "2")),
        Turn("ana", "x", tool=("add", {"a": 2}, "3"), code=("1+1", "2")),
        Turn("ana", "x", tool=("sum", {"a": 1}, "3"), code=("1+1", "2")),
        Turn("ana", "x", tool=("add", {"a": 1}, "3"), code=("1+2", "2")),
        Turn("ana", "x", tool=("add", {"a": 1}, "3"), code=("1+1", "3")),
        Turn("ana", "x", tool=("add", {"a": 1}, "3")),
        Turn("ana", "x", tool=("add", {"a": 1}, "3"), code=("1+1", "2"), outcome="failed"),
    ],
)
def test_calls_arguments_results_code_and_outcome_count(other: Turn) -> None:
    one = Turn("ana", "x", tool=("add", {"a": 1}, "3"), code=("1+1", "2"))

    assert [row.status for row in diff(talk(one), talk(other)).rows] == ["same", "changed"]


def test_a_branch_shares_its_beginning_without_a_look_at_it() -> None:
    origin = talk(("ana", "one"), ("ben", "two"), ("ana", "three"))
    branch = origin.branch(message=3)
    run = branch.events[0].id
    take(branch, run, Turn("ana", "three, but different"), 3)
    end(branch, run, 3)

    made = diff(origin, branch)

    assert (
        made.shared_facts
        == shared_prefix(origin, branch)
        == branch.events.index(next(event for event in branch if event.kind == "branch"))
    )
    assert [(row.status, row.shared) for row in made.rows] == [
        ("same", True),
        ("same", True),
        ("same", True),
        ("changed", False),
    ]
    assert made.rows[1].left is not None
    assert made.rows[1].right is not None
    assert made.rows[1].left.event_id == made.rows[1].right.event_id


def test_two_branches_of_one_run_share_what_both_took_over() -> None:
    origin = talk(("ana", "one"), ("ben", "two"), ("ana", "three"))
    one, other = origin.branch(message=2), origin.branch(message=3)

    made = diff(one, other)

    assert (
        shared_prefix(one, other)
        == made.shared_facts
        == one.events.index(next(event for event in one if event.kind == "branch"))
    )
    assert [row.status for row in made.rows] == ["same", "same", "only right"]


@given(st.integers(0, 12), st.integers(0, 12))
def test_the_shared_prefix_is_the_shorter_branch(one: int, other: int) -> None:
    origin = RunLog()
    for number in range(12):
        origin.note(str(number))
    branches = []
    for at in (one, other):
        branch = RunLog()
        branch._events = list(origin.events[:at])
        branch.note("goes on")
        branches.append(branch)

    assert shared_prefix(*branches) == min(one, other)


@settings(max_examples=60, deadline=None)
@given(*[st.lists(st.tuples(st.sampled_from(["ana", "ben"]), st.sampled_from(["a b", "a c", "d"])), max_size=9)] * 2)
def test_every_step_is_in_one_row_in_its_order_and_equal_rows_are_equal(left: Any, right: Any) -> None:
    made = diff(talk(*left), talk(*right))

    assert [(row.left.source, row.left.text) for row in made.rows[1:] if row.left] == left
    assert [(row.right.source, row.right.text) for row in made.rows[1:] if row.right] == right
    for row in made.rows:
        if row.left is not None and row.right is not None:
            assert row.left.source == row.right.source
            assert (row.status == "same") == (row.left.content == row.right.content)
        else:
            assert row.status == ("only left" if row.left is not None else "only right")
    assert diff(talk(*left), talk(*left)).same


def test_a_table_has_a_row_per_pair_with_both_sides() -> None:
    spent = Usage(prompt_tokens=10, completion_tokens=4, cost_usd=0.25)
    left = talk(Turn("ana", "one", usage=spent), ("ben", "two"))
    right = talk(("ana", "one"))

    table = diff(left, right).to_df()

    assert list(table.columns) == [column.name for column in DIFF]
    assert [str(dtype) for dtype in table.dtypes] == [column.dtype for column in DIFF]
    assert list(table["status"]) == ["same", "same", "only left"]
    assert texts(table["left_turn"]) == [None, 1, 2]
    assert texts(table["right_turn"]) == [None, 1, None]
    assert texts(table["left_prompt_tokens"]) == [None, 10, None]
    assert texts(table["left_cost_usd"]) == [None, 0.25, None]
    assert texts(table["right_text"]) == ["go", "one", None]
    assert texts(table["similarity"]) == [1.0, 1.0, None]
    assert set(table["left_run_id"]) == {left.id}
    assert texts(table["right_run_id"]) == [right.id, right.id, None]


def test_tables_of_empty_runs_have_the_same_columns() -> None:
    table = diff(RunLog(), RunLog()).to_df()

    assert len(table) == 0
    assert list(table.columns) == [column.name for column in DIFF]


def test_what_has_a_log_and_a_path_can_be_compared(tmp_path: Path) -> None:
    log = talk(("ana", "hello"))
    path = log.save(tmp_path / "run.jsonl")
    result = TaskResult(messages=[], log=log)

    assert diff(result, path).same
    assert diff(str(path), log).shared_facts == len(log)


def test_what_is_no_run_is_named() -> None:
    with pytest.raises(UserError, match=r"The right side of diff needs the log of a run, not int: 3.*Give a RunLog"):
        diff(RunLog(), 3)
    with pytest.raises(UserError, match=r"The left side of diff .* this TaskResult has none"):
        diff(TaskResult(messages=[]), RunLog())
    with pytest.raises(UnknownName, match=r"'nowhere\.jsonl' is no file in .*, and it names no run"):
        diff("nowhere.jsonl", RunLog())


def test_unlike_runs_are_compared_and_said_to_be_unlike() -> None:
    component = {
        "provider": "T",
        "config": {"max_turns": 2, "participants": [{"provider": "A", "config": {"name": "ana"}}]},
    }
    other = {
        "provider": "T",
        "config": {
            "max_turns": 3,
            "participants": [{"provider": "A", "config": {"name": "ana", "prompt": "Be kind."}}],
        },
    }
    left = talk(Turn("ana", "hi", usage=Usage()), component=component, versions={"python": "3.11.1", "openai": "1"})
    right = talk(
        ("ana", "hi"),
        task="stop",
        participants=(),
        runner="solo",
        component=other,
        versions={"python": "3.12.0"},
        circumstances={"git": {"commit": "f" * 40}},
    )

    assert diff(left, right).remarks == (
        "The tasks differ.",
        "The teams differ: writers (RoundRobinGroupChat) of ana (AssistantAgent), ben (AssistantAgent) | "
        "solo (RoundRobinGroupChat).",
        "The configurations differ in max_turns: 2 | 3",
        "The configurations differ in participants[ana].prompt: not given | Be kind.",
        "The models asked differ: m | none.",
        "Versions differ: openai 1 | not used, python 3.11.1 | 3.12.0.",
    )


def test_who_is_configured_in_one_run_only_is_named_and_nobody_is_compared_with_somebody_else() -> None:
    def team(*names: str, tools: tuple[str, ...] = ()) -> dict[str, Any]:
        people = [
            {"provider": "A", "config": {"name": name, "model_client": {"config": {"model": name}}}} for name in names
        ]
        made = [{"provider": "T", "config": {"name": name, "source_code": name}} for name in tools]
        return {"provider": "Team", "config": {"participants": people, "tools": made}}

    def remarks(left: dict[str, Any], right: dict[str, Any]) -> list[str]:
        return [one.partition("differ in ")[2] for one in diff(talk(component=left), talk(component=right)).remarks]

    assert remarks(team("ana", "ben"), team("zoe", "ben")) == [
        "participants[ana]: only left",
        "participants[zoe]: only right",
    ]
    assert remarks(team("ana", "ben"), team("ben", "ana")) == ["participants, their order: ana, ben | ben, ana"]
    assert remarks(team("ana"), team("ana", tools=("add",))) == ["tools[add]: only right"]
    assert remarks(team("ana", "ana"), team("ana", "ben")) == [
        "participants[1].name: ana | ben",
        "participants[1].model_client.model: ana | ben",
    ]


def test_many_differences_of_the_configurations_are_counted() -> None:
    left, right = (talk(component={"config": {f"k{n}": n + by for n in range(9)}}) for by in (0, 1))

    remarks = diff(left, right).remarks

    assert len(remarks) == REMARKS + 1
    assert remarks[-1] == "The configurations differ in 4 more values."


def test_a_changed_prompt_stands_before_what_a_replay_always_changes() -> None:
    def made(prompt: str, provider: str, **config: str) -> dict[str, Any]:
        model = {"provider": f"agentnb.models.{provider}", "component_type": "model", "config": config}
        ana = {"name": "ana", "model_client": model, "system_message": prompt}
        return {"provider": "agentnb.teams.Team", "config": {"participants": [{"provider": "A", "config": ana}]}}

    left = talk(component=made("Be kind.", "OpenAIChatCompletionClient", model="m", base_url="x"))
    right = talk(component=made("Be brief.", "ReplayChatCompletionClient", cassette="1bcf", name="replay"))

    assert [one.partition("differ in ")[2] for one in diff(left, right).remarks] == [
        "participants[ana].system_message: Be kind. | Be brief.",
        "participants[ana].model_client: OpenAIChatCompletionClient | ReplayChatCompletionClient",
    ]


def test_of_long_values_the_place_of_the_first_difference_is_shown() -> None:
    text = "You are a careful analyst of penguins who never guesses anything. "
    left, right = (talk(component={"config": {"prompt": text + end + text}}) for end in ("Be kind. ", "Be curt. "))

    (remark,) = diff(left, right).remarks

    assert "uesses anything. Be kind." in remark
    assert "uesses anything. Be curt." in remark
    assert len(remark) < 220


def test_other_code_and_unfinished_and_repeated_runs_are_remarked() -> None:
    left, right = (talk(circumstances={"git": {"commit": one * 40}}) for one in "ab")
    right, _ = begin(right, task=None, circumstances={"git": {"commit": "b" * 40}})

    assert diff(left, right).remarks == (
        "The right log holds 2 runs, one going on after the other.",
        "The right run is not finished.",
        "The code stood at different commits: aaaaaaaa | bbbbbbbb.",
    )
    assert diff(RunLog(), RunLog()).remarks == (
        "The left log holds no run of a team or an agent.",
        "The right log holds no run of a team or an agent.",
    )


def rewritten(turns: int) -> tuple[RunLog, RunLog]:
    """Return two runs: of every second turn a word differs, of the others all do."""
    some = random.Random(1)
    said = [" ".join(some.choices(WORDS, k=60)) for _ in range(turns)]
    again = [
        text.replace("gentoo", "adelie", 1) if place % 2 else " ".join(some.choices(WORDS, k=60))
        for place, text in enumerate(said)
    ]
    return talk(*[("ana", text) for text in said]), talk(*[("ana", text) for text in again])


def test_two_runs_of_a_thousand_turns_are_compared() -> None:
    made = diff(*rewritten(1000))

    assert sum(row.left is not None for row in made.rows) == sum(row.right is not None for row in made.rows) == 1001
    assert made.counts()["changed"] > 400


def test_comparing_runs_twice_as_long_takes_about_twice_the_steps() -> None:
    few, many = (steps(diff, *rewritten(turns)) for turns in (100, 200))

    assert many < 2.6 * few
