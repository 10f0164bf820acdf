# mypy: ignore-errors
"""Assistants alone: tools, reflection, handoffs, types, streams, memories, contexts, errors."""

import json
from typing import Literal

from autogen_agentchat.agents import AssistantAgent
from autogen_agentchat.base import Handoff
from autogen_agentchat.messages import HandoffMessage, MultiModalMessage, StructuredMessage, TextMessage
from autogen_agentchat.teams import RoundRobinGroupChat
from autogen_agentchat.tools import AgentTool, TeamTool
from autogen_core import CancellationToken, Image
from autogen_core.memory import ListMemory, MemoryContent, MemoryMimeType
from autogen_core.model_context import (
    BufferedChatCompletionContext,
    HeadAndTailChatCompletionContext,
    UnboundedChatCompletionContext,
)
from autogen_core.models import AssistantMessage, UserMessage
from autogen_core.tools import FunctionTool, StaticStreamWorkbench, StaticWorkbench, ToolResult, Workbench
from PIL import Image as Picture
from pydantic import BaseModel

from tests.compat.same.seen import call, calls, program, says, thinks

SYSTEM = "You help."


async def weather(city: str) -> str:
    """Tell the weather of a city."""
    return f"{city} is sunny."


def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


def broken(text: str) -> str:
    """Fail."""
    raise ValueError(f"no {text} here")


def nothing() -> None:
    """Do nothing."""


class Mood(BaseModel):
    """What somebody feels."""

    mood: Literal["happy", "sad"]
    reason: str


def assistant(seen, *answers, info=None, **options):
    return AssistantAgent("helper", seen.model(*answers, **info or {}), **{"system_message": SYSTEM, **options})


@program
async def one_answer(seen):
    agent = assistant(seen, "Hello!", "Again.", "Third.", "Fourth.")
    seen.item(await agent.run(task="Hi"))
    await seen.stream(
        agent.run_stream(task=[TextMessage(content="a", source="x"), TextMessage(content="b", source="y")])
    )
    token = CancellationToken()
    seen.item(await agent.on_messages([TextMessage(content="c", source="user")], token))
    await seen.stream(agent.on_messages_stream([TextMessage(content="d", source="user")], token))


@program
async def no_task_and_no_echo(seen):
    agent = assistant(seen, "One.", "Two.", "Three.")
    seen.item(await agent.run(task="Hi", output_task_messages=False))
    seen.item(await agent.run())
    await seen.stream(agent.run_stream(task="Hi again", output_task_messages=False))


@program
async def no_instructions(seen):
    agent = assistant(seen, "One.", system_message=None, description="Helps.")
    seen.item(await agent.run(task=TextMessage(content="Hi", source="boss", metadata={"a": "b"})))
    seen.say("names", [agent.name, agent.description])
    seen.say("types", [kind.__name__.partition("[")[0] for kind in agent.produced_message_types])


@program
async def tool_summaries(seen):
    agent = assistant(
        seen,
        call("weather", city="Paris"),
        calls(("add", {"a": 1, "b": 2}), ("weather", {"city": "Oslo"})),
        "Done.",
        tools=[weather, add],
    )
    await seen.stream(agent.run_stream(task="Weather?"))
    seen.item(await agent.run(task="And two things."))
    seen.item(await agent.run(task="Fine."))


@program
async def tool_summary_formats(seen):
    text = "{tool_name}({arguments}) = {result} [{is_error}]"
    agent = assistant(seen, call("add", a=1, b=2), tools=[add], tool_call_summary_format=text)
    seen.item(await agent.run(task="Add."))

    def formatter(call, result):
        return f"{call.name}: {result.content}" if not result.is_error else "failed"

    agent = assistant(
        seen,
        calls(("add", {"a": 1, "b": 2}), ("nothing", {})),
        tools=[add, nothing],
        tool_call_summary_formatter=formatter,
    )
    seen.item(await agent.run(task="Add."))


@program
async def reflection(seen):
    agent = assistant(
        seen,
        call("weather", city="Paris"),
        "Sunny in Paris.",
        "You are welcome.",
        tools=[weather],
        reflect_on_tool_use=True,
    )
    await seen.stream(agent.run_stream(task="Weather?"))
    seen.item(await agent.run(task="Thanks."))


@program
async def reflection_in_pieces(seen):
    agent = assistant(
        seen,
        call("weather", city="Paris"),
        "It is sunny in Paris.",
        tools=[FunctionTool(weather, description="Tells the weather.")],
        reflect_on_tool_use=True,
        model_client_stream=True,
    )
    await seen.stream(agent.run_stream(task="Weather?"))


