"""Spans of real agents: who was created, who had the word, and which tools were called."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanKind, StatusCode

from agentnb.agents import AssistantAgent
from agentnb.core import Clock, set_clock
from agentnb.messages import CreateResult, FunctionCall, RequestUsage, UserMessage
from agentnb.models import ScriptedChatCompletionClient
from agentnb.runlog import Participant, RunFinished, RunLog, RunStarted, TurnFinished, TurnStarted
from agentnb.teams import BaseGroupChat, RoundRobinGroupChat, TeamView
from agentnb.telemetry import export_log, follow_log, instrument, uninstrument
from agentnb.telemetry.genai import CONTENT_VARIABLE
from tests.teams.conftest import Speaker
from tests.telemetry.conftest import Spans, span_id


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> Iterator[Spans]:
    monkeypatch.delenv(CONTENT_VARIABLE, raising=False)
    spans = Spans()
    instrument(spans.provider)
    with set_clock(Ticking()):
        yield spans
    uninstrument()


class Ticking(Clock):
    """A clock that moves whenever somebody looks at it: spans that began one after the other never tie."""

    time = datetime(2026, 1, 2, tzinfo=UTC)

    def now(self) -> datetime:
        self.time += timedelta(milliseconds=1)
        return self.time


def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


def fail() -> str:
    """Fail."""
    raise KeyError("no such thing")


def result(content: str | list[FunctionCall], usage: tuple[int, int], reason: str = "stop") -> CreateResult:
    data = {"finish_reason": reason, "content": content, "usage": RequestUsage(*usage), "cached": False}
    return CreateResult.model_validate(data)


def adder(name: str = "ana", tool: str = "add", arguments: str = '{"a": 1, "b": 2}') -> AssistantAgent:
    calls = [FunctionCall(id="c1", name=tool, arguments=arguments)]
    script = [result(calls, (10, 3), "function_calls"), result("It is 3.", (20, 5))]
    client = ScriptedChatCompletionClient(script, name="openai:gpt-4o-mini", repeats=True)
    return AssistantAgent(name, client, tools=[add, fail], reflect_on_tool_use=True, description=f"{name} adds")


def tree(spans: Spans) -> list[str]:
    """Each span as the path of names from its root, in the order they began; what is above comes first."""
    by_id = {span_id(span): span for span in spans}

    def path(span: ReadableSpan) -> str:
        above = by_id.get(span.parent.span_id) if span.parent else None
        return f"{path(above)} > {span.name}" if above else span.name

    return [name for _, _, name in sorted((span.start_time or 0, path(span).count(">"), path(span)) for span in spans)]


async def test_an_agent_alone_is_created_invoked_and_calls_its_tool(spans: Spans) -> None:
    await adder().run(task="1 + 2?", log=RunLog())

    assert tree(spans) == [
        "invoke_agent ana",
        "invoke_agent ana > create_agent ana",
        "invoke_agent ana > chat gpt-4o-mini",
        "invoke_agent ana > execute_tool add",
        "invoke_agent ana > chat gpt-4o-mini",
    ]


async def test_in_a_team_each_turn_is_an_invocation_with_its_tools_below_it(spans: Spans) -> None:
    team = RoundRobinGroupChat([adder("ana"), Speaker("ben")], max_turns=3, name="crew")
    await team.run(task="1 + 2?", log=RunLog())

    turn = ["chat gpt-4o-mini", "execute_tool add", "chat gpt-4o-mini"]
    within = "invoke_workflow crew"
    assert tree(spans) == [
        within,
        f"{within} > create_agent ana",
        f"{within} > create_agent ben",
        f"{within} > invoke_agent ana",
        *(f"{within} > invoke_agent ana > {step}" for step in turn),
        f"{within} > invoke_agent ben",
        f"{within} > invoke_agent ana",
        *(f"{within} > invoke_agent ana > {step}" for step in turn),
    ]


async def test_an_agent_that_goes_on_in_its_conversation_is_not_created_again(spans: Spans) -> None:
    team, log = RoundRobinGroupChat([Speaker("ana")], max_turns=1, name="crew"), RunLog()

    for _ in range(2):
        await team.run(task="go", log=log)

    assert spans.names == ["create_agent ana", *["invoke_agent ana"] * 2, *["invoke_workflow crew"] * 2]


async def test_the_team_within_a_team_is_a_workflow_below_its_turn(spans: Spans) -> None:
    inner = RoundRobinGroupChat([Speaker("ana")], max_turns=1, name="inner")
    await RoundRobinGroupChat([inner], max_turns=1, name="outer").run(task="go", log=RunLog())

    within = "invoke_workflow outer > invoke_agent inner > invoke_workflow inner"
    assert tree(spans) == [
        "invoke_workflow outer",
        "invoke_workflow outer > create_agent inner",
        "invoke_workflow outer > invoke_agent inner",
        within,
        f"{within} > create_agent ana",
        f"{within} > invoke_agent ana",
    ]


async def test_an_invocation_says_what_its_models_took(spans: Spans) -> None:
    log = RunLog()
    await adder().run(task="1 + 2?", log=log)

    assert spans["invoke_agent ana"].kind is SpanKind.INTERNAL
    assert spans.told("invoke_agent ana") == {
        "gen_ai.operation.name": "invoke_agent",
        "gen_ai.provider.name": "agentnb",
        "gen_ai.agent.name": "ana",
        "gen_ai.agent.description": "ana adds",
        "gen_ai.conversation.id": log.id,
        "gen_ai.request.model": "gpt-4o-mini",
        "gen_ai.response.finish_reasons": ("stop",),
        "gen_ai.usage.input_tokens": 30,
        "gen_ai.usage.output_tokens": 8,
        "agentnb.outcome": "done",
    }


async def test_an_agent_without_a_model_says_nothing_of_tokens(spans: Spans) -> None:
    await Speaker("ana").run(task="go", log=RunLog())

    assert not [key for key in spans.told("invoke_agent ana") if "usage" in key or "model" in key]


async def test_a_tool_that_fails_is_an_error_of_its_span_and_not_of_the_agents(spans: Spans) -> None:
    await adder(tool="fail", arguments="{}").run(task="go", log=RunLog())

    tool = spans.told("execute_tool fail")
    assert (tool["gen_ai.tool.name"], tool["gen_ai.tool.call.id"]) == ("fail", "c1")
    assert spans["execute_tool fail"].status.status_code is StatusCode.ERROR
    assert spans["invoke_agent ana"].status.status_code is StatusCode.UNSET


async def test_an_agent_that_fails_is_an_error_of_its_span(spans: Spans) -> None:
    with pytest.raises(KeyError):
        await Speaker("ana", KeyError("lost")).run(task="go", log=RunLog())

    assert spans.told("invoke_agent ana")["error.type"] == "KeyError"
    assert spans["invoke_agent ana"].status.status_code is StatusCode.ERROR


async def test_what_the_agent_said_is_told_only_if_asked_for(spans: Spans, monkeypatch: pytest.MonkeyPatch) -> None:
    await adder().run(task="1 + 2?", log=RunLog())
    assert "gen_ai.output.messages" not in spans.told("invoke_agent ana")

    monkeypatch.setenv(CONTENT_VARIABLE, "true")
    await adder("ben").run(task="1 + 2?", log=RunLog())

    assert json.loads(spans.told("invoke_agent ben")["gen_ai.output.messages"]) == [
        {
            "role": "assistant",
            "name": "ben",
            "parts": [{"type": "text", "content": "It is 3."}],
            "finish_reason": "stop",
        }
    ]


async def test_a_task_is_not_told_as_what_the_agent_said(spans: Spans, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(CONTENT_VARIABLE, "true")
    with pytest.raises(KeyError):
        await Speaker("ana", KeyError("lost")).run(task="go", log=RunLog())

    assert "gen_ai.output.messages" not in spans.told("invoke_agent ana")


async def test_what_a_nested_teams_choice_took_is_not_told_as_an_agents_work(spans: Spans) -> None:
    chooser = ScriptedChatCompletionClient([result("ana", (10, 3))])

    async def policy(view: TeamView) -> list[str]:
        return [str((await chooser.create([UserMessage(content="Who?", source="team")])).content)]

    inner = BaseGroupChat([Speaker("ana")], policy, max_turns=1, name="inner")
    await RoundRobinGroupChat([inner], max_turns=1).run(task="go", log=RunLog())

    assert spans.parent("chat scripted") == "invoke_workflow inner"
    assert "gen_ai.usage.input_tokens" not in spans.told("invoke_agent inner")


async def test_a_saved_log_gives_the_same_spans_afterwards(spans: Spans) -> None:
    log, afterwards = RunLog(), Spans()
    await RoundRobinGroupChat([adder("ana"), Speaker("ben")], max_turns=2, name="crew").run(task="1 + 2?", log=log)

    export_log(log, afterwards.provider)

    assert tree(afterwards) == tree(spans)
    assert [dict(span.attributes or {}) for span in afterwards] == [dict(span.attributes or {}) for span in spans]


async def test_a_team_with_the_name_of_its_only_agent_is_a_workflow(spans: Spans) -> None:
    await RoundRobinGroupChat([Speaker("ana")], max_turns=1, name="ana").run(task="go", log=RunLog())

    assert tree(spans) == [
        "invoke_workflow ana",
        "invoke_workflow ana > create_agent ana",
        "invoke_workflow ana > invoke_agent ana",
    ]


def test_what_a_turn_took_is_not_what_the_next_one_took(spans: Spans) -> None:
    log, seen = RunLog(), Spans()
    stop = follow_log(log, seen.provider)
    run = log.append(RunStarted(runner="team", runner_type="T", participants=(Participant(name="ana"),))).id
    for number in (1, 2):
        turn = log.append(TurnStarted(agent="ana", turn=number), parent=run).id
        log.append(TurnFinished(agent="ana", turn=number), parent=turn)
    log.append(RunFinished(outcome="done"), parent=run)
    stop()

    assert not [span for span in seen if "gen_ai.usage.input_tokens" in (span.attributes or {})]
