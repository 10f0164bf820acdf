# mypy: ignore-errors
"""Answers in a form, alone and in a team, and a form made from a JSON schema."""

import asyncio
from typing import Literal

from autogen_agentchat.agents import AssistantAgent
from autogen_agentchat.messages import StructuredMessage, StructuredMessageFactory, TextMessage
from autogen_agentchat.teams import RoundRobinGroupChat
from autogen_agentchat.ui import Console
from autogen_core.models import ModelFamily, ModelInfo
from autogen_ext.models.replay import ReplayChatCompletionClient
from pydantic import BaseModel

INFO = ModelInfo(
    vision=False, function_calling=True, json_output=True, family=ModelFamily.UNKNOWN, structured_output=True
)


class Mood(BaseModel):
    reason: str
    mood: Literal["happy", "sad", "neutral"]


async def main() -> None:
    client = ReplayChatCompletionClient(
        ['{"reason": "sun", "mood": "happy"}', '{"reason": "rain", "mood": "sad"}'], model_info=INFO
    )
    judge = AssistantAgent(
        "judge",
        model_client=client,
        output_content_type=Mood,
        output_content_type_format="{mood}, because of {reason}",
    )
    result = await Console(judge.run_stream(task="The sun is shining."))
    answer = result.messages[-1]
    assert isinstance(answer, StructuredMessage)
    assert isinstance(answer.content, Mood)
    print("=====", answer.type, answer.content.mood, "|", answer.to_text(), "|", answer.to_model_message().content)

    poet = AssistantAgent("poet", ReplayChatCompletionClient(["O rain."]))
    team = RoundRobinGroupChat([judge, poet], max_turns=2)
    result = await team.run(task="It rains.")
    print([type(message).__name__ for message in result.messages])
    state = await team.save_state()
    await team.load_state(state)

    factory = StructuredMessageFactory(
        json_schema=Mood.model_json_schema(), format_string="{mood}!", content_model_name="Mood"
    )
    made = factory.StructuredMessage(
        source="me",
        content=factory.ContentModel(reason="none", mood="neutral"),
        format_string=factory.format_string,
    )
    loaded = factory.StructuredMessage.load(made.dump())
    print(loaded.to_text(), loaded == made, isinstance(loaded, TextMessage))


if __name__ == "__main__":
    asyncio.run(main())
