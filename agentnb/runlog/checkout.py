"""The state of the working folder's git checkout, as far as it is known without waiting for it.

Commit and branch are read from `.git` itself, and again only where its files changed. Whether there are uncommitted
changes only git can tell, if it is installed: it is asked in a thread, at most every few seconds.
"""

from __future__ import annotations

import os
import re
import subprocess
import threading
from pathlib import Path
from typing import Any, NamedTuple

from agentnb.core import monotonic, now

FRESH = 2.0
"""Seconds for which nobody looks again."""
STALE = 60.0
"""After so many seconds a start of a run waits for git again."""
PATIENCE = 0.05
"""Seconds such a start waits at most."""
LIMIT = 10.0
"""Seconds after which git is given up."""

_COMMIT = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_LARGEST = 4_000_000


class _Changes(NamedTuple):
    """How many tracked files were changed, and when somebody looked; None where git could not tell."""

    files: int | None
    commit: str
    at: str
    since: float


class _Checkout:
    """One checkout: where it is, what is known of it."""

    def __init__(self, root: Path, folder: Path) -> None:
        self.root = root
        self.folder = folder
        common = _text(folder / "commondir")
        self.common = (folder / common).resolve() if common else folder
        self._seen: tuple[Any, ...] = ()
        self._commit: str | None = None
        self._branch: str | None = None
        self._changes: _Changes | None = None
        self._looking: threading.Thread | None = None
        self._head = os.fspath(folder / "HEAD")
        self._watched = [self._head]

    def state(self) -> dict[str, Any] | None:
        seen = tuple(map(_stamp, self._watched))
        if seen != self._seen:
            self._read()
            self._seen = tuple(map(_stamp, self._watched))
        if self._commit is None:
            return None
        found: dict[str, Any] = {"commit": self._commit}
        if self._branch is not None:
            found["branch"] = self._branch
        changes = self._looked(self._commit)
        if changes is not None and changes.files is not None:
            found |= {"dirty": changes.files > 0, "changed_files": changes.files, "looked_at": changes.at}
        return found

    def _read(self) -> None:
        head = _text(self.folder / "HEAD")
        self._branch = self._commit = None
        del self._watched[1:]
        if not head.startswith("ref: "):
            self._commit = head if _COMMIT.fullmatch(head) else None
            return
        name = head.removeprefix("ref: ")
        self._watched.append(os.fspath(self.common / name))
        self._branch = name.removeprefix("refs/heads/")
        named = _text(self.common / name)
        if not named:
            self._watched.append(os.fspath(self.common / "packed-refs"))
            named = self._packed(name)
        self._commit = named if _COMMIT.fullmatch(named) else None

    def _packed(self, name: str) -> str:
        for line in _text(self.common / "packed-refs").splitlines():
            commit, _, ref = line.partition(" ")
            if ref == name:
                return commit
        return ""

    def _looked(self, commit: str) -> _Changes | None:
        """Return what is known of changes to this commit; look again where that is old."""
        known, time = self._changes, monotonic()
        if known is not None and known.commit != commit:
            known = None
        age = STALE if known is None else time - known.since
        if age >= FRESH and (self._looking is None or not self._looking.is_alive()):
            looking = threading.Thread(target=self._look, args=(commit,), name="agentnb git", daemon=True)
            try:
                looking.start()
            except RuntimeError:
                return known  # no threads here, or the interpreter ends
            self._looking = looking
            if age >= STALE:
                looking.join(PATIENCE)
                known = self._changes if self._changes is not None and self._changes.commit == commit else None
        return known

    def _look(self, commit: str) -> None:
        began = now().isoformat()
        # Of a folder that somebody else made nothing may be run: git starts the monitor that its config names.
        command = ["git", "-c", "core.fsmonitor=false", "--no-optional-locks", "status", "--porcelain", "-z"]
        command += ["--untracked-files=no", "--ignore-submodules=all"]
        count = None
        try:
            done = subprocess.run(
                command, cwd=self.root, stdin=subprocess.DEVNULL, capture_output=True, timeout=LIMIT, check=False
            )
        except (OSError, ValueError, subprocess.SubprocessError):
            pass  # not installed, not allowed, or too slow
        else:
            if done.returncode == 0:
                count = len(re.findall(rb"(?:^|\0)[ MADRCUT]{2} ", done.stdout))
        self._changes = _Changes(count, commit, began, monotonic())


_known: dict[str, tuple[float, _Checkout | None]] = {}


def checkout() -> dict[str, Any] | None:
    """Return the state of the checkout the working folder is in; never fails, and hardly ever waits.

    Returns:
        `commit`, `branch` if one is checked out, and if git said so in time `dirty`, `changed_files` (count of tracked
        files) and `looked_at`, when it said so; that may be a minute ago. None outside of a checkout.
    """
    try:
        here = os.getcwd()
        known = _known.get(here)
        if known is None or (known[1] is None and monotonic() - known[0] >= STALE):
            known = _known[here] = (monotonic(), _find(Path(here)))
        return known[1].state() if known[1] is not None else None
    except OSError:
        return None


def _find(here: Path) -> _Checkout | None:
    for root in (here, *here.parents):
        place = root / ".git"
        if place.is_dir():
            return _Checkout(root, place)
        # A worktree's and a submodule's `.git` is a file that says where the folder is.
        named = _text(place)
        if named.startswith("gitdir: "):
            return _Checkout(root, (root / named.removeprefix("gitdir: ")).resolve())
    return None


def _text(path: Path) -> str:
    try:
        if path.stat().st_size > _LARGEST:
            return ""
        return path.read_text("utf-8", errors="replace").strip()
    except OSError:
        return ""


def _stamp(path: str) -> tuple[int, int] | None:
    try:
        found = os.stat(path)
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size
