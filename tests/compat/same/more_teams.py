# mypy: ignore-errors
"""Graphs, Magentic-One, and teams in teams."""

import json

from autogen_agentchat.agents import AssistantAgent
from autogen_agentchat.conditions import MaxMessageTermination, TextMentionTermination
from autogen_agentchat.teams import (
    DiGraphBuilder,
    GraphFlow,
    MagenticOneGroupChat,
    RoundRobinGroupChat,
    SelectorGroupChat,
)

from tests.compat.same.seen import program

SYSTEM = "You help."


def agent(seen, name, *answers, **options):
    return AssistantAgent(name, seen.model(*answers), system_message=SYSTEM, **options)


@program
async def a_sequence(seen):
    ana, ben, cleo = (agent(seen, name, f"{name} 1", f"{name} 2") for name in ("ana", "ben", "cleo"))
    builder = DiGraphBuilder()
    builder.add_node(ana).add_node(ben).add_node(cleo)
    builder.add_edge(ana, ben).add_edge(ben, cleo)
    flow = GraphFlow(builder.get_participants(), builder.build())
    await seen.stream(flow.run_stream(task="Go."))
    seen.item(await flow.run(task="Again."))


@program
async def fan_out_and_join(seen):
    ana, ben, cleo = (agent(seen, name, f"{name} 1") for name in ("ana", "ben", "cleo"))
    dora = unheard(seen, "dora", "dora 1")  # in which order it hears of ben and cleo is left to chance
    builder = DiGraphBuilder()
    builder.add_node(ana).add_node(ben).add_node(cleo).add_node(dora)
    builder.add_edge(ana, ben).add_edge(ana, cleo).add_edge(ben, dora).add_edge(cleo, dora)
    flow = GraphFlow(builder.get_participants(), builder.build())
    result = await flow.run(task="Go.")
    said = [[message.source, message.to_text()] for message in result.messages]
    seen.say("said", [*said[:2], *sorted(said[2:4]), *said[4:], result.stop_reason is not None])


@program
async def a_way_is_chosen(seen):
    for answer in ("approve this", "reject this"):
        judge = agent(seen, "judge", answer)
        printer, writer = agent(seen, "printer", "Printed."), agent(seen, "writer", "Rewritten.")
        builder = DiGraphBuilder()
        builder.add_node(judge).add_node(printer).add_node(writer)
        builder.add_edge(judge, printer, condition="approve").add_edge(judge, writer, condition="reject")
        flow = GraphFlow(builder.get_participants(), builder.build())
        await seen.stream(flow.run_stream(task="Judge."))


@program
async def a_way_is_chosen_by_functions(seen):
    heard = []

    def long(message):
        heard.append([type(message).__name__, message.source])
        return len(message.to_model_text()) > 10

    judge = agent(seen, "judge", "short")
    yes, no = agent(seen, "yes", "Yes."), agent(seen, "no", "No.")
    builder = DiGraphBuilder()
    builder.add_node(judge).add_node(yes).add_node(no)
    builder.add_edge(judge, yes, condition=long).add_edge(judge, no, condition=lambda message: not long(message))
    flow = GraphFlow(builder.get_participants(), builder.build())
    await seen.stream(flow.run_stream(task="Judge."))
    seen.say("heard", heard)


@program
async def a_loop(seen):
    writer = agent(seen, "writer", "Draft 1.", "Draft 2.", "Draft 3.")
    critic = agent(seen, "critic", "REVISE", "REVISE more", "APPROVE")
    printer = agent(seen, "printer", "Printed.")
    builder = DiGraphBuilder()
    builder.add_node(writer).add_node(critic).add_node(printer)
    builder.add_edge(writer, critic)
    builder.add_edge(critic, writer, condition=lambda message: "REVISE" in message.to_model_text())
    builder.add_edge(critic, printer, condition=lambda message: "APPROVE" in message.to_model_text())
    builder.set_entry_point(writer)
    flow = GraphFlow(builder.get_participants(), builder.build(), termination_condition=MaxMessageTermination(20))
    await seen.stream(flow.run_stream(task="Write."))


@program
async def loops_with_groups(seen):
    a = agent(seen, "a", "a 1", "a 2", "a 3")
    b = agent(seen, "b", "b 1", "b 2", "b 3")
    c = agent(seen, "c", "back", "back", "onward")
    e = agent(seen, "e", "e 1")
    builder = DiGraphBuilder()
    builder.add_node(a).add_node(b).add_node(c).add_node(e)
    builder.add_edge(a, b, activation_group="first")
    builder.add_edge(b, c)
    builder.add_edge(c, b, condition="back", activation_group="again", activation_condition="any")
    builder.add_edge(c, e, condition="onward")
    flow = GraphFlow(builder.get_participants(), builder.build(), max_turns=12)
    seen.item(await flow.run(task="Go."))


@program
async def any_of_two(seen):
    a, b, c = (agent(seen, name, f"{name} 1", f"{name} 2") for name in "abc")
    d = unheard(seen, "d", "d 1", "d 2")
    builder = DiGraphBuilder()
    builder.add_node(a).add_node(b).add_node(c).add_node(d)
    builder.add_edge(a, b).add_edge(b, d, activation_group="x", activation_condition="any")
    builder.add_edge(a, c, condition=None).add_edge(c, d, activation_group="x", activation_condition="any")
    flow = GraphFlow(builder.get_participants(), builder.build())
    result = await flow.run(task="Go.")
    said = [[message.source, message.to_text()] for message in result.messages]
    seen.say("said", [*said[:2], *sorted(said[2:4]), *said[4:]])


