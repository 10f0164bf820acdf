"""A set of tools that share what they need."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Iterable, Mapping
from types import TracebackType
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BaseModel, Field

from agentnb.base import TaskRunner
from agentnb.core import CancellationToken, Component, Text
from agentnb.messages import Image
from agentnb.models.base import ToolSchema
from agentnb.runlog import ToolFinished
from agentnb.runlog.calls import tool_call, tool_stream
from agentnb.runlog.recorded import wrap


class TextResultContent(BaseModel, defer_build=True):
    """Text of a result."""

    content: Text
    type: Literal["TextResultContent"] = "TextResultContent"


class ImageResultContent(BaseModel, defer_build=True):
    """A picture of a result."""

    content: Image
    type: Literal["ImageResultContent"] = "ImageResultContent"


ResultContent = Annotated[TextResultContent | ImageResultContent, Field(discriminator="type")]


class ToolResult(BaseModel, defer_build=True):
    """What a call gave."""

    name: str
    result: list[ResultContent]
    is_error: bool = False
    type: Literal["ToolResult"] = "ToolResult"

    def to_text(self, replace_image: str | None = None) -> str:
        """Return the parts joined by newlines; pictures as base64 unless `replace_image` stands for them."""
        parts = self.result
        if len(parts) == 1 and type(parts[0]) is TextResultContent:
            return parts[0].content
        return "\n".join(
            part.content
            if isinstance(part, TextResultContent)
            else (replace_image or f"[Image: {part.content.to_base64()}]")
            for part in parts
        )


class Workbench(Component, ABC):
    """Tools with something in common: a connection, a state.

    Subclasses write `list_tools` and `call_tool`; calls are recorded in the run's log without their doing.
    """

    component_type: ClassVar[str] = "workbench"

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        wrap(cls, call_tool=tool_call, call_tool_stream=tool_stream)

    @abstractmethod
    async def list_tools(self) -> list[ToolSchema]:
        """Return the tools there are now."""

    def _lists_the_same(self) -> bool:
        """Tell whether `list_tools` gives the same each time, so that it need not be asked again."""
        return False

    @abstractmethod
    async def call_tool(
        self,
        name: str,
        arguments: Mapping[str, Any] | None = None,
        cancellation_token: CancellationToken | None = None,
        call_id: str | None = None,
    ) -> ToolResult:
        """Call a tool; what goes wrong in it is a result with `is_error`."""

    def is_idempotent(self, name: str) -> bool:
        """Tell whether a call that was interrupted may simply be made again; by default it may not."""
        return False

    def _inside(self) -> Iterable[TaskRunner]:
        """Return the agents and teams that its tools call."""
        return ()

    def _given_again(self, finished: ToolFinished) -> ToolResult:
        """Return the result of a call that was made before its run was broken off."""
        parts = finished.parts or [{"type": "TextResultContent", "content": finished.result}]
        return ToolResult(name=finished.tool, result=list(parts), is_error=finished.is_error)

    @abstractmethod
    async def start(self) -> None:
        """Make ready."""

    @abstractmethod
    async def stop(self) -> None:
        """Release everything."""

    @abstractmethod
    async def reset(self) -> None:
        """Go back to the state at the start."""

    async def save_state(self) -> Mapping[str, Any]:
        """Return what is needed to go on elsewhere, JSON-ready; by default there is nothing."""
        return {}

    async def load_state(self, state: Mapping[str, Any]) -> None:
        """Go on from a saved state; by default there is nothing to do."""

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        await self.stop()


class StreamWorkbench(Workbench, ABC):
    """A workbench that shows what its tools do on the way."""

    @abstractmethod
    def call_tool_stream(
        self,
        name: str,
        arguments: Mapping[str, Any] | None = None,
        cancellation_token: CancellationToken | None = None,
        call_id: str | None = None,
    ) -> AsyncGenerator[Any | ToolResult, None]:
        """Call a tool; yield what it shows, then the `ToolResult`, which has `is_error` where something went wrong."""
