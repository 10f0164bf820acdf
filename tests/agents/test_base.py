"""What every agent has in common."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Sequence
from typing import Any, Self

import pytest
from pydantic import BaseModel

from agentnb.agents import BaseChatAgent
from agentnb.base import Response
from agentnb.core import CancellationToken, Component
from agentnb.exceptions import AgentFailed
from agentnb.messages import (
    BaseChatMessage,
    HandoffMessage,
    ModelClientStreamingChunkEvent,
    StopMessage,
    TextMessage,
    ThoughtEvent,
)
from agentnb.runlog import RunFinished, RunLog
from agentnb.teams import RoundRobinGroupChat
from tests.agents.conftest import names, turn
from tests.runlog.clients import arrival
from tests.stops import stop


class Echo(BaseChatAgent):
    """Says what it was told."""

    produced_message_types = (TextMessage,)

    def __init__(self, name: str = "echo", description: str = "says it again") -> None:
        super().__init__(name, description)
        self.got: list[list[BaseChatMessage]] = []

    async def on_messages(self, messages: Sequence[BaseChatMessage], cancellation_token: CancellationToken) -> Response:
        self.got.append(list(messages))
        said = TextMessage(content=" ".join(m.to_text() for m in messages), source=self.name)
        return Response(chat_message=said, inner_messages=[ThoughtEvent(content="hm", source=self.name)])

    async def on_reset(self, cancellation_token: CancellationToken) -> None:
        self.got.clear()


class Yields(Echo):
    """Yields what it is given."""

    def __init__(self, *items: Any) -> None:
        super().__init__()
        self.items = items

    async def on_messages_stream(
        self, messages: Sequence[BaseChatMessage], cancellation_token: CancellationToken
    ) -> AsyncGenerator[Any, None]:
        for item in self.items:
            yield item


class ConfiguredConfig(BaseModel):
    called: str


class Configured(Echo, Component[ConfiguredConfig]):
    """Is written as AutoGen's agents are."""

    component_config_schema = ConfiguredConfig

    def _to_config(self) -> ConfiguredConfig:
        return ConfiguredConfig(called=self.name)

    @classmethod
    def _from_config(cls, config: ConfiguredConfig) -> Self:
        return cls(config.called)


class Deaf(Echo):
    """Pays no heed to its token."""

    async def on_messages(self, messages: Sequence[BaseChatMessage], cancellation_token: CancellationToken) -> Response:
        self.got.append(list(messages))
        await asyncio.Event().wait()
        raise AssertionError


@pytest.mark.parametrize(
    ("bad", "better"), [("my agent", "my_agent"), ("1st", "agent_1st"), ("a-b", "a_b"), ("", "agent_")]
)
def test_a_name_that_is_no_identifier_is_refused_with_one_that_is(bad: str, better: str) -> None:
    with pytest.raises(ValueError, match=f"Try '{better}'"):
        Echo(bad)
    assert better.isidentifier()


@pytest.mark.parametrize("name", [3, None, Echo()], ids=["number", "none", "agent"])
def test_a_name_that_is_no_text_is_refused(name: Any) -> None:
    with pytest.raises(TypeError, match=r"The agent name is .*; it must be a text such as 'ana'"):
        Echo(name)


def test_an_identifier_of_any_alphabet_is_a_name() -> None:
    assert Echo("größe").name == "größe"


async def test_an_answer_that_is_not_awaited_is_named() -> None:
    class Hasty(Echo):
        def on_messages(self, messages: Any, cancellation_token: Any) -> Any:
            return Response(chat_message=TextMessage(content="x", source=self.name))

    with pytest.raises(AgentFailed, match="on_messages of the agent 'echo' returned Response and is no cor"):
        await Hasty().run(task="hi")


