"""What of a run is shown to others: told as a story, scanned for secrets, freed of names."""

from __future__ import annotations

from agentnb.transcripts.export.base import KINDS, Names, Secrets
from agentnb.transcripts.export.cells import Code, Failures, Opening, Talk, cells, without_blocks
from agentnb.transcripts.export.entries import (
    Aside,
    Asked,
    Chosen,
    CodeRun,
    Entry,
    Episode,
    Fault,
    Part,
    Remark,
    Speech,
    Story,
    ToolUse,
    Verdict,
)
from agentnb.transcripts.export.names import people, rename
from agentnb.transcripts.export.scan import MASKED, Finding, SecretScanner, refuse, scan
from agentnb.transcripts.export.story import tell

__all__ = [
    "KINDS",
    "MASKED",
    "Aside",
    "Asked",
    "Chosen",
    "Code",
    "CodeRun",
    "Entry",
    "Episode",
    "Failures",
    "Fault",
    "Finding",
    "Names",
    "Opening",
    "Part",
    "Remark",
    "SecretScanner",
    "Secrets",
    "Speech",
    "Story",
    "Talk",
    "ToolUse",
    "Verdict",
    "cells",
    "people",
    "refuse",
    "rename",
    "scan",
    "tell",
    "without_blocks",
]
