"""Save the states of AutoGen's teams, with how AutoGen goes on from each, as this folder's JSON files.

`PYTHON make.py [CASE…]`, where PYTHON is that of an environment with autogen-agentchat. With `--load FILE` nothing is
saved: the file holds states by case, and how AutoGen goes on from them is printed as JSON.
"""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

FOLDER = Path(__file__).parent
sys.path.insert(0, str(FOLDER))

import programs  # type: ignore[import-not-found]  # noqa: E402


async def tried(name: str, state: dict[str, Any]) -> dict[str, Any]:
    """Let a team go on from a state; an error is what comes of it too."""
    try:
        went: dict[str, Any] = await programs.gone_on(name, state)
        return went
    except Exception as error:
        return {"error": type(error).__name__, "why": str(error).splitlines()[0][:200] if str(error) else ""}


async def main(arguments: list[str]) -> None:
    if arguments[:1] == ["--load"]:
        states = json.loads(Path(arguments[1]).read_text(encoding="utf-8"))
        print(json.dumps({name: await tried(name, state) for name, state in states.items()}))
        return
    for name in arguments or programs.CASES:
        state = json.loads(json.dumps(await programs.until_saved(name)))
        made = {"state": state, "then": await tried(name, state)}
        (FOLDER / f"{name}.json").write_text(json.dumps(made, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1:]))
