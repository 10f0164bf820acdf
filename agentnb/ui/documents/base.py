"""A run as a file for others: which kind, made ready how, written whole or not at all."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any, Literal

from agentnb.exceptions import UserError
from agentnb.runlog import log_of
from agentnb.runlog.given import Given, path_of
from agentnb.transcripts.export import Failures, Names, Secrets, SecretScanner, Story, refuse, rename, tell
from agentnb.transcripts.export.base import exported
from agentnb.transcripts.summary import is_written

Images = Literal["inline", "files", "none"]


SUFFIXES = {
    ".html": "html",
    ".htm": "html",
    ".md": "markdown",
    ".markdown": "markdown",
    ".ipynb": "notebook",
    ".py": "script",
}
"""What a file's suffix makes of a run."""


def export(
    run: Given,
    path: str | os.PathLike[str],
    *,
    secrets: Secrets = "refuse",
    names: Names | None = None,
    images: Images | None = None,
    failures: Failures | None = None,
) -> Path:
    """Write a run as a file for others; the file's suffix says of which kind.

    ```python
    from agentnb import RunLog
    from agentnb.ui import export

    log = RunLog()
    log.note("Nothing was said.")
    export(log, "run.html")
    ```

    `.html` is one page that needs nothing else, `.md` Markdown, `.ipynb` a notebook that runs the code which ran here
    without an error, with its outputs and the talk between, `.py` the same as a script with `# %%` cells. A file that
    is there already is replaced; where anything is wrong it stays as it is.

    Args:
        run: A run, its log, a result, the path of the log's file, or its id.
        path: The file.
        secrets: What to do with keys, tokens and passwords among what would be written: "refuse" to write and say
            where they are, "mask" them as ••••, or "keep" them.
        names: What stands for each name, as in `{"ana": "Speaker 1"}`, or "remove" for everybody who took part.
            E-mail addresses and the names of home folders go with them. Code is left as it ran, with a warning.
        images: Of Markdown: "files" writes figures beside it, into a folder of its name, "inline" into it, and "none"
            leaves them out with a note.
        failures: Of a notebook or a script: "none" leaves code that failed out, "text" keeps it as text.

    Returns:
        The file.

    Raises:
        UserError: If there are secrets and they are to be refused, if the suffix is none of those above, if an option
            is unknown or of another kind of file, or if the file cannot be written.
    """
    path = path_of(path, "The file to write")
    kind = SUFFIXES.get(path.suffix.lower())
    if kind is None:
        raise UserError(
            f"{path.name!r}: what kind of file is that to be? Name it with one of {', '.join(SUFFIXES)}; "
            "tables are written with `run.to_df()` and pandas."
        )
    if images is not None and kind != "markdown":
        raise UserError(f"images={images!r} is for Markdown; {path.name} always carries its figures in itself.")
    if failures is not None and kind not in ("notebook", "script"):
        raise UserError(f"failures={failures!r} is for .ipynb and .py; {path.name} always shows what failed.")
    _one_of("images", images or "files", ("inline", "files", "none"))
    _one_of("failures", failures or "none", ("none", "text"))
    story = prepared(run, path.name, secrets=secrets, names=names)
    match kind:
        case "html":
            from agentnb.ui.documents.html import html_document

            return written(path, html_document(story))
        case "notebook":
            from agentnb.ui.documents.notebook import notebook_document

            return written(path, notebook_document(story, failures=failures or "none"))
        case "script":
            from agentnb.ui.documents.script import script_document

            return written(path, script_document(story, failures=failures or "none"))
    from agentnb.ui.documents.markdown import markdown_document

    folder = path.with_name(f"{path.stem}_files")
    text, files = markdown_document(story, images=images or "files", folder=folder.name)
    if files:
        _folder(folder)
    for name, data in files.items():
        _write(folder / name, data)
    return written(path, text)


def prepared(run: Given, name: str, *, secrets: Secrets = "refuse", names: Names | None = None) -> Story:
    """Return a run's story, without secrets and names as asked for.

    Raises:
        UserError: If there are secrets and they are to be refused; `name` says what was to be written.
    """
    log = log_of(run, "export")
    _one_of("secrets", secrets, ("refuse", "mask", "keep"))
    events = exported(log)
    scanner = SecretScanner()
    notes = []
    if secrets != "keep":
        findings = scanner.find(events)
        if findings and secrets == "refuse":
            refuse(findings, name)
        if findings:
            events = scanner.clean(events)
            notes.append(f"{len(findings)} secret{'s' if len(findings) > 1 else ''} masked as ••••.")
    if names is not None:
        events = rename(events, names)
        notes.append("Names were replaced.")
    story = tell(events, log_id=log.id)
    if story.episodes and story.episodes[-1].outcome == "running" and log.path is not None and not is_written(log.path):
        story.episodes[-1].outcome = "cut short"
    story.notes += notes
    return story


def _one_of(name: str, value: Any, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise UserError(f"{name}={value!r} is unknown; it is one of {', '.join(map(repr, choices))}.")


def written(path: Path, text: str) -> Path:
    """Write a file whole, or leave what was there."""
    return _write(path, text.encode("utf-8", "replace"))


def _write(path: Path, data: bytes) -> Path:
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path.parent, prefix=f".{path.name}.", delete=False) as file:
            file.write(data)
        # A temporary file is its owner's alone; this one is for others.
        Path(file.name).chmod(0o644)
        Path(file.name).replace(path)
    except OSError as error:
        raise UserError(f"{path} cannot be written: {error.strerror or error}.") from error
    return path


def _folder(path: Path) -> None:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"The folder {path} for figures cannot be made: {error.strerror or error}.") from error
