"""The migrate command: what it shows, what it writes, and what it leaves alone."""

from __future__ import annotations

import json
import stat
import sys
from pathlib import Path
from typing import Any

import pytest

from agentnb.__main__ import main
from agentnb.compat.migrate import migrate, sources
from agentnb.exceptions import UserError

PROGRAM = "from autogen_core import AgentId  # who\nx = AgentId('a', 'b')\n"
NEW = PROGRAM.replace("autogen_core", "agentnb")


@pytest.fixture
def program(tmp_path: Path) -> Path:
    path = tmp_path / "program.py"
    path.write_text(PROGRAM)
    return path


def _cell(*lines: str) -> dict[str, Any]:
    return {"cell_type": "code", "execution_count": None, "metadata": {}, "outputs": [], "source": list(lines)}


def _notebook(path: Path, *cells: dict[str, Any]) -> str:
    text = json.dumps({"cells": list(cells), "metadata": {}, "nbformat": 4, "nbformat_minor": 5}, indent=1) + "\n"
    path.write_text(text)
    return text


def test_without_write_nothing_is_written(program: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["migrate", str(program)]) == 0

    out = capsys.readouterr().out
    assert f"{program}:1:26: autogen_core.AgentId -> agentnb.AgentId" in out
    assert "Nothing was written" in out
    assert program.read_text() == PROGRAM
    assert list(program.parent.iterdir()) == [program]


def test_write_rewrites_and_keeps_the_old_file(program: Path, capsys: pytest.CaptureFixture[str]) -> None:
    program.chmod(0o750)

    assert main(["migrate", "--write", str(program)]) == 0

    backup = program.with_name("program.py.bak")
    assert program.read_text() == NEW
    assert backup.read_text() == PROGRAM
    assert stat.S_IMODE(program.stat().st_mode) == stat.S_IMODE(backup.stat().st_mode) == 0o750
    assert "the old file is program.py.bak" in capsys.readouterr().out


def test_a_second_write_changes_nothing_and_makes_no_backup(program: Path) -> None:
    migrate(program, write=True)

    done = migrate(program, write=True)

    assert not done.changed
    assert done.backup is None
    assert len(list(program.parent.iterdir())) == 2


def test_a_backup_is_never_written_over(program: Path) -> None:
    program.with_name("program.py.bak").write_text("mine")
    migrate(program, write=True)
    program.write_text(PROGRAM)

    done = migrate(program, write=True)

    assert program.with_name("program.py.bak").read_text() == "mine"
    assert program.with_name("program.py.bak.1").read_text() == PROGRAM
    assert done.backup == program.with_name("program.py.bak.2").resolve()


def test_a_link_stays_a_link(program: Path) -> None:
    link = program.with_name("link.py")
    link.symlink_to(program)

    migrate(link, write=True)

    assert link.is_symlink()
    assert program.read_text() == NEW


@pytest.mark.parametrize(
    "data",
    [
        PROGRAM.replace("\n", "\r\n").encode(),
        b"\xef\xbb\xbf" + PROGRAM.encode(),
        ("# -*- coding: latin-1 -*-\n# \xe4\n" + PROGRAM).encode("latin-1"),
        PROGRAM.rstrip("\n").encode(),
        ("# " + "\x0c\u2028ä\n" + PROGRAM).encode(),
    ],
    ids=["crlf", "bom", "latin-1", "no last newline", "odd breaks"],
)
def test_encodings_and_line_ends_stay(program: Path, data: bytes) -> None:
    program.write_bytes(data)

    migrate(program, write=True)

    assert program.read_bytes() == data.replace(b"autogen_core", b"agentnb")


@pytest.mark.parametrize(
    ("data", "line"),
    [
        (b"import autogen_core\nprint 'two'\n", 2),
        (b"# coding: nonsense\nimport autogen_core\n", 1),
        (b"import autogen_core\n# \xff\n", 1),
    ],
)
def test_a_file_that_is_no_python_is_left_alone_and_reported(program: Path, data: bytes, line: int) -> None:
    program.write_bytes(data)

    done = migrate(program, write=True)

    assert program.read_bytes() == data
    assert [(each.line, each.kind) for each in done.findings] == [(line, "by hand")]
    assert "left as it is" in done.findings[0].text


def test_what_needs_a_hand_gives_exit_code_1(program: Path, capsys: pytest.CaptureFixture[str]) -> None:
    program.write_text("from autogen_ext.models.openai import AzureOpenAIChatCompletionClient\n")

    assert main(["migrate", str(program)]) == 1
    assert (
        f"{program}:1:39: BY HAND: autogen_ext.models.openai.AzureOpenAIChatCompletionClient (not there yet"
        in capsys.readouterr().out
    )


def test_what_only_differs_gives_exit_code_0(program: Path, capsys: pytest.CaptureFixture[str]) -> None:
    program.write_text("from autogen_core import AgentId\nruntime.stop_when(done)\n")

    assert main(["migrate", str(program)]) == 0
    assert f"{program}:2:1: differs: .stop_when" in capsys.readouterr().out


def test_a_path_that_does_not_exist_gives_exit_code_2(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["migrate", str(tmp_path / "none.py")]) == 2
    assert "There is no file or folder" in capsys.readouterr().err


