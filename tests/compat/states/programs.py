"""Teams in AutoGen's public names, made alike by AutoGen and by agentnb: what a state is saved from and loaded into.

`make.py` runs this in an environment with AutoGen, the tests run it with agentnb; but for the imports it is the same.
Every answer of a model tells what it was shown, so that who goes on from a state in the same way says the same.
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Callable, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from pydantic import BaseModel

if TYPE_CHECKING or __name__ != "programs":  # as make.py imports it
    from agentnb.agents import (
        AssistantAgent,
        MessageFilterAgent,
        MessageFilterConfig,
        PerSourceFilter,
        SocietyOfMindAgent,
    )
    from agentnb.conditions import HandoffTermination, MaxMessageTermination
    from agentnb.messages import (
        CreateResult,
        FunctionCall,
        HandoffMessage,
        Image,
        MultiModalMessage,
        RequestUsage,
        StructuredMessage,
    )
    from agentnb.models import ChatCompletionClient, ModelInfo
    from agentnb.teams import (
        DiGraphBuilder,
        GraphFlow,
        MagenticOneGroupChat,
        RoundRobinGroupChat,
        SelectorGroupChat,
        Swarm,
    )
else:
    from autogen_agentchat.agents import (
        AssistantAgent,
        MessageFilterAgent,
        MessageFilterConfig,
        PerSourceFilter,
        SocietyOfMindAgent,
    )
    from autogen_agentchat.conditions import HandoffTermination, MaxMessageTermination
    from autogen_agentchat.messages import HandoffMessage, MultiModalMessage, StructuredMessage
    from autogen_agentchat.teams import (
        DiGraphBuilder,
        GraphFlow,
        MagenticOneGroupChat,
        RoundRobinGroupChat,
        SelectorGroupChat,
        Swarm,
    )
    from autogen_core import FunctionCall, Image
    from autogen_core.models import ChatCompletionClient, CreateResult, ModelInfo, RequestUsage

INFO = ModelInfo(
    vision=True,
    function_calling=True,
    json_output=True,
    family="unknown",
    structured_output=False,
    multiple_system_messages=True,
)


class Scripted(ChatCompletionClient):
    """A model that says what it was given to say; asked more often, it fails.

    Attributes:
        shown: What it was shown at each call, but for the instructions: source, kind and text of each message.
    """

    made: ClassVar[list[Scripted]] = []

    def __init__(self, *answers: Any) -> None:
        self._answers = list(answers)
        self.shown: list[list[list[str]]] = []
        self.made.append(self)

    async def create(self, messages: Sequence[Any], **options: Any) -> CreateResult:
        self.shown.append([_seen(message) for message in messages if message.type != "SystemMessage"])
        answer = self._answers.pop(0)
        if isinstance(answer, BaseException):
            raise answer
        if callable(answer):
            answer = await answer()
        reason: Any = "stop" if isinstance(answer, str) else "function_calls"
        return CreateResult(finish_reason=reason, content=answer, usage=RequestUsage(5, 7), cached=False)

    async def create_stream(self, messages: Sequence[Any], **options: Any) -> AsyncGenerator[str | CreateResult, None]:
        yield await self.create(messages, **options)

    async def close(self) -> None:
        return None

    def actual_usage(self) -> RequestUsage:
        return RequestUsage(0, 0)

    def total_usage(self) -> RequestUsage:
        return RequestUsage(0, 0)

    def count_tokens(self, messages: Sequence[Any], **options: Any) -> int:
        return 0

    def remaining_tokens(self, messages: Sequence[Any], **options: Any) -> int:
        return 1000

    @property
    def capabilities(self) -> Any:
        return INFO

    @property
    def model_info(self) -> ModelInfo:
        return INFO


def _seen(message: Any) -> list[str]:
    content = message.content
    if isinstance(content, list):
        content = " | ".join(part if isinstance(part, str) else type(part).__name__ + _called(part) for part in content)
    return [getattr(message, "source", ""), message.type, content]


def _called(part: Any) -> str:
    return "".join(f" {getattr(part, name)}" for name in ("name", "arguments", "content") if hasattr(part, name))


class Place(BaseModel):
    """What a structured message holds."""

    city: str
    degrees: int


def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


def call(name: str, **arguments: Any) -> list[FunctionCall]:
    return [FunctionCall(id=f"call_{name}", name=name, arguments=json.dumps(arguments))]


def says(name: str, *texts: Any) -> AssistantAgent:
    return AssistantAgent(name, Scripted(*texts))


class Case:
    """A team, how it gets into the state that is saved, and how it goes on.

    Args:
        make: Makes the team; its models have answers for what comes before and, called with `later`, after.
        task: What it is given first.
        then: What it is given when it goes on.
        fails: Whether the run that leads to the state fails.
        loose: Whether what is said then holds prompts of the team's own, which are no part of the contract.
        cut: Whether AutoGen counts the turns before the state among those of the run that goes on, and ends it earlier.
    """

    def __init__(
        self,
        make: Callable[[bool], Any],
        *,
        task: Any = "go",
        then: Any = "go on",
        fails: bool = False,
        loose: bool = False,
        cut: bool = False,
    ) -> None:
        self.make, self.task, self.then = make, task, then
        self.fails, self.loose, self.cut = fails, loose, cut


def _three(*, failing: bool = False) -> Callable[[bool], Any]:
    def make(later: bool) -> Any:
        if later:
            agents = [says(name, f"{name} again", f"{name} more") for name in ("ana", "ben", "cleo")]
        else:
            second: Any = ValueError("no answer") if failing else "ben says"
            agents = [says("ana", "ana says", "ana more"), says("ben", second), says("cleo", "cleo says")]
        return RoundRobinGroupChat(agents, max_turns=4)

    return make


_running: list[Any] = []
_saved: list[dict[str, Any]] = []


async def _saving() -> str:
    _saved.append(json.loads(json.dumps(await _running[-1].save_state())))
    return "ben says"


def _midway(later: bool) -> Any:
    answers: dict[str, list[Any]] = {"ana": ["ana says", "ana more"], "ben": [_saving], "cleo": ["cleo says"]}
    if later:
        answers = {name: [f"{name} again", f"{name} more"] for name in answers}
    return RoundRobinGroupChat([AssistantAgent(name, Scripted(*texts)) for name, texts in answers.items()], max_turns=4)


def _tools(later: bool) -> Any:
    answers = ("it was 3",) if later else (call("add", a=1, b=2), "the sum is 3")
    ana = AssistantAgent("ana", Scripted(*answers), tools=[add], reflect_on_tool_use=True)
    return RoundRobinGroupChat([ana, says("ben", "thanks again" if later else "thanks")], max_turns=2)


def _image() -> Any:
    from PIL import Image as pil

    return MultiModalMessage(content=["look", Image(pil.new("RGB", (2, 2), "red"))], source="user")


def _structured(later: bool) -> Any:
    agents = [says("ana", "cold" if later else "warm"), says("ben", "yes")]
    return RoundRobinGroupChat(agents, max_turns=1, custom_message_types=[StructuredMessage[Place]])


def _selector(later: bool) -> Any:
    chooser = Scripted("cleo", "ben") if later else Scripted("ben", "ana")
    agents = [says("ana", "ana says"), says("ben", "ben says"), says("cleo", "cleo says")]
    return SelectorGroupChat(agents, chooser, max_turns=2)


def _swarm(later: bool) -> Any:
    ana = AssistantAgent("ana", Scripted(*(() if later else (call("transfer_to_ben"),))), handoffs=["ben"])
    ben = AssistantAgent("ben", Scripted("done" if later else "I look"), handoffs=["ana", "user"])
    return Swarm([ana, ben], max_turns=1 if later else 2)


def _swarm_to_person(later: bool) -> Any:
    ana = AssistantAgent("ana", Scripted(*(() if later else (call("transfer_to_user"),))), handoffs=["user", "ben"])
    ben = AssistantAgent("ben", Scripted("I answer"), handoffs=["ana"])
    return Swarm([ana, ben], termination_condition=HandoffTermination("user"), max_turns=1 if later else 5)


def _graph(turns: int | None) -> Callable[[bool], Any]:
    def make(later: bool) -> Any:
        agents = [says(name, f"{name} again" if later else f"{name} says") for name in ("ana", "ben", "cleo", "dora")]
        ana, ben, cleo, dora = agents
        builder = DiGraphBuilder().add_node(ana).add_node(ben).add_node(cleo).add_node(dora)
        builder.add_edge(ana, ben).add_edge(ana, cleo).add_edge(ben, dora).add_edge(cleo, dora)
        return GraphFlow(builder.get_participants(), builder.build(), max_turns=None if later else turns)

    return make


def _ledger(speaker: str, *, done: bool = False) -> str:
    def item(answer: Any) -> dict[str, Any]:
        return {"reason": "so it is", "answer": answer}

    return json.dumps(
        {
            "is_request_satisfied": item(done),
            "is_in_loop": item(False),
            "is_progress_being_made": item(True),
            "next_speaker": item(speaker),
            "instruction_or_question": item(f"speak, {speaker}"),
        }
    )


def _magentic(later: bool) -> Any:
    first = ("facts", "plan", _ledger("ana"), _ledger("ben"))
    again = ("facts again", "plan again", _ledger("ben"), _ledger("ana", done=True), "the answer")
    agents = [says("ana", "ana says"), says("ben", "ben again" if later else "ben says")]
    stop = None if later else MaxMessageTermination(2)
    return MagenticOneGroupChat(agents, Scripted(*(again if later else first)), termination_condition=stop)


def _nested(later: bool) -> Any:
    again = " again" if later else ""
    inner = RoundRobinGroupChat([says("ana", f"ana{again}"), says("ben", f"ben{again}")], max_turns=2, name="inner")
    return RoundRobinGroupChat([inner, says("cleo", f"cleo{again}")], max_turns=2)


def _society(later: bool) -> Any:
    again = " again" if later else ""
    inner = RoundRobinGroupChat([says("ana", f"ana{again}"), says("ben", f"ben{again}")], max_turns=2, name="inner")
    society = SocietyOfMindAgent("society", inner, Scripted(f"we say{again}"))
    return RoundRobinGroupChat([society, says("cleo", f"cleo{again}")], max_turns=2)


def _filtered(later: bool) -> Any:
    again = " again" if later else ""
    only = MessageFilterConfig(per_source=[PerSourceFilter(source="user", position="last", count=1)])
    ana = MessageFilterAgent("ana", says("ana", f"ana{again}"), only)
    return RoundRobinGroupChat([ana, says("ben", f"ben{again}")], max_turns=2)


CASES: dict[str, Case] = {
    "round_robin": Case(_three()),
    "round_robin_goes_on": Case(_three(), then=None),
    "failed": Case(_three(failing=True), then=None, fails=True, cut=True),
    "running": Case(_midway, then=None, cut=True),
    "tool_calls": Case(_tools),
    "image": Case(_structured, task=_image),
    "structured": Case(
        _structured, task=lambda: StructuredMessage[Place](content=Place(city="Oslo", degrees=9), source="user")
    ),
    "selector": Case(_selector, loose=True),
    "swarm": Case(_swarm),
    "swarm_to_person": Case(_swarm_to_person, then=lambda: HandoffMessage(content="over", source="user", target="ben")),
    "graph_midway": Case(_graph(1), then=None),
    "graph_finished": Case(_graph(None)),
    "magentic_one": Case(_magentic, loose=True),
    "nested": Case(_nested),
    "society": Case(_society, loose=True),
    "filtered": Case(_filtered),
}


def _given(task: Any) -> Any:
    return task() if callable(task) else task


async def until_saved(name: str) -> dict[str, Any]:
    """Run a case's team and return its state: when the run is over, or in the middle of it."""
    case = CASES[name]
    team = case.make(False)
    _running.append(team)
    _saved.clear()
    try:
        await team.run(task=_given(case.task))
    except Exception:
        if not case.fails:
            raise
    return _saved.pop() if _saved else dict(await team.save_state())


async def gone_on(name: str, state: dict[str, Any]) -> dict[str, Any]:
    """Load a state into a new team of a case, let it go on, and return what was said and what models were shown."""
    case = CASES[name]
    Scripted.made.clear()
    team = case.make(True)
    await team.load_state(state)
    result = await team.run(task=_given(case.then))
    said = [
        [message.source, type(message).__name__.partition("[")[0], message.to_text()] for message in result.messages
    ]
    return {"said": said, "shown": [model.shown for model in Scripted.made]}
