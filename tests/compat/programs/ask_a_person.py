# mypy: ignore-errors
"""A person takes part: in turns, behind the console, and where an agent hands over."""

import asyncio

from autogen_agentchat.agents import AssistantAgent, UserProxyAgent
from autogen_agentchat.base import Response
from autogen_agentchat.conditions import TextMentionTermination
from autogen_agentchat.messages import HandoffMessage, UserInputRequestedEvent
from autogen_agentchat.teams import RoundRobinGroupChat
from autogen_agentchat.ui import Console, UserInputManager
from autogen_core import CancellationToken
from autogen_ext.models.replay import ReplayChatCompletionClient

ANSWERS = ["Greener, please.", "APPROVE"]


async def answer(prompt: str, cancellation_token: CancellationToken | None = None) -> str:
    return ANSWERS.pop(0)


async def main() -> None:
    painter = AssistantAgent("painter", ReplayChatCompletionClient(["A wood.", "A green wood."]))
    inputs = UserInputManager(answer)
    person = UserProxyAgent("person", input_func=inputs.get_wrapped_callback())
    team = RoundRobinGroupChat([painter, person], termination_condition=TextMentionTermination("APPROVE"))
    result = await Console(team.run_stream(task="Paint."), user_input_manager=inputs)
    print("=====")
    print(*(type(message).__name__ for message in result.messages[:4]))
    print([message.to_text() for message in result.messages if message.source == "person"])

    helper = UserProxyAgent("helper", input_func=lambda prompt: "It is 7.")
    question = HandoffMessage(content="Which number?", source="painter", target="helper")
    async for item in helper.on_messages_stream([question], CancellationToken()):
        if isinstance(item, UserInputRequestedEvent):
            print("is asked")
        elif isinstance(item, Response) and isinstance(item.chat_message, HandoffMessage):
            print("answers", item.chat_message.target, item.chat_message.content)


if __name__ == "__main__":
    asyncio.run(main())