@pytest.mark.skipif(sys.platform != "linux", reason="/proc holds a file that is there and cannot be read")
def test_a_file_that_cannot_be_read_is_reported_and_the_others_are_migrated(
    program: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    unreadable = program.with_name("a.py")
    unreadable.symlink_to("/proc/self/mem")

    assert main(["migrate", "--write", str(program.parent)]) == 1
    assert f"{unreadable}:1:1: BY HAND: left as it is" in capsys.readouterr().out
    assert program.read_text() == NEW


def test_no_path_is_bad_usage() -> None:
    with pytest.raises(SystemExit) as error:
        main(["migrate"])

    assert error.value.code == 2


def test_a_notebooks_cells_are_rewritten_and_the_rest_keeps_its_letters(tmp_path: Path) -> None:
    path = tmp_path / "a.ipynb"
    text = _notebook(
        path,
        {"cell_type": "markdown", "metadata": {}, "source": ["import autogen_core"]},
        _cell("%load_ext agentnb\n", "import autogen_core as ac"),
        _cell("%%time\n", "x = await f(ac.AgentId('a', 'b'))\n", "!ls {x}\n", "y = ac.models.UserMessage"),
    )

    done = migrate(path, write=True)

    assert path.read_text() == text.replace('"import autogen_core as ac"', '"import agentnb as ac, agentnb.models"')
    assert [(each.cell, each.line, each.column) for each in done.findings] == [(2, 2, 8), (3, 2, 13), (3, 4, 5)]


def test_a_broken_cell_is_reported_and_the_others_are_rewritten(tmp_path: Path) -> None:
    path = tmp_path / "a.ipynb"
    text = _notebook(path, _cell("import autogen_core\n", "x = ("), _cell("from autogen_core import AgentId"))

    done = migrate(path, write=True)

    assert path.read_text() == text.replace("from autogen_core import", "from agentnb import")
    assert [(each.cell, each.line) for each in done.findings if each.needs_a_hand] == [(1, 2)]


@pytest.mark.parametrize(
    "line", ["%pip install 'autogen-core[x]>=0.7'", "!pip install -q autogen-core", "!uv add autogen_core"]
)
def test_installing_autogen_in_a_cell_needs_a_hand(tmp_path: Path, line: str) -> None:
    path = tmp_path / "a.ipynb"
    _notebook(path, _cell("x = 1\n", line))

    (found,) = migrate(path).findings

    assert (found.cell, found.line, found.new) == (1, 2, "agentnb-toolkit")
    assert found.column == line.index("autogen") + 1
    assert found.needs_a_hand


def test_a_shell_cell_is_searched_for_packages_and_not_read_as_python(tmp_path: Path) -> None:
    path = tmp_path / "a.ipynb"
    _notebook(path, _cell("%%bash\n", "pip install autogen-agentchat\n", "for f in *; do echo; done"))

    assert [each.old for each in migrate(path).findings] == ["autogen-agentchat"]


@pytest.mark.parametrize("text", ["", "{}", '{"cells": 3}', "\xff"])
def test_a_file_that_is_no_notebook_is_left_alone_and_reported(tmp_path: Path, text: str) -> None:
    path = tmp_path / "a.ipynb"
    path.write_text(text, encoding="latin-1")

    done = migrate(path, write=True)

    assert [each.kind for each in done.findings] == ["by hand"]
    assert not done.changed


def test_lists_of_requirements_are_searched(tmp_path: Path) -> None:
    path = tmp_path / "requirements.txt"
    path.write_text("numpy\nautogen-agentchat[x]==0.7.5  # autogen-core\nmy-autogen-core\nautogen-ext\n")

    done = migrate(path, write=True)

    assert [(each.line, each.old) for each in done.findings] == [(2, "autogen-agentchat[x]==0.7.5"), (4, "autogen-ext")]
    assert not done.changed


def test_a_folder_is_searched_for_sources_but_not_for_other_peoples(tmp_path: Path) -> None:
    for name in ["a.py", "b/c.ipynb", "b/requirements-dev.txt", "pyproject.toml", "a.py.bak", "b/notes.md"]:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    for name in [".venv/x.py", "node_modules/y.py", "b/.ipynb_checkpoints/c.ipynb"]:
        (tmp_path / name).parent.mkdir()
        (tmp_path / name).touch()

    found = [path.relative_to(tmp_path).as_posix() for path in sources([tmp_path, tmp_path / "a.py"])]

    assert found == ["a.py", "b/c.ipynb", "b/requirements-dev.txt", "pyproject.toml"]


def test_a_missing_path_is_named() -> None:
    with pytest.raises(UserError, match=r"nowhere"):
        sources([Path("nowhere")])


def test_json_holds_every_finding(program: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["migrate", "--json", "--write", str(program)]) == 0

    told = json.loads(capsys.readouterr().out)
    assert told["needs_a_hand"] == 0
    assert told["files"][0]["changed"] is True
    assert told["files"][0]["backup"].endswith("program.py.bak")
    assert told["files"][0]["findings"] == [
        {
            "line": 1,
            "column": 26,
            "kind": "maps",
            "old": "autogen_core.AgentId",
            "new": "agentnb.AgentId",
            "text": "",
            "cell": None,
        }
    ]
