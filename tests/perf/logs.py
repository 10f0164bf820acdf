"""What it costs to keep a fact."""

from __future__ import annotations

import json
import os
import tempfile
import time
from pathlib import Path

from agentnb.messages import TextMessage
from agentnb.runlog import RunLog, Said
from tests.perf.bench import Effort, Figure, pair


async def run(peer: str | None, effort: Effort) -> list[Figure]:
    """One fact appended and written, against `json.dumps` and `os.write`."""
    with tempfile.TemporaryDirectory() as folder:
        message = TextMessage(content="a message of ordinary length " * 5, source="ana")
        bare_file = os.open(Path(folder, "bare"), os.O_WRONLY | os.O_CREAT | os.O_APPEND)

        async def ours(units: int) -> None:
            log = RunLog.create("perf", folder=Path(folder))
            for _ in range(units):
                log.append(Said(message=message))
            log.close()

        async def bare(units: int) -> None:
            for number in range(units):
                fact = {"id": number, "at": time.time(), "body": {"kind": "message", "content": message.content}}
                os.write(bare_file, json.dumps(fact).encode() + b"\n")

        try:
            return [
                await pair(
                    "log append",
                    ours,
                    bare,
                    units=5_000,
                    against="`os.write(json.dumps(fact))`",
                    rounds=effort.rounds,
                )
            ]
        finally:
            os.close(bare_file)