@program
async def tools_in_a_loop(seen):
    agent = assistant(seen, call("add", a=1, b=2), call("add", a=3, b=3), "Six.", tools=[add], max_tool_iterations=5)
    await seen.stream(agent.run_stream(task="Add one, two and three."))
    agent = assistant(seen, call("add", a=1, b=2), call("add", a=3, b=3), tools=[add], max_tool_iterations=2)
    seen.item(await agent.run(task="Exhausted."))
    agent = assistant(
        seen,
        call("add", a=1, b=2),
        call("add", a=3, b=3),
        "Reflected.",
        tools=[add],
        max_tool_iterations=2,
        reflect_on_tool_use=True,
    )
    seen.item(await agent.run(task="Exhausted, and reflects."))
    agent = assistant(
        seen, call("add", a=1, b=2), "Early.", tools=[add], max_tool_iterations=3, reflect_on_tool_use=True
    )
    seen.item(await agent.run(task="Early."))


@program
async def tool_loop_in_pieces(seen):
    agent = assistant(
        seen,
        call("add", a=1, b=2),
        calls(("add", {"a": 1, "b": 2}), thought="Once more."),
        "It is three now.",
        tools=[add],
        max_tool_iterations=5,
        model_client_stream=True,
    )
    await seen.stream(agent.run_stream(task="Add."))


@program
async def thoughts(seen):
    agent = assistant(
        seen, thinks("Hm.", "Yes."), calls(("add", {"a": 1, "b": 2}), thought="I add."), "Next.", tools=[add]
    )
    await seen.stream(agent.run_stream(task="Sure?"))
    await seen.stream(agent.run_stream(task="Add."))
    seen.item(await agent.run(task="Next?"))
    agent = assistant(
        seen,
        calls(("add", {"a": 1, "b": 2}), thought="I add."),
        thinks("I look at it.", "Three."),
        tools=[add],
        reflect_on_tool_use=True,
    )
    await seen.stream(agent.run_stream(task="Add."))


@program
async def an_answer_in_pieces(seen):
    agent = assistant(seen, "One two three.", "Four five.", model_client_stream=True)
    await seen.stream(agent.run_stream(task="Count."))
    await seen.stream(agent.on_messages_stream([TextMessage(content="On.", source="user")], CancellationToken()))


@program
async def tools_that_fail(seen):
    model = seen.unwatched(
        calls(("broken", {"text": "bread"}), ("nothing", {}), ("add", {"a": "x", "b": 1})), says("I see.")
    )
    agent = AssistantAgent("helper", model, tools=[broken, nothing, add], max_tool_iterations=3, system_message=SYSTEM)
    result = await agent.run(task="Try.")
    seen.say("kinds", [type(one).__name__ for one in result.messages])
    seen.say("errors", [one.is_error for one in result.messages[2].content])
    seen.say("nothing", result.messages[2].content[1])
    seen.say("text", "no bread here" in result.messages[2].content[0].content)


@program
async def calls_that_cannot_be(seen):
    model = seen.unwatched(calls(("ghost", {}), ("add", "no json")), "I see.")
    agent = AssistantAgent("helper", model, tools=[add], max_tool_iterations=3, system_message=SYSTEM)
    result = await agent.run(task="Try.")
    seen.say("kinds", [type(one).__name__ for one in result.messages])
    seen.say("errors", [one.is_error for one in result.messages[2].content])
    seen.say("names", [one.name for one in result.messages[2].content])


@program
async def handoffs(seen):
    wanted = [
        "ben",
        Handoff(target="cleo", message="Cleo, take it."),
        Handoff(target="user", name="ask_user", description="Asks.", message="Please."),
    ]
    agent = assistant(
        seen,
        call("transfer_to_cleo"),
        calls(("add", {"a": 1, "b": 2}), ("ask_user", {}), thought="I ask."),
        calls(("transfer_to_cleo", {}), thought="Cleo knows."),
        handoffs=wanted,
        tools=[add],
        reflect_on_tool_use=True,
        max_tool_iterations=4,
    )
    result = await agent.run(task="Help.")
    seen.item(result)
    result = await agent.run(task="More.")
    seen.say("target", [result.messages[-1].target, result.messages[-1].context])
    seen.say("kinds", [type(one).__name__ for one in result.messages])
    await seen.stream(agent.run_stream(task="Go on."))
    seen.say("types", [kind.__name__.partition("[")[0] for kind in agent.produced_message_types])


