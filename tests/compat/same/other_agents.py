# mypy: ignore-errors
"""Agents that run code, ask a person, hear selectively, speak for a team, or are a user's own."""

import contextlib
import io
import warnings
from typing import Literal

from autogen_agentchat.agents import (
    ApprovalResponse,
    AssistantAgent,
    BaseChatAgent,
    CodeExecutorAgent,
    MessageFilterAgent,
    MessageFilterConfig,
    PerSourceFilter,
    SocietyOfMindAgent,
    UserProxyAgent,
)
from autogen_agentchat.base import Response
from autogen_agentchat.conditions import MaxMessageTermination, TextMentionTermination
from autogen_agentchat.messages import (
    BaseAgentEvent,
    BaseChatMessage,
    HandoffMessage,
    StopMessage,
    TextMessage,
    ThoughtEvent,
)
from autogen_agentchat.teams import RoundRobinGroupChat
from autogen_core import CancellationToken
from autogen_core.code_executor import CodeExecutor, CodeResult
from autogen_core.models import UserMessage

from tests.compat.same.seen import program, says

SYSTEM = "You help."
SUM = "Here:\n```python\nprint(1 + 2)\n```"
FAILS = "```python\nimport sys\nprint('half')\nsys.exit(3)\n```"


class Here(CodeExecutor):
    """Runs Python in this process; what it prints is the output."""

    async def execute_code_blocks(self, code_blocks, cancellation_token):
        out = io.StringIO()
        code = 0
        with contextlib.redirect_stdout(out):
            for block in code_blocks:
                try:
                    exec(block.code, {})
                except (Exception, SystemExit) as error:
                    print(f"{type(error).__name__}: {error}")
                    code = error.code if isinstance(error, SystemExit) else 1
                    break
        return CodeResult(exit_code=code, output=out.getvalue())

    async def start(self):
        return None

    async def stop(self):
        return None

    async def restart(self):
        return None


def text(content, source="user"):
    return TextMessage(content=content, source=source)


