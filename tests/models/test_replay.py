"""Answers given again: from lists as AutoGen has it, and from the logs of runs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import pytest

from agentnb.agents import AssistantAgent
from agentnb.base import TaskResult
from agentnb.exceptions import LogUnreadable, ModelUnreachable, UserError
from agentnb.messages import (
    AssistantMessage,
    BaseChatMessage,
    CreateResult,
    FunctionCall,
    FunctionExecutionResult,
    FunctionExecutionResultMessage,
    LLMMessage,
    RequestUsage,
    UserMessage,
)
from agentnb.models import (
    ChatCompletionClient,
    ReplayChatCompletionClient,
    ScriptedChatCompletionClient,
    model_from_text,
)
from agentnb.models.replay import WordCounter, word_count
from agentnb.runlog import Noted, RunLog, scope
from agentnb.teams import RoundRobinGroupChat
from tests.steps import steps

ASK: list[LLMMessage] = [UserMessage(content="one two three", source="user")]


async def test_calls_results_and_images_are_asked_for_without_words_as_with_autogen() -> None:
    wanted = [FunctionCall(id="1", name="add", arguments='{"a": 1, "b": 2}')]
    result = FunctionExecutionResult(content="it is three", name="add", call_id="1", is_error=False)
    asked: list[LLMMessage] = [
        UserMessage(content="add them", source="user"),
        AssistantMessage(content=wanted, source="ana", thought="I add them"),
        FunctionExecutionResultMessage(content=[result]),
        UserMessage(content=["look", "here"], source="user"),
    ]
    client = ReplayChatCompletionClient(["three"])

    answer = await client.create(asked)

    assert answer.usage == RequestUsage(2, 1)
    assert client.count_tokens(asked) == 2


async def test_texts_are_given_in_order_and_count_their_words() -> None:
    client = ReplayChatCompletionClient(["a b", "c"])

    first = await client.create(ASK)
    items = [item async for item in client.create_stream(ASK)]

    assert (first.content, first.finish_reason, first.cached) == ("a b", "stop", True)
    assert first.usage == RequestUsage(3, 2)
    assert items[0] == "c"
    assert isinstance(items[1], CreateResult)
    assert client.total_usage() == RequestUsage(6, 3)
    assert client.actual_usage() == RequestUsage(0, 0)
    assert client.remaining_tokens([]) == 10_000 - 9
    assert [call["messages"] for call in client.create_calls] == [ASK]


def test_words_are_counted_once_of_conversations_that_grow_change_and_begin_anew() -> None:
    counter = WordCounter()
    first: list[LLMMessage] = [UserMessage(content="one two", source="user")]
    second: list[LLMMessage] = [UserMessage(content="a", source="user"), UserMessage(content="b c", source="user")]

    def right() -> bool:
        return all(counter.count(messages) == word_count(messages) for messages in (first, second, []))

    assert right()
    first += [UserMessage(content="three", source="user"), UserMessage(content="four five", source="user")]
    assert right()
    first[1].content = "now these are five words"
    assert right()
    del second[1:]
    assert right()
    second.insert(0, UserMessage(content="before all of it", source="user"))
    assert right()


async def test_the_end_of_the_answers_is_an_error_that_says_how_many_there_were() -> None:
    client = ReplayChatCompletionClient(["a", "b"])
    await client.create(ASK)
    await client.create(ASK)

    with pytest.raises(ValueError, match="all 2 were given"):
        await client.create(ASK)
    client.reset()
    assert (await client.create(ASK)).content == "a"
    assert client.provided_message_count == 2


async def test_texts_may_count_as_asked_for_anew() -> None:
    client = ReplayChatCompletionClient(["a"])
    client.set_cached_bool_value(False)

    assert not (await client.create(ASK)).cached
    assert client.actual_usage() == RequestUsage(3, 1)


def test_it_says_it_can_do_nothing_unless_told() -> None:
    info = ReplayChatCompletionClient(["a"]).model_info

    assert not any(value for key, value in info.items() if key != "family")


def test_it_is_a_component_with_whole_results() -> None:
    result = CreateResult(
        finish_reason="function_calls",
        content=[FunctionCall(id="1", name="f", arguments="{}")],
        usage=RequestUsage(1, 2),
        cached=False,
    )
    dumped = ReplayChatCompletionClient(["a", result]).dump_component()

    loaded = ReplayChatCompletionClient.load_component(dumped)

    assert loaded.chat_completions == ["a", result]


async def ask(client: Any, log: RunLog, source: str) -> Any:
    with scope(log, None, source):
        return (await client.create(ASK)).content


async def recorded() -> RunLog:
    """Return the log of two agents who asked by turns, one call of which failed."""
    log = RunLog()
    call = FunctionCall(id="1", name="f", arguments="{}")
    model = ScriptedChatCompletionClient(["ana 1", "ben 1", ModelUnreachable("lost"), [call], "ben 2"])
    for source in ("team/ana", "team/ben"):
        await ask(model, log, source)
    with pytest.raises(ModelUnreachable):
        await ask(model, log, "team/ana")
    await ask(model, log, "team/ana")
    await ask(model, log, "team/ben")
    return log


async def test_a_run_is_replayed_from_its_file_without_a_model(tmp_path: Path) -> None:
    path = (await recorded()).save(tmp_path / "run.jsonl")
    client = ReplayChatCompletionClient.from_log(path)

    answers = [(await client.create(ASK)).content for _ in range(4)]

    assert answers[:2] == ["ana 1", "ben 1"]
    assert answers[2][0].name == "f"  # type: ignore[union-attr]
    assert answers[3] == "ben 2"
    assert client.model_name == "replay:run.jsonl"
    assert client.model_info["function_calling"]


async def test_agents_who_work_at_the_same_time_get_their_own_answers() -> None:
    client, log = ReplayChatCompletionClient.from_log(await recorded()), RunLog()

    ben = [await ask(client, log, "team/ben") for _ in range(2)]
    ana = await ask(client, log, "team/ana")

    assert ben == ["ben 1", "ben 2"]
    assert ana == "ana 1"
    with pytest.raises(ValueError, match=r"'team/ben': all 2 were given"):
        await ask(client, log, "team/ben")


async def test_others_get_the_answers_in_the_order_they_came() -> None:
    client, log = ReplayChatCompletionClient.from_log(await recorded()), RunLog()

    assert [await ask(client, log, "other") for _ in range(2)] == ["ana 1", "ben 1"]


async def test_a_client_that_wraps_another_is_replayed_once() -> None:
    class Wrapper(ScriptedChatCompletionClient):
        inner = ScriptedChatCompletionClient(["inner"])

        async def create(self, messages: Any, **options: Any) -> CreateResult:
            result = await self.inner.create(messages, **options)
            return result.model_copy(update={"content": f"outer of {result.content}"})

        async def create_stream(self, messages: Any, **options: Any) -> AsyncGenerator[str | CreateResult, None]:
            yield await self.create(messages, **options)

    log = RunLog()
    await ask(Wrapper(["-"]), log, "ana")

    assert [answer.content for answer in ReplayChatCompletionClient.from_log(log).chat_completions] == [  # type: ignore[union-attr]
        "outer of inner"
    ]


def test_a_run_without_answers_and_a_file_that_is_none_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="no model answered"):
        ReplayChatCompletionClient.from_log(RunLog())
    with pytest.raises(LogUnreadable):
        ReplayChatCompletionClient.from_log(tmp_path / "none.jsonl")
    with pytest.raises(ValueError, match="1 answers and 2 sources"):
        ReplayChatCompletionClient(["a"], sources=["x", "y"])


async def test_a_run_is_replayed_by_whatever_names_it() -> None:
    result = await AssistantAgent("ana", ScriptedChatCompletionClient(["Hello."])).run(task="go")
    log = result.log
    assert log is not None
    assert log.path is not None
    for run in (log, result, log.path, str(log.path), log.id, log.id[:8]):
        assert ReplayChatCompletionClient.from_log(run).model_name == f"replay:{log.path.name}"
    for name in (log.path, log.id, log.id[:8]):
        assert model_from_text(f"replay:{name}").model_name == f"replay:{log.path.name}"
    with pytest.raises(UserError, match="A replay needs the log of a run, not int: 5"):
        ReplayChatCompletionClient.from_log(5)  # type: ignore[arg-type]


async def test_where_the_recorded_call_failed_the_error_says_so() -> None:
    def fails(messages: Any) -> str:
        raise RuntimeError("the line is dead")

    log = RunLog()
    agent = AssistantAgent("ana", ScriptedChatCompletionClient(["Hello.", fails]))
    await agent.run(task="go", log=log)
    with pytest.raises(RuntimeError, match="the line is dead"):
        await agent.run(task="on", log=log)
    again = AssistantAgent("ana", ReplayChatCompletionClient.from_log(log))
    await again.run(task="go")

    with pytest.raises(UserError, match=r"all 1 were given\. .* its next call failed.*the line is dead"):
        await again.run(task="on")


def notes(result: TaskResult) -> list[str]:
    assert result.log is not None
    return [event.body.text for event in result.log if isinstance(event.body, Noted)]


async def test_a_replay_that_is_asked_the_same_notes_nothing() -> None:
    def add(a: int) -> str:
        """Adds one."""
        return str(a + 1)

    def ana(client: ChatCompletionClient) -> AssistantAgent:
        return AssistantAgent("ana", client, tools=[add], reflect_on_tool_use=True)

    call = FunctionCall(id="1", name="add", arguments='{"a": 1}')
    first = await ana(ScriptedChatCompletionClient([[call], "Two."])).run(task="1 + 1?")

    assert notes(await ana(ReplayChatCompletionClient.from_log(first)).run(task="1 + 1?")) == []


@pytest.mark.parametrize(
    ("prompt", "task", "what"), [("Be kind.", "go", "its system prompt"), ("Be brief.", "stop", "message 2")]
)
async def test_a_replay_notes_once_from_where_on_an_agent_is_shown_something_else(
    prompt: str, task: str, what: str
) -> None:
    def ana(client: ChatCompletionClient, prompt: str) -> AssistantAgent:
        return AssistantAgent("ana", client, system_message=prompt)

    first = await ana(ScriptedChatCompletionClient(["one", "two"]), "Be brief.").run(task="go")
    client = ReplayChatCompletionClient.from_log(first)
    agent = ana(client, prompt)

    told = notes(await agent.run(task=task))

    assert told == [
        f"'ana' is shown something else than in {client.model_name}, from {what} on; it is given the recorded answers "
        "all the same."
    ]


async def test_a_replay_notes_that_a_tool_gives_something_else() -> None:
    counted = iter("12")

    def count() -> str:
        """Counts."""
        return next(counted)

    def ana(client: ChatCompletionClient) -> AssistantAgent:
        return AssistantAgent("ana", client, tools=[count], reflect_on_tool_use=True)

    call = FunctionCall(id="1", name="count", arguments="{}")
    first = await ana(ScriptedChatCompletionClient([[call], "One."])).run(task="go")

    (told,) = notes(await ana(ReplayChatCompletionClient.from_log(first)).run(task="go"))

    assert "from message 4 on" in told


def test_a_replayed_turn_costs_the_same_late_in_a_conversation() -> None:
    def team(client: ChatCompletionClient, turns: int) -> RoundRobinGroupChat:
        return RoundRobinGroupChat([AssistantAgent(name, client) for name in "ab"], max_turns=turns)

    def per_turn(turns: int) -> float:
        scripted = ScriptedChatCompletionClient([f"answer {turn}" for turn in range(turns)])
        recorded = asyncio.run(team(scripted, turns).run(task="go"))
        replay = team(ReplayChatCompletionClient.from_log(recorded), turns)
        return steps(lambda: asyncio.run(replay.run(task="go"))) / turns

    per_turn(3)

    assert per_turn(120) < 1.2 * per_turn(20)


async def test_a_replay_notes_what_comes_late_in_a_long_conversation() -> None:
    def pair(client: ChatCompletionClient) -> RoundRobinGroupChat:
        return RoundRobinGroupChat([AssistantAgent("ana", client), AssistantAgent("ben", client)], max_turns=6)

    first = await pair(ScriptedChatCompletionClient(list("abcdef"))).run(task="go")
    client = ReplayChatCompletionClient.from_log(first)
    client.chat_completions[3] = "something else"

    told = notes(await pair(client).run(task="go"))

    assert [text.partition(",")[2].partition(";")[0] for text in told] == [
        " from message 6 on",
        " from message 6 on",
    ]


async def test_a_replay_in_a_branch_goes_on_where_the_branch_begins() -> None:
    def pair(client: ChatCompletionClient) -> RoundRobinGroupChat:
        return RoundRobinGroupChat([AssistantAgent("ana", client), AssistantAgent("ben", client)], max_turns=4)

    first = await pair(ScriptedChatCompletionClient(list("abcd"))).run(task="go")
    assert first.log is not None

    again = await pair(ReplayChatCompletionClient.from_log(first)).resume(first.log.branch(message=3))

    assert again is not None
    assert [message.to_model_text() for message in again.messages if isinstance(message, BaseChatMessage)] == [
        "go",
        "a",
        "b",
        "c",
        "d",
    ]
    assert not [text for text in notes(again) if "something else" in text]


async def test_a_replay_notes_who_is_not_in_the_recorded_run() -> None:
    client = ReplayChatCompletionClient.from_log(
        await AssistantAgent("ana", ScriptedChatCompletionClient(["Hello."])).run(task="go")
    )

    (told,) = notes(await AssistantAgent("ben", client).run(task="go"))

    assert told.startswith("Nothing is recorded for 'ben'")
    assert told.endswith("it is given the next answer that is left, now that of 'ana'.")


async def test_parallel_requests_never_get_the_same_answer() -> None:
    client = ReplayChatCompletionClient([f"{i}" for i in range(20)])

    results = await asyncio.gather(*(client.create(ASK) for _ in range(20)))

    assert len({result.content for result in results}) == 20
