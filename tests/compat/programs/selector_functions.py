# mypy: ignore-errors
"""A selector team: a function sends everything through the planner, another narrows who may work, a model chooses."""

import asyncio
from collections.abc import Sequence

from autogen_agentchat.agents import AssistantAgent
from autogen_agentchat.conditions import MaxMessageTermination, TextMentionTermination
from autogen_agentchat.messages import BaseAgentEvent, BaseChatMessage, SelectSpeakerEvent
from autogen_agentchat.teams import SelectorGroupChat
from autogen_ext.models.replay import ReplayChatCompletionClient

PROMPT = """Choose who works next.

{roles}

{history}

Answer with one of {participants} and nothing else.
"""


def assistant(name: str, description: str, *says: str) -> AssistantAgent:
    return AssistantAgent(name, ReplayChatCompletionClient(list(says)), description=description)


def after_the_planner(messages: Sequence[BaseAgentEvent | BaseChatMessage]) -> str | None:
    if messages[-1].source != "planner":
        return "planner"
    return None


async def workers(messages: Sequence[BaseAgentEvent | BaseChatMessage]) -> list[str]:
    spoken = {message.source for message in messages}
    return [name for name in ("reader", "counter", "writer") if name not in spoken] or ["writer"]


def crew() -> list[AssistantAgent]:
    return [
        assistant("planner", "Plans the work.", "First read.", "Now count.", "Now write.", "All is done. FINISHED"),
        assistant("reader", "Reads sources.", "I read three books."),
        assistant("counter", "Counts.", "That makes 900 pages."),
        assistant("writer", "Writes.", "Three books, 900 pages."),
    ]


async def main() -> None:
    ends = TextMentionTermination("FINISHED") | MaxMessageTermination(15)
    led = SelectorGroupChat(
        crew(),
        model_client=ReplayChatCompletionClient(["reader", "It is the counter's turn.", "writer"]),
        termination_condition=ends,
        selector_prompt=PROMPT,
        selector_func=after_the_planner,
        allow_repeated_speaker=True,
    )
    result = await led.run(task="How much have we read?")
    print(*(message.source for message in result.messages))

    narrowed = SelectorGroupChat(
        crew(),
        model_client=ReplayChatCompletionClient(["counter", "reader"]),
        termination_condition=MaxMessageTermination(4),
        candidate_func=workers,
        emit_team_events=True,
    )
    result = await narrowed.run(task="How much have we read?")
    for message in result.messages:
        print(message.source, message.content if isinstance(message, SelectSpeakerEvent) else "")
    try:
        await SelectorGroupChat(
            crew(), ReplayChatCompletionClient([]), selector_func=lambda messages: "ghost", max_turns=1
        ).run(task="Boo.")
    except ValueError:
        print("there is no ghost")


if __name__ == "__main__":
    asyncio.run(main())