@program
async def handoff_taken(seen):
    said = [UserMessage(content="My name is Al.", source="user"), AssistantMessage(content="Hi Al.", source="ana")]
    agent = assistant(seen, "Hello Al.", "Bye.")
    await seen.stream(
        agent.run_stream(task=HandoffMessage(content="Yours.", source="ana", target="helper", context=said))
    )
    seen.item(await agent.run(task="Bye"))
    seen.say("context", await agent.model_context.get_messages())


@program
async def typed_answers(seen):
    happy = json.dumps({"mood": "happy", "reason": "sun"})
    agent = assistant(seen, happy, "Text.", output_content_type=Mood)
    seen.item(await agent.run(task="How are you?"))
    seen.say("types", [kind.__name__.partition("[")[0] for kind in agent.produced_message_types])
    agent = assistant(seen, happy, happy, output_content_type=Mood, output_content_type_format="{mood}: {reason}")
    result = await agent.run(task="And now?")
    seen.item(result)
    seen.say("text", [result.messages[-1].to_text(), result.messages[-1].to_model_text()])
    seen.item(await agent.run(task=result.messages[-1]))


@program
async def a_typed_answer_in_pieces(seen):
    happy = json.dumps({"mood": "happy", "reason": "much sun"})
    agent = assistant(seen, happy, output_content_type=Mood, model_client_stream=True)
    await seen.stream(agent.run_stream(task="How are you?"))


@program
async def a_typed_answer_after_tools(seen):
    happy = json.dumps({"mood": "happy", "reason": "sun"})
    agent = assistant(seen, call("weather", city="Rome"), happy, output_content_type=Mood, tools=[weather])
    await seen.stream(agent.run_stream(task="How are you?"))
    agent = assistant(
        seen,
        call("weather", city="Rome"),
        call("weather", city="Oslo"),
        happy,
        output_content_type=Mood,
        tools=[weather],
        max_tool_iterations=3,
    )
    seen.item(await agent.run(task="How are you?"))


@program
async def a_typed_question(seen):
    agent = assistant(seen, "Fine.")
    question = StructuredMessage[Mood](content=Mood(mood="sad", reason="rain"), source="user")
    await seen.stream(agent.run_stream(task=question))


@program
async def memories(seen):
    first, second = ListMemory(), ListMemory(name="rules")
    await first.add(MemoryContent(content="Units are metric.", mime_type=MemoryMimeType.TEXT))
    await second.add(MemoryContent(content="Be short.", mime_type="text/plain", metadata={"k": 1}))
    agent = AssistantAgent("helper", seen.unwatched(says("Yes.")), memory=[first, second, ListMemory()])
    await seen.stream(agent.run_stream(task="Units?"))
    agent = AssistantAgent(
        "helper",
        seen.unwatched(call("add", a=1, b=2), says("Three.")),
        tools=[add],
        memory=[first],
        max_tool_iterations=2,
    )
    seen.item(await agent.run(task="Add."))


@program
async def workbenches(seen):
    bench = StaticWorkbench([FunctionTool(add, description="Adds."), FunctionTool(weather, description="Weather.")])
    agent = assistant(seen, call("add", a=1, b=1), "Two.", workbench=bench, max_tool_iterations=2)
    await seen.stream(agent.run_stream(task="Add."))
    two = [
        StaticWorkbench([FunctionTool(add, description="Adds.")]),
        StaticStreamWorkbench([FunctionTool(weather, description="W.")]),
    ]
    agent = assistant(
        seen,
        calls(("weather", {"city": "Bonn"}), ("add", {"a": 2, "b": 2})),
        "All.",
        workbench=two,
        reflect_on_tool_use=True,
    )
    await seen.stream(agent.run_stream(task="Both."))


class Counting(Workbench):
    """A bench of a user's own."""

    def __init__(self):
        self.count = 0

    async def list_tools(self):
        return [{"name": "tick", "description": "Counts.", "parameters": {"type": "object", "properties": {}}}]

    async def call_tool(self, name, arguments=None, cancellation_token=None, call_id=None):
        self.count += 1
        return ToolResult(
            name=name, result=[{"type": "TextResultContent", "content": f"tick {self.count}"}], is_error=False
        )

    async def start(self):
        return None

    async def stop(self):
        return None

    async def reset(self):
        self.count = 0

    async def save_state(self):
        return {"count": self.count}

    async def load_state(self, state):
        self.count = state["count"]


