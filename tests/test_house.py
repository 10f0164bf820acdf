"""The house keeps its plan: light doors, a wall, the same constraints everywhere, no stray words."""

from __future__ import annotations

import importlib
import pkgutil
import re
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest
import yaml

import agentnb

ROOT = Path(__file__).parent.parent
HEAVY = ("pandas", "matplotlib", "openai", "IPython", "anywidget", "PIL", "xllamacpp", "jupyter_client", "nh3")
ACTING = (
    "agents",
    "teams",
    "conditions",
    "tools",
    "models",
    "code_executors",
    "runtimes",
    "recipes",
    "model_context",
    "memory",
)
GROUND = ("base", "runlog", "messages", "core", "exceptions", "cache_store")


def _loaded(statement: str) -> set[str]:
    program = f"{statement}\nimport sys\nprint(*sorted(sys.modules))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_importing_agentnb_imports_nothing_heavy() -> None:
    assert _loaded("import agentnb").isdisjoint({*HEAVY, "pydantic"})


def test_a_name_that_stands_in_a_room_is_told_with_the_room() -> None:
    with pytest.raises(AttributeError, match=r"'AssistantAgent'; write `from agentnb\.agents import AssistantAgent`$"):
        agentnb.AssistantAgent  # noqa: B018
    with pytest.raises(AttributeError, match=r"no attribute 'nowhere'$"):
        agentnb.nowhere  # noqa: B018


def test_importing_the_acting_rooms_imports_nothing_heavy() -> None:
    loaded = _loaded("import " + ", ".join(f"agentnb.{room}" for room in (*GROUND, *ACTING)))

    assert loaded.isdisjoint(HEAVY)


def test_the_wall_and_the_layers_stand() -> None:
    done = subprocess.run(
        [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 0, done.stdout


def test_every_room_says_what_is_public_in_order_and_it_is_there() -> None:
    for module in pkgutil.iter_modules(agentnb.__path__):
        if module.ispkg:
            room = importlib.import_module(f"agentnb.{module.name}")
            names = getattr(room, "__all__", None)

            assert names is not None, f"agentnb.{module.name} has no __all__"
            # Case-sensitive groups as ruff sorts them: constants, classes, functions.
            assert len(set(names)) == len(names)
            missing = [name for name in names if not hasattr(room, name)]
            assert not missing, f"agentnb.{module.name} lacks {missing}"


_CONDA = {
    "jupyter_client": "jupyter-client",
    "matplotlib-base": "matplotlib",
    "typing_extensions": "typing-extensions",
}


def _constraints(requirements: list[str]) -> dict[str, str]:
    split = (re.match(r"([\w.-]+)(.*)", r.replace(" ", "")) for r in requirements if "[" not in r)
    return {match[1].lower(): match[2] for match in split if match}


def test_environment_yml_asks_for_what_pyproject_asks_for() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = project["optional-dependencies"]
    wanted = _constraints([*project["dependencies"], *extras["demo"], *extras["lab"]])
    environment = yaml.safe_load((ROOT / "environment.yml").read_text())
    plain = [entry for entry in environment["dependencies"] if isinstance(entry, str)]
    given = _constraints(
        [
            _CONDA.get(re.split("[<>=]", e)[0], "") + e[len(re.split("[<>=]", e)[0]) :]
            if re.split("[<>=]", e)[0] in _CONDA
            else e
            for e in plain
        ]
    )
    given.pop("pip")

    assert given.pop("python") == project["requires-python"]
    assert given == wanted
    assert environment["channels"] == ["conda-forge", "nodefaults"]


def _environment() -> list[str]:
    entries = yaml.safe_load((ROOT / "environment.yml").read_text())["dependencies"]
    return [entry for entry in entries if isinstance(entry, str)]


@pytest.mark.parametrize("spec", _environment())
def test_every_line_of_environment_yml_is_one_that_conda_reads(spec: str) -> None:
    """Whether the channel carries the builds cannot be seen from here."""
    from rattler import MatchSpec

    assert MatchSpec(spec, strict=True).name is not None


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_what_environment_yml_lists_installs_together_and_carries_the_package(tmp_path: Path) -> None:
    names = [entry for entry in _environment() if not entry.startswith(("python", "pip"))]
    wanted = [re.sub(r"^[\w.-]+", lambda name: _CONDA.get(name[0], name[0]), entry) for entry in names]
    subprocess.run([sys.executable, "-m", "venv", str(tmp_path / "env")], check=True)
    python = str(tmp_path / "env" / "bin" / "python")
    rooms = ", ".join(f"agentnb.{module.name}" for module in pkgutil.iter_modules(agentnb.__path__) if module.ispkg)

    subprocess.run([python, "-m", "pip", "install", "--quiet", *wanted], check=True, capture_output=True)
    subprocess.run([python, "-m", "pip", "install", "--quiet", "--no-deps", str(ROOT)], check=True, capture_output=True)
    checked = subprocess.run([python, "-m", "pip", "check"], capture_output=True, text=True, check=False)
    subprocess.run([python, "-c", f"import agentnb, {rooms}"], check=True, cwd=tmp_path)

    assert checked.returncode == 0, checked.stdout


@pytest.mark.parametrize(
    "path", sorted(ROOT.glob("*.md")) + sorted(ROOT.glob("notebooks/*.ipynb")), ids=lambda p: p.name
)
def test_no_text_tells_to_install_the_other_package(path: Path) -> None:
    assert not re.search(r"pip install agentnb(?!-toolkit)", path.read_text())


def test_the_wheel_holds_the_front_end_and_its_licences(tmp_path: Path) -> None:
    build = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(build, cwd=ROOT, capture_output=True, check=True)
    (wheel,) = tmp_path.glob("agentnb_toolkit-*.whl")
    names = set(zipfile.ZipFile(wheel).namelist())

    static = "agentnb/widgets/static/"
    assert {static + "transcript.js", static + "transcript.css", static + "licenses.txt", "agentnb/py.typed"} <= names
    assert not [name for name in names if name.endswith(".map") or name.startswith(("tests/", "widgets/"))]
