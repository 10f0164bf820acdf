"""The static page agrees with the live view."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from agentnb.ui.page import _HUES, hue_of

SOURCE = Path(__file__).parent.parent.parent / "widgets" / "src" / "shared" / "hues.ts"
NAMES = ["user", "notebook", "planner", "coder", "kernel", "reporter", "ana", "Zoë", "agent_9", "one_more"]


def test_every_name_of_a_run_has_a_colour_of_its_own_while_there_are_colours() -> None:
    hues: dict[str, str] = {}

    assert len({hue_of(name, hues) for name in NAMES[:8]}) == 8
    assert hue_of("user", hues) == hue_of("user", hues)


@pytest.mark.skipif(shutil.which("node") is None, reason="the live view's source is run with Node")
def test_a_name_has_the_place_in_the_palette_that_the_live_view_gives_it() -> None:
    """The TypeScript is run as it stands, its types stripped by hand: they are few."""
    program = SOURCE.read_text().replace("export ", "").replace("readonly ", "").replace("!, 0x", ", 0x")
    for typed in (": string", ": number", "<string, number>", "<number>"):
        program = program.replace(typed, "")
    names = ", ".join(f'"{name}"' for name in NAMES)
    program += f"\nconst hues = new Hues(); console.log([{names}].map((name) => hues.of(name)).join(' '));"
    live = subprocess.run(["node", "-e", program], capture_output=True, text=True, check=True).stdout.split()

    hues: dict[str, str] = {}
    assert [str(_HUES.index(hue_of(name, hues))) for name in NAMES] == live
