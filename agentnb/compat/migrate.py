"""`python -m agentnb migrate`: shows what becomes of an AutoGen program, and rewrites it on request."""

from __future__ import annotations

import io
import json
import os
import re
import shutil
import sys
import tempfile
import tokenize
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

from agentnb.compat.cells import Cell, code_cells, replaced
from agentnb.compat.rewrite import rewrite
from agentnb.compat.source import Finding, Source, is_foreign
from agentnb.exceptions import UserError

__all__ = ["Migrated", "main", "migrate", "sources"]

_REQUIREMENTS = ("requirements*.txt", "pyproject.toml", "environment.yml", "environment.yaml")
_SKIPPED = {"node_modules", "site-packages", "venv", "build", "dist"}
_PACKAGE = re.compile(
    r"(?<![\w./-])(?:pyautogen|autogen[-_](?:agentchat|core|ext))(?:\[[^\]]*\])?(?![\w./-])"
    r"(?:\s*(?:[~<>=!]=|[<>])\s*[\w.*]+)*"
)
_INSTALLS = re.compile(r"\b(?:pip3?|uv|conda|mamba|micromamba|poetry|pdm)\b.*\b(?:install|add)\b")
_INSTALL_INSTEAD = "install agentnb-toolkit instead; its extras stand in the README"


class Migrated(NamedTuple):
    """What was found in one file, and what it becomes."""

    path: Path
    findings: list[Finding]
    data: bytes
    """The file's new content, the old one if nothing changes."""
    changed: bool
    backup: Path | None = None

    @property
    def needs_a_hand(self) -> bool:
        """Whether something in it cannot be migrated as it stands."""
        return any(finding.needs_a_hand for finding in self.findings)


def sources(paths: Sequence[Path]) -> list[Path]:
    """List the files to look at: those named, and in folders Python files, notebooks and lists of requirements.

    Raises:
        UserError: If a path does not exist.
    """
    found: dict[Path, None] = {}
    for path in paths:
        if path.is_dir():
            for pattern in ("*.py", "*.ipynb", *_REQUIREMENTS):
                for each in sorted(path.rglob(pattern)):
                    folders = each.relative_to(path).parts[:-1]
                    if each.is_file() and not any(f.startswith(".") or f in _SKIPPED for f in folders):
                        found[each] = None
        elif path.exists():
            found[path] = None
        else:
            raise UserError(f"There is no file or folder {path}.")
    return list(found)


def migrate(path: Path, *, write: bool = False) -> Migrated:
    """Look at one file; with `write`, rewrite it and keep the old content as `FILE.bak` (or `FILE.bak.1`, …).

    A file or cell that is no Python stays as it is and is reported.

    Raises:
        OSError: If the file cannot be read or written.
    """
    data = path.read_bytes()
    if path.suffix == ".ipynb":
        new, findings = _notebook(data)
    elif path.suffix in (".py", ".pyi", ".pyw"):
        new, findings = _module(data)
    else:
        new, findings = data, list(_requirements(data.decode("utf-8", "replace")))
    done = Migrated(path, findings, new, new != data)
    return done._replace(backup=_write(path, data, new)) if write and done.changed else done


def _module(data: bytes) -> tuple[bytes, list[Finding]]:
    try:
        encoding, _ = tokenize.detect_encoding(io.BytesIO(data).readline)
        source = Source(data.decode(encoding))
    except (SyntaxError, UnicodeDecodeError, LookupError) as error:
        return data, [_unreadable(error)]
    (done,) = rewrite([source])
    return (done.text.encode(encoding) if done.text != source.text else data), done.findings


def _notebook(data: bytes) -> tuple[bytes, list[Finding]]:
    try:
        text = data.decode()
        cells = code_cells(text)
    except (ValueError, AttributeError) as error:
        return data, [_unreadable(error)]
    parsed: list[tuple[Cell, Source]] = []
    findings: list[Finding] = []
    for cell in cells:
        findings += [finding._replace(cell=cell.number) for finding in _installs(cell.text)]
        try:
            parsed.append((cell, Source(cell.text, is_cell=True)))
        except SyntaxError as error:
            findings.append(_unreadable(error)._replace(cell=cell.number))
    done = rewrite([source for _, source in parsed])
    for (cell, _), each in zip(parsed, done, strict=True):
        findings += [finding._replace(cell=cell.number) for finding in each.findings]
    changed = {cell: each.text for (cell, _), each in zip(parsed, done, strict=True)}
    findings.sort(key=lambda finding: finding.order)
    return replaced(text, changed).encode(), findings


