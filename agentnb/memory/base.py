"""What a memory is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any, ClassVar

from pydantic import BaseModel

from agentnb.core import CancellationToken, Component
from agentnb.messages import MemoryContent
from agentnb.model_context import ChatCompletionContext
from agentnb.runlog import Event
from agentnb.runlog.recorded import memory_use, wrap


class MemoryQueryResult(BaseModel, defer_build=True):
    """What a memory found."""

    results: list[MemoryContent]


class UpdateContextResult(BaseModel, defer_build=True):
    """What a memory put into a context."""

    memories: MemoryQueryResult


class Memory(Component, ABC):
    """Keeps contents and puts those that matter into a model's context.

    What subclasses write is recorded in the run's log without their doing.
    """

    component_type: ClassVar[str] = "memory"

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        wrap(cls, **dict.fromkeys(("update_context", "query", "add", "clear"), memory_use))

    @abstractmethod
    async def update_context(self, model_context: ChatCompletionContext) -> UpdateContextResult:
        """Add to a context what its model should know now, and return it; once, however often it is called."""

    @abstractmethod
    async def query(
        self, query: str | MemoryContent, cancellation_token: CancellationToken | None = None, **kwargs: Any
    ) -> MemoryQueryResult:
        """Find contents; further arguments are the store's own."""

    @abstractmethod
    async def add(self, content: MemoryContent, cancellation_token: CancellationToken | None = None) -> None:
        """Keep a content."""

    @abstractmethod
    async def clear(self) -> None:
        """Forget everything."""

    async def relearn(self, facts: Sequence[Event]) -> None:
        """Take up what was learnt in runs that are restored; by default nothing, for what is kept elsewhere is there.

        A memory whose contents end with their process writes this.

        Args:
            facts: The `memory.started` facts of its additions and clearings that did not fail, first to last; also
                of those it has made itself, where it is the same object still. The body of an addition gives what
                is to be remembered as `learnt`.
        """

    @abstractmethod
    async def close(self) -> None:
        """Release what the memory holds on to."""
