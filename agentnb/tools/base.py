"""What a tool is."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Any, ClassVar, Generic, Protocol, TypeVar, cast, get_origin, runtime_checkable

from pydantic import BaseModel

from agentnb.core import CancellationToken, Component, parameters_schema
from agentnb.core.schema import ParametersSchema
from agentnb.exceptions import ToolError, UserError
from agentnb.models.base import ToolSchema
from agentnb.runlog.calls import tool_run, tool_run_stream
from agentnb.runlog.recorded import wrap

ArgsT = TypeVar("ArgsT", bound=BaseModel, contravariant=True)
ReturnT = TypeVar("ReturnT", covariant=True)
StreamT = TypeVar("StreamT", covariant=True)
StateT = TypeVar("StateT", bound=BaseModel)


@runtime_checkable
class Tool(Protocol):
    """Something a model may call."""

    @property
    def name(self) -> str:
        """The name the model calls it by."""

    @property
    def description(self) -> str:
        """What it does, as the model reads it."""

    @property
    def schema(self) -> ToolSchema:
        """Name, description and parameters, as the model reads them."""

    def args_type(self) -> type[BaseModel]:
        """Return the pydantic class of the arguments."""

    def return_type(self) -> type[Any]:
        """Return the class of the result."""

    def state_type(self) -> type[BaseModel] | None:
        """Return the pydantic class of the state; None for a tool without one."""

    def return_value_as_string(self, value: Any) -> str:
        """Return a result as the model reads it."""

    async def run_json(
        self, args: Mapping[str, Any], cancellation_token: CancellationToken, call_id: str | None = None
    ) -> Any:
        """Check the arguments and run."""

    async def save_state_json(self) -> Mapping[str, Any]:
        """Return the state, JSON-ready."""

    async def load_state_json(self, state: Mapping[str, Any]) -> None:
        """Go on from a saved state."""


@runtime_checkable
class StreamTool(Tool, Protocol):
    """A tool that shows something on the way to its result."""

    def run_json_stream(
        self, args: Mapping[str, Any], cancellation_token: CancellationToken, call_id: str | None = None
    ) -> AsyncGenerator[Any, None]:
        """Check the arguments and run; the last item is the result."""


class ToolOverride(BaseModel, defer_build=True):
    """Another name or description for a tool; what is None stays the tool's own."""

    name: str | None = None
    description: str | None = None


class BaseTool(Component, ABC, Generic[ArgsT, ReturnT]):
    """A tool with typed arguments; subclasses write `run`. Its calls are recorded without their doing.

    ```python
    class Weather(BaseTool[Place, str]):
        def __init__(self) -> None:
            super().__init__(Place, str, "weather", "Tell the weather of a place.")

        async def run(self, args: Place, cancellation_token: CancellationToken) -> str: ...
    ```
    """

    component_type: ClassVar[str] = "tool"

    idempotent: bool = False
    """Whether a call that was interrupted may simply be made again when its run is resumed."""

    _schema: ToolSchema | None = None

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        wrap(cls, run_json=tool_run, run_json_stream=tool_run_stream)

    def __init__(
        self,
        args_type: type[ArgsT],
        return_type: type[ReturnT],
        name: str,
        description: str,
        strict: bool = False,
    ) -> None:
        self._args_type = args_type
        self._return_type = return_type
        self._name = name
        self._description = description
        self._strict = strict

    @property
    def name(self) -> str:
        return self._name

    @property
    def description(self) -> str:
        return self._description

    @property
    def schema(self) -> ToolSchema:
        """Name, description and parameters, as the model reads them; built once.

        Raises:
            ValueError: If the tool is strict and an argument may be left out or added.
        """
        if self._schema is None:
            self._schema = self._made_schema()
        return self._schema

    def _made_schema(self) -> ToolSchema:
        parameters = self._parameters()
        optional = sorted(set(parameters["properties"]) - set(parameters["required"]))
        if self._strict and optional:
            raise UserError(
                f"The tool {self._name!r} is strict, but {', '.join(map(repr, optional))} may be left out. "
                "Give every parameter without a default, or strict=False."
            )
        if self._strict and parameters["additionalProperties"]:
            raise UserError(f"The tool {self._name!r} is strict, but takes additional properties.")
        return {
            "name": self._name,
            "description": self._description,
            "parameters": parameters,
            "strict": self._strict,
        }

    def _parameters(self) -> ParametersSchema:
        return parameters_schema(self._args_type)

    def args_type(self) -> type[BaseModel]:
        return self._args_type

    def return_type(self) -> type[Any]:
        return self._return_type

    def state_type(self) -> type[BaseModel] | None:
        return None

    def return_value_as_string(self, value: Any) -> str:
        """Return a result as the model reads it: JSON for pydantic models, else `str`."""
        if isinstance(value, BaseModel):
            data = value.model_dump(mode="json")
            return data if isinstance(data, str) else json.dumps(data)
        return str(value)

    @abstractmethod
    async def run(self, args: ArgsT, cancellation_token: CancellationToken) -> ReturnT:
        """Do the work."""

    async def run_json(
        self, args: Mapping[str, Any], cancellation_token: CancellationToken, call_id: str | None = None
    ) -> Any:
        """Check the arguments and run; the call is recorded.

        Raises:
            pydantic.ValidationError: If the arguments do not fit.
        """
        return await self.run(self._args_type.model_validate(args), cancellation_token)

    async def save_state_json(self) -> Mapping[str, Any]:
        """Return the state, JSON-ready; empty for a tool without one."""
        return {}

    async def load_state_json(self, state: Mapping[str, Any]) -> None:
        """Go on from a saved state; a tool without one has nothing to do."""


