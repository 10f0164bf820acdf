"""Agents of a runtime."""

from __future__ import annotations

from typing import Any

import pytest

from agentnb.core import AgentId, TopicId
from agentnb.runtimes import Agent, BaseAgent, MessageContext, SingleThreadedAgentRuntime, TypeSubscription
from tests.runtimes.conftest import Actor


class Plain(BaseAgent):
    async def on_message_impl(self, message: Any, ctx: MessageContext) -> Any:
        return message


def test_a_description_that_is_no_text_is_refused() -> None:
    with pytest.raises(ValueError, match="is a text, not 3"):
        Plain(3)  # type: ignore[arg-type]


def test_an_actor_without_a_runtime_says_so() -> None:
    for ask in (lambda: Plain("x").id, lambda: Plain("x").runtime, lambda: Plain("x").metadata):
        with pytest.raises(RuntimeError, match="This Plain is on no runtime yet"):
            ask()


async def test_an_actor_knows_where_it_lives(runtime: SingleThreadedAgentRuntime) -> None:
    actor = Plain("does little")
    await runtime.register_agent_instance(actor, AgentId("plain", "k"))
    await actor.bind_id_and_runtime(AgentId("plain", "k"), runtime)  # the same place again is no move

    assert isinstance(actor, Agent)
    assert (actor.id, actor.type, actor.runtime) == (AgentId("plain", "k"), "plain", runtime)
    assert actor.metadata == {"type": "plain", "key": "k", "description": "does little"}


async def test_what_an_actor_sends_and_publishes_comes_from_it(runtime: SingleThreadedAgentRuntime) -> None:
    sender, hearer = Plain("x"), Actor()
    await runtime.register_agent_instance(sender, AgentId("plain", "k"))
    await runtime.register_agent_instance(hearer, AgentId("hearer", "k"))
    await runtime.add_subscription(TypeSubscription("news", "hearer"))
    await runtime.add_subscription(TypeSubscription("news", "plain"))

    answer = await sender.send_message("direct", hearer.id, message_id="m")
    await sender.publish_message("all", TopicId("news", "k"))
    await runtime.stop_when_idle()
    runtime.start()

    assert answer == "hearer/k: direct"
    assert hearer.got == ["direct", "all"]
    assert [ctx.sender for ctx in hearer.contexts] == [sender.id, sender.id]


async def test_an_actor_without_state_saves_none_and_refuses_to_lose_some() -> None:
    actor = Plain("x")

    assert await actor.save_state() == {}
    await actor.load_state({})
    with pytest.raises(ValueError, match=r"Plain keeps no state but was given \['count'\]"):
        await actor.load_state({"count": 1})
