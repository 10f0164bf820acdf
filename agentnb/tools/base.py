"""What a tool is."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Mapping
from functools import cached_property
from typing import Any, ClassVar, Generic, Protocol, TypeVar, runtime_checkable

from pydantic import BaseModel

from agentnb.core import CancellationToken, Component, parameters_schema
from agentnb.exceptions import UserError
from agentnb.models.base import ToolSchema

ArgsT = TypeVar("ArgsT", bound=BaseModel, contravariant=True)
ReturnT = TypeVar("ReturnT", covariant=True)


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

    async def run_json(
        self, args: Mapping[str, Any], cancellation_token: CancellationToken, call_id: str | None = None
    ) -> Any:
        """Check the arguments and run."""

    def return_value_as_string(self, value: Any) -> str:
        """Return a result as the model reads it."""


class BaseTool(Component, ABC, Generic[ArgsT, ReturnT]):
    """A tool with typed arguments; subclasses write `run`."""

    component_type: ClassVar[str] = "tool"

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

    @cached_property
    def schema(self) -> ToolSchema:
        parameters = parameters_schema(self._args_type)
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

    def args_type(self) -> type[BaseModel]:
        """Return the pydantic class of the arguments."""
        return self._args_type

    def return_type(self) -> type[Any]:
        """Return the class of the result."""
        return self._return_type

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
        """Check the arguments and run.

        Raises:
            pydantic.ValidationError: If the arguments do not fit.
        """
        return await self.run(self._args_type.model_validate(args), cancellation_token)
