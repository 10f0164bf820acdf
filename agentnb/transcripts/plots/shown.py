"""Axes that a cell shows when they are its last value, without pyplot; imported only when something is drawn."""

from __future__ import annotations

import base64
import io
from typing import Any

from matplotlib.axes import Axes

SHARP = 2
"""Pixels of the picture per pixel on the screen."""


class ShownAxes(Axes):
    """Axes with a figure of their own; a notebook shows the figure, a terminal what it is about.

    Attributes:
        about: The figure in words, for those who do not see it.
    """

    name = "agentnb"
    about = ""

    def _repr_mimebundle_(self, include: Any = None, exclude: Any = None) -> tuple[dict[str, Any], dict[str, Any]]:
        figure: Any = self.figure
        buffer = io.BytesIO()
        figure.savefig(buffer, format="png", dpi=figure.dpi * SHARP, bbox_inches="tight", pad_inches=0.04)
        data = buffer.getvalue()
        # Width and height stand at a fixed place in the head of a PNG file.
        width, height = (int.from_bytes(data[start : start + 4], "big") // SHARP for start in (16, 20))
        bundle = {"image/png": base64.b64encode(data).decode("ascii"), "text/plain": self.about or repr(self)}
        return bundle, {"image/png": {"width": width, "height": height}}
