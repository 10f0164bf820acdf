"""The embedded team: what each agent says, and who decided it."""

from __future__ import annotations

import contextlib
import io
import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib as mpl
import pandas as pd
import pytest

from agentnb.core import CancellationToken
from agentnb.messages import BaseChatMessage, ModelClientStreamingChunkEvent, TextMessage
from agentnb.models.local import LocalChatCompletionClient
from agentnb.recipes import analysts
from agentnb.recipes.facts import read_facts, told
from agentnb.recipes.guesses import guesses
from agentnb.recipes.guided import Coder, Planner, Reporter, block
from agentnb.recipes.plan import fixed_plan, profile
from tests.models.local_models import needs_weights
from tests.recipes.conftest import Told
from tests.recipes.questions import FRESH, measure

QUESTION = "Describe the penguins: which species is heaviest, and by how much?"


def user(text: str) -> TextMessage:
    """A question."""
    return TextMessage(content=text, source="user")


async def spoken(agent: Any, *messages: BaseChatMessage) -> TextMessage:
    """Let an agent answer."""
    response = await agent.on_messages(messages, CancellationToken())
    assert isinstance(response.chat_message, TextMessage)
    return response.chat_message


def computed(code: str, **variables: Any) -> str:
    """Run a block here, without a kernel, and return what it prints."""
    out = io.StringIO()
    mpl.use("Agg")
    with contextlib.redirect_stdout(out):
        exec(code.replace("plt.show()", "plt.close()"), {**variables, "display": print})
    return out.getvalue()


def kernel_says(output: str) -> TextMessage:
    """The kernel's message."""
    return TextMessage(content=output, source="kernel", metadata={"decided_by": "the kernel"})


def right_lines(request: str) -> str:
    """Write the line a request asks for, about penguins."""
    column = request.rstrip(".").rpartition(" of ")[2]
    return f'penguins["{column}"].{"mean" if "mean" in request else "value_counts"}()'


async def test_the_planner_lists_the_plan_and_the_reading_the_model_likes_best(
    told: Told, penguins: pd.DataFrame
) -> None:
    told.likes = lambda words: 0.0 if "body mass" in words else -9.0
    planner = Planner("planner", told, profile("penguins", penguins), ignored=["other"])

    said = await spoken(planner, user(QUESTION))

    assert "`penguins` (344 rows, 8 columns)" in said.content
    assert "likeliest of 4 readings" in said.content
    assert "- Which species has the highest mean body_mass_g?" in said.content
    assert "not looked at by this team: variables other" in said.content
    assert said.metadata["decided_by"] == "fixed plan; the guess: 135M demonstration model, ranked candidates"
    assert json.loads(said.metadata["plan"])["guess"]["number"] == "body_mass_g"


async def test_where_one_reading_fits_the_planner_says_that_no_model_was_asked(
    told: Told, penguins: pd.DataFrame
) -> None:
    said = await spoken(Planner("planner", told, profile("penguins", penguins)), user("What is the mean body mass?"))

    assert "no model was asked" in said.content
    assert said.metadata["decided_by"] == "fixed plan"
    assert said.models_usage is None


async def test_what_the_notebook_tells_about_variables_is_not_the_question(told: Told, penguins: pd.DataFrame) -> None:
    data = TextMessage(content="penguins: missing values …", source="notebook", metadata={"kind": "data"})

    said = await spoken(Planner("planner", told, profile("penguins", penguins)), user("Mean body mass?"), data)

    assert json.loads(said.metadata["plan"])["guess"]["form"] == "single"


async def test_of_a_very_long_task_the_end_is_read(told: Told, penguins: pd.DataFrame) -> None:
    task = "{braces} %% <script> " * 50_000 + "What is the mean body mass?"

    said = await spoken(Planner("planner", told, profile("penguins", penguins)), user(task))

    assert json.loads(said.metadata["plan"])["guess"]["code"] == 'penguins["body_mass_g"].mean()'


async def test_an_empty_frame_has_a_plan_and_no_guess(told: Told) -> None:
    said = await spoken(Planner("planner", told, profile("empty", pd.DataFrame())), user(QUESTION))

    assert "There is no guess at the question: the frame is empty." in said.content


