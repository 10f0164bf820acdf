"""Runs the code that models write: on a Jupyter kernel of its own, so that variables, tables and figures live on."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from agentnb.code_executors.base import CodeBlock, CodeExecutor, CodeResult
from agentnb.code_executors.requirements import (
    Alias,
    FunctionWithRequirements,
    FunctionWithRequirementsStr,
    Import,
    ImportFromModule,
    with_requirements,
)

if TYPE_CHECKING:
    from agentnb.code_executors.jupyter import JupyterCodeExecutor, JupyterCodeResult
    from agentnb.code_executors.kernel import Kernel

_HOMES = {
    "JupyterCodeExecutor": "agentnb.code_executors.jupyter",
    "JupyterCodeResult": "agentnb.code_executors.jupyter",
    "Kernel": "agentnb.code_executors.kernel",
}

__all__ = [
    "Alias",
    "CodeBlock",
    "CodeExecutor",
    "CodeResult",
    "FunctionWithRequirements",
    "FunctionWithRequirementsStr",
    "Import",
    "ImportFromModule",
    "JupyterCodeExecutor",
    "JupyterCodeResult",
    "Kernel",
    "with_requirements",
]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = globals()[name] = getattr(importlib.import_module(_HOMES[name]), name)
    return value
