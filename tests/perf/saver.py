"""One contestant of the benchmarks of saved states: a program in AutoGen's public names, run by either interpreter.

`python saver.py` measures the AutoGen installed beside that Python, `python saver.py --agentnb` measures agentnb; but
for the imports they run the same lines. Reads requests from standard input, one JSON object a line, and answers each
with one line.
"""

from __future__ import annotations

import asyncio
import gc
import json
import os
import sys
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

sys.path.append(str(Path(__file__).parent))

if TYPE_CHECKING:
    from agentnb.agents import AssistantAgent
    from agentnb.model_context import BufferedChatCompletionContext
    from agentnb.teams import RoundRobinGroupChat
    from tests.perf.talker import NAMES, Instant
else:
    from talker import NAMES, AssistantAgent, BufferedChatCompletionContext, Instant, RoundRobinGroupChat

os.environ["AGENTNB_RUNS"] = "off"
cpu = time.process_time


def agents(shown: int = 10) -> list[Any]:
    """Three assistants who are shown the last messages only, so that a long conversation is soon there."""
    return [AssistantAgent(name, Instant(), model_context=BufferedChatCompletionContext(shown)) for name in NAMES]


def team(turns: int) -> RoundRobinGroupChat:
    return RoundRobinGroupChat(agents(), max_turns=turns)


async def timed(work: Callable[[], Awaitable[Any]]) -> tuple[float, Any]:
    """Return µs of CPU time, and what came of it."""
    gc.collect()
    began = cpu()
    made = await work()
    return (cpu() - began) * 1e6, made


async def kept(messages: int, new: int) -> dict[str, float]:
    """Return µs of saving and loading a conversation's state, by what is done."""
    saved = team(messages - 1)
    await saved.run(task="go")
    first, state = await timed(saved.save_state)
    again, _ = await timed(saved.save_state)
    text = json.dumps(state)
    read = json.loads(text)
    loaded = team(new)
    load, _ = await timed(lambda: loaded.load_state(read))
    assert json.dumps(await loaded.save_state()) == text

    async def load_and_look(taking: list[Any]) -> int:
        await RoundRobinGroupChat(taking, max_turns=1).load_state(read)
        return sum([len(await agent.model_context.get_messages()) for agent in taking])

    async def load_and_save() -> Any:
        other = team(new)
        await other.load_state(read)
        return await other.save_state()

    back, state_again = await timed(load_and_save)
    assert state_again == read
    del state_again
    some, every = agents(), agents(shown=messages)
    looked, _ = await timed(lambda: load_and_look(some))
    whole, seen = await timed(lambda: load_and_look(every))
    assert seen > 2 * messages, seen
    del state
    # The second save finds all but what is new written.
    await loaded.run()
    await loaded.save_state()
    await loaded.run()
    more, _ = await timed(loaded.save_state)
    both = first + load
    return {
        "first": first,
        "again": again,
        "load": load,
        "both": both,
        "back": back,
        "looked": looked,
        "whole": whole,
        "more": more,
    }


def main() -> None:
    for line in sys.stdin:
        request = json.loads(line)
        print(json.dumps(asyncio.run(kept(request["messages"], request["new"]))), flush=True)


if __name__ == "__main__":
    main()