async def test_the_coder_writes_one_block_and_says_who_wrote_the_lines(told: Told, penguins: pd.DataFrame) -> None:
    seen = profile("penguins", penguins)
    plan = await spoken(Planner("planner", told, seen), user(QUESTION))
    told.lines = right_lines

    said = await spoken(Coder("coder", told, seen), user(QUESTION), plan)

    assert "wrote 5 lines under a grammar" in said.content
    assert "What it wrote is what the plan asks for." in said.content
    assert said.content.count("```") == 2
    assert said.metadata["decided_by"] == "135M demonstration model under a grammar"
    assert len(told.grammars) == 5
    assert '"\\"island\\""' in told.grammars[0]
    assert "year_of" not in told.grammars[0]


async def test_a_line_that_misses_the_plan_is_replaced_and_that_is_said(told: Told, penguins: pd.DataFrame) -> None:
    seen = profile("penguins", penguins)
    plan = await spoken(Planner("planner", told, seen), user(QUESTION))
    told.lines = lambda request: 'penguins["year"].max()' if "body_mass" in request else right_lines(request)

    said = await spoken(Coder("coder", told, seen), plan)

    assert (
        "1 did not do what the plan asks, and the plan's line was taken: for “mean body_mass_g” it wrote"
        in said.content
    )
    assert '"mean body_mass_g": penguins["body_mass_g"].mean()' in said.content


async def test_a_coder_without_a_plan_says_so(told: Told, penguins: pd.DataFrame) -> None:
    said = await spoken(Coder("coder", told, profile("penguins", penguins)), user(QUESTION))

    assert "There is no plan to write code for" in said.content


@pytest.mark.filterwarnings("ignore:Glyph", "ignore:Tight layout")
def test_the_block_of_every_awkward_frame_runs_and_prints_its_facts(awkward: Mapping[str, pd.DataFrame]) -> None:
    for name, frame in awkward.items():
        seen = profile(name, frame)
        steps = fixed_plan(seen)
        questions = ("Which is largest, and by how much?", "Are they related?", "How many are missing?", "Why?")
        found = [guesses(seen, question)[:1] for question in questions if seen.rows]
        for guess in [None, *(first[0] for first in found if first)]:
            facts = read_facts(computed(block(seen, steps, guess), **{name: frame}))

            assert [fact for fact in facts if fact not in ("guess", "difference of the first two")] == [
                step.fact for step in steps
            ]
            assert facts["number of rows"] == len(frame)


async def reported(told: Told, penguins: pd.DataFrame, text: str) -> tuple[TextMessage, list[Any]]:
    """Let planner, coder and reporter work on penguins, the model reporting `text`."""
    seen = profile("penguins", penguins)
    told.lines, told.report = right_lines, text
    told.likes = lambda words: 0.0 if "body mass" in words else -9.0
    plan = await spoken(Planner("planner", told, seen), user(QUESTION))
    code = await spoken(Coder("coder", told, seen), plan)
    source = code.content.partition("```python\n")[2].partition("\n```")[0]
    output = computed(source, penguins=penguins)
    reporter = Reporter("reporter", told, seen)
    items = [item async for item in reporter.on_messages_stream([plan, code, kernel_says(output)], CancellationToken())]
    return items[-1].chat_message, items[:-1]  # type: ignore[union-attr,return-value]


async def test_the_report_is_the_models_sentences_and_a_guess_called_a_guess(
    told: Told, penguins: pd.DataFrame
) -> None:
    said, before = await reported(told, penguins, "The data set has 344 rows. The mean body_mass_g is 4201.8.")

    assert said.content == (
        "The data set has 344 rows. The mean body_mass_g is 4201.8.\n\n"
        "A guess at the question, read as “Which species has the highest mean body_mass_g?”: Gentoo has the highest "
        "mean body_mass_g, 5076.0; Chinstrap follows with 3733.1, 1342.9 less. The reading is a guess: the 135M "
        "demonstration model ranked 4 of them. The numbers are computed."
    )
    assert said.metadata == {"decided_by": "135M demonstration model, numbers locked"}
    assert isinstance(before[0], ModelClientStreamingChunkEvent)
    assert before[0].full_message_id == said.id