@program
async def a_bench_of_ones_own(seen):
    agent = assistant(
        seen, call("tick"), calls(("tick", {}), ("tick", {})), "Three.", workbench=Counting(), max_tool_iterations=4
    )
    await seen.stream(agent.run_stream(task="Count."))


@program
async def contexts(seen):
    for context in (
        BufferedChatCompletionContext(buffer_size=2),
        HeadAndTailChatCompletionContext(head_size=1, tail_size=1),
        UnboundedChatCompletionContext(initial_messages=[UserMessage(content="Long ago.", source="user")]),
    ):
        make = seen.unwatched if isinstance(context, HeadAndTailChatCompletionContext) else seen.model
        agent = AssistantAgent("helper", make("a", "b", "c"), model_context=context, system_message=SYSTEM)
        for task in ("one", "two", "three"):
            await agent.run(task=task)
        seen.say("context", await agent.model_context.get_messages())
        seen.say("state", await agent.save_state())
        await agent.on_reset(CancellationToken())
        seen.say("context", await agent.model_context.get_messages())


@program
async def states(seen):
    agent = assistant(seen, call("add", a=1, b=2), "Well.", tools=[add])
    await agent.run(task="Add.")
    state = await agent.save_state()
    seen.say("state", state)
    other = assistant(seen, "I remember.", tools=[add])
    await other.load_state(json.loads(json.dumps(state)))
    seen.item(await other.run(task="What was it?"))


@program
async def images(seen):
    picture = MultiModalMessage(content=["Look", Image(Picture.new("RGB", (2, 2), "red")), "here"], source="user")
    agent = assistant(seen, "I cannot see.")
    result = await agent.run(task=picture)
    seen.say("kinds", [type(one).__name__ for one in result.messages])
    seen.say("text", [picture.to_text(), picture.to_model_text()])
    agent = assistant(seen, "Red.", info={"vision": True})
    seen.item(await agent.run(task=picture))


@program
async def agents_as_tools(seen):
    inner = AssistantAgent("poet", seen.model("Roses.", "Violets."), description="Writes.", system_message=SYSTEM)
    agent = assistant(
        seen,
        call("poet", task="A poem"),
        call("poet", task="More"),
        "There.",
        tools=[AgentTool(inner)],
        max_tool_iterations=5,
    )
    await seen.stream(agent.run_stream(task="A poem, please."))
    ana = AssistantAgent("ana", seen.model("Ana.", "Ana."), system_message=SYSTEM)
    ben = AssistantAgent("ben", seen.model("Ben.", "Ben."), system_message=SYSTEM)
    team = RoundRobinGroupChat([ana, ben], max_turns=2)
    tool = TeamTool(team, name="pair", description="Talks.", return_value_as_last_message=True)
    agent = assistant(seen, call("pair", task="Talk"), "So be it.", tools=[tool], reflect_on_tool_use=True)
    await seen.stream(agent.run_stream(task="Talk."))
    tool = TeamTool(team, name="pair", description="Talks.")
    agent = assistant(seen, call("pair", task="Talk"), tools=[tool], model_client_stream=True)
    await seen.stream(agent.run_stream(task="Talk."))


@program
async def a_model_that_fails(seen):
    agent = assistant(seen, "Fine.", ConnectionError("down"), "Back.")
    seen.item(await agent.run(task="Hi"))
    async with seen.error():
        await seen.stream(agent.run_stream(task="Hi?"))
    seen.say("state", len((await agent.save_state())["llm_context"]["messages"]) > 2)
    async with seen.error("exhausted"):
        await assistant(seen).run(task="Hi")


@program
async def what_is_refused(seen):
    model = seen.unwatched("x")
    async with seen.error("no task"):
        await assistant(seen).run(task=[])
    async with seen.error("no message"):
        await assistant(seen).run(task=["text"])
    for wrong in (
        {"tools": [add, add]},
        {"handoffs": ["ben", "ben"]},
        {"tools": [add], "workbench": StaticWorkbench([])},
        {"max_tool_iterations": 0},
        {"memory": ListMemory()},
        {"tools": ["add"]},
        {"handoffs": [3]},
    ):
        async with seen.error(next(iter(wrong))):
            AssistantAgent("helper", model, **wrong)
    async with seen.error("name"):
        AssistantAgent("not a name", model)
    async with seen.error("no calls"):
        AssistantAgent("helper", seen.unwatched(function_calling=False), tools=[add])
    async with seen.error("handoff name"):
        Handoff(target="ben", name="no name")
