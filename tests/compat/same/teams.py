# mypy: ignore-errors
"""Teams that take turns or choose: round robin, selector, swarm."""

from autogen_agentchat.agents import AssistantAgent
from autogen_agentchat.base import Handoff
from autogen_agentchat.conditions import HandoffTermination, MaxMessageTermination, TextMentionTermination
from autogen_agentchat.messages import HandoffMessage, StructuredMessage, TextMessage
from autogen_agentchat.teams import RoundRobinGroupChat, SelectorGroupChat, Swarm
from pydantic import BaseModel

from tests.compat.same.seen import call, calls, program

SYSTEM = "You help."
PROMPT = "Roles:\n{roles}\nConversation:\n{history}\nChoose one of {participants}."


def agents(seen, *names, count=4, **options):
    return [
        AssistantAgent(
            name,
            seen.model(*(f"{name} {number}" for number in range(1, count + 1))),
            description=f"The one called\n  {name}.",
            system_message=SYSTEM,
            **options,
        )
        for name in names
    ]


def to(target):
    return Handoff(target=target, message=f"Yours, {target}.")


def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


@program
async def taking_turns(seen):
    team = RoundRobinGroupChat(agents(seen, "ana", "ben", "cleo"), max_turns=4)
    await seen.stream(team.run_stream(task="Go."))
    seen.item(await team.run())
    seen.item(await team.run(task="And on."))


@program
async def one_alone(seen):
    worker = AssistantAgent(
        "worker",
        seen.model(call("add", a=1, b=2), call("add", a=3, b=3), "All. DONE"),
        tools=[add],
        system_message=SYSTEM,
    )
    team = RoundRobinGroupChat([worker], termination_condition=TextMentionTermination("DONE"))
    await seen.stream(team.run_stream(task="Add."))


@program
async def several_task_messages(seen):
    team = RoundRobinGroupChat(agents(seen, "ana", "ben"), termination_condition=MaxMessageTermination(4))
    await seen.stream(
        team.run_stream(task=[TextMessage(content="a", source="user"), TextMessage(content="b", source="boss")])
    )
    await seen.stream(team.run_stream(task="c", output_task_messages=False))


@program
async def events_of_a_team(seen):
    team = RoundRobinGroupChat(
        agents(seen, "ana", "ben"), max_turns=2, emit_team_events=True, name="pair", description="Two."
    )
    await seen.stream(team.run_stream(task="Go."))
    seen.say("names", [team.name, team.description])


@program
async def pieces_in_a_team(seen):
    team = RoundRobinGroupChat(agents(seen, "ana", "ben", model_client_stream=True), max_turns=2)
    await seen.stream(team.run_stream(task="Go."))


class Place(BaseModel):
    """Where."""

    city: str


@program
async def types_in_a_team(seen):
    finder = AssistantAgent("finder", seen.model('{"city": "Oslo"}'), output_content_type=Place, system_message=SYSTEM)
    team = RoundRobinGroupChat(
        [finder, *agents(seen, "ana")], max_turns=2, custom_message_types=[StructuredMessage[Place]]
    )
    await seen.stream(team.run_stream(task="Where?"))
    seen.say("state", (await team.save_state())["agent_states"])
    team = RoundRobinGroupChat(agents(seen, "ben"), max_turns=1, custom_message_types=[StructuredMessage[Place]])
    seen.item(await team.run(task=StructuredMessage[Place](content=Place(city="Rome"), source="user")))


@program
async def a_model_selects(seen):
    chooser = seen.model("ben", "The next is ana.", "cleo", "ana", "ben", "cleo")
    team = SelectorGroupChat(agents(seen, "ana", "ben", "cleo"), chooser, selector_prompt=PROMPT, max_turns=3)
    await seen.stream(team.run_stream(task="Go."))
    seen.item(await team.run(task="On.", output_task_messages=False))


@program
async def a_model_selects_for_openai(seen):
    chooser = seen.model("ben", "ana", family="gpt-4o")
    team = SelectorGroupChat(agents(seen, "ana", "ben", "cleo"), chooser, selector_prompt=PROMPT, max_turns=2)
    seen.item(await team.run(task="Go."))


@program
async def the_same_may_speak_again(seen):
    chooser = seen.model("ana", "ana", "ben")
    team = SelectorGroupChat(
        agents(seen, "ana", "ben"),
        chooser,
        selector_prompt=PROMPT,
        max_turns=3,
        allow_repeated_speaker=True,
        emit_team_events=True,
    )
    await seen.stream(team.run_stream(task="Go."))


@program
async def two_take_turns_without_a_model(seen):
    chooser = seen.model("ana")
    team = SelectorGroupChat(agents(seen, "ana", "ben"), chooser, selector_prompt=PROMPT, max_turns=4)
    seen.item(await team.run(task="Go."))