async def test_a_stream_that_is_none_is_named() -> None:
    class Awaited(Echo):
        async def on_messages_stream(self, messages: Any, cancellation_token: Any) -> Any:  # type: ignore[override]
            return Response(chat_message=TextMessage(content="x", source=self.name))

    class Plain(Echo):
        def on_messages_stream(self, messages: Any, cancellation_token: Any) -> Any:
            yield Response(chat_message=TextMessage(content="x", source=self.name))

    with pytest.raises(AgentFailed, match="on_messages_stream of the agent 'echo' returned a coroutine; it must be an"):
        await Awaited().run(task="hi")
    with pytest.raises(AgentFailed, match="on_messages_stream of the agent 'echo' returned a generator; it must be an"):
        await Plain().run(task="hi")


async def test_what_is_no_token_is_refused_by_name() -> None:
    with pytest.raises(ValueError, match=r"The cancellation_token is 5; give a CancellationToken\(\), or None"):
        await Echo().run(task="hi", cancellation_token=5)  # type: ignore[arg-type]


async def test_inner_messages_of_a_response_come_before_it() -> None:
    assert names(await turn(Echo(), "hi")) == ["ThoughtEvent", "Response(TextMessage)"]


async def test_a_run_says_the_task_and_what_the_agent_says() -> None:
    result = await Echo().run(task="hi")

    assert [(m.source, m.to_text()) for m in result.messages] == [("user", "hi"), ("echo", "hm"), ("echo", "hi")]


@pytest.mark.parametrize(
    "task",
    [
        "hi",
        TextMessage(content="hi", source="user"),
        [TextMessage(content="hi", source="user")],
        (TextMessage(content="hi", source="user"),),
    ],
    ids=["text", "message", "list", "tuple"],
)
async def test_a_task_may_be_a_text_a_message_or_several(task: Any) -> None:
    agent = Echo()
    await agent.run(task=task)

    assert [[m.to_text() for m in got] for got in agent.got] == [["hi"]]


async def test_without_a_task_the_agent_gets_no_message() -> None:
    agent = Echo()
    await agent.run()

    assert agent.got == [[]]


@pytest.mark.parametrize(
    ("task", "says"),
    [
        ([], "The task is an empty list"),
        (["hi"], "The task holds 'hi'; every element must be a chat message"),
        ([ThoughtEvent(content="x", source="a")], "every element must be a chat message"),
        (3, "not int: 3"),
    ],
    ids=["empty", "texts", "events", "number"],
)
async def test_a_task_that_is_none_is_refused_before_anything_is_logged(task: Any, says: str, runs: Any) -> None:
    with pytest.raises(ValueError, match=says):
        await Echo().run(task=task)
    assert not runs.exists()


async def test_an_agent_that_yields_something_else_fails_by_name() -> None:
    with pytest.raises(AgentFailed, match=r"'echo' yielded 'oops'; it may yield messages and a Response"):
        await Yields("oops").run(task="hi")


async def test_an_agent_that_gives_no_response_fails_by_name() -> None:
    with pytest.raises(AgentFailed, match="'echo' ended its turn without a Response"):
        await Yields(ThoughtEvent(content="x", source="echo")).run(task="hi")


@pytest.mark.parametrize(
    "returned", [TextMessage(content="hi", source="echo"), "hi", None], ids=["message", "text", "none"]
)
async def test_an_agent_that_returns_no_response_fails_by_name(returned: Any) -> None:
    class Returns(Echo):
        async def on_messages(self, messages: Any, cancellation_token: CancellationToken) -> Any:
            return returned

    with pytest.raises(AgentFailed, match=r"'echo' returned .*; it must return a Response: Response\(chat_message=…\)"):
        await Returns().run(task="hi")


@pytest.mark.parametrize("said", ["hi", None, ThoughtEvent(content="x", source="echo")], ids=["text", "none", "event"])
async def test_a_response_without_a_chat_message_fails_by_name(said: Any) -> None:
    with pytest.raises(AgentFailed, match=r"'echo' gave a Response whose chat_message is .*; it must be"):
        await Yields(Response(chat_message=said)).run(task="hi")


