"""What becomes of code that somebody wrote: it is approved or not, runs, and its outcome is put into words."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import NamedTuple

from agentnb.agents.approval import EDITED, ApprovalFuncType, decide, replacement
from agentnb.agents.fences import fenced, quoted
from agentnb.code_executors.base import CodeExecutor
from agentnb.core import CancellationToken
from agentnb.exceptions import ActRefused, KernelDied
from agentnb.messages import CodeBlock, CodeGenerationEvent, CodeResult, LLMMessage


class Verdict(NamedTuple):
    """What was decided about code: the blocks that may run, or why none may."""

    blocks: list[CodeBlock]
    reason: str
    edited: bool = False


class CodeRunner:
    """Has code approved and run, for one agent.

    Attributes:
        languages: Languages that run here.
        executor: What runs the code.
    """

    def __init__(
        self, agent: str, executor: CodeExecutor, approval: ApprovalFuncType, languages: Sequence[str]
    ) -> None:
        self.agent = agent
        self.executor = executor
        self.languages = languages
        self._approval = approval

    async def judge(
        self, blocks: list[CodeBlock], context: list[LLMMessage], cancellation_token: CancellationToken
    ) -> Verdict:
        """Have code approved.

        Raises:
            UserError: If the approval function's answer cannot be understood.
        """
        response = await decide(self._approval, blocks, context, cancellation_token)
        if not response.approved:
            return Verdict([], response.reason)
        if response.code is None:
            return Verdict(blocks, response.reason)
        return Verdict(replacement(response.code, blocks, self.languages), response.reason, edited=True)

    async def run(self, verdict: Verdict, cancellation_token: CancellationToken) -> CodeResult:
        """Run what may run; the result's output is what its reader is told, never empty."""
        if not verdict.blocks:
            return CodeResult(exit_code=1, output=f"The code was not approved and did not run: {verdict.reason}")
        try:
            result = await self.executor.execute_code_blocks(verdict.blocks, cancellation_token)
        except ActRefused as refused:
            return CodeResult(exit_code=1, output=f"The code did not run: {refused}")
        except (TimeoutError, KernelDied) as error:
            # What the code did to its kernel is an answer to who wrote it; what it had shown helps another try.
            exit_code = 124 if isinstance(error, TimeoutError) else 137
            shown = getattr(error, "output", "")
            text = str(error) or "The code took too long and was stopped."
            result = CodeResult(exit_code=exit_code, output=f"{shown}\n{text}" if shown else text)
        return dataclasses.replace(result, output=_in_words(result))

    def edit_event(self, verdict: Verdict, attempt: int) -> CodeGenerationEvent:
        """Return the event that shows code that was put in place of what was proposed."""
        return CodeGenerationEvent(
            retry_attempt=attempt,
            content=fenced(verdict.blocks),
            code_blocks=verdict.blocks,
            source=self.agent,
            metadata={EDITED: verdict.reason or "yes"},
        )


def told(verdict: Verdict, result: CodeResult) -> str:
    """Return what the one who wrote the code is told."""
    if not verdict.edited:
        return result.output
    why = f" ({verdict.reason})" if verdict.reason else ""
    return f"The code was changed before it ran{why}, to:\n{quoted(fenced(verdict.blocks))}\n{result.output}"


def _in_words(result: CodeResult) -> str:
    if result.exit_code != 0:
        return f"The code failed with exit code {result.exit_code}. Its output:\n{result.output}"
    if not result.output.strip():
        return "The code ran to its end with exit code 0 and printed nothing."
    return result.output
