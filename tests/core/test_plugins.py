"""Things found by name."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from agentnb.core import plugins
from agentnb.exceptions import UnknownName, UserError

Install = Callable[..., None]


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Install]:
    """Install a package: a module and the metadata pip would write for it."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def install(module: str, source: str, **points: str) -> None:
        (tmp_path / f"{module}.py").write_text(source)
        info = tmp_path / f"{module}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {module}\nVersion: 1.0\n")
        lines = "\n".join(f"{name.replace('__', '.')} = {value}" for name, value in points.items())
        (info / "entry_points.txt").write_text(f"[agentnb.components]\n{lines}\n")
        plugins._table.cache_clear()

    yield install
    plugins._table.cache_clear()
    for name in [name for name in sys.modules if name.startswith("plugged")]:
        del sys.modules[name]


def test_what_an_installed_package_declares_is_found_and_loaded(install: Install) -> None:
    install("plugged", "def crew():\n    return 'a crew'\n", team__crew="plugged:crew")

    assert "crew" in plugins.names("team")
    assert plugins.load("team", "crew")() == "a crew"


def test_nothing_is_imported_before_it_is_asked_for(install: Install) -> None:
    install("plugged", "crew = 1\n", team__crew="plugged:crew")

    plugins.names("team")

    assert "plugged" not in sys.modules


def test_names_are_sorted_and_without_their_kind(install: Install) -> None:
    install("plugged", "", team__zebra="plugged:z", team__aardvark="plugged:a", model__m="plugged:m")

    names = plugins.names("team")

    assert names == sorted(names)
    assert {"zebra", "aardvark", "analysts"} <= set(names)
    assert "m" not in names


def test_an_unknown_name_lists_the_known_ones_and_suggests_the_nearest(install: Install) -> None:
    install("plugged", "", team__crew="plugged:crew")

    with pytest.raises(UnknownName, match=r"No team named 'analysst' \(known: .*'analysts', 'crew'.*mean 'analysts'"):
        plugins.load("team", "analysst")


def test_a_kind_without_names_says_none() -> None:
    with pytest.raises(UnknownName, match=r"No wheel named 'x' \(known: none\)\."):
        plugins.load("wheel", "x")


@pytest.mark.parametrize(
    ("source", "why"),
    [
        ("import no_such_module_anywhere", "ModuleNotFoundError"),
        ("def f(:", "SyntaxError"),
        ("1 / 0", "ZeroDivisionError"),
        ("other = 1", "AttributeError"),
    ],
)
def test_a_broken_plugin_is_reported_by_name_and_the_others_work(install: Install, source: str, why: str) -> None:
    install("plugged_broken", source, team__broken="plugged_broken:crew")
    install("plugged", "crew = 'fine'\n", team__crew="plugged:crew")

    with pytest.raises(UserError, match=rf"plugin 'team\.broken' \(plugged_broken:crew\) cannot be loaded: {why}"):
        plugins.load("team", "broken")
    assert plugins.load("team", "crew") == "fine"


def test_a_plugin_does_not_take_the_place_of_what_is_shipped(install: Install) -> None:
    install("plugged", "raise RuntimeError('taken over')\n", team__analysts="plugged:crew")

    assert plugins._table()["team.analysts"].value.startswith("agentnb.")


def test_the_packages_that_declare_something_are_known_without_importing_them(install: Install) -> None:
    install("plugged", "", team__crew="plugged.teams:crew")

    assert "plugged" in plugins.packages()
    assert "plugged" not in sys.modules
