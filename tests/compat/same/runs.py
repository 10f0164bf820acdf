# mypy: ignore-errors
"""Runs that are continued, reset, saved, paused, cancelled, printed, or fail."""

import asyncio
import json

from autogen_agentchat.agents import AssistantAgent, BaseChatAgent
from autogen_agentchat.base import Response
from autogen_agentchat.conditions import (
    ExternalTermination,
    MaxMessageTermination,
    TextMentionTermination,
)
from autogen_agentchat.messages import TextMessage
from autogen_agentchat.teams import RoundRobinGroupChat, SelectorGroupChat
from autogen_agentchat.ui import Console
from autogen_core import CancellationToken, SingleThreadedAgentRuntime

from tests.compat.same.seen import Then, call, program, thinks

SYSTEM = "You help."


def agents(seen, *names, count=6, **options):
    return [
        AssistantAgent(
            name, seen.model(*(f"{name} {number}" for number in range(1, count + 1))), system_message=SYSTEM, **options
        )
        for name in names
    ]


def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


@program
async def again_and_again(seen):
    team = RoundRobinGroupChat(agents(seen, "ana", "ben", "cleo"), termination_condition=MaxMessageTermination(3))
    seen.item(await team.run(task="One."))
    seen.item(await team.run(task="Two."))
    seen.item(await team.run())
    await team.reset()
    seen.item(await team.run(task="Three."))


@program
async def saved_and_loaded(seen):
    team = RoundRobinGroupChat(agents(seen, "ana", "ben"), max_turns=3)
    await team.run(task="One.")
    state = json.loads(json.dumps(await team.save_state()))
    seen.say("keys", sorted(state["agent_states"]))
    seen.say("buffer", state["agent_states"]["ben"]["message_buffer"])
    other = RoundRobinGroupChat(agents(seen, "ana", "ben"), max_turns=2)
    await other.load_state(state)
    seen.item(await other.run(task="Two."))
    seen.item(await team.run(task="Two."))
    async with seen.error("others"):
        await RoundRobinGroupChat(agents(seen, "dora"), max_turns=1).load_state(state)


@program
async def reset_in_a_run(seen):
    async def meddle():
        async with seen.error("reset"):
            await team.reset()
        async with seen.error("run"):
            await team.run(task="Me too.")
        async with seen.error("load"):
            await team.load_state({})

    ana = AssistantAgent("ana", seen.model(Then(meddle, "Fine.")), system_message=SYSTEM)
    team = RoundRobinGroupChat([ana], max_turns=1)
    async with seen.error("pause"):
        await team.pause()
    seen.item(await team.run(task="Go."))


class Pausing(BaseChatAgent):
    """Notes when it is paused."""

    produced_message_types = (TextMessage,)

    def __init__(self, name):
        super().__init__(name, "Pauses.")
        self.notes = []

    async def on_messages(self, messages, cancellation_token):
        return Response(chat_message=TextMessage(content=f"{len(self.notes)} notes", source=self.name))

    async def on_reset(self, cancellation_token):
        self.notes.append("reset")

    async def on_pause(self, cancellation_token):
        self.notes.append("pause")

    async def on_resume(self, cancellation_token):
        self.notes.append("resume")


@program
async def paused_and_resumed(seen):
    agent = Pausing("ana")

    async def both():
        await team.pause()
        await team.resume()

    ben = AssistantAgent("ben", seen.model(Then(both, "I paused it.")), system_message=SYSTEM)
    team = RoundRobinGroupChat([agent, ben], max_turns=3)
    await seen.stream(team.run_stream(task="Go."))
    seen.say("notes", agent.notes)
    await team.reset()
    seen.say("notes", agent.notes)


@program
async def stopped_from_outside(seen):
    stop = ExternalTermination()

    async def stopping():
        stop.set()

    ana, cleo = agents(seen, "ana", "cleo")
    ben = AssistantAgent(
        "ben",
        seen.model(Then(stopping, "I stop it."), "Again.", "And again.", "Still.", "Enough."),
        system_message=SYSTEM,
    )
    team = RoundRobinGroupChat([ana, ben, cleo], termination_condition=stop | MaxMessageTermination(9))
    await seen.stream(team.run_stream(task="Go."))
    seen.item(await team.run())


@program
async def cancelled(seen):
    token = CancellationToken()
    waiting = asyncio.Event()

    async def wait():
        waiting.set()
        await asyncio.sleep(0.2)

    ana = agents(seen, "ana")[0]
    ben = AssistantAgent("ben", seen.model(Then(wait, "Too late."), "Ben again."), system_message=SYSTEM)
    team = RoundRobinGroupChat([ana, ben], max_turns=3)

    async def cancel():
        await waiting.wait()
        token.cancel()

    cancelling = asyncio.create_task(cancel())
    async with seen.error("cancelled"):
        await team.run(task="Go.", cancellation_token=token)
    await cancelling


@program
async def a_run_that_fails(seen):
    ana = agents(seen, "ana")[0]
    ben = AssistantAgent("ben", seen.model(ConnectionError("down"), "Back."), system_message=SYSTEM)
    team = RoundRobinGroupChat([ana, ben], max_turns=3)
    async with seen.error("the agent"):
        await seen.stream(team.run_stream(task="Go."))


@program
async def a_selection_that_fails(seen):
    team = SelectorGroupChat(agents(seen, "ana", "ben", "cleo"), seen.unwatched(ConnectionError("down")), max_turns=1)
    async with seen.error("the first selection"):
        await team.run(task="Go.")


@program
async def printed(seen):
    worker = AssistantAgent(
        "worker",
        seen.model(call("add", a=1, b=2), thinks("Hm.", "Three.")),
        tools=[add],
        system_message=SYSTEM,
        max_tool_iterations=2,
    )
    team = RoundRobinGroupChat([worker, *agents(seen, "ana")], max_turns=2)
    with seen.printed():
        result = await Console(team.run_stream(task="Add."))
    seen.item(result)
    with seen.printed():
        response = await Console(
            agents(seen, "ben")[0].on_messages_stream([TextMessage(content="Hi", source="user")], CancellationToken())
        )
    seen.item(response)
    async with seen.error("nothing"):
        await Console(nothing())


async def nothing():
    return
    yield


@program
async def printed_in_pieces(seen):
    team = RoundRobinGroupChat(agents(seen, "ana", "ben", model_client_stream=True), max_turns=2)
    with seen.printed():
        await Console(team.run_stream(task="Go."))
    with seen.printed():
        await Console(agents(seen, "cleo", model_client_stream=True)[0].run_stream(task="Go."))


@program
async def on_a_runtime_of_ones_own(seen):
    runtime = SingleThreadedAgentRuntime()
    runtime.start()
    team = RoundRobinGroupChat(agents(seen, "ana", "ben"), max_turns=3, runtime=runtime)
    await seen.stream(team.run_stream(task="Go."))
    seen.item(await team.run())
    await runtime.stop_when_idle()


@program
async def from_its_components(seen):
    stop = MaxMessageTermination(3) & TextMentionTermination("2")
    again = type(stop).load_component(stop.dump_component())
    team = RoundRobinGroupChat(agents(seen, "ana", "ben"), termination_condition=again)
    seen.item(await team.run(task="Go."))
