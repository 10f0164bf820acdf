"""Giving the word to somebody else."""

from __future__ import annotations

from typing import Any, Self

from pydantic import BaseModel, Field, model_validator

from agentnb.core.plugins import load


class Handoff(BaseModel, defer_build=True):
    """A way to hand a conversation over, offered to a model as a tool without parameters.

    ```python
    handoff = Handoff(target="refunds", message="Over to refunds.")
    handoff.handoff_tool.name        # "transfer_to_refunds"
    ```

    Raises:
        ValueError: If `name` is given and is no Python identifier.
    """

    target: str
    """The name of who gets the word."""
    description: str = Field(default="")
    """What the model reads; default: a sentence that names the target."""
    name: str = Field(default="")
    """The tool's name; default: `transfer_to_<target>` in lower case."""
    message: str = Field(default="")
    """What is said; default: a sentence that names the target."""

    @model_validator(mode="after")
    def _fill(self) -> Self:
        if self.name and not self.name.isidentifier():
            raise ValueError(
                f"The handoff name {self.name!r} is no Python identifier: letters, digits and '_' only, no digit first."
            )
        self.description = self.description or f"Hand over to {self.target}."
        self.name = self.name or f"transfer_to_{self.target}".lower()
        self.message = self.message or f"Handed over to {self.target}, who goes on from here."
        return self

    @property
    def handoff_tool(self) -> Any:
        """The tool a model calls to hand over: a strict `FunctionTool` that returns `message`."""

        def hand_over() -> str:
            return self.message

        # By name: tools act, and contracts lie below them.
        tool: Any = load("tool", "function")
        return tool(hand_over, name=self.name, description=self.description, strict=True, idempotent=True)
