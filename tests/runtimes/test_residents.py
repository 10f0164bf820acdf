"""Making agents, taking in ready-made ones, and getting at them and their state."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from agentnb.core import AgentId, AgentType, CancellationToken, TopicId
from agentnb.exceptions import UndeliverableException, UnknownAgentType
from agentnb.runtimes import (
    AgentInstantiationContext,
    BaseAgent,
    MessageContext,
    SingleThreadedAgentRuntime,
    TypeSubscription,
)
from tests.runtimes.conftest import ECHO, Actor, Make, begun, place, settle, turns


async def test_an_agent_is_made_when_its_first_message_comes_and_once(runtime: SingleThreadedAgentRuntime) -> None:
    made: list[Actor] = []

    def factory() -> Actor:
        made.append(Actor())
        return made[-1]

    await runtime.register_factory("echo", factory)
    await runtime.get(ECHO)
    assert made == []

    await runtime.send_message("1", ECHO)
    await runtime.send_message("2", ECHO)

    assert [actor.got for actor in made] == [["1", "2"]]


async def test_get_makes_the_agent_only_if_it_is_not_to_be_lazy(runtime: SingleThreadedAgentRuntime) -> None:
    await runtime.register_factory("echo", Actor)

    assert await runtime.get("echo") == ECHO
    assert await runtime.get(AgentType("echo"), "k") == AgentId("echo", "k")
    assert runtime.statistics().by_type["echo"].agents == 0
    assert await runtime.get("echo", "k", lazy=False) == AgentId("echo", "k")
    assert await runtime.get(AgentId("echo", "k"), lazy=False) == AgentId("echo", "k")

    assert runtime.statistics().by_type["echo"].agents == 1
    with pytest.raises(UnknownAgentType, match="'nobody'"):
        await runtime.get("nobody", lazy=False)


async def test_two_first_messages_at_once_make_one_agent(runtime: SingleThreadedAgentRuntime) -> None:
    made: list[Actor] = []
    go_on = asyncio.Event()

    async def factory() -> Actor:
        made.append(Actor())
        await go_on.wait()
        return made[-1]

    await runtime.register_factory("echo", factory)
    await runtime.add_subscription(TypeSubscription("news", "echo"))
    sends = [await begun(runtime.send_message(n, ECHO)) for n in range(3)]
    sends.append(await begun(runtime.send_message(3, ECHO, cancellation_token=CancellationToken())))
    await runtime.publish_message(4, TopicId("news", "default"))
    await turns()
    go_on.set()
    await asyncio.gather(*sends)
    await settle(runtime)

    assert len(made) == 1
    assert sorted(made[0].got) == [0, 1, 2, 3, 4]


async def test_a_factory_that_fails_is_tried_again_for_the_next_message(runtime: SingleThreadedAgentRuntime) -> None:
    errors = [OSError("not yet"), OSError("nor now")]

    def factory() -> Actor:
        if errors:
            raise errors.pop(0)
        return Actor()

    await runtime.register_factory("echo", factory)
    await runtime.add_subscription(TypeSubscription("news", "echo"))

    with pytest.raises(OSError, match="not yet"):
        await runtime.send_message("x", ECHO)
    await runtime.publish_message("lost", TopicId("news", "default"))
    await settle(runtime)
    assert await runtime.send_message("y", ECHO) == "echo/default: y"
    assert runtime.statistics()[:5] == (0, 0, 1, 0, 2)


async def test_a_factory_that_fails_for_a_publish_is_logged_and_the_others_hear(
    runtime: SingleThreadedAgentRuntime, caplog: pytest.LogCaptureFixture
) -> None:
    def factory() -> Actor:
        raise OSError("no disk")

    await runtime.register_factory("echo", factory)
    await runtime.add_subscription(TypeSubscription("news", "echo"))
    ben = await place(runtime, "ben", hears="news")

    await runtime.publish_message("hi", TopicId("news", "default"))
    await settle(runtime)

    assert ben.got == ["hi"]
    assert "OSError: no disk" in caplog.text


async def test_a_sender_that_leaves_while_the_agent_is_made_does_not_unmake_it(
    runtime: SingleThreadedAgentRuntime,
) -> None:
    made, go_on = list[Actor](), asyncio.Event()

    async def factory() -> Actor:
        await go_on.wait()
        made.append(Actor())
        return made[-1]

    await runtime.register_factory("echo", factory)
    first = await begun(runtime.send_message("1", ECHO))
    second = await begun(runtime.send_message("2", ECHO))
    first.cancel()
    await turns()
    go_on.set()

    assert await second == "echo/default: 2"
    assert first.cancelled()
    assert [actor.got for actor in made] == [["2"]]


async def test_closing_gives_up_agents_that_are_being_made_and_tells_who_waits(
    runtime: SingleThreadedAgentRuntime,
) -> None:
    cleaned = list[str]()

    async def factory() -> Actor:
        try:
            await asyncio.Event().wait()
        finally:
            cleaned.append("yes")
        return Actor()

    await runtime.register_factory("echo", factory)
    waiting = [await begun(runtime.send_message("x", ECHO)), await begun(runtime.get(ECHO, lazy=False))]

    await runtime.close()

    for each in waiting:
        with pytest.raises(UndeliverableException, match="closed while echo/default was being made"):
            await each
    assert cleaned == ["yes"]


async def test_a_factory_that_makes_something_else_than_promised_is_an_error(
    runtime: SingleThreadedAgentRuntime,
) -> None:
    class Other(Actor): ...

    await runtime.register_factory("echo", Actor, expected_class=Other)  # type: ignore[arg-type]
    await runtime.register_factory("fine", Other, expected_class=Actor)

    with pytest.raises(ValueError, match=r"'echo' made a Actor, not a Other"):
        await runtime.send_message("x", ECHO)
    assert await runtime.send_message("x", AgentId("fine", "k")) == "fine/k: x"


async def test_a_factory_that_wants_arguments_fails_when_the_agent_is_made(runtime: SingleThreadedAgentRuntime) -> None:
    await runtime.register_factory("echo", lambda runtime, id: Actor())  # type: ignore[arg-type, misc]

    with pytest.raises(TypeError, match="2 required positional arguments"):
        await runtime.send_message("x", ECHO)


async def test_a_type_is_registered_once_and_must_be_one_an_agent_can_have(runtime: SingleThreadedAgentRuntime) -> None:
    assert await runtime.register_factory("echo", Actor) == AgentType("echo")

    with pytest.raises(ValueError, match="'echo' is registered already"):
        await runtime.register_factory(AgentType("echo"), Actor)
    with pytest.raises(ValueError, match="'no type' may hold"):
        await runtime.register_factory("no type", Actor)


# -- ready-made -------------------------------------------------------------------------------------------------------


async def test_a_ready_made_agent_gets_what_is_sent_to_it(runtime: SingleThreadedAgentRuntime) -> None:
    actor = Actor()

    assert await runtime.register_agent_instance(actor, ECHO) == ECHO

    assert await runtime.send_message("x", ECHO) == "echo/default: x"
    assert await runtime.try_get_underlying_agent_instance(ECHO, Actor) is actor
    assert (actor.id, actor.runtime) == (ECHO, runtime)


async def test_instances_and_factories_do_not_mix_in_one_type(runtime: SingleThreadedAgentRuntime) -> None:
    await runtime.register_factory("made", Actor)
    await runtime.register_agent_instance(Actor(), ECHO)

    with pytest.raises(ValueError, match="'made' has a factory"):
        await runtime.register_agent_instance(Actor(), AgentId("made", "k"))
    with pytest.raises(ValueError, match="'echo' is registered already"):
        await runtime.register_factory("echo", Actor)


async def test_instances_of_one_type_are_of_one_class_and_have_keys_of_their_own(
    runtime: SingleThreadedAgentRuntime,
) -> None:
    class Other(Actor): ...

    await runtime.register_agent_instance(Actor(), ECHO)
    await runtime.register_agent_instance(Actor(), AgentId("echo", "2"))

    with pytest.raises(ValueError, match="echo/default is registered already"):
        await runtime.register_agent_instance(Actor(), ECHO)
    with pytest.raises(ValueError, match="holds Actors; a Other needs a type of its own"):
        await runtime.register_agent_instance(Other(), AgentId("echo", "3"))


async def test_a_key_without_a_ready_made_agent_says_so(
    runtime: SingleThreadedAgentRuntime, caplog: pytest.LogCaptureFixture
) -> None:
    await place(runtime, "echo", hears="news")

    with pytest.raises(RuntimeError, match="echo/4 was never registered"):
        await runtime.agent_metadata(AgentId("echo", "4"))
    with pytest.raises(RuntimeError, match="echo/4 was never registered"):
        await runtime.send_message("x", AgentId("echo", "4"))
    await runtime.publish_message("x", TopicId("news", "5"))
    await settle(runtime)
    assert "echo/5 was never registered" in caplog.text


async def test_an_object_lives_in_one_place(make: Make) -> None:
    runtime, actor = make(), Actor()
    await runtime.register_agent_instance(actor, ECHO)

    with pytest.raises(RuntimeError, match="bound to echo/default already"):
        await runtime.register_agent_instance(actor, AgentId("echo", "2"))
    with pytest.raises(RuntimeError, match="bound to echo/default already"):
        await make().register_agent_instance(actor, ECHO)
    assert runtime.statistics().by_type["echo"].agents == 1


async def test_an_agents_object_and_metadata_can_be_had(runtime: SingleThreadedAgentRuntime) -> None:
    await runtime.register_factory("echo", Actor)

    agent = await runtime.try_get_underlying_agent_instance(ECHO, Actor)

    assert isinstance(agent, Actor)
    assert await runtime.try_get_underlying_agent_instance(ECHO) is agent
    assert await runtime.agent_metadata(ECHO) == {"type": "echo", "key": "default", "description": "an actor"}
    with pytest.raises(LookupError, match="No agent of type 'nobody'"):
        await runtime.try_get_underlying_agent_instance(AgentId("nobody", "k"))
    with pytest.raises(TypeError, match="echo/default is a Actor, not a Other"):
        await runtime.try_get_underlying_agent_instance(ECHO, type("Other", (BaseAgent,), {}))


async def test_an_agent_that_is_no_base_agent_is_an_agent_too(runtime: SingleThreadedAgentRuntime) -> None:
    """The contract is a protocol: nothing need be inherited."""

    class Own:
        def __init__(self) -> None:
            self.id: Any = None
            self.metadata: Any = {"type": "own", "key": "k", "description": ""}

        async def bind_id_and_runtime(self, id: AgentId, runtime: Any) -> None:
            self.id = id

        async def on_message(self, message: Any, ctx: MessageContext) -> Any:
            return f"own: {message}"

        async def save_state(self) -> dict[str, Any]:
            return {"own": True}

        async def load_state(self, state: Any) -> None: ...

        async def close(self) -> None: ...

    await runtime.register_factory("own", Own)

    assert await runtime.send_message("x", AgentId("own", "k")) == "own: x"
    assert await runtime.save_state() == {"own/k": {"own": True}}


async def test_what_a_factory_makes_for_itself_is_not_taken_for_the_agent(make: Make) -> None:
    other = make()

    class Boss(Actor):
        def __init__(self) -> None:
            super().__init__()
            self.helper = Actor()

    runtime = make()
    await runtime.register_factory("boss", Boss)
    boss = await runtime.try_get_underlying_agent_instance(AgentId("boss", "k"), Boss)
    await other.register_agent_instance(boss.helper, AgentId("helper", "k"))

    assert (boss.runtime, boss.helper.runtime) == (runtime, other)
    assert not AgentInstantiationContext.is_in_factory_call()


# -- state ------------------------------------------------------------------------------------------------------------


class Counter(Actor):
    async def on_message_impl(self, message: Any, ctx: MessageContext) -> int:
        self.state = {"count": self.state.get("count", 0) + 1}
        return int(self.state["count"])


async def test_state_goes_by_type_and_key_through_json_to_another_runtime(make: Make) -> None:
    runtime, other = make(), make()
    for each in (runtime, other):
        await each.register_factory("counter", Counter)
        each.start()
    for key, times in (("a", 3), ("b", 1)):
        for _ in range(times):
            await runtime.send_message("x", AgentId("counter", key))

    state = await runtime.save_state()
    await other.load_state(json.loads(json.dumps(state)))

    assert state == {"counter/a": {"count": 3}, "counter/b": {"count": 1}}
    assert await other.save_state() == state
    assert await other.send_message("x", AgentId("counter", "a")) == 4


async def test_loading_makes_the_agents_it_has_state_for_and_leaves_out_unknown_types(
    runtime: SingleThreadedAgentRuntime,
) -> None:
    await runtime.register_factory("counter", Counter)

    await runtime.load_state({"counter/with/slash": {"count": 7}, "unknown/k": {"x": 1}})

    counter = await runtime.try_get_underlying_agent_instance(AgentId("counter", "with/slash"), Counter)
    assert counter.state == {"count": 7}
    assert await runtime.save_state() == {"counter/with/slash": {"count": 7}}


async def test_the_state_of_one_agent_can_be_saved_and_loaded(runtime: SingleThreadedAgentRuntime) -> None:
    await runtime.register_factory("counter", Counter)
    agent_id = AgentId("counter", "a")
    await runtime.send_message("x", agent_id)

    assert await runtime.agent_save_state(agent_id) == {"count": 1}
    await runtime.agent_load_state(agent_id, {"count": 10})

    assert await runtime.send_message("x", agent_id) == 11
