"""The team with a model that can do more than fill in a plan."""

from __future__ import annotations

import pandas as pd
import pytest

from agentnb.base import TaskResult
from agentnb.exceptions import ModelNotConfigured, UserError
from agentnb.messages import ModelClientStreamingChunkEvent
from agentnb.models.scripted import ScriptedChatCompletionClient
from agentnb.recipes import analysts
from agentnb.recipes.analysts import DONE, described
from tests.recipes.conftest import Told

CODE = "The means will tell.\n\n```python\nprint(penguins.groupby('species')['body_mass_g'].mean().idxmax())\n```"


async def test_coder_executor_and_reviewer_work_until_the_reviewer_has_its_answer(penguins: pd.DataFrame) -> None:
    client = ScriptedChatCompletionClient([CODE, f"Gentoo is the heaviest.\n\n{DONE}"])
    team = analysts(model=client, data={"penguins": penguins})
    pieces = 0
    result = None

    try:
        takers = await team.share({"penguins": penguins})
        async for item in team.run_stream(task="Which species is heaviest?"):
            pieces += isinstance(item, ModelClientStreamingChunkEvent)
            result = item if isinstance(item, TaskResult) else result
    finally:
        await team.close()

    assert result is not None
    assert takers == ["executor"]
    assert [message.source for message in result.messages] == ["user", "coder", "executor", "reviewer"]
    assert result.messages[2].to_text().strip() == "Gentoo"
    assert result.messages[3].to_text() == "Gentoo is the heaviest."
    assert result.messages[3].models_usage is not None
    assert result.stop_reason == "reviewer sent a stop message"
    assert pieces > 4


async def test_the_reviewer_can_send_the_coder_back(penguins: pd.DataFrame) -> None:
    client = ScriptedChatCompletionClient(
        ["```python\n1 / 0\n```", "The code failed: do not divide.", "```python\nprint(6 * 7)\n```", f"42.\n{DONE}"]
    )
    team = analysts(model=client)

    try:
        result = await team.run(task="Six times seven?")
    finally:
        await team.close()

    assert [message.source for message in result.messages][1:] == ["coder", "executor", "reviewer"] * 2
    assert "ZeroDivisionError" in result.messages[2].to_text()
    assert result.messages[5].to_text().strip() == "42"


async def test_the_coder_is_told_what_the_kernel_holds_and_no_more(penguins: pd.DataFrame) -> None:
    client = ScriptedChatCompletionClient(["no code", f"nothing\n{DONE}"])
    team = analysts(model=client, data={"penguins": penguins, "limit": 3})

    await team.run(task="Hm?")

    system = str(client.asked[0][0].content)
    assert "`penguins`: a pandas DataFrame of 344 rows and 8 columns" in system
    assert "'body_mass_g': float64, 2 missing, for example" in system
    assert "`limit`: builtins.int" in system


def test_a_wide_frame_is_described_by_its_first_columns() -> None:
    text = described({"wide": pd.DataFrame({f"c{i}": [i] for i in range(200)})})

    assert "'c39'" in text
    assert "'c40'" not in text
    assert "and 160 more columns" in text


def test_values_with_line_breaks_and_braces_stay_on_their_line() -> None:
    text = described({"f": pd.DataFrame({"{a}\nb": ["x\ny{z}"]})})

    line = text.splitlines()[-1]
    assert line.startswith("  - '{a}\\nb': ")
    assert line.endswith(", 0 missing, for example x y{z}")


def test_the_run_opens_with_the_choice_of_the_model_in_one_line_and_says_that_code_runs_unasked() -> None:
    team = analysts(model=ScriptedChatCompletionClient(["x"], name="my-model"))

    model, unasked = team.opening_notes
    assert model.startswith("Model my-model (the client you gave)")
    assert "\n" not in model
    assert "without asking" in unasked


def test_a_limit_of_turns_is_passed_on() -> None:
    with pytest.raises(UserError, match="max_turns is 0"):
        analysts(model=ScriptedChatCompletionClient(["x"]), max_turns=0)


@pytest.mark.parametrize("data", [None, {}, {"n": 3}])
def test_the_embedded_model_wants_a_data_frame(told: Told, data: dict[str, object] | None) -> None:
    with pytest.raises(UserError, match="--with NAME"):
        analysts(model=told, data=data)


async def test_the_embedded_team_takes_the_first_frame_and_names_its_agents(told: Told, penguins: pd.DataFrame) -> None:
    team = analysts(model=told, data={"n": 3, "penguins": penguins, "more": penguins}, max_turns=1)

    result = await team.run(task="Mean body mass?")

    assert [message.source for message in result.messages] == ["user", "planner"]
    assert "variables n, more" in result.messages[1].to_text()
    assert "135M demonstration model" in team.opening_notes[0]


def test_without_any_model_the_ways_to_one_are_listed(
    monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    monkeypatch.setenv("AGENTNB_CACHE", str(tmp_path_factory.mktemp("cache")))

    with pytest.raises(ModelNotConfigured, match="agentnb fetch"):
        analysts()
