"""A team's model calls over HTTP, whole and streamed; the server's work is another process's."""

from __future__ import annotations

import sys
from collections import defaultdict

from tests.perf.bench import Effort, Figure, figure
from tests.perf.core import Enter, rounds
from tests.perf.server import Server
from tests.perf.teams import Row, contestants, timed

PIECES = 1000

CALLS = (
    Row("called", 60, "model call over HTTP, team of 60 turns"),
    Row("called", 300, "model call over HTTP, team of 300 turns", 1 / 100),
    Row("called_streaming", PIECES, "streamed chunk over HTTP, through a team", 1 / 40),
    Row("streamed", PIECES, "streamed chunk of an instant model, through a team", 1 / 40),
)


WAYS = (
    ("transport", "the SDK's `post` of a finished body of 150 messages, over our transport"),
    ("sender", "the same body, sent with the head of the SDK's requests"),
)


def floor(effort: Effort, enter: Enter, url: str) -> list[Figure]:
    """What a call takes without agents and log."""
    taken: dict[str, list[float]] = defaultdict(list)
    for present in rounds(effort, enter):
        ours = next(contestant for who, contestant in present if not who)
        for via in ("sdk", *(way for way, _ in WAYS)):
            taken[via].append(ours.ask(what="timed", name="posted", units=min(100, effort.crowd), url=url, via=via))
    return [
        figure(label, taken[way], baseline=taken["sdk"], against="over the SDK's own transport") for way, label in WAYS
    ]


async def run(peer: str | None, effort: Effort, enter: Enter | None = None) -> list[Figure]:
    """Measure calls and chunks."""
    print("calls …", file=sys.stderr)
    enter = enter or contestants(peer)
    with Server(min(PIECES, effort.crowd)) as server:
        return [*timed(effort, enter, CALLS, url=server.url), *floor(effort, enter, server.url)]