async def test_what_the_model_got_wrong_is_left_out_and_counted(told: Told, penguins: pd.DataFrame) -> None:
    said, _ = await reported(told, penguins, "The data set has 344 rows. The mean body_mass_g is 344.")

    assert said.content.startswith("The data set has 344 rows.\n\n(Left out of what the model wrote")
    assert "is 344" not in said.content


async def test_if_nothing_the_model_wrote_is_right_the_facts_are_listed(told: Told, penguins: pd.DataFrame) -> None:
    said, _ = await reported(told, penguins, "Penguins are wonderful birds.")

    assert said.content.startswith("Computed: number of rows 344, number of columns 8, missing values 19, mean bill")
    assert "wonderful" not in said.content


async def test_without_facts_the_reporter_reports_the_kernels_error(told: Told, penguins: pd.DataFrame) -> None:
    failed = kernel_says("The code failed with exit code 1. Its output:\nNameError: name 'penguins' is not defined\n")

    said = await spoken(Reporter("reporter", told, profile("penguins", penguins)), failed)

    assert said.content.startswith("Nothing was computed, so there is nothing to report, and no guess.")
    assert "NameError: name 'penguins'" in said.content
    assert told.grammars == []


async def test_a_value_that_looks_like_a_fact_does_not_become_one(told: Told, awkward: Mapping[str, Any]) -> None:
    frame = awkward["forged"]
    seen = profile("forged", frame)

    facts = read_facts(computed(block(seen, fixed_plan(seen), guesses(seen, "Which g is largest?")[0]), forged=frame))

    assert facts["number of rows"] == 3


def numbers_in(text: str) -> set[str]:
    """Take the numbers out of a text."""
    return set(re.findall(r"(?<![\w.])-?\d+(?:\.\d+)?(?![\w])", text))


class TestWholeTeam:
    """With the embedded weights and a real kernel."""

    pytestmark = needs_weights

    async def whole(self, frame: pd.DataFrame) -> Sequence[TextMessage]:
        team = analysts(model="local", data={"penguins": frame})
        try:
            assert await team.share({"penguins": frame}) == ["kernel"]
            result = await team.run(task=QUESTION)
        finally:
            await team.close()
        assert result.stop_reason == "reporter has spoken"
        return [message for message in result.messages if isinstance(message, TextMessage)]

    async def test_penguins_are_described_and_the_heaviest_species_is_found(self, penguins: pd.DataFrame) -> None:
        messages = await self.whole(penguins)

        report = messages[-1].content
        assert [message.source for message in messages] == ["user", "planner", "coder", "kernel", "reporter"]
        assert all(message.metadata["decided_by"] for message in messages[1:])
        assert "344 rows" in report
        assert "Gentoo has the highest mean body_mass_g, 5076.0; Chinstrap follows with 3733.1, 1342.9 less" in report
        shown = told(read_facts(messages[3].content))
        guessed = {"5076.0", "3733.1", "1342.9", "4"}
        assert numbers_in(report) <= {*shown.values(), *guessed}

    async def test_other_data_give_another_report(self, penguins: pd.DataFrame) -> None:
        changed = penguins[penguins["species"] != "Gentoo"].copy()
        changed["body_mass_g"] = changed["body_mass_g"] * 2 + (changed["species"] == "Adelie") * 500

        report = (await self.whole(changed))[-1].content

        assert "220 rows" in report
        assert "344" not in report
        assert "Gentoo" not in report
        assert "Adelie has the highest mean body_mass_g, 7901.3" in report

    async def test_an_awkward_frame_is_described_too(self, awkward: Mapping[str, pd.DataFrame]) -> None:
        frame = awkward["names"]
        team = analysts(model="local", data={"n": 3, "names": frame, "other": frame})
        try:
            await team.share({"names": frame})
            result = await team.run(task='Which new line has the largest a"b?')
        finally:
            await team.close()

        said = [message.to_text() for message in result.messages]
        assert "variables n, other" in said[1]
        assert 'x has the highest mean a"b, 2.25; y follows with 2.00, 0.2500 less' in said[-1]

    async def test_the_models_first_reading_is_right_far_more_often_than_chance(self) -> None:
        client = LocalChatCompletionClient()
        measured = await measure(client, FRESH)

        print("\n".join(measured.lines))
        assert measured.first >= 12
        assert measured.listed == len(FRESH)
