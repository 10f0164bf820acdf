"""Asking before code runs: yes, no with a reason, or other code in its place."""

from __future__ import annotations

import inspect
import re
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from pydantic import BaseModel

from agentnb.agents import person
from agentnb.agents.fences import code_blocks, fenced, has_fence
from agentnb.core import CancellationToken
from agentnb.core.cancellation import unless_cancelled
from agentnb.core.text import code_in_order, numbered
from agentnb.exceptions import UserError
from agentnb.messages import CodeBlock, LLMMessage

# These erase what a terminal or a page shows.
_ERASING = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")

EDITED = "edited"
"""The key of a `CodeGenerationEvent`'s metadata that says that its code was put in place of what was proposed."""


class ApprovalRequest(BaseModel, defer_build=True):
    """Code that waits for a yes."""

    code: str
    """The blocks, each in its fence."""
    context: list[LLMMessage]


class ApprovalResponse(BaseModel, defer_build=True):
    """Whether the code may run, and why.

    ```python
    ApprovalResponse(approved=True, reason="fewer rows", code="print(frame.head(5))")
    ```
    """

    approved: bool
    reason: str
    code: str | None = None
    """Runs in place of all that was proposed, if approved: one block as plain code, in the language of the first block
    proposed, or any number of blocks in fences."""


ApprovalFuncType = Callable[[ApprovalRequest], ApprovalResponse | Awaitable[ApprovalResponse]]


def approve_all(request: ApprovalRequest) -> ApprovalResponse:
    """Approve any code: say so on purpose, instead of leaving `approval_func` out."""
    return ApprovalResponse(approved=True, reason="everything is approved")


async def ask_person(request: ApprovalRequest) -> ApprovalResponse:
    """Ask whoever watches the run, in its cell or widget, or in the terminal: yes, no, or edit.

    ```python
    CodeExecutorAgent("kernel", JupyterCodeExecutor(), approval_func=ask_person)
    ```

    A no is followed by the question why, and an edit by the question for the code. Characters that would hide part of
    the code, or show it in another order, are shown by their numbers.

    Raises:
        HumanUnavailable: If nobody is there; nothing runs.
    """
    answer = await _ask(f"Run this code?\n\n{_visible(request.code)}\n\n", ("yes", "no", "edit"))
    if answer.text == "yes":
        return ApprovalResponse(approved=True, reason="a person agreed")
    if answer.text == "no":
        why = (await _ask("Why not? Who wrote the code is told. ")).text.strip()
        return ApprovalResponse(approved=False, reason=why or "a person said no")
    code = await _edited(_visible(request.code))
    return ApprovalResponse(approved=True, reason="a person changed the code", code=code)


def _visible(code: str) -> str:
    return _ERASING.sub(numbered, code_in_order(code))


async def _ask(prompt: str, choices: tuple[str, ...] = (), suggestion: str = "") -> person.Answer:
    way_out = "Nothing has run. Run it in a notebook or a terminal, or pass another approval_func, such as approve_all."
    who = "An agent that runs code"
    return await person.ask(prompt, who=who, way_out=way_out, choices=choices, suggestion=suggestion)


async def _edited(proposed: str) -> str:
    """Ask for code until there is some, beginning with what was proposed; where only lines come, line by line."""
    prompt = "The code to run in its place: "
    while True:
        answer = await _ask(prompt, suggestion=proposed)
        lines = [answer.text]
        while answer.is_line and lines[-1].strip() != ".":
            answer = await _ask("… (a '.' alone ends it) ")
            lines.append(answer.text)
        code = "\n".join(lines[:-1] if lines[-1].strip() == "." else lines)
        if code.strip():
            return code


async def decide(
    function: ApprovalFuncType,
    blocks: Sequence[CodeBlock],
    context: list[LLMMessage],
    cancellation_token: CancellationToken,
) -> ApprovalResponse:
    """Ask an approval function; a plain one is called in a thread, so that it may wait.

    Raises:
        UserError: If it answers with something else than an `ApprovalResponse`.
    """
    if function is approve_all:
        return ApprovalResponse(approved=True, reason="everything is approved")
    asking = _call(function, ApprovalRequest(code=fenced(blocks), context=context))
    answer = await unless_cancelled(asking, cancellation_token)
    if not isinstance(answer, ApprovalResponse):
        raise UserError(
            f"The approval_func {function!r} answered {answer!r:.80}, and nothing has run. "
            "It must return ApprovalResponse(approved=…, reason=…)."
        )
    return answer


async def _call(function: Callable[..., Any], request: ApprovalRequest) -> Any:
    is_async = inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(type(function).__call__)
    answer = function(request) if is_async else await person.in_thread(function, request)
    return await answer if inspect.isawaitable(answer) else answer


def replacement(code: str, proposed: Sequence[CodeBlock], languages: Sequence[str]) -> list[CodeBlock]:
    """Return the blocks of an `ApprovalResponse.code`.

    Raises:
        UserError: If there is no code in it, or only in languages that do not run here.
    """
    blocks = code_blocks(code, languages) if has_fence(code) else [CodeBlock(code=code, language=proposed[0].language)]
    if not any(block.code.strip() for block in blocks):
        raise UserError(
            f"The code to run in place of what was proposed is {code!r:.80}; nothing has run. Give plain code, or "
            f"blocks in fences of {' or '.join(languages)}; to run nothing, say approved=False."
        )
    return blocks
