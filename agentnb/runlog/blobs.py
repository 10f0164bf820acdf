"""Large texts of runs, each kept once under its hash."""

from __future__ import annotations

import hashlib
import os
import re
from contextlib import suppress
from functools import lru_cache
from pathlib import Path

from agentnb.core import new_id

FOLDER = "blobs"
"""Lies beside the runs that refer to it."""

_NAME = re.compile(r"sha256:[0-9a-f]{64}")


class Blobs:
    """A folder of texts, shared by all runs beside it and by all processes that write them.

    ```python
    shared = Blobs(Path(".agentnb/runs/blobs"))
    shared.get("sha256:" + "0" * 64)  # None: it is not here
    ```
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def put(self, name: str, raw: bytes) -> bool:
        """Keep a text, unless it is kept already; return whether it is kept now."""
        path = self._file(name)
        if path is None:
            return False
        # Under another name first: who finds the file finds all of it, whenever this process is killed.
        part = self.folder / f".{path.name[:16]}-{os.getpid()}-{new_id()[:8]}.part"
        try:
            # Looked at, not only measured: after a power cut a file may have its size and hold nothing.
            if path.exists() and path.stat().st_size == len(raw) and path.read_bytes() == raw:
                with suppress(PermissionError):  # somebody else's
                    # Who sweeps spares what is fresh: the line that refers to it is not written yet.
                    os.utime(path)
                return True
            self.folder.mkdir(parents=True, exist_ok=True)
            with open(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as out:
                out.write(raw)
            part.replace(path)
        except OSError:
            with suppress(OSError):
                part.unlink(missing_ok=True)
            return False
        return True

    def get(self, name: str) -> str | None:
        """Return a text; None if it is not here, or not what its hash says."""
        path = self._file(name)
        try:
            raw = path.read_bytes() if path else b""
        except OSError:
            return None
        return raw.decode() if name_of(raw) == name else None

    def __contains__(self, name: str) -> bool:
        path = self._file(name)
        return path is not None and path.is_file()

    def _file(self, name: str) -> Path | None:
        return self.folder / name.removeprefix("sha256:") if _NAME.fullmatch(name) else None


def beside(run: str | os.PathLike[str]) -> Blobs:
    """Return the folder of texts beside a run's file; where that is a link, beside what it leads to."""
    return _within(os.path.dirname(os.path.realpath(run) if os.path.islink(run) else run))


@lru_cache(maxsize=16)
def _within(folder: str) -> Blobs:
    return Blobs(Path(folder, FOLDER))


def name_of(raw: bytes) -> str:
    """Return the name of a text: how it is referred to."""
    return "sha256:" + hashlib.sha256(raw).hexdigest()
