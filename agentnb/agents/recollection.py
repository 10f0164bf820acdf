"""What an agent's memories tell its model in one turn."""

from __future__ import annotations

from collections.abc import Sequence

from agentnb.core.cancellation import Abort
from agentnb.memory import Memory
from agentnb.messages import LLMMessage, MemoryContent
from agentnb.model_context import ChatCompletionContext, UnboundedChatCompletionContext


class Recollection:
    """Messages of memories, shown with every request of one turn and kept in no conversation.

    Memories write into a context made for the turn; AutoGen's agents let them write into the agent's own, where a
    copy is left behind by each turn.
    """

    def __init__(self) -> None:
        self.told: list[LLMMessage] = []
        self._last: LLMMessage | None = None

    async def ask(
        self, memories: Sequence[Memory], context: ChatCompletionContext, abort: Abort
    ) -> list[list[MemoryContent]]:
        """Let memories speak.

        Args:
            memories: They are asked one after the other.
            context: What the model is shown; it stays as it is.
            abort: Ends the waiting.

        Returns:
            What each found, without those that found nothing.
        """
        shown = await context.get_messages()
        self._last = shown[-1] if shown else None
        turn = UnboundedChatCompletionContext(shown)
        found = []
        for memory in memories:
            contents = (await abort.wait(memory.update_context(turn))).memories.results
            if contents:
                found.append(contents)
        before = {id(message) for message in shown}
        self.told = [message for message in await turn.get_messages() if id(message) not in before]
        return found

    def within(self, messages: Sequence[LLMMessage], *, several: bool) -> Sequence[LLMMessage]:
        """Return a request's messages with those of the memories, where they were when the turn began.

        Args:
            messages: The conversation, without the agent's instructions.
            several: Whether the model takes several system messages; else theirs come first, next to its instructions.
        """
        if not self.told:
            return messages
        first = [message for message in self.told if not several and message.type == "SystemMessage"]
        later = [message for message in self.told if several or message.type != "SystemMessage"]
        # What a limited context no longer shows cannot be found; the beginning parts no call from its results.
        place = next((n for n in range(len(messages), 0, -1) if messages[n - 1] is self._last), 0)
        return [*first, *messages[:place], *later, *messages[place:]]
