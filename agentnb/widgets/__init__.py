"""Live views of a run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from agentnb.widgets.transcript import TranscriptWidget

__all__ = ["TranscriptWidget"]


def __getattr__(name: str) -> Any:
    # anywidget brings ipywidgets, which a run without a page does not need.
    if name == "TranscriptWidget":
        from agentnb.widgets.transcript import TranscriptWidget

        return TranscriptWidget
    raise AttributeError(f"module 'agentnb.widgets' has no attribute {name!r}")
