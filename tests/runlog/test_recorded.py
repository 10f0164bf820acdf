"""Facts about effects."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing, nullcontext, suppress
from typing import Any, TypeVar

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agentnb.core import CancellationToken
from agentnb.exceptions import ModelResponseInvalid
from agentnb.messages import (
    AssistantMessage,
    BaseTextChatMessage,
    CodeBlock,
    LLMMessage,
    SystemMessage,
    TextMessage,
    UserMessage,
)
from agentnb.models.base import ChatCompletionClient
from agentnb.models.scripted import ScriptedChatCompletionClient
from agentnb.runlog import (
    CodeFinished,
    CodeStarted,
    ContextAdded,
    Event,
    ModelFinished,
    ModelStarted,
    RunLog,
    Said,
    current,
    scope,
    shown,
    totals,
)
from tests.runlog.clients import Bench, Endless, Louder, Machine, Unfinished, Wrapper, arrival
from tests.strategies import llm_messages, names, texts

B = TypeVar("B")
ASK = [UserMessage(content="hi there", source="user")]


def kinds(log: RunLog) -> list[str]:
    return [event.kind for event in log]


def facts(log: RunLog, body: type[B]) -> list[tuple[Event, B]]:
    return [(event, event.body) for event in log if isinstance(event.body, body)]


async def asked(client: ChatCompletionClient, *, stream: bool, messages: Any = ASK) -> list[Any]:
    if not stream:
        return [await client.create(messages)]
    return [piece async for piece in client.create_stream(messages)]


both = pytest.mark.parametrize("stream", [False, True], ids=["create", "create_stream"])


@both
async def test_a_model_call_leaves_what_was_shown_and_what_came_back(log: RunLog, stream: bool) -> None:
    client = ScriptedChatCompletionClient(["four words came back"], name="tiny")

    with scope(log, None, "ana"):
        await asked(client, stream=stream)

    assert kinds(log) == ["context", "model.started", "model.finished"]
    ((started, start),) = facts(log, ModelStarted)
    ((finished, finish),) = facts(log, ModelFinished)
    assert (start.model, start.streaming, start.added, started.source) == ("tiny", stream, (1,), "ana")
    assert finish.result is not None
    assert finish.result.content == "four words came back"
    assert finished.parent == started.id
    assert finished.took is not None
    assert finished.took >= 0
    assert finished.usage is not None
    assert (finished.usage.prompt_tokens, finished.usage.completion_tokens) == (2, 4)
    assert shown(log, started) == ASK


async def test_options_that_shape_the_answer_are_kept(log: RunLog) -> None:
    client = ScriptedChatCompletionClient(["{}"])
    tool: Any = {"name": "add"}

    with scope(log, None, "ana"):
        await client.create(
            ASK, tools=[tool], tool_choice="required", json_output=True, extra_create_args={"seed": 1, "f": print}
        )

    ((_, start),) = facts(log, ModelStarted)
    assert (start.tools, start.tool_choice, start.output) == (("add",), "required", "json")
    assert start.options["seed"] == 1
    assert "print" in start.options["f"]


@both
async def test_a_failure_is_a_fact_and_is_raised(log: RunLog, stream: bool) -> None:
    error = ConnectionError("the line is dead")
    client = ScriptedChatCompletionClient([error])

    with pytest.raises(ConnectionError) as caught, scope(log, None, "ana"):
        await asked(client, stream=stream)

    assert caught.value is error
    ((_, finish),) = facts(log, ModelFinished)
    assert (finish.result, finish.error) == (None, "ConnectionError: the line is dead")


async def test_a_failure_keeps_the_text_streamed_before_it(log: RunLog) -> None:
    error = ConnectionError("cut")
    error.partial = "half an "  # type: ignore[attr-defined]
    client = ScriptedChatCompletionClient([error])

    with pytest.raises(ConnectionError), scope(log, None, "ana"):
        await asked(client, stream=True)

    assert [finish.partial for _, finish in facts(log, ModelFinished)] == ["half an "]


async def test_a_stream_that_ends_without_a_result_is_a_failure(log: RunLog) -> None:
    with pytest.raises(ModelResponseInvalid) as raised, scope(log, None, "ana"):
        await asked(Unfinished(["x"]), stream=True)

    ((_, finish),) = facts(log, ModelFinished)
    assert (finish.partial, raised.value.partial) == ("half an answer", "half an answer")
    assert (
        finish.error
        == "ModelResponseInvalid: scripted ended its stream without a result: a CreateResult must come last."
    )


async def test_a_stream_closed_early_is_closed_below_and_is_a_fact_at_once(log: RunLog) -> None:
    client = Endless(["x"])

    with scope(log, None, "ana"):
        async with aclosing(client.create_stream(ASK)) as pieces:
            assert await anext(pieces) == "tick "
            assert await anext(pieces) == "tick "

    assert client.closed
    ((_, finish),) = facts(log, ModelFinished)
    assert (finish.error, finish.partial) == ("GeneratorExit", "tick tick ")


async def test_a_stream_closed_early_outside_of_a_run_is_closed_below() -> None:
    client = Endless(["x"])

    async with aclosing(client.create_stream(ASK)) as pieces:
        await anext(pieces)

    assert client.closed


async def test_a_stream_closed_after_its_result_is_one_fact(log: RunLog) -> None:
    with scope(log, None, "ana"):
        async with aclosing(ScriptedChatCompletionClient(["a"]).create_stream(ASK)) as pieces:
            async for piece in pieces:
                if not isinstance(piece, str):
                    break

    ((_, finish),) = facts(log, ModelFinished)
    assert finish.error is None


async def test_a_cancelled_call_is_a_fact(log: RunLog) -> None:
    client = ScriptedChatCompletionClient(["never"], delay=1000)

    with scope(log, None, "ana"):
        asked_ = arrival(log, "model.started")
        task = asyncio.ensure_future(client.create(ASK))
        await asked_.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    assert [finish.error for _, finish in facts(log, ModelFinished)] == ["CancelledError"]


@both
async def test_a_client_that_wraps_another_counts_its_tokens_once(log: RunLog, stream: bool) -> None:
    client = Wrapper(Wrapper(ScriptedChatCompletionClient(["one two"], name="inner")))

    with scope(log, None, "ana"):
        await asked(client, stream=stream)

    assert [start.model for _, start in facts(log, ModelStarted)] == ["wrapper", "wrapper", "inner"]
    assert [event.usage is not None for event, _ in facts(log, ModelFinished)] == [True, False, False]
    assert (totals(log).prompt_tokens, totals(log).completion_tokens) == (2, 2)


@both
async def test_a_subclass_that_calls_its_base_class_is_one_call(log: RunLog, stream: bool) -> None:
    with scope(log, None, "ana"):
        await asked(Louder(["hi"]), stream=stream)

    assert kinds(log) == ["context", "model.started", "model.finished"]
    assert totals(log).completion_tokens == 1


@both
async def test_outside_of_a_run_a_client_is_untouched(log: RunLog, stream: bool) -> None:
    *_, result = await asked(ScriptedChatCompletionClient(["hi"]), stream=stream)

    assert result.content == "hi"
    assert len(log) == 0


class Together(ScriptedChatCompletionClient):
    """Yields what came together as one list."""

    async def create_stream(self, messages: Any, **options: Any) -> AsyncGenerator[Any, None]:
        yield ["a ", "b "]
        yield "c"
        yield await super().create(messages)


@pytest.mark.parametrize("inside", [True, False], ids=["in a run", "outside of a run"])
async def test_pieces_that_came_together_are_taken_apart_for_who_reads_a_stream(log: RunLog, inside: bool) -> None:
    with scope(log, None, "ana") if inside else nullcontext():
        *pieces, result = await asked(Together(["a b c"]), stream=True)

    assert (pieces, result.content) == (["a ", "b ", "c"], "a b c")


@pytest.mark.parametrize(
    ("client", "told"),
    [
        (ScriptedChatCompletionClient(["a b"], repeats=True), [("a ",), ("b",)]),
        (Together(["a b c"], repeats=True), [["a ", "b "], ("c",)]),
        (Unfinished(["x"]), [("half ",), ("an answer",)]),
    ],
    ids=["single", "together", "unfinished"],
)
async def test_a_stream_that_is_told_leaves_the_facts_of_one_that_is_read(client: Any, told: list[Any]) -> None:
    read, other = RunLog(), RunLog()
    pieces: list[Sequence[str]] = []
    with suppress(ModelResponseInvalid), scope(read, None, "ana"):
        await asked(client, stream=True)
    with suppress(ModelResponseInvalid), scope(other, None, "ana"):
        await client.create_stream.told(client, ASK, pieces.append)

    assert [(event.kind, event.body, event.source) for event in other] == [
        (event.kind, event.body, event.source) for event in read
    ]
    assert pieces == told


async def test_between_pieces_the_consumer_keeps_its_own_scope(log: RunLog) -> None:
    with scope(log, None, "ana"):
        here = current()
        async for _ in ScriptedChatCompletionClient(["a b c"]).create_stream(ASK):
            assert current() == here


async def test_agents_at_work_together_keep_their_own_parents(log: RunLog) -> None:
    gate = asyncio.Barrier(3)

    async def agent(name: str) -> None:
        turn = log.append(Said(message=TextMessage(content=name, source=name)), source=name)
        with scope(log, turn.id, name):
            client = ScriptedChatCompletionClient([f"{name} says"])
            await gate.wait()
            async for _ in client.create_stream([UserMessage(content=f"for {name}", source="user")]):
                await asyncio.sleep(0)
            await Bench().call_tool("add", {"a": 1, "b": 2})

    await asyncio.gather(*(agent(name) for name in ("ana", "ben", "cleo")))

    turns = {event.id: event.source for event, _ in facts(log, Said)}
    for event in log:
        if event.kind in ("model.started", "tool.started"):
            assert event.parent is not None
            assert turns[event.parent] == event.source
    assert [start.base for _, start in facts(log, ModelStarted)] == [None, None, None]


# -- what a model was shown -------------------------------------------------------------------------------------------


class Shout(BaseTextChatMessage):
    """Reads differently for models."""

    type: str = "Shout"

    def to_model_text(self) -> str:
        return self.content.upper()

    def to_model_message(self) -> UserMessage:
        return UserMessage(content=self.content.upper(), source=self.source)


conversations = st.lists(st.lists(llm_messages, min_size=1, max_size=5), min_size=1, max_size=5)


@settings(max_examples=60, deadline=None)
@given(conversations, st.lists(st.tuples(names, texts), max_size=4), st.data())
def test_what_a_model_was_shown_is_found_again_exactly(
    parts: list[list[LLMMessage]], said: list[tuple[str, str]], data: st.DataObject
) -> None:
    """Contexts grow, shrink, repeat and change their beginning, as buffered and trimmed ones do."""
    log = RunLog()
    for source, content in said:
        log.append(Said(message=TextMessage(content=content, source=source)))
    given_: list[list[LLMMessage]] = []
    context: list[LLMMessage] = []
    for part in parts:
        context = context[data.draw(st.integers(0, len(context))) :] + part
        context += [UserMessage(content=content, source=source) for source, content in said[:1]]
        given_.append(list(context))

    async def ask() -> None:
        client = ScriptedChatCompletionClient(["x"], repeats=True)
        for messages in given_:
            with scope(log, None, data.draw(st.sampled_from(["ana", "ben"]))):
                await client.create(messages)

    asyncio.run(ask())

    assert [shown(log, event) for event, _ in facts(log, ModelStarted)] == given_


async def test_thoughts_tell_two_answers_of_the_same_text_apart(log: RunLog) -> None:
    first = [AssistantMessage(content="a", thought="one", source="ana")]
    second = [AssistantMessage(content="a", thought="two", source="ana")]
    client = ScriptedChatCompletionClient(["x"], repeats=True)

    with scope(log, None, "ana"):
        await client.create(first)
        await client.create(second)

    assert [shown(log, event) for event, _ in facts(log, ModelStarted)] == [first, second]


async def test_a_message_that_reads_differently_for_models_is_kept_as_the_model_read_it(log: RunLog) -> None:
    message = Shout(content="hey", source="u")
    log.append(Said(message=TextMessage(content="HEY", source="other")))
    log.append(Said(message=message))

    with scope(log, None, "ana"):
        await ScriptedChatCompletionClient(["x"]).create([message.to_model_message()])

    ((started, _),) = facts(log, ModelStarted)
    assert shown(log, started) == [UserMessage(content="HEY", source="u")]


async def test_a_system_message_is_never_taken_for_something_said(log: RunLog) -> None:
    log.append(Said(message=TextMessage(content="same", source="")))

    with scope(log, None, "ana"):
        await ScriptedChatCompletionClient(["x"]).create([SystemMessage(content="same")])

    ((started, _),) = facts(log, ModelStarted)
    assert shown(log, started) == [SystemMessage(content="same")]


async def test_what_was_said_is_referred_to_and_not_written_twice(log: RunLog) -> None:
    log.append(Said(message=TextMessage(content="long " * 1000, source="user")))

    with scope(log, None, "ana"):
        await ScriptedChatCompletionClient(["x"]).create([UserMessage(content="long " * 1000, source="user")])

    ((started, _),) = facts(log, ModelStarted)
    assert started.body.added == (1,)  # type: ignore[attr-defined]
    assert facts(log, ContextAdded) == []


async def test_a_log_grows_with_what_is_said_and_not_with_its_square(log: RunLog) -> None:
    """Every call shows the whole conversation again; the fact of the call stays as small as the first."""
    client = ScriptedChatCompletionClient(["answer"], repeats=True)
    context: list[LLMMessage] = [SystemMessage(content="s")]

    with scope(log, None, "ana"):
        for number in range(300):
            context.append(UserMessage(content=f"question {number}", source="user"))
            await client.create(context)
            context.append(AssistantMessage(content=f"answer {number}", source="ana"))

    sizes = [len(start.model_dump_json()) for _, start in facts(log, ModelStarted)]
    assert max(sizes) <= sizes[0] + 20
    assert len(facts(log, ContextAdded)) == 300 + 299 + 1
    assert shown(log, facts(log, ModelStarted)[-1][0]) == context[:-1]


async def test_the_last_of_thousands_of_calls_can_still_be_shown(log: RunLog) -> None:
    """Each call refers to the one before it."""
    client = ScriptedChatCompletionClient(["a"], repeats=True)
    first = SystemMessage(content="always the same")

    with scope(log, None, "ana"):
        for number in range(1500):
            last: list[LLMMessage] = [first, UserMessage(content=str(number), source="user")]
            await client.create(last)

    assert shown(log, facts(log, ModelStarted)[-1][0]) == last


def test_only_a_model_call_has_been_shown_something(log: RunLog) -> None:
    event = log.note("x")

    with pytest.raises(ValueError, match=r"Fact 1 is 'note', and a model is shown messages at a 'model\.started'"):
        shown(log, event)


# -- tools and code ---------------------------------------------------------------------------------------------------


async def test_code_leaves_its_blocks_output_and_mime_bundles(log: RunLog) -> None:
    block = CodeBlock(code="1 + 1", language="python")

    with scope(log, None, "ana"):
        await Machine().execute_code_blocks([block], CancellationToken())

    ((started, start),) = facts(log, CodeStarted)
    ((finished, finish),) = facts(log, CodeFinished)
    assert (start.executor, start.blocks) == ("Machine", (block,))
    assert (finish.exit_code, finish.output, finish.outputs) == (0, "5", ({"text/plain": "5"},))
    assert finished.parent == started.id


async def test_code_that_is_stopped_half_way_keeps_what_it_had_shown(log: RunLog) -> None:
    with pytest.raises(RuntimeError), scope(log, None, "ana"):
        await Machine().execute_code_blocks([CodeBlock(code="fail", language="python")], CancellationToken())

    ((_, finish),) = facts(log, CodeFinished)
    assert (finish.error, finish.output) == ("Interrupted: stopped half way", "before")
    assert finish.outputs == ({"text/plain": "before"},)
    assert finish.exit_code is None


Effect = Callable[[], Awaitable[Any]]


@pytest.mark.parametrize(
    "effect",
    [
        lambda: Bench().call_tool("add", {"a": 1, "b": 2}),
        lambda: Machine().execute_code_blocks([CodeBlock(code="1", language="python")], CancellationToken()),
    ],
    ids=["tool", "code"],
)
async def test_outside_of_a_run_tools_and_executors_are_untouched(log: RunLog, effect: Effect) -> None:
    assert await effect() is not None
    assert len(log) == 0


async def test_arguments_that_json_cannot_hold_do_not_break_the_log(log: RunLog) -> None:
    with scope(log, None, "ana"), pytest.raises(TypeError):
        await Bench().call_tool("add", {"a": object(), "b": "lone \ud83d"})
    assert log.path is not None

    assert len(RunLog.open(log.path)) == 2


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(messages=st.lists(llm_messages, min_size=1, max_size=4))
def test_a_log_read_from_its_file_shows_the_same(
    messages: list[LLMMessage], tmp_path_factory: pytest.TempPathFactory
) -> None:
    log = RunLog.create("x", folder=tmp_path_factory.mktemp("runs"))

    async def ask() -> None:
        with scope(log, None, "ana"):
            await ScriptedChatCompletionClient(["x"]).create(messages)

    asyncio.run(ask())
    log.close()
    assert log.path is not None
    again = RunLog.open(log.path)

    ((started, _),) = facts(again, ModelStarted)
    assert shown(again, started) == messages
