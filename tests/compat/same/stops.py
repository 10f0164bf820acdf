# mypy: ignore-errors
"""Every way to stop, alone and together."""

import itertools

from autogen_agentchat.agents import AssistantAgent, BaseChatAgent
from autogen_agentchat.base import Response, TerminatedException, TerminationCondition
from autogen_agentchat.conditions import (
    ExternalTermination,
    FunctionalTermination,
    FunctionCallTermination,
    HandoffTermination,
    MaxMessageTermination,
    SourceMatchTermination,
    StopMessageTermination,
    TextMentionTermination,
    TextMessageTermination,
    TimeoutTermination,
    TokenUsageTermination,
)
from autogen_agentchat.messages import HandoffMessage, StopMessage, TextMessage, ToolCallExecutionEvent
from autogen_agentchat.teams import RoundRobinGroupChat
from autogen_core.models import FunctionExecutionResult, RequestUsage

from tests.compat.same.seen import call, program

SYSTEM = "You help."


def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


class Stops(BaseChatAgent):
    """Says what it is to say."""

    produced_message_types = (TextMessage, StopMessage, HandoffMessage)

    def __init__(self, name, *messages):
        super().__init__(name, "Stops.")
        self.messages = itertools.cycle(messages)

    async def on_messages(self, messages, cancellation_token):
        return Response(chat_message=next(self.messages))

    async def on_reset(self, cancellation_token):
        return None


def talkers(seen):
    worker = AssistantAgent(
        "worker",
        seen.model("one", call("add", a=1, b=2), "three", "four", "five", "six", "seven", "eight", "nine"),
        tools=[add],
        system_message=SYSTEM,
    )
    other = Stops(
        "other",
        TextMessage(content="mine", source="other"),
        HandoffMessage(content="yours", source="other", target="user"),
        StopMessage(content="stop here", source="other"),
        TextMessage(content="after", source="other"),
    )
    return [worker, other]


@program
async def each_condition(seen):
    for make in (
        lambda: MaxMessageTermination(1),
        lambda: MaxMessageTermination(4),
        lambda: MaxMessageTermination(4, include_agent_event=True),
        lambda: TextMentionTermination("three"),
        lambda: TextMentionTermination("one", sources=["other"]) | MaxMessageTermination(5),
        lambda: StopMessageTermination(),
        lambda: TokenUsageTermination(max_total_token=20),
        lambda: TokenUsageTermination(max_completion_token=5),
        lambda: TokenUsageTermination(max_prompt_token=1),
        lambda: HandoffTermination("user"),
        lambda: TimeoutTermination(0.0),
        lambda: SourceMatchTermination(["other"]),
        lambda: TextMessageTermination(),
        lambda: TextMessageTermination("worker"),
        lambda: FunctionCallTermination("add"),
        lambda: FunctionalTermination(lambda messages: messages[-1].source == "other"),
    ):
        condition = make()
        result = await RoundRobinGroupChat(talkers(seen), termination_condition=condition, max_turns=7).run(task="Go.")
        said = [[type(message).__name__, message.source] for message in result.messages]
        seen.say(type(condition).__name__, [said, result.stop_reason is not None, condition.terminated])


@program
async def conditions_together(seen):
    for make in (
        lambda: MaxMessageTermination(3) & TextMentionTermination("one"),
        lambda: MaxMessageTermination(2) | TextMentionTermination("three"),
        lambda: (MaxMessageTermination(2) | StopMessageTermination()) & HandoffTermination("user"),
        lambda: (MaxMessageTermination(2) & SourceMatchTermination(["other"])) | StopMessageTermination(),
        lambda: MaxMessageTermination(2) & (FunctionCallTermination("add") | StopMessageTermination()),
    ):
        condition = make()
        team = RoundRobinGroupChat(talkers(seen), termination_condition=condition, max_turns=8)
        for task in ("Go.", None):
            result = await team.run(task=task)
            said = [[type(message).__name__, message.source] for message in result.messages]
            seen.say(type(condition).__name__, [said, result.stop_reason is not None, condition.terminated])


@program
async def a_condition_and_the_turns(seen):
    team = RoundRobinGroupChat(talkers(seen), termination_condition=FunctionalTermination(own), max_turns=1)
    seen.say("reason", (await team.run(task="Go.")).stop_reason is not None)


async def own(messages):
    return messages[-1].to_text() == "one"


@program
async def conditions_by_hand(seen):
    said = TextMessage(content="stop", source="ana", models_usage=RequestUsage(prompt_tokens=3, completion_tokens=4))
    ran = ToolCallExecutionEvent(
        source="ana", content=[FunctionExecutionResult(content="3", name="add", call_id="1", is_error=False)]
    )
    for make in (
        lambda: MaxMessageTermination(2),
        lambda: TextMentionTermination("stop"),
        lambda: TextMentionTermination("STOP"),
        lambda: TextMentionTermination("add"),
        lambda: TokenUsageTermination(max_total_token=14),
        lambda: SourceMatchTermination(["ana"]),
        lambda: FunctionCallTermination("add"),
        lambda: FunctionalTermination(lambda messages: len(messages) == 2),
        lambda: MaxMessageTermination(1) & TextMentionTermination("stop"),
        lambda: MaxMessageTermination(1) | TextMentionTermination("stop"),
    ):
        condition = make()
        told = []
        for delta in ([], [ran], [said], [ran, said]):
            if condition.terminated:
                try:
                    await condition(delta)
                except (TerminatedException, RuntimeError) as error:
                    told.append(["refused", isinstance(error, RuntimeError)])
                break
            stop = await condition(delta)
            told.append(stop and [type(stop).__name__, stop.source])
        await condition.reset()
        seen.say(type(condition).__name__, [told, condition.terminated])
    external = ExternalTermination()
    seen.say(
        "external", [await external([]) is None, external.set(), (await external([])) is not None, external.terminated]
    )


class WordsTermination(TerminationCondition):
    """A condition of a user's own, without a config."""

    def __init__(self, words):
        self.words = words
        self.count = 0

    @property
    def terminated(self):
        return self.count >= self.words

    async def __call__(self, messages):
        if self.terminated:
            raise TerminatedException("over")
        self.count += sum(len(message.to_text().split()) for message in messages)
        return StopMessage(content=f"{self.count} words", source="WordsTermination") if self.terminated else None

    async def reset(self):
        self.count = 0


@program
async def a_condition_of_ones_own(seen):
    team = RoundRobinGroupChat(talkers(seen), termination_condition=WordsTermination(5) | MaxMessageTermination(20))
    for task in ("Go on and on.", None):
        result = await team.run(task=task)
        seen.say("said", [[message.source for message in result.messages], result.stop_reason])


@program
async def a_condition_that_is_over(seen):
    condition = MaxMessageTermination(1)
    await condition([TextMessage(content="x", source="user")])
    team = RoundRobinGroupChat(talkers(seen), termination_condition=condition)
    seen.item(await team.run(task="Go."))
    seen.item(await team.run(task="Go."))
    async with seen.error("no limit"):
        TokenUsageTermination()