async def test_of_two_responses_both_are_said_the_others_hear_the_last_and_there_is_a_warning() -> None:
    one, two = (Response(chat_message=TextMessage(content=text, source="echo")) for text in ("one", "two"))
    ben = Echo("ben")

    with pytest.warns(UserWarning, match="'echo' yielded a second Response in one turn: the others hear the last one"):
        result = await RoundRobinGroupChat([Yields(one, two), ben], max_turns=2).run(task="hi")

    assert [m.to_text() for m in result.messages] == ["hi", "one", "two", "hm", "hi two"]
    assert [[m.to_text() for m in got] for got in ben.got] == [["hi", "two"]]


async def test_of_two_responses_the_last_is_the_answer_to_who_asks_for_one() -> None:
    class Streams(Yields):
        async def on_messages(
            self, messages: Sequence[BaseChatMessage], cancellation_token: CancellationToken
        ) -> Response:
            return await self._answer_streamed(messages, cancellation_token)

    one, two = (Response(chat_message=TextMessage(content=text, source="echo")) for text in ("one", "two"))

    with pytest.warns(UserWarning, match="second Response"):
        answer = await Streams(one, two).on_messages([], CancellationToken())

    assert answer is two


async def test_who_asks_an_agent_that_gives_no_response_is_told_what_it_lacks() -> None:
    class Streams(Yields):
        async def on_messages(
            self, messages: Sequence[BaseChatMessage], cancellation_token: CancellationToken
        ) -> Response:
            return await self._answer_streamed(messages, cancellation_token)

    with pytest.raises(AgentFailed, match=r"'echo' ended without an answer: its on_messages_stream must yield"):
        await Streams().on_messages([], CancellationToken())


async def test_an_agent_that_speaks_behind_its_response_fails_by_name() -> None:
    said = Response(chat_message=TextMessage(content="x", source="echo"))

    with pytest.raises(
        AgentFailed, match=r"'echo' yielded ThoughtEvent.* after its Response.*; yield the Response last"
    ):
        await Yields(said, ThoughtEvent(content="y", source="echo")).run(task="hi")


async def test_pieces_behind_the_response_do_no_harm() -> None:
    said = Response(chat_message=TextMessage(content="x", source="echo"))

    assert (await Yields(said, *pieces("x")).run(task="hi")).messages[-1] is said.chat_message


@pytest.mark.parametrize("how", ["token", "task"])
async def test_an_agent_that_pays_no_heed_can_be_ended(how: str) -> None:
    agent, token, log = Deaf(), CancellationToken(), RunLog()
    begun = arrival(log, "turn.started")
    running = asyncio.ensure_future(agent.run(task="hi", cancellation_token=token, log=log))
    await begun.wait()
    stop(how, token, running)

    with pytest.raises(asyncio.CancelledError):
        await running
    assert [e.body.outcome for e in log if isinstance(e.body, RunFinished)] == ["stopped"]


async def test_a_token_cancelled_before_the_run_ends_it_at_once() -> None:
    token = CancellationToken()
    token.cancel()

    with pytest.raises(asyncio.CancelledError):
        await Deaf().run(task="hi", cancellation_token=token)


def pieces(text: str) -> list[ModelClientStreamingChunkEvent]:
    return [ModelClientStreamingChunkEvent(content=piece, source="echo") for piece in text]


@pytest.mark.parametrize("echo", [True, False])
async def test_a_stream_is_the_task_what_happens_the_answer_and_the_result_without_pieces(echo: bool) -> None:
    thought = ThoughtEvent(content="hm", source="echo")
    said = Response(chat_message=TextMessage(content="ab", source="echo"))
    agent = Yields(thought, *pieces("ab"), said)
    items = [item async for item in agent.run_stream(task="hi", output_task_messages=echo)]

    task = ["TextMessage"] if echo else []
    result: Any = items[-1]
    assert names(items) == [
        *task,
        "ThoughtEvent",
        *["ModelClientStreamingChunkEvent"] * 2,
        "TextMessage",
        "TaskResult",
    ]
    assert names(result.messages) == [*task, "ThoughtEvent", "TextMessage"]
    assert result.stop_reason is None


