"""What agents remember beyond a conversation."""

from __future__ import annotations

from agentnb.memory.base import Memory, MemoryQueryResult, UpdateContextResult
from agentnb.memory.block import MemoryBlock
from agentnb.memory.list import ListMemory
from agentnb.messages import MemoryContent, MemoryMimeType

__all__ = [
    "ListMemory",
    "Memory",
    "MemoryBlock",
    "MemoryContent",
    "MemoryMimeType",
    "MemoryQueryResult",
    "UpdateContextResult",
]