def _unreadable(error: Exception) -> Finding:
    line, column = (error.lineno or 1, error.offset or 1) if isinstance(error, SyntaxError) else (1, 1)
    said = error.msg if isinstance(error, SyntaxError) else str(error)
    return Finding(line, column, "by hand", "", None, f"left as it is: {said}")


def _installs(cell: str) -> Iterator[Finding]:
    foreign = is_foreign(cell)
    for number, line in enumerate(cell.splitlines(), 1):
        if (foreign or line.lstrip().startswith(("!", "%"))) and _INSTALLS.search(line):
            yield from _packages(line, number)


def _requirements(text: str) -> Iterator[Finding]:
    for number, line in enumerate(text.splitlines(), 1):
        yield from _packages(line.partition("#")[0], number)


def _packages(line: str, number: int) -> Iterator[Finding]:
    for found in _PACKAGE.finditer(line):
        old = found[0].strip()
        yield Finding(number, found.start() + 1, "by hand", old, "agentnb-toolkit", _INSTALL_INSTEAD)


def _write(path: Path, old: bytes, new: bytes) -> Path:
    place = path.resolve()  # a link stays one
    number = 0
    while True:
        backup = place.with_name(f"{place.name}.bak.{number}" if number else f"{place.name}.bak")
        try:
            with backup.open("xb") as file:
                file.write(old)
            break
        except FileExistsError:
            number += 1
    shutil.copymode(place, backup)
    handle, name = tempfile.mkstemp(dir=place.parent, prefix=f".{place.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(new)
        shutil.copymode(place, name)
        os.replace(name, place)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise
    return backup


def main(paths: Sequence[Path], *, write: bool = False, as_json: bool = False) -> int:
    """Print what becomes of files and folders.

    Returns:
        The exit code: 0 if all maps, 1 if something needs a hand, 2 if a path does not exist.
    """
    try:
        files = sources(paths)
    except UserError as error:
        print(f"{type(error).__name__}: {error}", file=sys.stderr)
        return 2
    done = [_tried(path, write=write) for path in files]
    print(_as_json(done) if as_json else _as_text(done, write=write))
    return 1 if any(each.needs_a_hand for each in done) else 0


def _tried(path: Path, *, write: bool) -> Migrated:
    try:
        return migrate(path, write=write)
    except OSError as error:
        return Migrated(path, [_unreadable(error)], b"", changed=False)


def _as_json(done: Sequence[Migrated]) -> str:
    files = [
        {
            "path": str(each.path),
            "changed": each.changed,
            "backup": str(each.backup) if each.backup else None,
            "findings": [finding._asdict() for finding in each.findings],
        }
        for each in done
    ]
    return json.dumps({"files": files, "needs_a_hand": sum(each.needs_a_hand for each in done)}, indent=2)


def _as_text(done: Sequence[Migrated], *, write: bool) -> str:
    lines: list[str] = []
    for each in done:
        if each.findings:
            lines += [_line(each.path, finding) for finding in each.findings]
            lines.append(f"{each.path}: rewritten, the old file is {each.backup.name}" if each.backup else "")
    counts = Counter(finding.kind for each in done for finding in each.findings)
    hands = counts["missing"] + counts["by hand"]
    told = [
        f"{len(done)} {'file' if len(done) == 1 else 'files'}",
        f"{counts['maps'] + counts['renamed']} names have a place here",
        f"{hands} {'needs' if hands == 1 else 'need'} a hand",
        f"{counts['differs']} behave differently",
    ]
    lines.append(f"{', '.join(told)}.")
    if not write and any(each.changed for each in done):
        lines.append("Nothing was written. With --write the files are rewritten, each with a backup beside it.")
    return "\n".join(lines)


def _line(path: Path, finding: Finding) -> str:
    cell = f"cell {finding.cell}:" if finding.cell else ""
    where = f"{path}:{cell}{finding.line}:{finding.column}:"
    arrow = f" -> {finding.new}" if finding.new else ""
    text = f" ({finding.text})" if finding.text and finding.old else finding.text
    mark = {"maps": "", "renamed": "", "note": "note: ", "differs": "differs: "}.get(finding.kind, "BY HAND: ")
    return f"{where} {mark}{finding.old}{arrow}{text}"