wrap(BaseTool, run_json=tool_run)


class BaseToolWithState(BaseTool[ArgsT, ReturnT], ABC, Generic[ArgsT, ReturnT, StateT]):
    """A tool that remembers; subclasses write `run`, `save_state` and `load_state`."""

    def __init__(
        self,
        args_type: type[ArgsT],
        return_type: type[ReturnT],
        state_type: type[StateT],
        name: str,
        description: str,
    ) -> None:
        super().__init__(args_type, return_type, name, description)
        self._state_type = state_type

    def state_type(self) -> type[BaseModel] | None:
        return self._state_type

    @abstractmethod
    def save_state(self) -> StateT:
        """Return the state."""

    @abstractmethod
    def load_state(self, state: StateT) -> None:
        """Go on from a saved state."""

    async def save_state_json(self) -> Mapping[str, Any]:
        return self.save_state().model_dump(mode="json")

    async def load_state_json(self, state: Mapping[str, Any]) -> None:
        """Go on from a saved state.

        Raises:
            pydantic.ValidationError: If it is no state of this tool.
        """
        self.load_state(self._state_type.model_validate(state))


class BaseStreamTool(BaseTool[ArgsT, ReturnT], ABC, Generic[ArgsT, StreamT, ReturnT]):
    """A tool that shows something on the way to its result; subclasses write `run_stream`."""

    @abstractmethod
    def run_stream(self, args: ArgsT, cancellation_token: CancellationToken) -> AsyncGenerator[StreamT | ReturnT, None]:
        """Do the work; yield what is worth showing, and last the result."""

    async def run(self, args: ArgsT, cancellation_token: CancellationToken) -> ReturnT:
        """Do the work and return the last item of the stream."""
        last: Any = _NOTHING
        async with aclosing(self.run_stream(args, cancellation_token)) as items:
            async for item in items:
                last = item
        return cast(ReturnT, self._result(last))

    async def run_json_stream(
        self, args: Mapping[str, Any], cancellation_token: CancellationToken, call_id: str | None = None
    ) -> AsyncGenerator[StreamT | ReturnT, None]:
        """Check the arguments and run; the last item is the result.

        Raises:
            pydantic.ValidationError: If the arguments do not fit.
            TypeError: If the last item is not of the return type.
            ToolError: If there was no item.
        """
        last: Any = _NOTHING
        async with aclosing(self.run_stream(self._args_type.model_validate(args), cancellation_token)) as items:
            async for last in items:
                yield last
        self._result(last)

    def is_result(self, item: Any) -> bool:
        """Whether an item may be the result, by its type."""
        wanted = get_origin(self._return_type) or self._return_type
        return not isinstance(wanted, type) or wanted is object or isinstance(item, wanted)

    def _result(self, last: Any) -> Any:
        if last is _NOTHING:
            raise ToolError(f"The tool {self._name!r} ended its stream without an item; the last one is the result.")
        if not self.is_result(last):
            raise TypeError(
                f"The tool {self._name!r} ended its stream with {last!r:.80}, a {type(last).__name__}; "
                f"its result must be a {getattr(self._return_type, '__name__', self._return_type)}."
            )
        return last


_NOTHING = object()
