"""A fixed list of tools."""

from __future__ import annotations

import asyncio
import sys
import threading
from collections.abc import AsyncGenerator
from typing import Any

import pytest
from pydantic import BaseModel, ValidationError

from agentnb.core import CancellationToken
from agentnb.exceptions import CodeNotAllowed
from agentnb.runlog import RunLog, ToolFinished, ToolStarted, current, scope
from agentnb.tools import (
    BaseStreamTool,
    BaseTool,
    BaseToolWithState,
    FunctionTool,
    StaticStreamWorkbench,
    StaticWorkbench,
    ToolOverride,
    ToolResult,
    Workbench,
)


def add(a: int, b: int) -> int:
    return a + b


def leave() -> None:
    sys.exit("usage: leave")


def group() -> None:
    raise ExceptionGroup("several", [ValueError("one"), ExceptionGroup("inner", [KeyError("two")])])


def halves() -> str:
    return "half \ud83d"


@pytest.fixture
def bench() -> StaticWorkbench:
    return StaticWorkbench([FunctionTool(f, description=f.__name__) for f in (add, leave, group, halves)])


async def call(bench: StaticWorkbench, name: str, **arguments: Any) -> tuple[str, bool]:
    result = await bench.call_tool(name, arguments)
    assert result.name == name
    return result.to_text(), result.is_error


async def test_a_call_gives_the_result_as_text(bench: StaticWorkbench) -> None:
    assert await call(bench, "add", a=1, b=2) == ("3", False)


async def test_tools_are_listed_in_their_order(bench: StaticWorkbench) -> None:
    assert [schema["name"] for schema in await bench.list_tools()] == ["add", "leave", "group", "halves"]


async def test_an_unknown_tool_is_a_result_that_lists_the_known_ones(bench: StaticWorkbench) -> None:
    text, is_error = await call(bench, "ad")

    assert is_error
    assert "No tool is named 'ad' (known: 'add', 'leave', 'group', 'halves')" in text


async def test_arguments_that_do_not_fit_are_a_result_that_names_them(bench: StaticWorkbench) -> None:
    text, is_error = await call(bench, "add", a="one", b=2)

    assert is_error
    assert text.startswith("ValidationError: ")
    assert "valid integer" in text


async def test_a_group_of_errors_is_a_line_for_each(bench: StaticWorkbench) -> None:
    assert await call(bench, "group") == ("ValueError: one\nKeyError: 'two'", True)


async def test_a_tool_that_exits_does_not_end_the_program(bench: StaticWorkbench) -> None:
    assert await call(bench, "leave") == ("SystemExit: usage: leave", True)


async def test_text_that_cannot_be_written_is_mended(bench: StaticWorkbench) -> None:
    assert await call(bench, "halves") == ("half \ufffd", False)


async def test_cancelling_is_no_result(bench: StaticWorkbench) -> None:
    async def wait() -> None:
        await asyncio.Event().wait()

    task = asyncio.ensure_future(StaticWorkbench([FunctionTool(wait, description="")]).call_tool("wait"))
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task


async def test_the_token_reaches_the_tool() -> None:
    seen: list[CancellationToken] = []

    def look(cancellation_token: CancellationToken) -> None:
        seen.append(cancellation_token)

    token = CancellationToken()
    await StaticWorkbench([FunctionTool(look, description="")]).call_tool("look", {}, token)

    assert seen == [token]


def test_two_tools_of_one_name_are_refused() -> None:
    tools = [FunctionTool(add, description=""), FunctionTool(leave, description="", name="add")]

    with pytest.raises(ValueError, match="Two tools are named 'add'"):
        StaticWorkbench(tools)


def plain(city: str) -> str:
    return city


