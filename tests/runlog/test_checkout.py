"""The state of a git checkout, with git and without."""

from __future__ import annotations

import shutil
import subprocess
import threading
from pathlib import Path
from typing import Any

import pytest

from agentnb.runlog.checkout import checkout

needs_git = pytest.mark.skipif(shutil.which("git") is None, reason="the checkout is made with git")
COMMIT = "0123456789abcdef0123456789abcdef01234567"
OTHER = "76543210fedcba9876543210fedcba9876543210"


def git(*arguments: str) -> str:
    who = ("-c", "user.name=ana", "-c", "user.email=ana@example.org", "-c", "commit.gpgsign=false")
    done = subprocess.run(["git", *who, *arguments], check=True, capture_output=True, text=True)
    return done.stdout.strip()


def settled() -> dict[str, Any] | None:
    """Ask, wait for git, and ask again."""
    checkout()
    for thread in threading.enumerate():
        if thread.name == "agentnb git":
            thread.join()
    return checkout()


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    made = tmp_path / "project"
    made.mkdir()
    monkeypatch.chdir(made)
    return made


@pytest.fixture
def bare(folder: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A `.git` as git leaves it, and no git to ask."""
    place = folder / ".git"
    (place / "refs" / "heads").mkdir(parents=True)
    (place / "HEAD").write_text("ref: refs/heads/main\n")
    monkeypatch.setenv("PATH", "")
    return place


def test_outside_of_a_checkout_there_is_no_state(folder: Path) -> None:
    assert checkout() is None


@needs_git
def test_a_clean_checkout_has_a_commit_a_branch_and_no_changes(folder: Path) -> None:
    git("init", "-q", "-b", "study")
    (folder / "a.py").write_text("1")
    git("add", ".")
    git("commit", "-q", "-m", "first")

    state = settled()

    assert state is not None
    assert (state["commit"], state["branch"]) == (git("rev-parse", "HEAD"), "study")
    assert (state["dirty"], state["changed_files"]) == (False, 0)


@needs_git
def test_changed_files_are_counted_and_new_ones_are_not(folder: Path) -> None:
    git("init", "-q", "-b", "main")
    for name in ("a.py", "b.py"):
        (folder / name).write_text("1")
    git("add", ".")
    git("commit", "-q", "-m", "first")
    (folder / "a.py").write_text("22")
    (folder / "b.py").unlink()
    (folder / "new.py").write_text("3")

    state = settled()

    assert state is not None
    assert (state["dirty"], state["changed_files"]) == (True, 2)


@needs_git
def test_a_new_commit_is_seen_at_once_and_what_was_said_of_the_old_one_is_not(folder: Path) -> None:
    git("init", "-q", "-b", "main")
    (folder / "a.py").write_text("1")
    git("add", ".")
    git("commit", "-q", "-m", "first")
    before = settled()
    (folder / "a.py").write_text("22")
    git("commit", "-q", "-a", "-m", "second")

    after = settled()

    assert before is not None
    assert after is not None
    assert after["commit"] == git("rev-parse", "HEAD") != before["commit"]
    assert after["dirty"] is False


@needs_git
def test_a_worktree_is_a_checkout_of_its_own(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    git("init", "-q", "-b", "main")
    (folder / "a.py").write_text("1")
    git("add", ".")
    git("commit", "-q", "-m", "first")
    git("worktree", "add", "-q", "-b", "other", str(folder.parent / "beside"))
    monkeypatch.chdir(folder.parent / "beside")

    state = settled()

    assert state is not None
    assert (state["commit"], state["branch"]) == (git("rev-parse", "HEAD"), "other")


def test_without_git_commit_and_branch_are_known_and_changes_are_not(bare: Path) -> None:
    (bare / "refs" / "heads" / "main").write_text(COMMIT)

    assert settled() == {"commit": COMMIT, "branch": "main"}


def test_a_folder_within_the_checkout_belongs_to_it(bare: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (bare / "refs" / "heads" / "main").write_text(COMMIT)
    (bare.parent / "notebooks").mkdir()
    monkeypatch.chdir(bare.parent / "notebooks")

    assert checkout() == {"commit": COMMIT, "branch": "main"}


def test_a_packed_branch_is_found(bare: Path) -> None:
    (bare / "packed-refs").write_text(f"# pack-refs with: peeled\n{OTHER} refs/heads/old\n{COMMIT} refs/heads/main\n")

    assert checkout() == {"commit": COMMIT, "branch": "main"}


def test_a_detached_head_has_no_branch(bare: Path) -> None:
    (bare / "HEAD").write_text(f"{COMMIT}\n")

    assert checkout() == {"commit": COMMIT}


@pytest.mark.parametrize("head", ["", "nonsense", "ref: refs/heads/unborn", "ref: ../../secret"])
def test_a_head_that_leads_to_no_commit_gives_nothing(bare: Path, head: str) -> None:
    (bare / "HEAD").write_text(head)

    assert checkout() is None


def test_a_working_folder_that_is_gone_gives_nothing(folder: Path) -> None:
    folder.rmdir()

    assert checkout() is None
