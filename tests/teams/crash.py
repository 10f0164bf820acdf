"""Kills teams at random moments and lets them go on: `python -m tests.teams.crash KILLS SEED`, one line of JSON out.

Each attempt is a process of its own, forked from this one, that ends itself by SIGKILL: within a line it writes, before
it, after it, or right behind something it did in the world.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import signal
import sys
import tempfile
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from agentnb.runlog import JsonLinesStore, RunLog, result_of
from tests.teams.scenarios import SCENARIOS, World
from tests.teams.told import effects, half_done, texts


class Fate:
    """Ends the process after so many moments."""

    def __init__(self, chance: random.Random) -> None:
        self.chance = chance
        self.left = chance.randint(0, 50)

    def moment(self) -> bool:
        """Pass a moment; True if it is the last."""
        self.left -= 1
        return self.left < 0

    def strike(self) -> None:
        if self.moment():
            os.kill(os.getpid(), signal.SIGKILL)


class Mortal(JsonLinesStore):
    """A store whose process may end while it writes."""

    fate: Fate

    def _put(self, line: bytes) -> None:
        if self.fate.moment():
            assert self._file is not None
            os.write(self._file, line[: self.fate.chance.randint(0, len(line))])
            os.kill(os.getpid(), signal.SIGKILL)
        super()._put(line)


class Diary(list[str]):
    """Effects, also in a file that outlives the process."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._path = path

    def append(self, text: str) -> None:
        with self._path.open("a") as file:
            file.write(json.dumps(text) + "\n")


def live(scenario: str, path: Path, diary: Path, fate: Fate) -> None:
    """Begin a run, or take up the one that was killed."""
    runner = SCENARIOS[scenario](World(done=Diary(diary), stop=fate.strike))

    async def go() -> None:
        if path.exists() and any(event.kind == "message" for event in RunLog.open(path)):
            log = RunLog.open(path)
            log.reopen()
        else:
            path.unlink(missing_ok=True)
            log = RunLog(JsonLinesStore(path, "crash"), run_id="crash")
        assert log.store is not None
        log.store.__class__ = Mortal
        log.store.fate = fate  # type: ignore[attr-defined]
        await (runner.resume(log) if len(log) else runner.run(task="Begin.", log=log))

    asyncio.run(go())


def child(work: Callable[[], Any]) -> tuple[bool, Any]:
    """Do something in a process of its own; return whether that came to its end, and what it gave."""
    with tempfile.TemporaryFile("w+") as given:
        pid = os.fork()
        if pid == 0:
            signal.alarm(60)
            try:
                json.dump(work(), given)
                given.flush()
            except BaseException:
                traceback.print_exc()
                sys.stderr.flush()
                os._exit(1)
            os._exit(0)
        _, status = os.waitpid(pid, 0)
        if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL:
            return False, None
        if status:
            raise SystemExit(f"A child ended with status {status}.")
        given.seek(0)
        return True, json.load(given)


def whole(scenario: str) -> Any:
    """Return what a run says that nobody kills."""
    return texts(asyncio.run(SCENARIOS[scenario](World()).run(task="Begin.", log=RunLog())))


def last_words(scenario: str, path: Path, diary: Path) -> dict[str, Any]:
    """Say what became of a run that came to its end."""
    log = RunLog.open(path)
    runner = SCENARIOS[scenario](World())
    result = asyncio.run(runner.resume(log))
    done = [json.loads(line) for line in diary.read_text().splitlines()] if diary.exists() else []
    return {
        "scenario": scenario,
        "twice": sorted({text for text in done if text != "asked a person" and done.count(text) > 1}),
        "unknown": sorted(set(done) - set(effects(log))),
        "ended": log.events[-1].kind,
        "dense": [event.seq for event in log] == list(range(1, len(log) + 1)),
        "folds": [m.id for m in result_of(log, runner._last_run)] == [m.id for m in result.messages],
        "interrupted": half_done(log),
        "said": texts(result),
    }


def story(scenario: str, chance: random.Random) -> dict[str, Any]:
    """Let one run be killed until it came to its end, and say what became of it."""
    with tempfile.TemporaryDirectory() as folder:
        path, diary = Path(folder, "run.jsonl"), Path(folder, "diary")
        kills = 0
        while not child(lambda: live(scenario, path, diary, Fate(chance)))[0]:
            kills += 1
            chance.random()
        return {**child(lambda: last_words(scenario, path, diary))[1], "kills": kills}


def main(kills: int, seed: int) -> None:
    os.environ["AGENTNB_RUNS"] = "off"
    chance = random.Random(seed)
    names = list(SCENARIOS)
    wholes = {name: child(lambda name=name: whole(name))[1] for name in names}  # type: ignore[misc]
    told: list[dict[str, Any]] = []
    while len(told) < len(names) or sum(one["kills"] for one in told) < kills:
        one = story(names[len(told) % len(names)], chance)
        said = one.pop("said")
        told.append({**one, "same": one["interrupted"] or said == wholes[one["scenario"]]})
    json.dump(told, sys.stdout)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
