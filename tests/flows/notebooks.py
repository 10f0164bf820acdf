"""Notebooks as machines execute them, and what their cells show."""

from __future__ import annotations

import shutil
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient

NOTEBOOKS = Path(__file__).parent.parent.parent / "notebooks"

Cells = dict[str, Any]
"""The outputs of the code cells, by cell."""


def execute(name: str, folder: Path) -> Cells:
    """Execute a notebook from beginning to end in a kernel of its own; an error in a cell is raised."""
    shutil.copytree(NOTEBOOKS, folder, ignore=shutil.ignore_patterns(".agentnb", ".ipynb_checkpoints"))
    notebook = nbformat.read(folder / name, as_version=4)
    done = NotebookClient(notebook, timeout=60, resources={"metadata": {"path": str(folder)}}).execute()
    nbformat.validate(done)
    return {cell.id: cell.outputs for cell in done.cells if cell.cell_type == "code"}


def saved_outputs(name: str) -> list[str]:
    """Return the cells that are saved with what they showed, or with a count."""
    saved = nbformat.read(NOTEBOOKS / name, as_version=4)
    return [cell.id for cell in saved.cells if cell.get("outputs") or cell.get("execution_count")]


def loud(cells: Cells) -> set[str]:
    """Return the cells that said something on standard error."""
    return {name for name, outputs in cells.items() for output in outputs if output.get("name") == "stderr"}


def text(outputs: Any) -> str:
    """Return what a cell shows to who reads text."""
    return "".join(
        output["text"] if output["output_type"] == "stream" else output["data"].get("text/plain", "")
        for output in outputs
    )


def pictures(outputs: Any) -> list[str]:
    """Return the drawings of a cell."""
    return [output["data"]["image/svg+xml"] for output in outputs if "image/svg+xml" in output.get("data", {})]


def html(outputs: Any) -> str:
    """Return what a cell shows to a page."""
    return "".join(output["data"].get("text/html", "") for output in outputs if "data" in output)


def needs_no_trust(outputs: Any) -> bool:
    """Tell whether a cell's drawing is also there as an image, which a notebook that is not trusted shows."""
    return "data:image/svg+xml;base64," in html(outputs)


def table(outputs: Any) -> list[dict[str, str]]:
    """Return the rows of a cell's table of texts."""
    (html,) = (
        output["data"]["text/html"] for output in outputs if "<table" in output.get("data", {}).get("text/html", "")
    )
    found = ET.fromstring(html[html.index("<table") : html.index("</table>") + len("</table>")])
    head = [cell.text or "" for cell in found.findall("./thead/tr[1]/th")]
    rows = [[cell.text or "" for cell in row] for row in found.findall("./tbody/tr")]
    return [dict(zip(head, row, strict=True)) for row in rows]


def column(cells: Cells, cell: str, name: str) -> list[str]:
    """Return one column of a cell's table."""
    return [row[name] for row in table(cells[cell])]
