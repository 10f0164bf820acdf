"""What it costs to keep a fact, to open a run again, and to look on."""

from __future__ import annotations

import asyncio
import json
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from agentnb.agents import AssistantAgent
from agentnb.messages import CreateResult, LLMMessage, RequestUsage, TextMessage
from agentnb.models import ScriptedChatCompletionClient
from agentnb.runlog import Event, RunLog, Said
from agentnb.teams import RoundRobinGroupChat
from tests.perf.bench import Effort, Figure, Target, cpu_us, figure, pair

ORDINARY, LONG = 150, 1500
"""Characters of a remark, and of a model's answer of some 300 tokens."""
REPEATED = 32
"""Texts above so many characters count once as contents of a log, however often they occur."""


async def appends(effort: Effort, folder: Path) -> list[Figure]:
    """One fact appended: in memory, beside making a message; written through, beside writing the same bytes."""
    figures = []
    units = max(200, effort.crowd // 2)

    async def make(units: int) -> None:
        for _ in range(units):
            TextMessage(content="hello", source="ana")

    message = TextMessage(content="hello", source="ana")

    async def keep(units: int) -> None:
        log = RunLog()
        for _ in range(units):
            log.append(Said.of(message=message), source="team/ana")

    memory = await pair(
        "append to memory",
        keep,
        make,
        units=units,
        against="`TextMessage(content=…, source=…)`, seven fields",
        rounds=effort.rounds,
    )
    figures.append(memory._replace(target=Target("baseline", 3)))
    for length in (ORDINARY, LONG):
        messages = [TextMessage(content=said, source="ana") for said in texts(length, units)]
        written: list[Path] = []

        async def through(units: int, messages: list[TextMessage] = messages, written: list[Path] = written) -> None:
            log = RunLog.create("perf", folder=folder)
            for message in messages[:units]:
                log.append(Said.of(message=message), source="team/ana")
            log.close()
            written.append(log.path or folder)

        await through(units)
        # The same facts, read back: what is encoded and written raw is what the log holds, byte for byte.
        lines = [json.loads(line) for line in written[0].read_bytes().splitlines()]
        bare_path = folder / f"bare-{length}"

        async def bare(units: int, lines: list[Any] = lines, path: Path = bare_path) -> None:
            file = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_APPEND)
            for line in lines:
                os.write(file, json.dumps(line, ensure_ascii=False, separators=(",", ":")).encode() + b"\n")
            os.close(file)

        row = await pair(
            f"append written through, {length:,} characters",
            through,
            bare,
            units=units,
            against="`os.write(json.dumps(line))`, the same lines",
            rounds=effort.rounds,
        )
        if abs(bare_path.stat().st_size - written[0].stat().st_size) > 64:  # the header is spaced differently
            raise RuntimeError("The baseline did not write what the log holds.")
        figures.append(row._replace(target=Target("baseline", 3)))
    return figures


async def opening(effort: Effort, folder: Path) -> list[Figure]:
    """A long run opened, per event; then with each fact looked at."""
    events = effort.crowd * 10
    log = RunLog.create("long", folder=folder)
    said = texts(ORDINARY, events)
    for content in said:
        log.append(Said.of(message=TextMessage(content=content, source="ana")), source="team/ana")
    log.close()
    assert log.path is not None
    path = log.path
    del log

    async def ours(_: int) -> None:
        RunLog.open(path)

    async def read(_: int) -> None:
        for event in RunLog.open(path):
            event.body  # noqa: B018 - checked when it is looked at

    async def keep(_: int) -> None:
        decoded = [json.loads(line) for line in path.read_bytes().splitlines()]
        assert decoded

    async def pass_by(_: int) -> None:
        for line in path.read_bytes().splitlines():
            json.loads(line)

    async def check(_: int) -> None:
        kept = [Event.model_validate({"id": "", **json.loads(line)}) for line in path.read_bytes().splitlines()[1:]]
        assert kept

    rounds = min(effort.rounds, 3)
    rows = (
        (f"open a run of {events:,} events", ours, keep, "reading the file, `json.loads` of its lines, kept", 2.0),
        (f"open a run of {events:,} events", ours, pass_by, "the same, each thrown away", 2.0),
        (f"open a run of {events:,} events and look at each", read, check, "the same, each checked at once", None),
    )
    figures = []
    for name, work, baseline, against, at_most in rows:
        made = await pair(name, work, baseline, units=events, against=against, rounds=rounds)
        figures.append(made._replace(target=None if at_most is None else Target("baseline", at_most)))
    return figures


