"""Colours by name."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from agentnb.transcripts.plots.palette import OTHERS, PALETTE, brightness, looks

# Machado, Oliveira and Fernandes (2009), full severity, for linear RGB.
SIGHT = {
    "normal": [[1, 0, 0], [0, 1, 0], [0, 0, 1]],
    "protan": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "deutan": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "tritan": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
}


def lab(color: str, sight: str) -> np.ndarray:
    """Return a colour as somebody sees it, in CIE Lab."""
    parts = np.array([int(color[n : n + 2], 16) / 255 for n in (1, 3, 5)])
    linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
    to_xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    xyz = to_xyz @ np.clip(np.array(SIGHT[sight]) @ linear, 0, 1) / np.array([0.95047, 1, 1.08883])
    x, y, z = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


@pytest.mark.parametrize("sight", SIGHT)
def test_any_two_colours_are_told_apart_by_everybody(sight: str) -> None:
    seen = [lab(color, sight) for color in (*PALETTE, OTHERS.color)]

    nearest = min(float(np.linalg.norm(a - b)) for n, a in enumerate(seen) for b in seen[n + 1 :])
    assert nearest > 15


def test_colours_are_seen_on_a_white_and_on_a_black_page() -> None:
    for color in (*PALETTE, OTHERS.color):
        assert 1.05 / (brightness(color) + 0.05) > 2
        assert (brightness(color) + 0.05) / 0.05 > 3


def test_a_name_alone_has_the_same_colour_in_every_process() -> None:
    program = "from agentnb.transcripts.plots import looks; print(*(looks([n])[n].color for n in ('ana', 'ben', 'é')))"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, env={"PYTHONHASHSEED": "5"}
    )

    assert done.stdout.split() == [looks([name])[name].color for name in ("ana", "ben", "é")]


def test_names_that_meet_on_a_colour_make_room_for_each_other_in_order() -> None:
    names = [f"agent{n}" for n in range(40)]
    home = looks(["agent0"])["agent0"].color
    rival = next(name for name in names[1:] if looks([name])[name].color == home)

    together = looks(["agent0", rival])

    assert together["agent0"].color == home
    assert together[rival].color != home


def test_seven_names_have_seven_colours_and_more_differ_otherwise() -> None:
    found = looks(f"agent{n}" for n in range(14))

    first = list(found.values())[:7]
    assert len({look.color for look in first}) == 7
    assert len(set(found.values())) == 14
    assert len({look.marker for look in found.values()}) == 14
