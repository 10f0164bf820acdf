"""Mime bundles of runs, results, messages and runners."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from markdown_it import MarkdownIt

from agentnb.agents import AssistantAgent
from agentnb.base import TaskResult, TaskRunner
from agentnb.messages import CodeBlock, TextMessage, ToolCallSummaryMessage
from agentnb.models import ScriptedChatCompletionClient
from agentnb.runlog import (
    CodeFinished,
    CodeStarted,
    ErrorRaised,
    Noted,
    Participant,
    RunFinished,
    RunLog,
    RunStarted,
    Said,
    ToolFinished,
    ToolStarted,
    TurnStarted,
)
from agentnb.teams import MissionKeeper, RoundRobinGroupChat
from agentnb.transcripts import MIME, from_notebook, messages_frame
from agentnb.ui.bundle import bundle, message_bundle, result_bundle, runner_bundle
from agentnb.ui.formulas import PLAIN_CLASS
from agentnb.ui.page import UNFOLDED
from tests.ui.test_markup import ATTACKS, inspect

FORMS = {MIME, "text/html", "text/markdown", "text/plain"}


def log_of(text: str) -> RunLog:
    """Return a run in which everything a model, a tool or code may write is `text`."""
    log = RunLog()
    run = log.append(RunStarted(runner="team", runner_type="T", model=text[:20]), source="team").id
    turn = log.append(TurnStarted(agent="a", turn=1), source="a", parent=run).id
    log.append(Said(message=TextMessage(content=text, source=text[:30])), parent=turn, source="a")
    metadata = {"decided_by": text}
    log.append(Said(message=TextMessage(content="x", source="a", metadata=metadata)), parent=turn, source="a")
    code = log.append(CodeStarted(executor="X", blocks=(CodeBlock(text, text),)), source="a", parent=turn).id
    outputs = ({"text/html": text}, {"text/plain": text}, {"image/png": text}, {"text/markdown": text})
    log.append(CodeFinished(executor="X", exit_code=1, output=text, outputs=outputs), source="a", parent=code)
    tool = log.append(ToolStarted(tool=text, call_id="c", arguments={text: text}), source="a", parent=turn).id
    log.append(ToolFinished(tool=text, call_id="c", result=text, is_error=True), source="a", parent=tool)
    log.append(Noted(text=text, by=text))
    log.append(ErrorRaised(type=text, message=text, traceback=text), source=text, parent=run)
    log.append(RunFinished(outcome="failed", stop_reason=text), source="team", parent=run)
    return log


@pytest.mark.parametrize("attack", ATTACKS)
def test_nothing_a_model_wrote_acts_in_any_form(attack: str) -> None:
    made = bundle(log_of(attack))

    page = inspect(made["text/html"])
    assert page.problems == []
    assert page.depth == 0
    rendered = MarkdownIt("commonmark", {"html": True}).enable(["table", "strikethrough"]).render(made["text/markdown"])
    found = inspect(rendered)
    assert [problem for problem in found.problems if problem != "code class"] == []
    assert "<img" not in rendered
    assert "\x1b" not in made["text/plain"]
    assert "\x00" not in made["text/plain"]
    json.dumps(made, allow_nan=False, ensure_ascii=False).encode()


def test_the_page_has_no_style_sheet_script_svg_variable_or_position(run_log: RunLog) -> None:
    page = bundle(run_log)["text/html"]

    assert page.count(f' class="{PLAIN_CLASS}"') == 1
    page = page.replace(f' class="{PLAIN_CLASS}"', "")
    for forbidden in ("<style", "<script", "<svg", "var(", "position", "class=", "http", "url("):
        assert forbidden not in page
    assert page.count("<details") == 7
    assert "data:image/png;base64," in page
    assert "<table" in page


def test_a_saved_notebook_gives_the_run_back(run_log: RunLog) -> None:
    notebook = saved(bundle(run_log))

    (read,) = from_notebook(json.loads(json.dumps(notebook)))

    assert messages_frame(read).equals(messages_frame(run_log))
    assert read.events == run_log.events


def saved(data: dict[str, Any]) -> dict[str, Any]:
    output = {"output_type": "display_data", "metadata": {}, "data": data}
    cell = {"cell_type": "code", "source": "", "metadata": {}, "execution_count": 1, "outputs": [output]}
    return {
        "nbformat": 4,
        "nbformat_minor": 5,
        "metadata": {},
        "cells": [{"cell_type": "markdown", "source": ""}, cell],
    }


def test_the_plain_text_reads_like_a_console(run_log: RunLog) -> None:
    text = bundle(run_log)["text/plain"]

    assert text.startswith("analysts · openai:gpt-4o-mini: Failed, 3 turns, 312 tokens,")
    assert "── coder · fixed plan · 312 tokens ──\nI compare the **mean mass**" in text
    assert "       species     mass\n    0   Adelie  3700.66" in text
    assert "[figure, png]" in text


def test_the_same_facts_give_the_same_bytes(run_log: RunLog) -> None:
    assert json.dumps(bundle(run_log)) == json.dumps(bundle(run_log))


def test_a_long_run_shows_its_beginning_and_end_and_the_way_to_all() -> None:
    log = RunLog()
    for number in range(1000):
        log.append(Said(message=TextMessage(content=f"message {number}", source="a")))
    made = bundle(log)

    assert "message 199<" in made["text/html"]
    assert "message 200<" not in made["text/html"]
    assert "message 999<" in made["text/html"]
    assert "600 items are not shown here. See all with run.to_df()." in made["text/html"]
    assert len(made[MIME]["events"]) == 1000


def test_the_middle_of_a_long_run_is_folded_and_a_shorter_one_is_open() -> None:
    log = RunLog()
    for number in range(UNFOLDED):
        log.append(Said(message=TextMessage(content=f"message {number}.", source="a")))
    short = bundle(log)["text/html"]
    log.append(Said(message=TextMessage(content="the last.", source="a")))
    beginning, folded, end = re.split("<details[^>]*>|</details>", bundle(log)["text/html"])

    assert "<details" not in short
    assert beginning.count("message ") == end.count("message ") + 1 == UNFOLDED // 3
    assert folded.count("message ") == UNFOLDED + 1 - 2 * (UNFOLDED // 3)
    assert "21 more in between" in folded
    assert "the last." in end


def test_a_megabyte_of_text_is_shortened_on_the_page_and_whole_in_the_record() -> None:
    log = RunLog()
    log.append(Said(message=TextMessage(content="# x\n" * 250_000, source="a")))
    made = bundle(log)

    assert len(made["text/html"]) < 200_000
    assert "the whole has 1,000,000 characters" in made["text/html"]
    assert len(made[MIME]["events"][0]["body"]["message"]["content"]) == 1_000_000


def test_an_empty_log_has_a_page() -> None:
    made = bundle(RunLog())

    assert set(made) == FORMS
    assert "no messages" in made["text/html"]
    assert "Not finished" in made["text/plain"]


def test_a_result_shows_its_log_or_else_its_messages(run_log: RunLog) -> None:
    message = TextMessage(content="**hi**", source="a")

    assert result_bundle(TaskResult(messages=[], log=run_log)) == bundle(run_log)
    alone = result_bundle(TaskResult(messages=[message], stop_reason="enough"))
    assert "<strong>hi</strong>" in alone["text/html"]
    assert "enough" in alone["text/plain"]
    assert MIME not in alone


def test_a_message_shows_itself() -> None:
    made = message_bundle(TextMessage(content="a *b* <i>", source="me"))

    assert "a <em>b</em> &lt;i&gt;" in made["text/html"]
    assert made["text/plain"] == "── me ──\na *b* <i>"
    summary = ToolCallSummaryMessage(content="42", source="me", tool_calls=[], results=[])
    assert "42" in message_bundle(summary)["text/html"]


class Runner(TaskRunner):
    """A team with a name that would like to be markup."""

    @property
    def name(self) -> str:
        return "<b>writers"

    @property
    def description(self) -> str:
        return "They write."

    def _run_participants(self) -> list[Participant]:
        return [
            Participant(name="ana", description="Writes.", role="AssistantAgent"),
            Participant(name="ben", description="<script>", role="UserProxyAgent"),
        ]

    def _run_model(self) -> str:
        return "local"

    async def _perform(self, *_: Any) -> None:
        raise AssertionError("a card runs nothing")


def test_a_team_is_shown_as_a_card() -> None:
    made = runner_bundle(Runner())

    assert inspect(made["text/html"]).problems == []
    assert inspect(made["text/html"]).depth == 0
    assert "&lt;b&gt;writers" in made["text/html"]
    assert "&lt;script&gt;" in made["text/html"]
    assert made["text/plain"].splitlines() == [
        "Runner <b>writers (local)",
        "They write.",
        "  ana  AssistantAgent: Writes.",
        "  ben  UserProxyAgent: <script>",
    ]


def test_the_card_of_a_team_that_is_held_to_a_charter_shows_it() -> None:
    writers = RoundRobinGroupChat([AssistantAgent("ana", ScriptedChatCompletionClient(["hello"]))], name="writers")
    made = runner_bundle(MissionKeeper(writers, charter="Write.\nBuy <nothing>.", checks=[lambda act: True]))

    assert inspect(made["text/html"]).problems == []
    assert "Charter: Write.\nBuy &lt;nothing&gt;." in made["text/html"]
    assert made["text/plain"].splitlines()[2:4] == ["Charter: Write.", "Buy <nothing>."]
    assert "Charter: Write" in made["text/markdown"]
    assert "Charter" not in runner_bundle(writers)["text/plain"]
