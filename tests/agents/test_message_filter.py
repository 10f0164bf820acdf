"""An agent that hears only part of what is said."""

from __future__ import annotations

from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from agentnb.agents import AssistantAgent, MessageFilterAgent, MessageFilterConfig, PerSourceFilter, UserProxyAgent
from agentnb.core import CancellationToken
from agentnb.messages import BaseChatMessage, TextMessage, ThoughtEvent
from agentnb.models.replay import ReplayChatCompletionClient, able_to_everything
from agentnb.models.scripted import ScriptedChatCompletionClient
from agentnb.teams import RoundRobinGroupChat
from tests.agents.conftest import Watched, names, turn
from tests.teams.conftest import Speaker

Position = Literal["first", "last"] | None


def only(*entries: tuple[str, Position, int | None]) -> MessageFilterConfig:
    return MessageFilterConfig(
        per_source=[PerSourceFilter(source=source, position=where, count=count) for source, where, count in entries]
    )


def said(*texts: str) -> list[BaseChatMessage]:
    """Messages such as "ana:1", said by ana."""
    return [TextMessage(content=text, source=text.partition(":")[0]) for text in texts]


async def heard(config: MessageFilterConfig, *texts: str) -> list[str]:
    ana = Speaker("ana")
    await turn(MessageFilterAgent("filter", wrapped_agent=ana, filter=config), *said(*texts))
    return ana.got[0]


@pytest.mark.parametrize(
    ("entry", "expected"),
    [
        (("ben", "last", 2), ["ben:2", "ben:3"]),
        (("ben", "first", 2), ["ben:1", "ben:2"]),
        (("ben", "last", 9), ["ben:1", "ben:2", "ben:3"]),
        (("ben", "last", 0), []),
        (("ben", "first", None), ["ben:1", "ben:2", "ben:3"]),
        (("ben", None, None), ["ben:1", "ben:2", "ben:3"]),
        (("eve", "last", 1), []),
    ],
    ids=["last", "first", "more than there are", "none", "position alone", "source alone", "nobody"],
)
async def test_an_entry_lets_through_the_first_or_last_of_its_source(
    entry: tuple[str, Position, int | None], expected: list[str]
) -> None:
    assert await heard(only(entry), "ben:1", "cara:1", "ben:2", "cara:2", "ben:3") == expected


async def test_messages_are_heard_in_the_order_of_the_entries_and_other_sources_not_at_all() -> None:
    config = only(("cara", "last", 1), ("ben", "first", 1))

    assert await heard(config, "ben:1", "ben:2", "dan:1", "cara:1", "cara:2") == ["cara:2", "ben:1"]


async def test_a_message_that_fits_two_entries_is_heard_once() -> None:
    assert await heard(only(("ben", "first", 1), ("ben", "last", 2)), "ben:1", "ben:2") == ["ben:1", "ben:2"]


async def test_messages_that_say_the_same_are_different_messages() -> None:
    assert await heard(only(("ben", None, None)), "ben:1", "ben:1") == ["ben:1", "ben:1"]


def test_a_count_without_a_position_says_that_it_has_no_effect() -> None:
    with pytest.warns(UserWarning, match="count=3 of 'ben' has no effect without a position"):
        PerSourceFilter(source="ben", count=3)


def test_a_count_below_zero_is_refused() -> None:
    with pytest.raises(ValidationError, match="count"):
        PerSourceFilter(source="ben", position="last", count=-1)


@given(
    st.lists(st.sampled_from(["a", "b", "c"]), max_size=12),
    st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["first", "last"]), st.integers(0, 4)), max_size=4),
)
def test_nothing_is_made_up_or_said_twice(sources: list[str], entries: list[tuple[str, Position, int]]) -> None:
    messages = said(*(f"{source}:{n}" for n, source in enumerate(sources)))
    agent = MessageFilterAgent("filter", Speaker("ana"), only(*entries))
    kept = agent._heard(messages)

    assert all(any(message is one for one in messages) for message in kept)
    assert len({id(message) for message in kept}) == len(kept)
    assert {m.source for m in kept} <= {source for source, _, _ in entries}