@pytest.mark.parametrize(
    ("tools", "says"),
    [
        ([plain], r"<function plain at .*> is none\. Wrap it: FunctionTool\(plain, description='\.\.\.'\)"),
        (["plain"], r"takes tools, and 'plain' is none\. Give a Tool"),
        (FunctionTool(plain, ""), r"a list of tools, not <.*FunctionTool.*>; put what is one into a list: \[tool\]"),
        ("plain", "a list of tools, not 'plain'"),
    ],
)
def test_something_that_is_no_tool_is_refused_where_it_is_given(tools: Any, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        StaticWorkbench(tools)


@pytest.mark.parametrize(
    ("overrides", "says"),
    [
        ({"plain": {"name": "p"}}, r"tool_overrides\['plain'\] is {'name': 'p'}; .* ToolOverride\(\*\*{'name': 'p'}\)"),
        ({"plain": "p"}, r"tool_overrides\['plain'\] is 'p'; it must be a ToolOverride: write ToolOverride\(name="),
        (["plain"], r"tool_overrides is \['plain'\]; it must be a dict"),
    ],
)
def test_an_override_that_is_none_is_refused_where_it_is_given(overrides: Any, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        StaticWorkbench([FunctionTool(plain, "")], tool_overrides=overrides)


async def test_a_workbench_is_started_and_stopped_by_its_block(bench: StaticWorkbench) -> None:
    async with bench as started:
        assert started is bench
        await bench.reset()
        assert await call(bench, "add", a=1, b=1) == ("2", False)


class Arguments(BaseModel):
    upto: int = 2


class Total(BaseModel):
    total: int


class Counting(BaseStreamTool[Arguments, str, Total]):
    """Says every number on the way to the sum; stumbles at 13."""

    def __init__(self) -> None:
        super().__init__(Arguments, Total, "count", "Count.")
        self.closed = False

    async def run_stream(
        self, args: Arguments, cancellation_token: CancellationToken
    ) -> AsyncGenerator[str | Total, None]:
        try:
            for number in range(args.upto):
                if number == 13:
                    raise LookupError("thirteen")
                yield f"at {number}"
            yield Total(total=sum(range(args.upto)))
        finally:
            self.closed = True


class Words(BaseStreamTool[Arguments, str, str]):
    """Its pieces and its result are both texts."""

    def __init__(self) -> None:
        super().__init__(Arguments, str, "words", "Say words.")
        self.asked: list[int] = []

    async def run_stream(self, args: Arguments, cancellation_token: CancellationToken) -> AsyncGenerator[str, None]:
        for number in range(args.upto):
            self.asked.append(number)
            if number == 13:
                raise LookupError("thirteen")
            yield f"word {number}"


class Waiting(BaseStreamTool[Arguments, str, Total]):
    """Says one thing and then waits for ever, without a look at its token."""

    def __init__(self) -> None:
        super().__init__(Arguments, Total, "wait", "Wait.")
        self.closed = asyncio.Event()

    async def run_stream(
        self, args: Arguments, cancellation_token: CancellationToken
    ) -> AsyncGenerator[str | Total, None]:
        try:
            yield "waiting"
            await asyncio.Event().wait()
        finally:
            self.closed.set()


class Tally(BaseModel):
    count: int = 0


class Counter(BaseToolWithState[Arguments, int, Tally]):
    def __init__(self) -> None:
        super().__init__(Arguments, int, Tally, "counter", "Count calls.")
        self.tally = Tally()

    async def run(self, args: Arguments, cancellation_token: CancellationToken) -> int:
        self.tally = Tally(count=self.tally.count + args.upto)
        return self.tally.count

    def save_state(self) -> Tally:
        return self.tally

    def load_state(self, state: Tally) -> None:
        self.tally = state


async def streamed(bench: StaticStreamWorkbench, name: str, **arguments: Any) -> tuple[list[Any], str, bool]:
    *items, result = [item async for item in bench.call_tool_stream(name, arguments)]
    assert isinstance(result, ToolResult)
    assert result.name == name
    return items, result.to_text(), result.is_error


def tool_facts(log: RunLog) -> list[Any]:
    return [event.body for event in log.events if isinstance(event.body, ToolStarted | ToolFinished)]


# Overrides


async def test_a_renamed_tool_is_listed_and_called_by_its_new_name_and_still_by_its_own() -> None:
    bench = StaticWorkbench(
        [FunctionTool(add, description="adds"), FunctionTool(group, description="fails")],
        tool_overrides={"add": ToolOverride(name="plus", description="Adds two numbers.")},
    )

    listed = await bench.list_tools()

    assert [(tool["name"], tool["description"]) for tool in listed] == [
        ("plus", "Adds two numbers."),
        ("group", "fails"),
    ]
    assert listed[0]["parameters"] == FunctionTool(add, description="").schema["parameters"]
    assert await call(bench, "plus", a=1, b=2) == ("3", False)
    assert await call(bench, "add", a=1, b=2) == ("3", False)
    assert "(known: 'plus', 'group')" in (await call(bench, "minus"))[0]


async def test_an_override_changes_nothing_in_the_tool_itself() -> None:
    tool = FunctionTool(add, description="adds")
    before = dict(tool.schema)

    await StaticWorkbench([tool], {"add": ToolOverride(description="x")}).list_tools()

    assert (tool.name, tool.description, tool.schema) == ("add", "adds", before)


@pytest.mark.parametrize(
    "overrides",
    [
        {"add": ToolOverride(name="group")},
        {"add": ToolOverride(name="same"), "group": ToolOverride(name="same")},
        {"add": ToolOverride(name="group"), "group": ToolOverride(name="add")},
    ],
)
def test_an_override_may_not_take_a_name_that_is_taken(overrides: dict[str, ToolOverride]) -> None:
    tools = [FunctionTool(add, description=""), FunctionTool(group, description="")]

    with pytest.raises(ValueError, match="cannot be called"):
        StaticWorkbench(tools, overrides)


def test_an_override_of_a_tool_that_is_not_there_warns() -> None:
    with pytest.warns(UserWarning, match=r"No tool is named 'ad' \(known: 'add'\)"):
        StaticWorkbench([FunctionTool(add, description="")], {"ad": ToolOverride(name="plus")})


async def test_a_streaming_workbench_knows_its_tools_by_their_overridden_names() -> None:
    bench = StaticStreamWorkbench([Counting()], {"count": ToolOverride(name="sum")})

    assert await streamed(bench, "sum", upto=2) == (["at 0", "at 1"], '{"total": 1}', False)


# What goes wrong


async def test_a_tool_whose_inner_task_was_cancelled_gives_an_error_and_not_the_end_of_the_run() -> None:
    async def inner() -> None:
        future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        future.cancel()
        await future

    bench = StaticStreamWorkbench([FunctionTool(inner, description="")])

    for token in (None, CancellationToken()):
        result = await bench.call_tool("inner", {}, token)
        assert result.is_error
        assert result.to_text() == "CancelledError: something the tool waited for was cancelled."
    assert (await streamed(bench, "inner"))[2]


async def test_an_async_tool_that_exits_does_not_end_the_event_loop() -> None:
    async def leave_now() -> None:
        sys.exit("usage")

    bench = StaticStreamWorkbench([FunctionTool(leave_now, description="")])

    for result in (
        await bench.call_tool("leave_now", {}, CancellationToken()),
        [item async for item in bench.call_tool_stream("leave_now", {}, CancellationToken())][-1],
    ):
        assert (result.to_text(), result.is_error) == ("SystemExit: usage", True)


async def test_cancelling_the_token_ends_a_tool_that_never_looks_at_it() -> None:
    begun, ended = asyncio.Event(), asyncio.Event()

    async def wait() -> None:
        try:
            begun.set()
            await asyncio.Event().wait()
        finally:
            ended.set()

    token = CancellationToken()
    task = asyncio.ensure_future(StaticWorkbench([FunctionTool(wait, description="")]).call_tool("wait", {}, token))
    await begun.wait()
    token.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task
    assert ended.is_set()


async def test_a_token_that_is_cancelled_already_lets_nothing_begin() -> None:
    ran = []
    token = CancellationToken()
    token.cancel()

    with pytest.raises(asyncio.CancelledError):
        await StaticWorkbench([FunctionTool(lambda: ran.append(1), description="", name="f")]).call_tool("f", {}, token)
    assert ran == []


async def test_the_thread_of_a_cancelled_tool_goes_on_while_its_caller_does_not_wait() -> None:
    begun, go_on, done = threading.Event(), threading.Event(), threading.Event()

    def slow() -> None:
        begun.set()
        go_on.wait()
        done.set()

    token = CancellationToken()
    bench = StaticWorkbench([FunctionTool(slow, description="")])
    running = asyncio.ensure_future(bench.call_tool("slow", {}, token))
    await asyncio.to_thread(begun.wait)
    token.cancel()

    with pytest.raises(asyncio.CancelledError):
        await running
    assert not done.is_set()
    go_on.set()
    await asyncio.to_thread(done.wait)


# Streams


async def test_a_stream_shows_what_happens_and_then_the_result() -> None:
    bench = StaticStreamWorkbench([Counting(), Words(), FunctionTool(add, description="")])

    assert await streamed(bench, "count", upto=3) == (["at 0", "at 1", "at 2"], '{"total": 3}', False)
    assert await streamed(bench, "words", upto=3) == (["word 0", "word 1"], "word 2", False)
    assert await streamed(bench, "add", a=1, b=2) == ([], "3", False)
    assert await call(bench, "count", upto=3) == ('{"total": 3}', False)


async def test_what_was_shown_before_an_error_is_not_lost() -> None:
    bench = StaticStreamWorkbench([Counting(), Words()])

    for name, word in (("count", "at"), ("words", "word")):
        items, text, is_error = await streamed(bench, name, upto=20)
        assert items == [f"{word} {number}" for number in range(13)]
        assert (text, is_error) == ("LookupError: thirteen", True)


async def test_a_progress_message_is_shown_before_the_next_one_is_ready() -> None:
    """What cannot be the result, by its type, is not kept back until it is known to be the last."""
    bench, tool = None, Waiting()
    bench = StaticStreamWorkbench([tool])
    stream = bench.call_tool_stream("wait", {}, CancellationToken())

    assert await asyncio.wait_for(anext(stream), 5) == "waiting"
    await stream.aclose()
    assert tool.closed.is_set()


async def test_cancelling_the_token_ends_a_stream() -> None:
    tool, token = Waiting(), CancellationToken()
    stream = StaticStreamWorkbench([tool]).call_tool_stream("wait", {}, token)
    await anext(stream)
    asyncio.get_running_loop().call_soon(token.cancel)

    with pytest.raises(asyncio.CancelledError):
        await anext(stream)
    assert tool.closed.is_set()


async def test_a_stream_waits_for_its_reader() -> None:
    tool = Words()
    stream = StaticStreamWorkbench([tool]).call_tool_stream("words", {"upto": 9}, CancellationToken())

    assert await anext(stream) == "word 0"
    for _ in range(20):
        await asyncio.sleep(0)

    assert len(tool.asked) <= 3
    await stream.aclose()


async def test_a_stream_that_ends_wrong_or_empty_is_an_error() -> None:
    class Empty(Words):
        async def run_stream(self, args: Arguments, cancellation_token: CancellationToken) -> AsyncGenerator[str, None]:
            return
            yield ""

    class Wrong(Counting):
        async def run_stream(
            self, args: Arguments, cancellation_token: CancellationToken
        ) -> AsyncGenerator[str | Total, None]:
            yield "only words"

    empty = await streamed(StaticStreamWorkbench([Empty()]), "words")
    wrong = await streamed(StaticStreamWorkbench([Wrong()]), "count")

    assert empty == (
        [],
        "ToolError: The tool 'words' ended its stream without an item; the last one is the result.",
        True,
    )
    assert wrong[0] == ["only words"]
    assert wrong[1].startswith("TypeError: The tool 'count' ended its stream with 'only words', a str")
    assert wrong[2]


async def test_an_unknown_tool_and_bad_arguments_are_results_of_a_stream_too() -> None:
    bench = StaticStreamWorkbench([Counting()])

    assert "No tool is named 'cont'" in (await streamed(bench, "cont"))[1]
    assert (await streamed(bench, "count", upto="many"))[1].startswith("ValidationError: ")


async def test_a_streamed_call_is_one_pair_of_facts_and_the_tools_own_lie_within() -> None:
    seen: list[Any] = []

    class Looking(Counting):
        async def run_stream(
            self, args: Arguments, cancellation_token: CancellationToken
        ) -> AsyncGenerator[str | Total, None]:
            here = current()
            assert here is not None
            seen.append(here.parent)
            yield "looking"
            yield Total(total=1)

    log = RunLog()
    with scope(log, None, "me"):
        async for _ in StaticStreamWorkbench([Looking()]).call_tool_stream("count", {"upto": 1}, call_id="c"):
            here = current()
            assert here is not None
            assert here.parent is None, "the reader is outside of the call"

    started, finished = tool_facts(log)
    assert (started.tool, started.call_id, started.arguments) == ("count", "c", {"upto": 1})
    assert (finished.result, finished.is_error) == ('{"total": 1}', False)
    assert seen == [event.id for event in log.events if event.body is started]


async def test_a_stream_that_fails_or_is_cancelled_is_recorded_as_an_error() -> None:
    log, token = RunLog(), CancellationToken()
    with scope(log, None, "me"):
        await streamed(StaticStreamWorkbench([Words()]), "words", upto=20)
        stream = StaticStreamWorkbench([Waiting()]).call_tool_stream("wait", {}, token)
        await anext(stream)
        token.cancel()
        with pytest.raises(asyncio.CancelledError):
            await anext(stream)

    finished = [fact for fact in tool_facts(log) if isinstance(fact, ToolFinished)]
    assert [(fact.result, fact.is_error) for fact in finished] == [
        ("LookupError: thirteen", True),
        ("CancelledError", True),
    ]


# State


async def test_the_state_of_the_tools_goes_through_the_workbench() -> None:
    bench = StaticWorkbench([Counter(), FunctionTool(add, description="")], {"counter": ToolOverride(name="tally")})
    await bench.call_tool("tally", {"upto": 5})

    state = await bench.save_state()
    other = StaticWorkbench([Counter(), FunctionTool(add, description="")])
    await other.load_state(state)

    assert state == {"type": "StaticWorkbenchState", "tools": {"counter": {"count": 5}, "add": {}}}
    assert await call(other, "counter", upto=1) == ("6", False)


async def test_reset_gives_the_tools_the_state_they_had_at_the_start() -> None:
    bench = StaticWorkbench([Counter()])
    await bench.call_tool("counter", {"upto": 5})

    async with bench:
        await bench.call_tool("counter", {"upto": 1})
        await bench.reset()
        assert await call(bench, "counter", upto=2) == ("7", False)


async def test_a_state_of_a_tool_that_is_gone_is_passed_over_with_a_warning() -> None:
    bench = StaticWorkbench([Counter()])

    with pytest.warns(UserWarning, match="'gone', which is not here"):
        await bench.load_state({"type": "StaticWorkbenchState", "tools": {"gone": {"a": 1}, "counter": {"count": 2}}})

    assert (await bench.save_state())["tools"] == {"counter": {"count": 2}}


@pytest.mark.parametrize("state", [{"type": "Other"}, {"tools": {"counter": {"count": "many"}}}])
async def test_a_state_of_another_kind_is_refused(state: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        await StaticWorkbench([Counter()]).load_state(state)


# As a component


def tenth(n: int) -> float:
    return n / 10


async def test_a_workbench_is_written_and_made_again_with_its_overrides() -> None:
    bench = StaticStreamWorkbench(
        [FunctionTool(tenth, description="a tenth")], {"tenth": ToolOverride(name="part", description="A part.")}
    )

    written = bench.dump_component()
    again = Workbench.load_component(written, StaticStreamWorkbench, allow_code=True)

    assert written.provider == "agentnb.tools.StaticStreamWorkbench"
    assert written.component_type == "workbench"
    assert written.config["tool_overrides"] == {"tenth": {"name": "part", "description": "A part."}}
    assert [tool["provider"] for tool in written.config["tools"]] == ["agentnb.tools.FunctionTool"]
    assert await again.list_tools() == await bench.list_tools()
    assert await call(again, "part", n=5) == ("0.5", False)
    assert again.dump_component() == written


def test_a_workbench_without_overrides_says_so_when_it_is_written() -> None:
    assert StaticWorkbench([]).dump_component().config == {"tools": [], "tool_overrides": {}}


def test_a_workbench_whose_tools_are_source_code_is_not_loaded_unasked() -> None:
    written = StaticWorkbench([FunctionTool(tenth, description="")]).dump_component()

    with pytest.raises(CodeNotAllowed, match=r"the tool 'tenth' \(FunctionTool\)"):
        StaticWorkbench.load_component(written)


# What a call costs


class Plain(BaseTool[Arguments, int]):
    def __init__(self) -> None:
        super().__init__(Arguments, int, "plain", "")

    async def run(self, args: Arguments, cancellation_token: CancellationToken) -> int:
        return args.upto


async def test_a_call_makes_no_schema_and_without_a_token_no_task(monkeypatch: pytest.MonkeyPatch) -> None:
    bench = StaticWorkbench([Plain()])
    await bench.list_tools()
    made: list[str] = []
    monkeypatch.setattr(Arguments, "model_json_schema", lambda *args, **kwargs: made.append("schema"))
    before = len(asyncio.all_tasks())
    counts: list[int] = []

    async def run(args: Arguments, cancellation_token: CancellationToken) -> int:
        counts.append(len(asyncio.all_tasks()))
        return 1

    monkeypatch.setattr(bench._tools["plain"], "run", run, raising=False)
    await bench.call_tool("plain", {})
    listed = [await bench.list_tools() for _ in range(3)]

    assert made == []
    assert counts == [before]
    assert all(schemas[0] is listed[0][0] for schemas in listed)
