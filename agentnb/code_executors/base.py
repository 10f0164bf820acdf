"""What runs code."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, ClassVar, Self

from agentnb.core import CancellationToken, Component
from agentnb.messages import CodeBlock, CodeResult
from agentnb.runlog import CodeFinished
from agentnb.runlog.recorded import code_run, wrap

__all__ = ["CodeBlock", "CodeExecutor", "CodeResult"]


class CodeExecutor(Component, ABC):
    """Runs blocks of code and says what came out.

    Subclasses write `execute_code_blocks`; it is recorded in the run's log without their doing. A result may carry
    `outputs`, a sequence of mime bundles, beside its plain text.
    """

    component_type: ClassVar[str] = "code_executor"

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        wrap(cls, execute_code_blocks=code_run)

    @abstractmethod
    async def execute_code_blocks(
        self, code_blocks: Sequence[CodeBlock], cancellation_token: CancellationToken
    ) -> CodeResult:
        """Run blocks in order; the first that fails ends it.

        Raises:
            ValueError: If a block cannot be run as given.
            asyncio.TimeoutError: If it took longer than the executor allows.
            asyncio.CancelledError: If the token was cancelled.
        """

    def _given_again(self, finished: CodeFinished) -> CodeResult:
        """Return the result of code that ran before its run was broken off."""
        return CodeResult(exit_code=finished.exit_code or 0, output=finished.output)

    async def share(self, variables: Mapping[str, Any]) -> bool:
        """Make variables known to the code that will run; return False if this executor cannot."""
        return False

    @abstractmethod
    async def start(self) -> None:
        """Make ready."""

    @abstractmethod
    async def stop(self) -> None:
        """Release everything."""

    @abstractmethod
    async def restart(self) -> None:
        """Start anew, forgetting what ran before."""

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, where: TracebackType | None
    ) -> None:
        await self.stop()
