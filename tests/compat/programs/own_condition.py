# mypy: ignore-errors
"""A condition of one's own, with a config, joined with one of AutoGen's."""

import asyncio
from collections.abc import Sequence
from typing import Self

from autogen_agentchat.agents import AssistantAgent
from autogen_agentchat.base import TerminatedException, TerminationCondition
from autogen_agentchat.conditions import MaxMessageTermination, TextMentionTermination
from autogen_agentchat.messages import BaseAgentEvent, BaseChatMessage, StopMessage, TextMessage
from autogen_agentchat.teams import RoundRobinGroupChat
from autogen_core import Component
from autogen_ext.models.replay import ReplayChatCompletionClient
from pydantic import BaseModel


class WordsConfig(BaseModel):
    words: int


class WordsTermination(TerminationCondition, Component[WordsConfig]):
    """Over after so many words."""

    component_config_schema = WordsConfig
    component_provider_override = "mine.WordsTermination"

    def __init__(self, words: int) -> None:
        self._limit = words
        self._words = 0

    @property
    def terminated(self) -> bool:
        return self._words >= self._limit

    async def __call__(self, messages: Sequence[BaseAgentEvent | BaseChatMessage]) -> StopMessage | None:
        if self.terminated:
            raise TerminatedException("Enough was said already.")
        self._words += sum(len(m.content.split()) for m in messages if isinstance(m, TextMessage))
        if self.terminated:
            return StopMessage(content=f"{self._words} words", source="WordsTermination")
        return None

    async def reset(self) -> None:
        self._words = 0

    def _to_config(self) -> WordsConfig:
        return WordsConfig(words=self._limit)

    @classmethod
    def _from_config(cls, config: WordsConfig) -> Self:
        return cls(config.words)


async def main() -> None:
    words = WordsTermination(8)
    talker = AssistantAgent("talker", ReplayChatCompletionClient(["one two three"] * 9))
    team = RoundRobinGroupChat([talker], termination_condition=words | MaxMessageTermination(50))
    for _ in range(2):
        result = await team.run(task="Say it.")
        print(len(result.messages), result.stop_reason, words.terminated)

    await words([TextMessage(content="a b c d e f g h i", source="me")])
    try:
        await words([])
    except TerminatedException as error:
        print(error)
    dumped = words.dump_component()
    print(dumped.provider, dumped.component_type, dumped.config)
    print(WordsTermination._from_config(WordsConfig(words=2))._limit)

    await words.reset()
    both = words & TextMentionTermination("enough")
    print(await both([TextMessage(content="enough", source="me")]) is None)
    stop = await both([TextMessage(content="1 2 3 4 5 6 7 8", source="me")])
    assert stop is not None
    print("9 words" in stop.content, both.terminated)


if __name__ == "__main__":
    asyncio.run(main())