async def sizes(effort: Effort, folder: Path) -> list[Figure]:
    """The bytes of a team's run beside those of its contents, and per turn in a long run beside a short one.

    Contents are what the facts say: when, who, how long, tokens, and what happened, as compact JSON, a text of more
    than 32 characters counted only where it occurs for the first time in the run: whoever stores less has to leave
    something out or compress. Ids, numbers, causes, references and a text's repetitions are the log's own.
    """
    turns = max(30, effort.crowd // 20)
    taken: dict[tuple[int, int], float] = {}
    figures = []
    for length in (ORDINARY, LONG):
        for number in (turns // 10, turns):
            log = await conversation(number, length)
            assert log.path is not None
            size = log.path.stat().st_size
            taken[length, number] = size
            if number == turns:
                figures.append(
                    figure(
                        f"size of a run of {turns:,} turns, answers of {length:,} characters",
                        [size],
                        unit="bytes",
                        baseline=[contents(log)],
                        against="its distinct contents",
                        target=Target("baseline", 1.3),
                    )
                )
        figures.append(
            figure(
                f"size of a turn, {turns:,} turns, answers of {length:,} characters",
                [taken[length, turns] / turns],
                unit="bytes",
                baseline=[taken[length, turns // 10] / (turns // 10)],
                against=f"{turns // 10:,} turns",
                target=Target("baseline", 1.1),
            )
        )
    return figures


async def following(effort: Effort) -> list[Figure]:
    """A turn of a team whose log somebody follows in the same loop, beside one of a team left alone."""
    turns = max(30, effort.crowd // 100)

    async def alone(units: int) -> None:
        await conversation(units, LONG)

    async def watched(units: int) -> None:
        log = RunLog.create("perf")
        seen = 0

        async def look() -> None:
            nonlocal seen
            async for _ in log.follow():
                seen += 1

        looking = asyncio.create_task(look())
        await conversation(units, LONG, log)
        await looking
        log.close()
        if seen != len(log):
            raise RuntimeError(f"The follower saw {seen} of {len(log)} facts.")

    with_reader: list[float] = []
    without: list[float] = []
    # Pairs in both orders: what is measured is smaller than the noise of one run.
    for number in range(4 * effort.rounds + 1):
        order = [(watched, with_reader), (alone, without)][:: 1 if number % 2 else -1]
        for work, taken in order:
            us = await cpu_us(work, turns)
            if number:
                taken.append(us)
    return [
        figure(
            f"team turn, followed, {turns:,} turns",
            with_reader,
            baseline=without,
            against="the same, followed by nobody",
            target=Target("baseline", 1.05),
        )
    ]


async def conversation(turns: int, length: int, log: RunLog | None = None) -> RunLog:
    """Run three assistants, each answering at once, and return the log."""
    said = iter(texts(length, turns))
    clients = [Ready(["ready"]) for _ in range(3)]
    for client in clients:
        client.said = said
    agents = [AssistantAgent(name, model_client=client) for name, client in zip("abc", clients, strict=True)]
    result = await RoundRobinGroupChat(agents, max_turns=turns).run(task="Talk about the weather.", log=log)
    found = result.log
    assert isinstance(found, RunLog)
    return found


class Ready(ScriptedChatCompletionClient):
    """Answers with the next of some texts, at once."""

    said: Iterator[str]

    async def create(self, messages: Sequence[LLMMessage], **_: Any) -> CreateResult:
        usage = RequestUsage(prompt_tokens=100, completion_tokens=20)
        return CreateResult(finish_reason="stop", content=next(self.said), usage=usage, cached=False)


def texts(length: int, number: int) -> list[str]:
    """Return texts of a length, none like another."""
    words = "so we said that the weather would turn before noon and stay as it was until the evening of the next day "
    whole = words * (length // len(words) + 1)
    return [f"{i} {whole}"[:length] for i in range(number)]


def contents(log: RunLog) -> int:
    """Return the bytes of what a log's facts say, each longer text once."""
    known: set[str] = set()

    def bytes_of(value: Any) -> int:
        if isinstance(value, dict):
            return 1 + sum(len(key) + 4 + bytes_of(item) for key, item in value.items())
        if isinstance(value, list):
            return 1 + sum(1 + bytes_of(item) for item in value)
        if isinstance(value, str) and len(value) > REPEATED:
            if value in known:
                return 0
            known.add(value)
        return len(json.dumps(value, ensure_ascii=False).encode())

    told = {"at", "took", "source", "usage", "body"}
    return sum(bytes_of(event.model_dump(mode="json", include=told, exclude_none=True)) for event in log)


async def run(peer: str | None, effort: Effort) -> list[Figure]:
    """Measure appends, opening, sizes and followers."""
    print("logs …", file=sys.stderr)
    before = os.environ.get("AGENTNB_RUNS")
    with tempfile.TemporaryDirectory() as name:
        os.environ["AGENTNB_RUNS"] = name
        try:
            folder = Path(name)
            return [
                *await appends(effort, folder),
                *await opening(effort, folder),
                *await sizes(effort, folder),
                *await following(effort),
            ]
        finally:
            if before is None:
                del os.environ["AGENTNB_RUNS"]
            else:
                os.environ["AGENTNB_RUNS"] = before
