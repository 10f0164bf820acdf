"""A run as a document for others: a page, Markdown, a notebook, a script."""

from __future__ import annotations

from agentnb.ui.documents.base import SUFFIXES, Images, export, prepared

__all__ = ["SUFFIXES", "Images", "export", "prepared"]
