"""What a team adds to the agents that speak in it."""

from __future__ import annotations

from collections.abc import Sequence

from agentnb.agents import BaseChatAgent
from agentnb.base import Response
from agentnb.core import CancellationToken
from agentnb.messages import BaseChatMessage, TextMessage
from agentnb.runlog import RunLog
from agentnb.teams import RoundRobinGroupChat
from tests.perf.bench import Effort, Figure, pair


class _Says(BaseChatAgent):
    produced_message_types: Sequence[type[BaseChatMessage]] = (TextMessage,)

    async def on_messages(self, messages: Sequence[BaseChatMessage], cancellation_token: CancellationToken) -> Response:
        return Response(chat_message=TextMessage(content="a message of ordinary length " * 5, source=self.name))

    async def on_reset(self, cancellation_token: CancellationToken) -> None:
        return None


def _agents() -> list[_Says]:
    return [_Says(name, "says the same") for name in ("ana", "ben", "cleo")]


async def turn(turns: int, *, logged: bool, effort: Effort) -> Figure:
    """One turn of a round-robin team of three, against calling the agents in a loop."""

    async def ours(units: int) -> None:
        team = RoundRobinGroupChat(_agents(), max_turns=units)
        await team.run(task="go", log=None if logged else RunLog())

    async def bare(units: int) -> None:
        agents, thread = _agents(), [TextMessage(content="go", source="user")]
        token = CancellationToken()
        for number in range(units):
            answer = await agents[number % 3].on_messages(thread[-3:], token)
            thread.append(answer.chat_message)  # type: ignore[arg-type]

    kind = "log on disk" if logged else "log in memory"
    return await pair(
        f"team turn, {turns} turns, {kind}",
        ours,
        bare,
        units=turns,
        against="agents called in a loop",
        rounds=effort.rounds,
    )


async def run(peer: str | None, effort: Effort) -> list[Figure]:
    """Measure short and long conversations."""
    return [await turn(turns, logged=logged, effort=effort) for logged in (False, True) for turns in (50, 2000)]