@program
async def a_selection_is_asked_for_again(seen):
    chooser = seen.unwatched("Nobody.", "ana or ben?", "ben", "dora", "cleo")
    team = SelectorGroupChat(agents(seen, "ana", "ben", "cleo"), chooser, max_turns=2)
    seen.item(await team.run(task="Go."))


@program
async def no_selection_at_all(seen):
    chooser = seen.unwatched("Nobody.", "None.")
    team = SelectorGroupChat(agents(seen, "ana", "ben", "cleo"), chooser, max_turns=1, max_selector_attempts=2)
    seen.item(await team.run(task="Go."))
    async with seen.error("one alone"):
        SelectorGroupChat(agents(seen, "ana"), chooser)


@program
async def functions_select(seen):
    heard = []

    def select(messages):
        heard.append([[type(message).__name__, message.source] for message in messages])
        return {"user": "cleo", "cleo": "ana"}.get(messages[-1].source)

    def candidates(messages):
        return ["ben", "cleo"] if messages[-1].source == "ana" else ["ana", "ben"]

    chooser = seen.model("ben", "ana", "ben")
    team = SelectorGroupChat(
        agents(seen, "ana", "ben", "cleo"),
        chooser,
        selector_prompt=PROMPT,
        selector_func=select,
        candidate_func=candidates,
        max_turns=4,
    )
    await seen.stream(team.run_stream(task="Go."))
    seen.say("heard", heard)


@program
async def functions_select_later(seen):
    async def select(messages):
        return "ben" if len(messages) == 1 else None

    async def candidates(messages):
        return ["cleo"]

    team = SelectorGroupChat(
        agents(seen, "ana", "ben", "cleo"), seen.model(), selector_func=select, candidate_func=candidates, max_turns=3
    )
    seen.item(await team.run(task="Go."))
    for function in (
        {"selector_func": lambda messages: "ghost"},
        {"candidate_func": lambda messages: []},
        {"candidate_func": lambda messages: ["ghost"]},
    ):
        async with seen.error("ghost"):
            await SelectorGroupChat(agents(seen, "ana", "ben"), seen.model(), max_turns=2, **function).run(task="Go.")


@program
async def tools_in_a_selector(seen):
    worker = AssistantAgent(
        "worker", seen.model(call("add", a=1, b=2)), tools=[add], description="Adds.", system_message=SYSTEM
    )
    chooser = seen.model("worker", "ana", family="gpt-4o")
    team = SelectorGroupChat([worker, *agents(seen, "ana", "ben")], chooser, selector_prompt=PROMPT, max_turns=2)
    await seen.stream(team.run_stream(task="Go."))


@program
async def a_swarm(seen):
    ana = AssistantAgent(
        "ana", seen.model(call("transfer_to_ben"), "Welcome back. END"), handoffs=[to("ben")], system_message=SYSTEM
    )
    ben = AssistantAgent(
        "ben",
        seen.model(call("add", a=1, b=2), "I think.", calls(("add", {"a": 2, "b": 2}), ("transfer_to_ana", {}))),
        handoffs=[to("ana")],
        tools=[add],
        system_message=SYSTEM,
    )
    team = Swarm([ana, ben], termination_condition=TextMentionTermination("END"))
    await seen.stream(team.run_stream(task="Go."))


@program
async def a_swarm_asks_a_person(seen):
    ana = AssistantAgent(
        "ana",
        seen.model(call("transfer_to_user"), call("transfer_to_ben")),
        handoffs=[to("user"), to("ben")],
        system_message=SYSTEM,
    )
    ben = AssistantAgent(
        "ben",
        seen.model("Done. END"),
        handoffs=[Handoff(target="user", description="Asks.", message="Please say.")],
        system_message=SYSTEM,
    )
    stop = HandoffTermination(target="user") | TextMentionTermination("END")
    team = Swarm([ana, ben], termination_condition=stop, emit_team_events=True)
    result = await seen.stream(team.run_stream(task="Go."))
    asked = result.messages[-1]
    await seen.stream(team.run_stream(task=HandoffMessage(source="user", target=asked.source, content="Do it.")))
    async with seen.error("unknown target"):
        await team.run(task=HandoffMessage(source="user", target="ghost", content="Do it."))


@program
async def a_swarm_is_refused(seen):
    async with seen.error("no handoffs"):
        Swarm(agents(seen, "ana"))
    async with seen.error("nobody"):
        RoundRobinGroupChat([])
    async with seen.error("twice"):
        RoundRobinGroupChat([*agents(seen, "ana"), *agents(seen, "ana")])
    async with seen.error("no turns"):
        await RoundRobinGroupChat(agents(seen, "ana"), max_turns=0).run(task="Go.")
    async with seen.error("no task"):
        await RoundRobinGroupChat(agents(seen, "ana"), max_turns=1).run(task=[])
    async with seen.error("a tuple"):
        await RoundRobinGroupChat(agents(seen, "ana"), max_turns=1).run(task=("a", "b"))