@program
async def a_graph_is_stopped_and_goes_on(seen):
    ana, ben, cleo = (agent(seen, name, f"{name} 1", f"{name} 2") for name in ("ana", "ben", "cleo"))
    builder = DiGraphBuilder()
    builder.add_node(ana).add_node(ben).add_node(cleo).add_edge(ana, ben).add_edge(ben, cleo)
    flow = GraphFlow(builder.get_participants(), builder.build(), max_turns=1)
    seen.item(await flow.run(task="Go."))
    state = json.loads(json.dumps(await flow.save_state()))
    manager = state["agent_states"]["GraphManager"]
    seen.say("manager", {key: manager[key] for key in ("remaining", "enqueued_any", "ready")})
    seen.item(await flow.run())
    seen.item(await flow.run(task="On."))
    seen.item(await flow.run(task="From the start."))


@program
async def graphs_that_are_refused(seen):
    a, b, c = (agent(seen, name) for name in "abc")

    def built(*edges, nodes=(a, b, c)):
        builder = DiGraphBuilder()
        for node in nodes:
            builder.add_node(node)
        for edge in edges:
            builder.add_edge(*edge)
        return builder.build()

    for name, edges in {
        "no start": [(a, b), (b, c), (c, a)],
        "mixed": [(a, b, "x"), (a, c)],
        "an endless loop": [(a, b), (b, c), (c, b)],
    }.items():
        async with seen.error(name):
            built(*edges)
    async with seen.error("nothing"):
        built(nodes=())
    async with seen.error("unknown"):
        built((a, "ghost"))


def unheard(seen, name, *answers):
    return AssistantAgent(name, seen.unwatched(*answers), system_message=SYSTEM)


def ledger(speaker, *, done=False, progress=True, loop=False, ask="Speak."):
    def item(answer):
        return {"reason": "so it is", "answer": answer}

    return json.dumps(
        {
            "is_request_satisfied": item(done),
            "is_in_loop": item(loop),
            "is_progress_being_made": item(progress),
            "next_speaker": item(speaker),
            "instruction_or_question": item(ask),
        }
    )


def shown(seen, result):
    """Show a result; the plan's words are the package's own."""
    seen.say("kinds", [[type(message).__name__, message.source] for message in result.messages])
    seen.say("texts", [message.to_text() for message in result.messages if len(message.to_text()) < 60])
    seen.say("stopped", [result.stop_reason is not None, "so it is" in (result.stop_reason or "")])


@program
async def a_mission(seen):
    ana, ben = unheard(seen, "ana", "ana 1"), unheard(seen, "ben", "ben 1")
    model = seen.unwatched(
        "facts", "plan", ledger("ana"), ledger("ben", ask="Check it."), ledger("ana", done=True), "The answer."
    )
    team = MagenticOneGroupChat([ana, ben], model, max_turns=10)
    shown(seen, await team.run(task="Find out."))


@program
async def a_mission_that_stalls(seen):
    ana, ben = unheard(seen, "ana", "ana 1", "ana 2"), unheard(seen, "ben", "ben 1")
    model = seen.unwatched(
        "facts", "plan", ledger("ana", progress=False), "new facts", "new plan", ledger("ben", done=True), "The answer."
    )
    team = MagenticOneGroupChat(
        [ana, ben], model, max_stalls=1, final_answer_prompt="Answer now.", emit_team_events=True
    )
    shown(seen, await team.run(task="Find out."))


@program
async def a_mission_that_is_stopped(seen):
    ana, ben = unheard(seen, "ana", "ana 1", "ana 2"), unheard(seen, "ben", "I am sure.")
    model = seen.unwatched("facts", "plan", ledger("ana"), "```json\n" + ledger("ben") + "\n```", ledger("ana"))
    team = MagenticOneGroupChat([ana, ben], model, termination_condition=TextMentionTermination("sure"))
    shown(seen, await team.run(task="Find out."))


@program
async def teams_in_teams(seen):
    ana, ben, cleo = (agent(seen, name, f"{name} 1", f"{name} 2") for name in ("ana", "ben", "cleo"))
    inner = RoundRobinGroupChat([ana, ben], max_turns=2, name="inner", description="Two.")
    team = RoundRobinGroupChat([inner, cleo], max_turns=3, name="outer")
    await seen.stream(team.run_stream(task="Go."))
    seen.say("state", await team.save_state())
    await team.reset()


@program
async def a_selector_of_teams(seen):
    ana, ben, cleo = (
        agent(seen, name, f"{name} 1", f"{name} 2", description=f"Is {name}.") for name in ("ana", "ben", "cleo")
    )
    inner = RoundRobinGroupChat([ana, ben], max_turns=2, name="inner", description="Two.")
    chooser = seen.model("cleo", "inner")
    team = SelectorGroupChat([inner, cleo], chooser, selector_prompt="{roles} {history} {participants}", max_turns=2)
    await seen.stream(team.run_stream(task="Go."))


@program
async def two_floors_of_teams(seen):
    ana, ben, cleo = (
        agent(seen, name, f"{name} 1", f"{name} 2", model_client_stream=True) for name in ("ana", "ben", "cleo")
    )
    low = RoundRobinGroupChat([ana], max_turns=1, name="low", emit_team_events=True)
    middle = RoundRobinGroupChat([low, ben], max_turns=2, name="middle")
    team = RoundRobinGroupChat([middle, cleo], termination_condition=MaxMessageTermination(6), name="high")
    await seen.stream(team.run_stream(task="Go."))
