"""Ready-made teams."""

from __future__ import annotations

from agentnb.recipes.analysts import analysts
from agentnb.recipes.base import Recipe

__all__ = ["Recipe", "analysts"]
