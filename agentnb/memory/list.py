"""A memory that is a list."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

from pydantic import BaseModel, Field, field_serializer

from agentnb.core import CancellationToken
from agentnb.exceptions import UserError
from agentnb.memory.base import Memory, MemoryQueryResult, UpdateContextResult
from agentnb.memory.block import MemoryBlock
from agentnb.messages import MemoryContent
from agentnb.model_context import ChatCompletionContext
from agentnb.runlog import Event, MemoryStarted, current
from agentnb.runlog.recorded import content_data, unrecorded

_HEADING = "What you remember, oldest first:"


class ListMemoryConfig(BaseModel, defer_build=True):
    """A list memory as it is written: with what it holds now."""

    name: str | None = None
    memory_contents: list[MemoryContent] = Field(default_factory=list)

    @field_serializer("memory_contents")
    def _json_ready(self, contents: list[MemoryContent]) -> list[Any]:
        return [content.model_dump(mode="json", exclude_none=True) for content in contents]


class ListMemory(Memory):
    """Remembers everything in the order it was added, and shows it all.

    ```python
    memory = ListMemory()
    await memory.add(MemoryContent(content="Metric units, please.", mime_type=MemoryMimeType.TEXT))
    ```

    A run that is restored tells it again what it learnt there and does not know yet.

    Args:
        name: What it is called; default: "default_list_memory".
        memory_contents: What it begins with.
    """

    component_config_schema = ListMemoryConfig

    def __init__(self, name: str | None = None, memory_contents: list[MemoryContent] | None = None) -> None:
        self._name = name or "default_list_memory"
        self._contents = list(memory_contents or ())
        self._block = MemoryBlock()
        self._learnt: set[str] = set()
        """The facts of what it has been told in runs."""

    @property
    def name(self) -> str:
        return self._name

    @property
    def content(self) -> list[MemoryContent]:
        """All it remembers, oldest first; may be set."""
        return self._contents

    @content.setter
    def content(self, value: list[MemoryContent]) -> None:
        self._contents = list(value)

    async def update_context(self, model_context: ChatCompletionContext) -> UpdateContextResult:
        """Show everything in one system message: a heading and a numbered list; nothing if nothing is remembered.

        Called again for the same context, the message is brought up to date, or taken away once all is forgotten.
        """
        lines = [f"{number}. {content.to_text()}" for number, content in enumerate(self._contents, start=1)]
        await self._block.show(model_context, "\n".join([_HEADING, *lines]) if lines else None)
        return UpdateContextResult(memories=MemoryQueryResult(results=list(self._contents)))

    async def query(
        self, query: str | MemoryContent = "", cancellation_token: CancellationToken | None = None, **kwargs: Any
    ) -> MemoryQueryResult:
        """Return everything, oldest first, whatever is asked."""
        return MemoryQueryResult(results=list(self._contents))

    async def add(self, content: MemoryContent, cancellation_token: CancellationToken | None = None) -> None:
        if not isinstance(content, MemoryContent):
            raise UserError(
                f"A memory keeps MemoryContent, not {content!r:.80}; "
                "write MemoryContent(content=..., mime_type=MemoryMimeType.TEXT)."
            )
        self._contents.append(content)
        self._note_fact()

    async def clear(self) -> None:
        self._contents = []
        self._note_fact()

    def _note_fact(self) -> None:
        here = current()
        if here is not None and here.parent is not None:
            self._learnt.add(here.parent)

    async def relearn(self, facts: Sequence[Event]) -> None:
        # What it began with may have been learnt there, as where it was written down since.
        held = list(self._contents)
        with unrecorded(self):
            for fact in facts:
                body: Any = fact.body
                known = fact.id in self._learnt
                self._learnt.add(fact.id)
                if body.action == "clear" and not known:
                    await self.clear()
                    held = []
                elif body.action == "add" and (place := _place(held, body)) is not None:
                    del held[place]
                elif body.action == "add" and not known:
                    await self.add(body.learnt)

    async def close(self) -> None:
        """Release nothing: it is all in memory."""

    def _to_config(self) -> ListMemoryConfig:
        return ListMemoryConfig(name=self._name, memory_contents=self._contents)

    @classmethod
    def _from_config(cls, config: ListMemoryConfig) -> Self:
        return cls(name=config.name, memory_contents=config.memory_contents)


def _place(held: Sequence[MemoryContent], fact: MemoryStarted) -> int | None:
    """Return where the content of a fact stands; None where it does not."""
    alike = [place for place, content in enumerate(held) if content.to_text() == fact.text]
    same = [place for place in alike if content_data(held[place]) == fact.content]
    # Older logs hold nothing but the text.
    return next(iter(same or (alike if fact.content is None else ())), None)