async def test_a_stream_shows_what_happens_when_it_happens() -> None:
    class Slow(Echo):
        async def on_messages_stream(
            self, messages: Sequence[BaseChatMessage], cancellation_token: CancellationToken
        ) -> AsyncGenerator[Any, None]:
            yield ThoughtEvent(content="hm", source=self.name)
            await asyncio.Event().wait()

    stream = Slow().run_stream(task="hi")

    assert [(await anext(stream)).to_text() for _ in range(2)] == ["hi", "hm"]  # type: ignore[union-attr]
    await stream.aclose()


async def test_messages_of_any_kind_are_handed_to_the_agent_as_they_are() -> None:
    agent = Echo()
    task = [StopMessage(content="stop", source="ana"), HandoffMessage(content="over", target="echo", source="ana")]
    await agent.run(task=task)

    assert agent.got == [task]


async def test_an_agent_of_ten_lines_works_in_a_team() -> None:
    result = await RoundRobinGroupChat([Echo("ana"), Echo("ben")], max_turns=2).run(task="hi")

    assert [(m.source, m.to_text()) for m in result.messages] == [
        ("user", "hi"),
        *[("ana", "hm"), ("ana", "hi")],
        *[("ben", "hm"), ("ben", "hi hi")],
    ]


async def test_hooks_that_an_agent_does_not_have_do_nothing() -> None:
    agent, token = Echo(), CancellationToken()
    await agent.on_pause(token)
    await agent.on_resume(token)
    await agent.close()

    assert agent.component_type == "agent"
    assert not agent.asks_person


async def test_an_agent_with_a_config_class_of_autogens_kind_is_written_by_it() -> None:
    model = Configured("ana").dump_component()

    assert (model.component_type, model.config) == ("agent", {"called": "ana"})


def test_an_agent_runs_in_a_script() -> None:
    assert Echo().run_sync(task="hi").messages[-1].to_text() == "hi"


async def test_an_agent_runs_where_a_loop_runs_already() -> None:
    assert Echo().run_sync(task="hi", output_task_messages=False).messages[-1].to_text() == "hi"


async def test_an_agent_without_state_saves_an_empty_one() -> None:
    state = await Echo().save_state()
    await Echo().load_state(state)

    assert state == {"type": "BaseState", "version": "1.0.0"}


async def test_the_log_of_a_run_says_how_the_agent_is_made() -> None:
    log = (await Echo("ana").run(task="hi")).log
    assert log is not None
    start: Any = log.events[0].body

    assert start.component["config"] == {"name": "ana"}
    assert [(p.name, p.description, p.role) for p in start.participants] == [("ana", "says it again", "Echo")]


class Twice(Yields):
    """Changes the answer of its base, and not its stream."""

    async def on_messages(self, messages: Sequence[BaseChatMessage], cancellation_token: CancellationToken) -> Response:
        answer = await self._answer_streamed(messages, cancellation_token)
        said = TextMessage(content=answer.chat_message.to_text() * 2, source=self.name)
        return Response(chat_message=said, inner_messages=answer.inner_messages)


async def test_on_messages_written_over_that_of_a_base_changes_a_run_and_neither_a_stream_nor_a_team() -> None:
    def agent() -> Twice:
        answer = Response(chat_message=TextMessage(content="ha", source="echo"), inner_messages=[])
        return Twice(answer)

    alone = await agent().run(task="go")
    streamed = [item async for item in agent().run_stream(task="go")]
    together = await RoundRobinGroupChat([agent()], max_turns=1).run(task="go")

    assert [message.to_text() for message in alone.messages] == ["go", "haha"]
    assert streamed[1].to_text() == "ha"  # type: ignore[union-attr]
    assert [message.to_text() for message in together.messages] == ["go", "ha"]
