"""A set of tools that share what they need."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import BaseModel, Field

from agentnb.core import CancellationToken, Component, Text
from agentnb.exceptions import ToolNotFound, UserError
from agentnb.messages import Image
from agentnb.models.base import ToolSchema
from agentnb.runlog.recorded import tool_call, wrap
from agentnb.tools.base import Tool


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
        return "\n".join(
            part.content
            if isinstance(part, TextResultContent)
            else (replace_image or f"[Image: {part.content.to_base64()}]")
            for part in self.result
        )


class Workbench(Component, ABC):
    """Tools with something in common: a connection, a state.

    Subclasses write `list_tools` and `call_tool`; calls are recorded in the run's log without their doing.
    """

    component_type: ClassVar[str] = "workbench"

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        wrap(cls, call_tool=tool_call)

    @abstractmethod
    async def list_tools(self) -> list[ToolSchema]:
        """Return the tools there are now."""

    @abstractmethod
    async def call_tool(
        self,
        name: str,
        arguments: Mapping[str, Any] | None = None,
        cancellation_token: CancellationToken | None = None,
        call_id: str | None = None,
    ) -> ToolResult:
        """Call a tool; what goes wrong in it is a result with `is_error`."""

    @abstractmethod
    async def start(self) -> None:
        """Make ready."""

    @abstractmethod
    async def stop(self) -> None:
        """Release everything."""

    @abstractmethod
    async def reset(self) -> None:
        """Go back to the state at the start."""

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        await self.stop()


def error_lines(error: BaseException) -> str:
    """Return an exception as the model reads it; the parts of a group each on a line."""
    if isinstance(error, BaseExceptionGroup):
        return "\n".join(error_lines(part) for part in error.exceptions)
    return f"{type(error).__name__}: {error}"


class StaticWorkbench(Workbench):
    """A fixed list of tools.

    Raises:
        ValueError: If two tools have one name.
    """

    def __init__(self, tools: Sequence[Tool]) -> None:
        self._tools = {tool.name: tool for tool in tools}
        if len(self._tools) != len(tools):
            names = [tool.name for tool in tools]
            twice = sorted({name for name in names if names.count(name) > 1})
            raise UserError(f"Two tools are named {', '.join(map(repr, twice))}; every tool needs a name of its own.")

    async def list_tools(self) -> list[ToolSchema]:
        return [tool.schema for tool in self._tools.values()]

    async def call_tool(
        self,
        name: str,
        arguments: Mapping[str, Any] | None = None,
        cancellation_token: CancellationToken | None = None,
        call_id: str | None = None,
    ) -> ToolResult:
        tool = self._tools.get(name)
        try:
            if tool is None:
                known = ", ".join(map(repr, self._tools)) or "none"
                raise ToolNotFound(f"No tool is named {name!r} (known: {known}).")
            value = await tool.run_json(arguments or {}, cancellation_token or CancellationToken(), call_id)
            text, is_error = tool.return_value_as_string(value), False
        except asyncio.CancelledError:
            raise
        except (Exception, SystemExit) as error:
            # SystemExit: functions written for the command line end with it; it is not the end of this program.
            text, is_error = error_lines(error), True
        return ToolResult(name=name, result=[TextResultContent(content=text)], is_error=is_error)

    async def start(self) -> None:
        """Nothing to make ready."""

    async def stop(self) -> None:
        """Nothing to release."""

    async def reset(self) -> None:
        """Nothing to undo: plain tools keep no state."""
