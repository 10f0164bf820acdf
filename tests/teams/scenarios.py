"""Teams of every kind whose models answer what they are shown, always the same."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from agentnb.agents import (
    AssistantAgent,
    BaseChatAgent,
    CodeExecutorAgent,
    MessageFilterAgent,
    MessageFilterConfig,
    PerSourceFilter,
    SocietyOfMindAgent,
    UserProxyAgent,
    approve_all,
)
from agentnb.base import Response, TaskRunner, Team
from agentnb.code_executors import CodeExecutor
from agentnb.conditions import MaxMessageTermination, TextMentionTermination
from agentnb.core import CancellationToken
from agentnb.memory import ListMemory, MemoryContent, MemoryMimeType
from agentnb.messages import (
    BaseChatMessage,
    CodeBlock,
    CodeResult,
    FunctionCall,
    FunctionExecutionResultMessage,
    LLMMessage,
    TextMessage,
)
from agentnb.models.scripted import ScriptedChatCompletionClient
from agentnb.teams import (
    DiGraphBuilder,
    GraphFlow,
    MagenticOneGroupChat,
    MissionKeeper,
    RoundRobinGroupChat,
    SelectorGroupChat,
    Swarm,
)
from agentnb.tools import AgentTool


@dataclass
class World:
    """What the agents of one process do outside of it."""

    done: list[str] = field(default_factory=list)
    """Effects, each as a text."""
    clients: list[ScriptedChatCompletionClient] = field(default_factory=list)
    stop: Callable[[], None] = lambda: None
    """Called before each effect: a process may end here."""

    @property
    def asked(self) -> int:
        """How often models were asked."""
        return sum(len(client.asked) for client in self.clients)

    def model(self, answer: Callable[[Sequence[LLMMessage]], Any]) -> ScriptedChatCompletionClient:
        client = ScriptedChatCompletionClient([answer], repeats=True)
        self.clients.append(client)
        return client

    def says(self, name: str) -> ScriptedChatCompletionClient:
        return self.model(lambda messages: f"{name} has read {_size(messages)}")

    def buys(self, name: str) -> ScriptedChatCompletionClient:
        """A model that orders something before it says anything."""

        def answer(messages: Sequence[LLMMessage]) -> Any:
            if isinstance(messages[-1], FunctionExecutionResultMessage):
                return f"{name} got {messages[-1].content[0].content}"
            thing = json.dumps({"thing": f"{name}{_size(messages)}"})
            return [
                FunctionCall(id=f"{_size(messages)}a", name="buy", arguments=thing),
                FunctionCall(id=f"{_size(messages)}b", name="look", arguments=thing),
            ]

        return self.model(answer)

    def tools(self) -> list[Any]:
        async def buy(thing: str) -> str:
            """Buy a thing."""
            self.done.append(f"bought {thing}")
            self.stop()
            return f"a {thing}"

        def look(thing: str) -> str:
            """Look at a thing."""
            return f"{thing} is nice"

        return [buy, look]

    def assistant(self, name: str, **options: Any) -> AssistantAgent:
        return AssistantAgent(name, self.says(name), description=f"{name} speaks", **options)

    def buyer(self, name: str, **options: Any) -> AssistantAgent:
        return AssistantAgent(name, self.buys(name), tools=self.tools(), max_tool_iterations=2, **options)


class Ledger(CodeExecutor):
    """Runs code by writing it down."""

    def __init__(self, world: World) -> None:
        self.world = world

    async def execute_code_blocks(
        self, code_blocks: Sequence[CodeBlock], cancellation_token: CancellationToken
    ) -> CodeResult:
        self.world.done.append(f"ran {code_blocks[0].code}")
        self.world.stop()
        return CodeResult(exit_code=0, output=f"{len(code_blocks[0].code)} characters ran")

    async def start(self) -> None: ...

    async def stop(self) -> None: ...

    async def restart(self) -> None: ...


class Counter(BaseChatAgent):
    """Counts its turns, which no fact but its state tells."""

    produced_message_types = (TextMessage,)

    def __init__(self, name: str) -> None:
        super().__init__(name, "counts")
        self.turns = 0

    async def on_messages(self, messages: Sequence[BaseChatMessage], cancellation_token: CancellationToken) -> Response:
        self.turns += 1
        return Response(chat_message=TextMessage(content=f"turn {self.turns} of {len(messages)}", source=self.name))

    async def on_reset(self, cancellation_token: CancellationToken) -> None:
        self.turns = 0

    async def save_state(self) -> Mapping[str, Any]:
        return {"turns": self.turns}

    async def load_state(self, state: Mapping[str, Any]) -> None:
        self.turns = state["turns"]


def _size(messages: Sequence[LLMMessage]) -> int:
    return sum(len(str(message.content)) for message in messages)


def round_robin(world: World) -> Team:
    team = [world.buyer("ana"), world.assistant("ben", model_client_stream=True), Counter("cy")]
    return RoundRobinGroupChat(team, termination_condition=MaxMessageTermination(18), emit_team_events=True)


def selector(world: World) -> Team:
    def choose(messages: Sequence[LLMMessage]) -> str:
        return ("ana", "ben", "cy")[_size(messages) % 3]

    team = [world.assistant("ana"), world.buyer("ben"), Counter("cy")]
    return SelectorGroupChat(team, world.model(choose), max_turns=5)


def swarm(world: World) -> Team:
    def hand_over(to: str) -> Callable[[Sequence[LLMMessage]], Any]:
        def answer(messages: Sequence[LLMMessage]) -> Any:
            return [FunctionCall(id=f"h{_size(messages)}", name=f"transfer_to_{to}", arguments="{}")]

        return answer

    ana = AssistantAgent("ana", world.model(hand_over("ben")), handoffs=["ben"])
    ben = AssistantAgent("ben", world.model(hand_over("ana")), handoffs=["ana"])
    return Swarm([ana, ben], max_turns=5)


def graph(world: World) -> Team:
    a, b, c, d = world.assistant("a"), world.buyer("b"), Counter("c"), world.assistant("d")
    builder = DiGraphBuilder().add_node(a).add_node(b).add_node(c).add_node(d).add_node(e := Counter("e"))
    builder.add_edge(a, b).add_edge(a, c).add_edge(b, d).add_edge(c, d)
    builder.add_edge(d, a, condition=lambda message: len(message.to_text()) < 15)
    builder.add_edge(d, e, condition=lambda message: len(message.to_text()) >= 15)
    builder.set_entry_point(a)
    return GraphFlow(builder.get_participants(), builder.build(), termination_condition=MaxMessageTermination(12))


def magentic(world: World) -> Team:
    def orchestrate(messages: Sequence[LLMMessage]) -> str:
        text = str(messages[-1].content)
        if "is_request_satisfied" not in text:
            return f"a plan of {_size(messages)}"
        rounds = sum("got" in str(message.content) or "turn" in str(message.content) for message in messages[:-1])
        stuck = rounds == 1
        return json.dumps(
            {
                "is_request_satisfied": {"reason": "r", "answer": rounds > 3},
                "is_in_loop": {"reason": "r", "answer": stuck},
                "is_progress_being_made": {"reason": "r", "answer": not stuck},
                "next_speaker": {"reason": "r", "answer": "ana" if rounds % 2 else "cy"},
                "instruction_or_question": {"reason": "r", "answer": f"do {rounds}"},
            }
        )

    return MagenticOneGroupChat(
        [world.buyer("ana"), Counter("cy")], world.model(orchestrate), max_stalls=1, max_turns=6
    )


def nested(world: World) -> Team:
    inner = RoundRobinGroupChat([world.buyer("ana"), Counter("cy")], name="inner", max_turns=2)
    return RoundRobinGroupChat([world.assistant("ben"), inner], name="outer", max_turns=4)


def society(world: World) -> Team:
    inner = RoundRobinGroupChat([world.buyer("ana"), Counter("cy")], name="inner", max_turns=2)
    mind = SocietyOfMindAgent("mind", inner, world.says("mind"))
    return RoundRobinGroupChat([mind, world.assistant("ben")], max_turns=4)


def coder(world: World) -> Team:
    def write(messages: Sequence[LLMMessage]) -> str:
        if "characters ran" in str(messages[-1].content):
            return f"it said {messages[-1].content}"
        return f"```python\nprint({_size(messages)})\n```"

    writer = CodeExecutorAgent("coder", Ledger(world), model_client=world.model(write), approval_func=approve_all)
    runner = CodeExecutorAgent("runner", Ledger(world), approval_func=approve_all)
    author = AssistantAgent("author", world.model(lambda m: f"```python\nprint('author', {_size(m)})\n```"))
    return RoundRobinGroupChat([writer, author, runner], max_turns=5)


def kept(world: World) -> Team:
    def polite(act: Any) -> str | None:
        return "no buying of ana" if act.kind == "message" and "impossible" in act.text else None

    hears = MessageFilterConfig(per_source=[PerSourceFilter(source="user"), PerSourceFilter(source="cy")])
    team = [MessageFilterAgent("ana_hears", world.buyer("ana"), hears), Counter("cy")]
    return MissionKeeper(RoundRobinGroupChat(team, max_turns=4), "Stay polite.", [polite])


def person(world: World) -> Team:
    def answer(prompt: str) -> str:
        world.done.append("asked a person")
        return f"I say {len(prompt)}"

    return RoundRobinGroupChat([world.assistant("ana"), UserProxyAgent("me", input_func=answer)], max_turns=4)


def until_said(world: World) -> Team:
    ends = TextMentionTermination("turn 3")
    return RoundRobinGroupChat([Counter("cy"), world.assistant("ana")], termination_condition=ends)


def asking(world: World) -> Team:
    def ask(messages: Sequence[LLMMessage]) -> Any:
        if isinstance(messages[-1], FunctionExecutionResultMessage):
            return f"they said {messages[-1].content[0].content}"
        return [FunctionCall(id=f"q{_size(messages)}", name="helper", arguments='{"task": "help"}')]

    helper = AgentTool(world.buyer("helper", description="helps"))
    chief = AssistantAgent("chief", world.model(ask), tools=[helper], max_tool_iterations=2)
    return RoundRobinGroupChat([chief, Counter("cy")], max_turns=4)


def learning(world: World) -> Team:
    memory = ListMemory()

    async def buy(thing: str) -> str:
        """Buy a thing and keep in mind that it is there."""
        await memory.add(MemoryContent(content={"have": thing}, mime_type=MemoryMimeType.JSON, metadata={"by": "ana"}))
        world.done.append(f"bought {thing}")
        world.stop()
        return f"a {thing}"

    look = world.tools()[1]
    ana = AssistantAgent("ana", world.buys("ana"), tools=[buy, look], max_tool_iterations=2, memory=[memory])
    return RoundRobinGroupChat([ana, Counter("cy")], max_turns=4)


def alone(world: World) -> TaskRunner:
    return world.buyer("ana")


SCENARIOS: dict[str, Callable[[World], Any]] = {
    made.__name__: made
    for made in (
        round_robin,
        selector,
        swarm,
        graph,
        magentic,
        nested,
        society,
        coder,
        kept,
        person,
        until_said,
        asking,
        learning,
        alone,
    )
}