def runner(executor, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return CodeExecutorAgent("runner", executor, **options)


@program
async def code_given(seen):
    async with Here() as executor:
        agent = runner(executor)
        await seen.stream(agent.run_stream(task=SUM))
        seen.item(await agent.run(task="```python\nprint('a')\n```\nand\n```PYTHON\nprint('b')\n```"))
        seen.item(await agent.run(task="```js\n1\n```\n```python\nprint('py')\n```"))
        result = await agent.run(task=FAILS)
        seen.say("exit", [type(one).__name__ for one in result.messages])
        seen.say("output", "half" in result.messages[-1].content and "3" in result.messages[-1].content)
        result = await agent.run(task="No code.")
        seen.say("none", [type(one).__name__ for one in result.messages])
        agent = runner(executor, sources=["writer"])
        seen.item(await agent.run(task=[text(SUM, "writer"), text("```python\nprint('not me')\n```", "other")]))


@program
async def code_written(seen):
    seen.counts_tokens = False  # AutoGen says nowhere what the code cost
    async with Here() as executor:
        model = seen.model(SUM, "It is 3.", "No code needed.")
        agent = runner(executor, model_client=model, system_message=SYSTEM)
        await seen.stream(agent.run_stream(task="Add one and two."))
        seen.item(await agent.run(task="Thanks."))


@program
async def code_written_in_pieces(seen):
    seen.counts_tokens = False
    async with Here() as executor:
        agent = runner(
            executor, model_client=seen.model(SUM, "It is 3."), system_message=SYSTEM, model_client_stream=True
        )
        await seen.stream(agent.run_stream(task="Add one and two."))


@program
async def code_tried_again(seen):
    async with Here() as executor:
        wrong = "```python\nprint('x' + )\n```"
        model = seen.unwatched(wrong, '{"reason": "a typo", "retry": true}', SUM, "Three.")
        agent = runner(executor, model_client=model, max_retries_on_error=2, system_message=SYSTEM)
        kinds = []
        async for item in agent.run_stream(task="Add."):
            kinds.append([type(item).__name__, getattr(item, "retry_attempt", None)])
        seen.say("kinds", kinds)
        model = seen.unwatched(wrong, '{"reason": "hopeless", "retry": false}', "I give up.")
        agent = runner(executor, model_client=model, max_retries_on_error=2, system_message=SYSTEM)
        kinds = []
        async for item in agent.run_stream(task="Add."):
            kinds.append([type(item).__name__, getattr(item, "retry_attempt", None)])
        seen.say("kinds", kinds)


@program
async def code_approved(seen):
    asked = []

    def approve(request):
        asked.append(request.code.split())
        return ApprovalResponse(approved="1 + 2" in request.code, reason="sums only")

    async def later(request):
        return approve(request)

    async with Here() as executor:
        for function in (approve, later):
            agent = runner(executor, approval_func=function)
            seen.item(await agent.run(task=SUM))
            result = await agent.run(task="```python\nprint('secret')\n```")
            seen.say("denied", ["sums only" in result.messages[-1].content, "1" in result.messages[-1].content])
    seen.say("asked", asked)


@program
async def code_in_a_team(seen):
    async with Here() as executor:
        writer = AssistantAgent("writer", seen.model(SUM, "It is 3. DONE"), system_message=SYSTEM)
        team = RoundRobinGroupChat([writer, runner(executor)], termination_condition=TextMentionTermination("DONE"))
        await seen.stream(team.run_stream(task="Add one and two."))


@program
async def a_person_is_asked(seen):
    asked = []

    def answer(prompt):
        return "Yes."

    async def later(prompt, cancellation_token=None):
        asked.append(UserProxyAgent.InputRequestContext.request_id() != "")
        return "APPROVE"

    person = UserProxyAgent("person", input_func=answer)
    await seen.stream(person.run_stream(task="Well?"))
    writer = AssistantAgent("writer", seen.model("A.", "B."), system_message=SYSTEM)
    team = RoundRobinGroupChat(
        [writer, UserProxyAgent("boss", input_func=later)], termination_condition=TextMentionTermination("APPROVE")
    )
    await seen.stream(team.run_stream(task="Write."))
    seen.say("asked", asked)
    seen.say("types", sorted(kind.__name__ for kind in person.produced_message_types))


@program
async def a_person_is_handed_over_to(seen):
    person = UserProxyAgent("person", input_func=lambda prompt: "Here you are.")
    await seen.stream(person.run_stream(task=HandoffMessage(content="Yours.", source="ana", target="person")))
    async with seen.error("to another"):
        await person.run(task=HandoffMessage(content="Yours.", source="ana", target="ben"))

    def fail(prompt):
        raise OSError("gone")

    async with seen.error("no answer"):
        await UserProxyAgent("person", input_func=fail).run(task="Well?")


@program
async def who_hears_what(seen):
    heard = [text("one"), text("two"), text("by ana", "ana"), text("by ben", "ben"), text("three"), text("more", "ana")]
    for filters in (
        [
            PerSourceFilter(source="user", position="first", count=1),
            PerSourceFilter(source="ana", position="last", count=1),
        ],
        [PerSourceFilter(source="ana"), PerSourceFilter(source="user", position="last", count=2)],
        [PerSourceFilter(source="ben", position="first")],
        [PerSourceFilter(source="nobody", position="last", count=1)],
    ):
        inner = AssistantAgent("inner", seen.model("Yes."), system_message=SYSTEM)
        agent = MessageFilterAgent("filter", inner, MessageFilterConfig(per_source=filters))
        seen.item(await agent.on_messages(heard, CancellationToken()))
    seen.say("name", agent.name)


@program
async def filters_in_a_team(seen):
    agents = [
        AssistantAgent(name, seen.model(f"{name} 1", f"{name} 2"), system_message=SYSTEM) for name in ("ana", "ben")
    ]
    only = MessageFilterConfig(per_source=[PerSourceFilter(source="user", position="first", count=1)])
    team = RoundRobinGroupChat([agents[0], MessageFilterAgent("ben", agents[1], only)], max_turns=4)
    await seen.stream(team.run_stream(task="Go."))


@program
async def a_society(seen):
    ana = AssistantAgent("ana", seen.unwatched(says("A."), says("A2."), says("A3.")), system_message=SYSTEM)
    ben = AssistantAgent("ben", seen.unwatched(says("B. OK"), says("B2. OK")), system_message=SYSTEM)
    inner = RoundRobinGroupChat([ana, ben], termination_condition=TextMentionTermination("OK"))
    society = SocietyOfMindAgent(
        "society",
        inner,
        seen.model("We say so.", "We say again."),
        instruction="Heard so far:",
        response_prompt="Answer.",
    )
    await seen.stream(society.run_stream(task="Write."))
    await seen.stream(society.run_stream(task="Again."))
    seen.say("heard", [len(model.requests) for model in seen.models])


@program
async def a_society_in_a_team(seen):
    ana = AssistantAgent("ana", seen.unwatched(says("A."), says("A2."), says("A3.")), system_message=SYSTEM)
    inner = RoundRobinGroupChat([ana], max_turns=1)
    society = SocietyOfMindAgent(
        "society", inner, seen.model("We.", "We again.", "We end."), instruction="So far:", response_prompt="Answer."
    )
    other = AssistantAgent("other", seen.model("Other.", "Other again.", "Other ends."), system_message=SYSTEM)
    team = RoundRobinGroupChat([society, other], max_turns=3)
    await seen.stream(team.run_stream(task="Write."))
    seen.item(await team.run(task="On."))


class CountDown(BaseChatAgent):
    """Counts down, a message each."""

    def __init__(self, name, count=3):
        super().__init__(name, "Counts down.")
        self.count = count

    @property
    def produced_message_types(self):
        return (TextMessage, StopMessage)

    async def on_messages(self, messages, cancellation_token):
        response = None
        async for message in self.on_messages_stream(messages, cancellation_token):
            if isinstance(message, Response):
                response = message
        return response

    async def on_messages_stream(self, messages, cancellation_token):
        inner = []
        for number in range(self.count, 0, -1):
            inner.append(TextMessage(content=f"{number}...", source=self.name))
            yield inner[-1]
            inner.append(ThoughtEvent(content="on", source=self.name))
            yield inner[-1]
        heard = " ".join(message.to_model_text() for message in messages)
        yield Response(
            chat_message=TextMessage(content=f"Done! Heard: {heard}", source=self.name), inner_messages=inner
        )

    async def on_reset(self, cancellation_token):
        self.count = 3


class Says(BaseChatAgent):
    """Has no stream of its own; its inner messages are in its answer."""

    def __init__(self, name, answer):
        super().__init__(name, "Says one thing.")
        self.answer = answer
        self.heard = []

    @property
    def produced_message_types(self):
        return (TextMessage,)

    async def on_messages(self, messages, cancellation_token):
        self.heard += [[message.source, message.to_model_text()] for message in messages]
        inner = [ThoughtEvent(content=f"{len(messages)} heard", source=self.name)]
        return Response(chat_message=TextMessage(content=self.answer, source=self.name), inner_messages=inner)

    async def on_reset(self, cancellation_token):
        self.heard.clear()

    async def save_state(self):
        return {"heard": self.heard}

    async def load_state(self, state):
        self.heard = state["heard"]


@program
async def agents_of_ones_own(seen):
    agent = CountDown("counter")
    await seen.stream(agent.run_stream(task="Go."))
    seen.item(await agent.on_messages([], CancellationToken()))
    other = Says("other", "I say.")
    await seen.stream(other.on_messages_stream([text("Hm?")], CancellationToken()))
    team = RoundRobinGroupChat([agent, other], max_turns=3)
    await seen.stream(team.run_stream(task="Go."))
    seen.say("heard", other.heard)
    state = await team.save_state()
    seen.say("state", state["agent_states"]["other"])
    await team.reset()
    seen.say("heard", other.heard)
    await team.load_state(state)
    seen.say("heard", other.heard)
    seen.item(await team.run())


@program
async def own_agents_with_a_context(seen):
    class Echo(BaseChatAgent):
        """Tells a model what it heard, itself."""

        produced_message_types = (TextMessage,)

        def __init__(self, name, model):
            super().__init__(name, "Echoes.")
            self.model = model
            self.context = []

        async def on_messages(self, messages, cancellation_token):
            self.context += [message.to_model_message() for message in messages]
            answer = await self.model.create(
                [*self.context, UserMessage(content="Now you.", source="user")], cancellation_token=cancellation_token
            )
            message = TextMessage(content=answer.content, source=self.name, models_usage=answer.usage)
            return Response(chat_message=message)

        async def on_reset(self, cancellation_token):
            self.context.clear()

    team = RoundRobinGroupChat(
        [Echo("ana", seen.model("One.", "Three.")), Echo("ben", seen.model("Two.", "Four."))],
        termination_condition=MaxMessageTermination(5),
    )
    seen.item(await team.run(task="Count."))


class Score(BaseAgentEvent):
    """An event of a user's own."""

    type: Literal["Score"] = "Score"
    points: int

    def to_text(self):
        return f"{self.points} points"


class Move(BaseChatMessage):
    """A message of a user's own."""

    type: Literal["Move"] = "Move"
    square: str

    def to_text(self):
        return self.square

    def to_model_text(self):
        return f"moves to {self.square}"

    def to_model_message(self):
        return UserMessage(content=self.to_model_text(), source=self.source)


class Player(BaseChatAgent):
    """Moves."""

    produced_message_types = (Move,)

    def __init__(self, name, *squares):
        super().__init__(name, "Plays.")
        self.squares = list(squares)

    async def on_messages(self, messages, cancellation_token):
        raise NotImplementedError

    async def on_messages_stream(self, messages, cancellation_token):
        event = Score(points=len(self.squares), source=self.name)
        yield event
        yield Response(chat_message=Move(square=self.squares.pop(0), source=self.name), inner_messages=[event])

    async def on_reset(self, cancellation_token):
        return None


@program
async def messages_of_ones_own(seen):
    white = Player("white", "e4", "d4")
    black = AssistantAgent("black", seen.model("I resign.", "Again."), system_message=SYSTEM)
    team = RoundRobinGroupChat([white, black], max_turns=3, custom_message_types=[Move, Score])
    await seen.stream(team.run_stream(task="Play."))
    seen.say("state", await team.save_state())
    async with seen.error("unknown type of a task"):
        await RoundRobinGroupChat([black], max_turns=1).run(task=Move(square="a1", source="user"))
