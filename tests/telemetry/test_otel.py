"""OpenTelemetry spans drawn from logs."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor, TracerProvider
from opentelemetry.trace import SpanKind, StatusCode

from agentnb.agents import AssistantAgent
from agentnb.core import AgentId
from agentnb.exceptions import MessageDroppedException
from agentnb.messages import CreateResult, RequestUsage
from agentnb.models import ScriptedChatCompletionClient
from agentnb.runlog import (
    AgentMade,
    EnvelopeDropped,
    EnvelopeIntercepted,
    EnvelopeSent,
    ErrorRaised,
    Event,
    MemoryFinished,
    MemoryStarted,
    ModelFinished,
    ModelStarted,
    Participant,
    RunFinished,
    RunLog,
    RunStarted,
    TurnFinished,
    TurnStarted,
    announce,
    observed,
)
from agentnb.runtimes import ClosureAgent, DefaultInterventionHandler, DropMessage, SingleThreadedAgentRuntime
from agentnb.teams import RoundRobinGroupChat
from agentnb.telemetry import export_log, follow_log, instrument, uninstrument
from agentnb.telemetry.drawing import SILENCE_VARIABLE
from agentnb.telemetry.genai import CONTENT_VARIABLE
from tests.telemetry.conftest import Spans, model_call, publish, send, team_run, tool_call, trace_id

GEN_AI, MESSAGING = "gen_ai.", "messaging."


@pytest.fixture
def spans(monkeypatch: pytest.MonkeyPatch) -> Spans:
    monkeypatch.delenv(CONTENT_VARIABLE, raising=False)
    monkeypatch.delenv(SILENCE_VARIABLE, raising=False)
    return Spans()


def live(spans: Spans, write: Callable[[RunLog], Any]) -> RunLog:
    log = RunLog()
    stop = follow_log(log, spans.provider)
    write(log)
    stop()
    return log


def afterwards(spans: Spans, write: Callable[[RunLog], Any]) -> RunLog:
    log = RunLog()
    write(log)
    export_log(log, spans.provider)
    return log


@pytest.fixture(params=[live, afterwards], ids=["live", "afterwards"])
def draw(request: pytest.FixtureRequest) -> Callable[[Spans, Callable[[RunLog], Any]], RunLog]:
    return request.param  # type: ignore[no-any-return]


Draw = Callable[[Spans, Callable[[RunLog], Any]], RunLog]


def test_a_teams_run_is_one_trace_whose_tree_is_that_of_the_facts(spans: Spans, draw: Draw) -> None:
    draw(spans, team_run)

    assert {name: spans.parent(name) for name in spans.names} == {
        "invoke_workflow team": None,
        "create_agent ana": "invoke_workflow team",
        "create_agent ben": "invoke_workflow team",
        "invoke_agent ana": "invoke_workflow team",
        "chat gpt-4o-mini": "invoke_agent ana",
        "execute_tool add": "invoke_agent ana",
        "execute_tool JupyterCodeExecutor": "invoke_agent ana",
    }
    assert len({trace_id(span) for span in spans}) == 1


def test_spans_carry_the_attributes_of_the_conventions(spans: Spans, draw: Draw) -> None:
    log = draw(spans, team_run)

    assert spans.told("invoke_workflow team", GEN_AI) == {
        "gen_ai.operation.name": "invoke_workflow",
        "gen_ai.workflow.name": "team",
        "gen_ai.conversation.id": log.id,
    }
    assert spans.told("invoke_agent ana", GEN_AI) == {
        "gen_ai.operation.name": "invoke_agent",
        "gen_ai.provider.name": "agentnb",
        "gen_ai.agent.name": "ana",
        "gen_ai.agent.description": "adds",
        "gen_ai.conversation.id": log.id,
        "gen_ai.request.model": "gpt-4o-mini",
        "gen_ai.response.finish_reasons": ("function_calls",),
        "gen_ai.usage.input_tokens": 10,
        "gen_ai.usage.output_tokens": 3,
    }
    assert spans.told("create_agent ana") == {
        "gen_ai.operation.name": "create_agent",
        "gen_ai.provider.name": "agentnb",
        "gen_ai.agent.name": "ana",
        "gen_ai.agent.description": "adds",
        "gen_ai.conversation.id": log.id,
    }
    assert spans.told("chat gpt-4o-mini", GEN_AI) == {
        "gen_ai.operation.name": "chat",
        "gen_ai.provider.name": "openai",
        "gen_ai.request.model": "gpt-4o-mini",
        "gen_ai.conversation.id": log.id,
        "gen_ai.output.type": "text",
        "gen_ai.response.model": "gpt-4o-mini",
        "gen_ai.response.finish_reasons": ("function_calls",),
        "gen_ai.usage.input_tokens": 10,
        "gen_ai.usage.output_tokens": 3,
    }
    assert spans.told("execute_tool add", GEN_AI) == {
        "gen_ai.operation.name": "execute_tool",
        "gen_ai.tool.name": "add",
        "gen_ai.tool.type": "function",
        "gen_ai.tool.call.id": "c1",
    }
    remote = ("chat", "create_agent")
    assert {span.kind for span in spans if span.name.startswith(remote)} == {SpanKind.CLIENT}
    assert {span.kind for span in spans if not span.name.startswith(remote)} == {SpanKind.INTERNAL}


def test_times_are_those_of_the_facts(spans: Spans, draw: Draw) -> None:
    log = draw(spans, team_run)
    asked, answered = (next(e for e in log if e.kind == kind) for kind in ("model.started", "model.finished"))

    def microseconds(event: Event) -> int:
        return round(event.at.timestamp() * 1_000_000)

    chat = spans["chat gpt-4o-mini"]
    assert ((chat.start_time or 0) / 1000, (chat.end_time or 0) / 1000) == (microseconds(asked), microseconds(answered))


def test_what_was_said_stays_here_unless_asked_for(spans: Spans, draw: Draw) -> None:
    draw(spans, team_run)

    everything = json.dumps([dict(span.attributes or {}) for span in spans])
    assert not [word for word in ("Be brief", "add 1", "1/0") if word in everything]


def test_what_was_said_is_told_if_asked_for(spans: Spans, draw: Draw, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(CONTENT_VARIABLE, "SPAN_ONLY")
    draw(spans, team_run)

    chat, tool = spans.told("chat gpt-4o-mini"), spans.told("execute_tool add")
    assert json.loads(chat["gen_ai.input.messages"]) == [
        {"role": "system", "parts": [{"type": "text", "content": "Be brief."}]},
        {"role": "user", "name": "user", "parts": [{"type": "text", "content": "add 1"}]},
    ]
    call = {"type": "tool_call", "id": "c1", "name": "add", "arguments": {"a": 1}}
    parts = [{"type": "reasoning", "content": "hm"}, call]
    assert json.loads(chat["gen_ai.output.messages"]) == [
        {"role": "assistant", "parts": parts, "finish_reason": "tool_call"}
    ]
    assert (json.loads(tool["gen_ai.tool.call.arguments"]), tool["gen_ai.tool.call.result"]) == ({"a": 1}, "2")
    code = json.loads(spans.told("execute_tool JupyterCodeExecutor")["gen_ai.tool.call.arguments"])
    assert code == {"code_blocks": [{"language": "python", "code": "1/0"}]}


def test_options_of_a_request_are_told_under_the_conventions_names(spans: Spans) -> None:
    options = {"temperature": 0, "max_tokens": 5, "stop": "END", "seed": 7, "user": "me", "top_p": True}
    live(spans, lambda log: model_call(log, None, streaming=True, options=options))

    assert spans.told("chat gpt-4o-mini", "gen_ai.request.") == {
        "gen_ai.request.model": "gpt-4o-mini",
        "gen_ai.request.stream": True,
        "gen_ai.request.temperature": 0.0,
        "gen_ai.request.max_tokens": 5,
        "gen_ai.request.stop_sequences": ("END",),
        "gen_ai.request.seed": 7,
    }


@pytest.mark.parametrize(
    ("name", "provider", "model", "kind"),
    [
        ("azure:gpt-4o", "azure.ai.openai", "gpt-4o", SpanKind.CLIENT),
        ("ollama:llama3:8b", "ollama", "llama3:8b", SpanKind.CLIENT),
        ("local:smol", "local", "smol", SpanKind.INTERNAL),
        ("MyClient", "agentnb", "MyClient", SpanKind.CLIENT),
    ],
)
def test_a_models_name_says_who_provides_it(spans: Spans, name: str, provider: str, model: str, kind: SpanKind) -> None:
    def write(log: RunLog) -> None:
        asked = log.append(ModelStarted(model=name, output="json")).id
        result = CreateResult(finish_reason="stop", content="hi", usage=RequestUsage(1, 1), cached=False)
        log.append(ModelFinished(model=name, result=result), parent=asked)

    live(spans, write)
    told = spans.told(f"chat {model}")
    assert (told["gen_ai.provider.name"], told["gen_ai.response.model"]) == (provider, model)
    assert told["gen_ai.output.type"] == "json"
    assert spans[f"chat {model}"].kind is kind


def test_an_agent_that_is_asked_by_itself_is_one_span(spans: Spans) -> None:
    def write(log: RunLog) -> None:
        run = log.append(RunStarted(runner="ana", runner_type="A", participants=(Participant(name="ana"),))).id
        turn = log.append(TurnStarted(agent="ana", turn=1), parent=run).id
        tool_call(log, turn)
        log.append(TurnFinished(agent="ana", turn=1), parent=turn)
        log.append(RunFinished(outcome="done"), parent=run)

    live(spans, write)
    assert spans.names == ["create_agent ana", "execute_tool add", "invoke_agent ana"]
    assert spans.parent("execute_tool add") == "invoke_agent ana"


def test_what_fails_says_so_with_the_class_of_its_error(spans: Spans, draw: Draw) -> None:
    def write(log: RunLog) -> None:
        run = log.append(RunStarted(runner="team", runner_type="T", participants=(Participant(name="ana"),))).id
        asked = log.append(ModelStarted(model="m"), parent=run).id
        log.append(ModelFinished(model="m", error="ModelTimeout: late"), parent=asked)
        tool_call(log, run, error="No: not today")
        log.append(ErrorRaised(type="KeyError", message="x", traceback="..."), parent=run)
        log.append(RunFinished(outcome="failed", stop_reason="KeyError: x"), parent=run)

    draw(spans, write)
    failed = [name for name in spans.names if name != "create_agent ana"]
    types = {name: spans.told(name)["error.type"] for name in failed}
    assert types == {"chat m": "ModelTimeout", "execute_tool add": "_OTHER", "invoke_workflow team": "KeyError"}
    assert {spans[name].status.status_code for name in failed} == {StatusCode.ERROR}
    assert spans["chat m"].status.description == "ModelTimeout: late"
    (raised,) = spans["invoke_workflow team"].events
    assert (raised.name, (raised.attributes or {})["exception.type"]) == ("exception", "KeyError")


def test_code_that_fails_has_its_exit_code_as_error(spans: Spans) -> None:
    live(spans, team_run)

    told = spans.told("execute_tool JupyterCodeExecutor")
    assert (told["error.type"], told["process.exit.code"]) == ("1", 1)


def test_a_memory_is_searched_and_filled(spans: Spans, monkeypatch: pytest.MonkeyPatch) -> None:
    def write(log: RunLog) -> None:
        asked = log.append(MemoryStarted(memory="notes", action="query", text="tea?")).id
        log.append(MemoryFinished(memory="notes", action="query", found=2), parent=asked)
        added = log.append(MemoryStarted(memory="notes", action="add", text="tea")).id
        log.append(MemoryFinished(memory="notes", action="add", error="OSError: full"), parent=added)

    live(spans, write)
    assert spans.told("search_memory") == {
        "gen_ai.operation.name": "search_memory",
        "gen_ai.memory.store.id": "notes",
        "gen_ai.memory.record.count": 2,
    }
    assert spans.told("create_memory")["error.type"] == "OSError"
    monkeypatch.setenv(CONTENT_VARIABLE, "true")
    asking = Spans()
    live(asking, write)
    assert asking.told("search_memory")["gen_ai.memory.query.text"] == "tea?"


def test_a_run_that_was_stopped_has_not_failed(spans: Spans) -> None:
    live(spans, lambda log: team_run(log, outcome="stopped"))

    assert spans["invoke_workflow team"].status.status_code is StatusCode.UNSET
    assert spans.told("invoke_workflow team")["agentnb.outcome"] == "stopped"


def test_what_has_no_end_in_the_log_ends_with_it(spans: Spans, draw: Draw) -> None:
    def write(log: RunLog) -> None:
        run = log.append(RunStarted(runner="team", runner_type="T", participants=(Participant(name="ana"),))).id
        tool_call(log, run)

    draw(spans, write)
    assert spans.told("invoke_workflow team")["agentnb.outcome"] == "unfinished"
    assert spans["invoke_workflow team"].end_time == spans["execute_tool add"].end_time


def test_a_send_has_autogens_spans_and_kinds(spans: Spans, draw: Draw) -> None:
    draw(spans, send)

    kinds = {span.name: (span.kind, (span.attributes or {})["messaging.operation"]) for span in spans}
    assert kinds == {
        "autogen create adder.(y)-A": (SpanKind.PRODUCER, "create"),
        "autogen send adder.(y)-A": (SpanKind.PRODUCER, "publish"),
        "autogen process adder.(y)-A": (SpanKind.CONSUMER, "process"),
        "autogen ack app.(x)-A": (SpanKind.CONSUMER, "receive"),
    }
    scopes = {span.instrumentation_scope.name for span in spans if span.instrumentation_scope}
    assert scopes == {"autogen SingleThreadedAgentRuntime"}


def test_spans_of_messages_carry_autogens_attributes_and_those_of_the_conventions(spans: Spans, draw: Draw) -> None:
    draw(spans, send)

    assert spans.told("autogen create adder.(y)-A") == {
        "messaging.operation": "create",
        "messaging.operation.name": "create",
        "messaging.operation.type": "create",
        "messaging.system": "agentnb",
        "messaging.destination": "adder.(y)-A",
        "messaging.destination.name": "adder.(y)-A",
        "messaging.message.id": "m1",
        "messaging.message.type": "Add",
    }
    process = spans.told("autogen process adder.(y)-A")
    assert json.loads(process["message_context"]) == {
        "sender": "app/x",
        "topic_id": None,
        "is_rpc": True,
        "message_id": "m1",
    }
    assert process["sender_agent_type"] == "app"
    assert (process["recipient_agent_type"], process["recipient_agent_class"]) == ("adder", "Adder")
    assert "message" not in process


def test_a_messages_payload_is_told_if_asked_for(spans: Spans, monkeypatch: pytest.MonkeyPatch) -> None:
    """AutoGen writes every payload into its spans, unasked."""
    monkeypatch.setenv(CONTENT_VARIABLE, "true")
    live(spans, send)

    assert spans.told("autogen process adder.(y)-A")["message"] == '{"a":1}'


def test_a_handler_is_linked_to_what_was_sent_and_begins_a_trace(spans: Spans, draw: Draw) -> None:
    draw(spans, lambda log: send(log, work=True))

    create, sent, process = (f"autogen {what} adder.(y)-A" for what in ("create", "send", "process"))
    assert spans.links(sent) == [create]
    assert spans.links(process) == [create, sent]
    assert spans.parent(process) is None
    assert spans.parent("chat gpt-4o-mini") == process
    assert spans.links("autogen ack app.(x)-A") == [process]
    assert trace_id(spans[process]) != trace_id(spans[create])


def test_what_a_handler_sends_is_below_it(spans: Spans, draw: Draw) -> None:
    def write(log: RunLog) -> None:
        delivered = send(log)
        log.append(
            EnvelopeSent(message_id="m3", sort="publish", sender="adder/y", recipient="t/s", type="str"),
            parent=delivered,
        )

    draw(spans, write)
    assert spans.parent("autogen create t.(s)-T") == "autogen process adder.(y)-A"
    assert spans.parent("autogen publish t.(s)-T") == "autogen process adder.(y)-A"


def test_messages_within_a_teams_run_stay_in_its_trace(spans: Spans, draw: Draw) -> None:
    def write(log: RunLog) -> None:
        run = log.append(RunStarted(runner="team", runner_type="T", participants=(Participant(name="a"),))).id
        send(log, parent=run, work=True)
        log.append(RunFinished(outcome="done"), parent=run)

    draw(spans, write)
    assert len({trace_id(span) for span in spans}) == 1
    assert spans.parent("autogen process adder.(y)-A") == "invoke_workflow team"
    assert spans.parent("autogen ack app.(x)-A") == "invoke_workflow team"


def test_a_publish_has_a_span_for_each_recipient(spans: Spans, draw: Draw) -> None:
    draw(spans, lambda log: publish(log, "a/1", "b/1"))

    sent = ["autogen create news:a.(all)-T", "autogen publish news:a.(all)-T"]
    assert spans.names == [sent[0], "autogen process a.(1)-A", "autogen process b.(1)-A", sent[1]]
    assert spans.links("autogen process a.(1)-A") == sent
    assert spans.links("autogen process b.(1)-A") == sent
    assert json.loads(spans.told("autogen process a.(1)-A")["message_context"])["topic_id"] == "news:a/all"


def test_a_handler_that_raises_is_an_error(spans: Spans, draw: Draw) -> None:
    draw(spans, lambda log: send(log, error="bad"))

    process = spans["autogen process adder.(y)-A"]
    assert (process.status.status_code, process.status.description) == (StatusCode.ERROR, "bad")
    assert spans.told(process.name)["error.type"] == "ValueError"


def test_interventions_are_seen_and_a_dropped_message_is_an_error(spans: Spans, draw: Draw) -> None:
    def write(log: RunLog) -> None:
        sent = log.append(EnvelopeSent(message_id="m", sort="send", sender=None, recipient="b/1", type="str")).id
        log.append(EnvelopeIntercepted(message_id="m", sort="send", by="Watch"), parent=sent)
        log.append(EnvelopeDropped(message_id="m", sort="send", recipient="b/1", by="Guard"), parent=sent)

    draw(spans, write)
    states = {span.name: span.status.status_code for span in spans}
    assert states == {
        "autogen create b.(1)-A": StatusCode.UNSET,
        "autogen intercept Watch": StatusCode.UNSET,
        "autogen intercept Guard": StatusCode.ERROR,
        "autogen send b.(1)-A": StatusCode.ERROR,
    }
    assert spans.told("autogen send b.(1)-A")["error.type"] == "MessageDroppedException"
    assert spans["autogen intercept Watch"].kind is SpanKind.CONSUMER


def test_a_recipient_without_room_is_an_error(spans: Spans) -> None:
    def write(log: RunLog) -> None:
        sent = publish(log)
        log.append(
            EnvelopeDropped(message_id="m2", sort="publish", recipient="a/1", by="capacity", why="full"), parent=sent
        )

    live(spans, write)
    assert spans["autogen process a.(1)-A"].status.description == "dropped by capacity: full"


def test_a_runtime_that_makes_an_agent_is_a_span(spans: Spans, draw: Draw) -> None:
    def write(log: RunLog) -> None:
        log.append(AgentMade(agent="ana/k", role="Ana", description="adds"), took=0.5)
        log.append(AgentMade(agent="ben/k", error="TypeError: no"), took=0.1)

    log = draw(spans, write)
    assert spans.told("create_agent ana") == {
        "gen_ai.operation.name": "create_agent",
        "gen_ai.provider.name": "agentnb",
        "gen_ai.agent.name": "ana",
        "gen_ai.agent.id": "ana/k",
        "gen_ai.agent.description": "adds",
    }
    assert spans.told("create_agent ben")["error.type"] == "TypeError"
    made = spans["create_agent ana"]
    assert made.end_time is not None
    assert made.start_time is not None
    assert made.end_time - made.start_time == timedelta(seconds=0.5) / timedelta(microseconds=1) * 1000
    assert log.events[0].at.timestamp() == pytest.approx(made.end_time / 1e9)


def test_the_switch_silences_messages_and_nothing_else(
    spans: Spans, draw: Draw, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(SILENCE_VARIABLE, "true")

    def write(log: RunLog) -> None:
        run = log.append(RunStarted(runner="team", runner_type="T", participants=(Participant(name="a"),))).id
        send(log, parent=run, work=True)
        publish(log, "a/1")
        log.append(RunFinished(outcome="done"), parent=run)

    draw(spans, write)
    assert spans.names == ["chat gpt-4o-mini", "create_agent a", "execute_tool add", "invoke_workflow team"]
    assert spans.parent("chat gpt-4o-mini") == "invoke_workflow team"


def test_a_run_is_below_the_span_of_the_program_that_starts_it(spans: Spans) -> None:
    log = RunLog()
    follow_log(log, spans.provider)
    with spans.provider.get_tracer("app").start_as_current_span("request"):
        team_run(log)

    assert spans.parent("invoke_workflow team") == "request"


def test_a_log_is_followed_once_for_one_provider(spans: Spans) -> None:
    log = RunLog()
    stops = [follow_log(log, spans.provider), follow_log(log, spans.provider)]
    tool_call(log, None)
    assert spans.names == ["execute_tool add"]

    for stop in stops:
        stop()
    tool_call(log, None)
    assert len(spans.names) == 1


def test_instrumenting_draws_every_log_that_begins(spans: Spans) -> None:
    instrument(spans.provider)
    try:
        assert observed()
        log = RunLog()
        announce(log)
        tool_call(log, None)
        assert spans.names == ["execute_tool add"]

        uninstrument()
        tool_call(log, None)
        assert spans.names == ["execute_tool add"]

        instrument(spans.provider)
        announce(log)
        tool_call(log, None)
        assert len(spans.names) == 2
    finally:
        uninstrument()


def test_spans_go_to_the_global_provider_unless_another_is_given(spans: Spans, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: spans.provider)
    log = RunLog()
    follow_log(log)
    tool_call(log, None)

    assert spans.names == ["execute_tool add"]


class _Full(SpanProcessor):
    def on_end(self, span: ReadableSpan) -> None:
        raise RuntimeError("full")


def test_an_exporter_that_raises_is_reported_and_dropped(caplog: pytest.LogCaptureFixture) -> None:
    provider = TracerProvider()
    provider.add_span_processor(_Full())
    log = RunLog()
    follow_log(log, provider)
    tool_call(log, None)
    tool_call(log, None)

    assert [event.kind for event in log] == ["tool.started", "tool.finished"] * 2
    assert caplog.text.count("failed and is called no more") == 1


def test_without_opentelemetry_the_extra_is_named_and_the_room_still_opens() -> None:
    program = (
        "import sys\nsys.modules['opentelemetry'] = None\nimport agentnb.telemetry as t\n"
        "from agentnb.exceptions import MissingExtra\n"
        "for ask in (t.instrument, lambda: t.trace_tool_span('x').__enter__()):\n"
        "    try:\n        ask()\n"
        "    except MissingExtra as error:\n        print(error)\n"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert done.stdout == "Spans need OpenTelemetry: pip install 'agentnb-toolkit[otel]'.\n" * 2


def test_opening_the_room_imports_no_opentelemetry() -> None:
    program = "import sys\nimport agentnb.telemetry\nprint('opentelemetry' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert done.stdout == "False\n"


async def test_a_runtime_draws_its_spans_for_the_provider_it_is_given(spans: Spans) -> None:
    async def double(closure: Any, message: int, ctx: Any) -> int:
        return message * 2

    runtime = SingleThreadedAgentRuntime(tracer_provider=spans.provider)
    await ClosureAgent.register_closure(runtime, "doubler", double)
    runtime.start()
    await runtime.send_message(4, AgentId("doubler", "k"))
    await runtime.stop_when_idle()

    where = "doubler.(k)-A"
    names = ["autogen ack", *(f"autogen {what} {where}" for what in ("create", "process", "send"))]
    assert spans.names == [*names, "create_agent doubler"]
    assert spans.links(f"autogen process {where}") == [f"autogen create {where}", f"autogen send {where}"]
    assert spans.told(f"autogen process {where}")["recipient_agent_class"] == "ClosureAgent"


async def test_a_handler_that_fails_in_a_runtime_is_an_error_and_a_dropped_message_too(spans: Spans) -> None:
    async def fail(closure: Any, message: int, ctx: Any) -> int:
        raise KeyError(message)

    class Guard(DefaultInterventionHandler):
        async def on_send(self, message: Any, *, message_context: Any, recipient: AgentId) -> Any:
            return DropMessage if message == 0 else message

    runtime = SingleThreadedAgentRuntime(tracer_provider=spans.provider, intervention_handlers=[Guard()])
    await ClosureAgent.register_closure(runtime, "failing", fail)
    runtime.start()
    for message, error in ((1, KeyError), (0, MessageDroppedException)):
        with pytest.raises(error):
            await runtime.send_message(message, AgentId("failing", "k"))
    await runtime.stop_when_idle()

    types = [(span.name, (span.attributes or {}).get("error.type")) for span in spans]
    assert ("autogen process failing.(k)-A", "KeyError") in types
    assert ("autogen send failing.(k)-A", "MessageDroppedException") in types
    assert ("autogen intercept Guard", "MessageDroppedException") in types
    assert ("autogen intercept Guard", None) in types


async def test_a_team_that_runs_is_one_trace(spans: Spans) -> None:
    team = RoundRobinGroupChat(
        [AssistantAgent(name, ScriptedChatCompletionClient(["hi"])) for name in ("ana", "ben")], max_turns=2
    )
    instrument(spans.provider)
    try:
        await team.run(task="go", log=RunLog())
    finally:
        uninstrument()

    agents = [f"{what} {name}" for what in ("create_agent", "invoke_agent") for name in ("ana", "ben")]
    assert spans.names == ["chat scripted"] * 2 + agents + [f"invoke_workflow {team.name}"]
    assert len({trace_id(span) for span in spans}) == 1
    chats = [span for span in spans if span.name == "chat scripted"]
    assert all((span.attributes or {})["gen_ai.usage.output_tokens"] for span in chats)