async def test_the_wrapped_agent_answers_under_its_own_name_with_all_its_events() -> None:
    ana = Speaker("ana", says_before=[ThoughtEvent(content="hm", source="ana")])
    agent = MessageFilterAgent("filter", ana, only(("user", None, None)))
    items = await turn(agent, "hi")
    response = await agent.on_messages(said("user:again"), CancellationToken())

    assert names(items) == ["ThoughtEvent", "Response(TextMessage)"]
    assert items[-1].chat_message.source == response.chat_message.source == "ana"
    assert ana.got == [["hi"], ["user:again"]]
    assert (agent.name, agent.description) == ("filter", ana.description)
    assert agent.produced_message_types == ana.produced_message_types


async def test_in_a_team_it_filters_what_is_new_since_its_last_turn() -> None:
    ana = Speaker("ana")
    agent = MessageFilterAgent("filter", ana, only(("ben", "last", 1)))
    team = RoundRobinGroupChat([Speaker("ben", "b1", "b2"), Speaker("cara"), agent], max_turns=6)
    result = await team.run(task="go")

    assert ana.got == [["b1"], ["b2"]]
    assert [m.source for m in result.messages] == ["user", *["ben", "cara", "ana"] * 2]


async def test_the_wrapped_agents_state_is_saved_and_loaded() -> None:
    """AutoGen's filter saves nothing: the wrapped agent forgot the conversation."""
    config = only(("user", None, None))
    writer = AssistantAgent("writer", ScriptedChatCompletionClient(["one"]))
    agent = MessageFilterAgent("filter", writer, config)
    await turn(agent, "hi")
    client = ScriptedChatCompletionClient(["two"])
    again = MessageFilterAgent("filter", AssistantAgent("writer", client, system_message=None), config)
    await again.load_state(await agent.save_state())
    await turn(again, "go on")

    assert [message.content for message in client.asked[0]] == ["hi", "one", "go on"]


async def test_a_state_that_autogen_saved_can_be_loaded() -> None:
    writer = AssistantAgent("writer", ScriptedChatCompletionClient(["one"]))

    await MessageFilterAgent("filter", writer, only()).load_state({"type": "BaseState", "version": "1.0.0"})
    assert await writer.model_context.get_messages() == []


async def test_life_goes_on_to_the_wrapped_agent() -> None:
    ana, token = Speaker("ana"), CancellationToken()
    agent = MessageFilterAgent("filter", ana, only())
    await agent.on_pause(token)
    await agent.on_resume(token)
    await agent.on_reset(token)
    await agent.close()

    assert ana.calls == ["pause", "resume", "reset", "close"]
    assert MessageFilterAgent("filter", UserProxyAgent("me"), only()).asks_person


async def test_the_run_names_the_wrapped_agents_model() -> None:
    writer = AssistantAgent("writer", Watched(["x"], name="m"))
    result = await MessageFilterAgent("filter", writer, only(("user", None, None))).run(task="hi")
    assert result.log is not None
    start: Any = result.log.events[0].body

    assert start.model == "m"


@pytest.mark.parametrize("filter", [None, {"per_source": []}, PerSourceFilter(source="ben")])
def test_what_is_no_filter_is_refused(filter: Any) -> None:
    with pytest.raises(
        TypeError, match=r"The filter of the agent 'filter' is .*; give MessageFilterConfig\(per_source"
    ):
        MessageFilterAgent("filter", Speaker("ana"), filter)


def test_what_is_no_agent_is_refused() -> None:
    with pytest.raises(ValueError, match="wrapped_agent of 'filter' is 3; give an agent"):
        MessageFilterAgent("filter", 3, only())  # type: ignore[arg-type]


def test_it_is_made_again_from_its_config_and_from_autogens() -> None:
    writer = AssistantAgent("writer", ReplayChatCompletionClient(["x"], model_info=able_to_everything()))
    model = MessageFilterAgent("filter", writer, only(("user", "first", 1), ("ben", None, None))).dump_component()
    again = MessageFilterAgent.load_component(model)
    data = model.model_dump() | {"provider": "autogen_agentchat.agents.MessageFilterAgent"}

    assert model.config.keys() == {"name", "wrapped_agent", "filter"}
    assert model.config["filter"] == {
        "per_source": [{"source": "user", "position": "first", "count": 1}, {"source": "ben"}]
    }
    assert again.dump_component() == model
    assert MessageFilterAgent.load_component(data).dump_component() == model
