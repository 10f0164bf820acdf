"""Spans that a program opens itself lie below the span of what it does."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncGenerator, AsyncIterator, Iterator, Sequence
from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.sdk.trace import ReadableSpan, SpanProcessor
from pydantic import BaseModel

from agentnb.agents import BaseChatAgent
from agentnb.base import Response
from agentnb.core import AgentId, CancellationToken, TopicId
from agentnb.messages import BaseChatMessage, CreateResult, RequestUsage, TextMessage
from agentnb.models import ReplayChatCompletionClient
from agentnb.runlog import RunLog, announce, scope
from agentnb.runtimes import (
    MessageContext,
    RoutedAgent,
    SingleThreadedAgentRuntime,
    TypeSubscription,
    event,
    message_handler,
    rpc,
)
from agentnb.teams import RoundRobinGroupChat
from agentnb.telemetry import follow_log, instrument, uninstrument
from agentnb.tools import BaseStreamTool, FunctionTool, StaticStreamWorkbench
from tests.telemetry.conftest import Spans, tool_call


@pytest.fixture
def spans() -> Spans:
    return Spans()


@pytest.fixture
def instrumented(spans: Spans) -> Iterator[Spans]:
    instrument(spans.provider)
    yield spans
    uninstrument()


@pytest.fixture(autouse=True)
async def nothing_is_left_behind() -> AsyncIterator[None]:
    yield
    assert trace.get_current_span() is trace.INVALID_SPAN


class Worker(RoutedAgent):
    """Opens a span of its own, as a library in its place would."""

    def __init__(self, spans: Spans) -> None:
        super().__init__("works")
        self.tracer = spans.provider.get_tracer("user")

    @rpc
    async def work(self, message: str, ctx: MessageContext) -> str:
        await asyncio.sleep(0)
        with self.tracer.start_as_current_span(f"{message} in {self.id.key}"):
            if message == "relay":
                return str(await self.send_message("work", AgentId("worker", "other")))
            if message == "fail":
                raise ValueError(message)
            return message

    @event
    async def hear(self, message: str, ctx: MessageContext) -> None:
        await asyncio.sleep(0)
        with self.tracer.start_as_current_span(f"heard {message} in {self.id.key}"):
            pass


async def running(spans: Spans, **options: Any) -> SingleThreadedAgentRuntime:
    runtime = SingleThreadedAgentRuntime(**options)
    await Worker.register(runtime, "worker", lambda: Worker(spans))
    await runtime.add_subscription(TypeSubscription("news", "worker"))
    runtime.start()
    return runtime


async def test_a_span_of_a_handler_is_no_root_but_below_its_process_span(spans: Spans) -> None:
    runtime = await running(spans, tracer_provider=spans.provider)
    with pytest.raises(ValueError, match="fail"):
        await runtime.send_message("fail", AgentId("worker", "k"))
    await runtime.publish_message("it", TopicId("news", "p"))
    await runtime.stop_when_idle()

    assert spans.parent("fail in k") == "autogen process worker.(k)-A"
    assert spans.parent("heard it in p") == "autogen process worker.(p)-A"


async def test_handlers_that_work_at_the_same_time_or_call_each_other_keep_their_spans(spans: Spans) -> None:
    runtime = await running(spans, tracer_provider=spans.provider)
    tracer = spans.provider.get_tracer("user")
    with tracer.start_as_current_span("request"):
        asked = [runtime.send_message("work", AgentId("worker", key)) for key in "abc"]
        await asyncio.gather(*asked, runtime.send_message("relay", AgentId("worker", "d")))
        with tracer.start_as_current_span("after"):
            pass
    await runtime.stop_when_idle()

    assert [spans.parent(f"work in {key}") for key in "abc"] == [f"autogen process worker.({key})-A" for key in "abc"]
    assert spans.parent("relay in d") == "autogen process worker.(d)-A"
    assert spans.parent("work in other") == "autogen process worker.(other)-A"
    assert spans.parent("after") == "request"
    assert spans.parent("autogen process worker.(d)-A") is None


async def test_a_sender_that_is_cancelled_has_its_own_span_again(spans: Spans) -> None:
    class Stuck(RoutedAgent):
        @message_handler
        async def wait(self, message: str, ctx: MessageContext) -> None:
            begun.set()
            await asyncio.Event().wait()

    begun = asyncio.Event()
    runtime = SingleThreadedAgentRuntime(tracer_provider=spans.provider)
    await Stuck.register(runtime, "stuck", lambda: Stuck("waits"))
    runtime.start()
    tracer = spans.provider.get_tracer("user")

    async def send() -> None:
        with tracer.start_as_current_span("request"):
            try:
                await runtime.send_message("x", AgentId("stuck", "k"))
            finally:
                with tracer.start_as_current_span("after"):
                    pass

    sending = asyncio.create_task(send())
    await begun.wait()
    sending.cancel()
    await asyncio.wait([sending])
    await runtime.stop_when_idle()

    assert spans.parent("after") == "request"


class Place(BaseModel):
    city: str


class Walk(BaseStreamTool[Place, str, int]):
    def __init__(self, spans: Spans) -> None:
        super().__init__(Place, int, "walk", "Go there.")
        self.tracer = spans.provider.get_tracer("user")

    async def run_stream(self, args: Place, cancellation_token: CancellationToken) -> AsyncGenerator[str | int, None]:
        with self.tracer.start_as_current_span("step"):
            pass
        yield "going"
        yield 3


async def test_a_span_of_a_tool_is_below_its_execute_tool_span(instrumented: Spans) -> None:
    def look(city: str) -> int:  # in a thread
        with instrumented.provider.get_tracer("user").start_as_current_span("look it up"):
            return len(city)

    await FunctionTool(look, "Look.").run_json({"city": "Oslo"}, CancellationToken())
    walking = StaticStreamWorkbench([Walk(instrumented)]).call_tool_stream("walk", {"city": "Oslo"})
    shown = [item async for item in walking]

    assert shown[0] == "going"
    assert instrumented.parent("look it up") == "execute_tool look"
    assert instrumented.parent("step") == "execute_tool walk"
    assert instrumented.parent("execute_tool walk") is None


async def test_a_stream_that_is_thrown_away_leaves_its_span_until_the_next_fact_only(spans: Spans) -> None:
    log, finished = RunLog(), asyncio.Event()
    stop = follow_log(log, spans.provider)
    log.watch(lambda item: finished.set() if item.kind == "tool.finished" else None)
    with scope(log, None, "ana"):
        walking = StaticStreamWorkbench([Walk(spans)]).call_tool_stream("walk", {"city": "Oslo"})
        await anext(walking)
        del walking
        gc.collect()
        await finished.wait()
        log.note("next")

    assert trace.get_current_span() is trace.INVALID_SPAN
    stop()


class Librarian(BaseChatAgent):
    """Asks a model, at once or in a stream, and opens spans of its own."""

    def __init__(self, spans: Spans) -> None:
        super().__init__("ana", "Knows books.")
        self.tracer = spans.provider.get_tracer("user")
        result = CreateResult(finish_reason="stop", content="yes", usage=RequestUsage(1, 1), cached=False)
        self.client = Chatty([result, result])
        self.client.tracer = self.tracer

    @property
    def produced_message_types(self) -> Sequence[type[BaseChatMessage]]:
        return (TextMessage,)

    async def on_messages(self, messages: Sequence[BaseChatMessage], cancellation_token: CancellationToken) -> Response:
        with self.tracer.start_as_current_span("look"):
            pass
        await self.client.create([])
        async for _ in self.client.create_stream([]):
            with self.tracer.start_as_current_span("piece"):
                pass
        return Response(chat_message=TextMessage(content="yes", source=self.name))

    async def on_reset(self, cancellation_token: CancellationToken) -> None: ...


class Chatty(ReplayChatCompletionClient):
    """Opens a span where an HTTP library would."""

    tracer: trace.Tracer

    async def create(self, *args: Any, **kwargs: Any) -> CreateResult:
        with self.tracer.start_as_current_span("POST"):
            return await super().create(*args, **kwargs)


async def test_a_span_of_an_agent_or_a_model_client_is_in_the_trace_of_the_run(instrumented: Spans) -> None:
    team = RoundRobinGroupChat([Librarian(instrumented)], name="team", max_turns=1)

    await team.run(task="go", log=RunLog())

    (post,) = [span for span in instrumented if span.name == "POST"]
    assert post.parent is not None
    chats = {span.context.span_id for span in instrumented if span.name.startswith("chat ") and span.context}
    assert post.parent.span_id in chats
    assert instrumented.parent("look") == "invoke_agent ana"
    pieces = [span for span in instrumented if span.name == "piece"]
    agent = instrumented["invoke_agent ana"].context
    assert agent is not None
    assert {span.parent.span_id for span in pieces if span.parent} == {agent.span_id}


async def test_two_providers_that_see_one_runtime_leave_nothing_current(spans: Spans) -> None:
    log = RunLog()
    others = Spans()
    stop = follow_log(log, others.provider)
    runtime = await running(spans, tracer_provider=spans.provider, log=log)
    await runtime.send_message("work", AgentId("worker", "k"))
    await runtime.stop_when_idle()
    stop()

    assert trace.get_current_span() is trace.INVALID_SPAN
    assert "autogen process worker.(k)-A" in {*spans.names} & {*others.names}


class _Full(SpanProcessor):
    def on_end(self, span: ReadableSpan) -> None:
        raise RuntimeError("full")


async def test_a_reader_that_stops_or_fails_while_a_handler_works_leaves_nothing_current(
    spans: Spans, caplog: pytest.LogCaptureFixture
) -> None:
    class Stops(RoutedAgent):
        @message_handler
        async def work(self, message: str, ctx: MessageContext) -> None:
            if message == "stop":
                stop()
            else:
                spans.provider.add_span_processor(_Full())
                tool_call(log, None)

    log = RunLog()
    runtime = SingleThreadedAgentRuntime(log=log)
    await Stops.register(runtime, "stops", lambda: Stops("stops"))
    runtime.start()
    for message in ("stop", "fail"):
        stop = follow_log(log, spans.provider)
        await runtime.send_message(message, AgentId("stops", "k"))
        assert trace.get_current_span() is trace.INVALID_SPAN
    await runtime.stop_when_idle()

    assert "failed and is called no more" in caplog.text


async def test_a_provider_of_its_own_takes_the_place_of_the_global_one(
    spans: Spans, monkeypatch: pytest.MonkeyPatch
) -> None:
    everybody = Spans()
    monkeypatch.setattr(trace, "get_tracer_provider", lambda: everybody.provider)
    instrument()
    try:
        runtime = await running(spans, tracer_provider=spans.provider)
        await runtime.send_message("work", AgentId("worker", "k"))
        await runtime.stop_when_idle()
        log = RunLog()
        follow_log(log, spans.provider)
        announce(log)
        tool_call(log, None)
    finally:
        uninstrument()

    assert everybody.names == []
    assert {"autogen process worker.(k)-A", "execute_tool add"} <= {*spans.names}


async def test_nobody_watches_runtimes_before_the_program_sets_a_provider(
    spans: Spans, monkeypatch: pytest.MonkeyPatch
) -> None:
    instrument()
    try:
        runtime = await running(spans)
        before = runtime._trace
        await runtime.stop()
        monkeypatch.setattr(trace, "get_tracer_provider", lambda: spans.provider)
        runtime.start()
        await runtime.send_message("work", AgentId("worker", "k"))
        await runtime.stop_when_idle()
    finally:
        uninstrument()

    assert before is None
    assert spans.parent("work in k") == "autogen process worker.(k)-A"
