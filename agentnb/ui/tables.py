"""The text of an HTML table, for readers of plain text."""

from __future__ import annotations

from html.parser import HTMLParser

_ROWS = {"tr", "p", "div", "li", "br", "h1", "h2", "h3", "h4", "h5", "h6", "pre", "table", "caption"}


class _Reader(HTMLParser):
    """Collects lines of cells."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.lines: list[list[str]] = [[]]

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in _ROWS and self.lines[-1]:
            self.lines.append([])
        if tag in ("td", "th"):
            self.lines[-1].append("")

    def handle_endtag(self, tag: str) -> None:
        if tag in _ROWS and self.lines[-1]:
            self.lines.append([])

    def handle_data(self, data: str) -> None:
        text = " ".join(data.split())
        if not text:
            return
        if self.lines[-1]:
            self.lines[-1][-1] = f"{self.lines[-1][-1]} {text}".strip()
        else:
            self.lines[-1].append(text)


def html_text(markup: str) -> str:
    """Return the text of clean HTML: one line per row, the cells of a table in columns."""
    reader = _Reader()
    reader.feed(markup)
    reader.close()
    lines = [line for line in reader.lines if any(line)]
    widths: dict[int, int] = {}
    for line in lines:
        if len(line) > 1:
            for place, cell in enumerate(line):
                widths[place] = max(widths.get(place, 0), len(cell))
    return "\n".join(
        "  ".join(
            cell.rjust(widths.get(place, 0)) if len(line) > 1 else cell for place, cell in enumerate(line)
        ).rstrip()
        for line in lines
    )
