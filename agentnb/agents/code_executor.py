"""An agent that runs the code others wrote."""

from __future__ import annotations

import inspect
import re
import warnings
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from pydantic import BaseModel

from agentnb.agents.base import BaseChatAgent
from agentnb.base import Response
from agentnb.code_executors.base import CodeExecutor
from agentnb.core import CancellationToken
from agentnb.exceptions import KernelDied, UserError
from agentnb.messages import BaseChatMessage, CodeBlock, CodeResult, LLMMessage, TextMessage
from agentnb.runlog import current

# A fence as CommonMark has it (4.5): closed by as many backticks or more, so that a longer one quotes a shorter one.
_FENCE = re.compile(
    r"^([ \t]*)(`{3,})[ \t]*([\w+#-]*)[^\n`]*\n(.*?)^[ \t]*\2`*[ \t]*$",
    re.DOTALL | re.MULTILINE,
)


class ApprovalRequest(BaseModel, defer_build=True):
    """Code that waits for a yes."""

    code: str
    context: list[LLMMessage]


class ApprovalResponse(BaseModel, defer_build=True):
    """Whether the code may run, and why."""

    approved: bool
    reason: str


ApprovalFuncType = Callable[[ApprovalRequest], ApprovalResponse | Awaitable[ApprovalResponse]]


def approve_all(request: ApprovalRequest) -> ApprovalResponse:
    """Approve any code: say so on purpose, instead of leaving `approval_func` out."""
    return ApprovalResponse(approved=True, reason="everything is approved")


def code_blocks(text: str, languages: Sequence[str]) -> list[CodeBlock]:
    """Return the fenced blocks of `text` in one of the languages, upper and lower case alike.

    The indentation of a fence, as in a list, is taken off its code.
    """
    wanted = {language.lower() for language in languages}
    return [
        CodeBlock(
            code=re.sub(rf"^[ \t]{{1,{len(indent)}}}", "", code, flags=re.MULTILINE) if indent else code,
            language=language.lower(),
        )
        for indent, _, language, code in _FENCE.findall(text.replace("\r\n", "\n"))
        if language.lower() in wanted
    ]


class CodeExecutorAgent(BaseChatAgent):
    """Runs the fenced code of the messages it is given, and answers with what came out.

    ```python
    CodeExecutorAgent("kernel", JupyterCodeExecutor(), approval_func=approve_all)
    ```

    Args:
        name: A Python identifier.
        code_executor: What runs the code; `close()` stops it.
        description: What the agent is good for, as others read it.
        sources: Whose code is run; default: everybody's.
        supported_languages: Languages of fences that are run; default: python and sh.
        approval_func: Asked before anything runs. Without it code runs unasked, with a warning.
    """

    DEFAULT_TERMINAL_DESCRIPTION = "Runs the Python and shell code that others write in fenced blocks."
    NO_CODE_BLOCKS_FOUND_MESSAGE = (
        "There was no code to run. Write it in a fenced block that begins with ```python and ends with ```."
    )
    DEFAULT_SUPPORTED_LANGUAGES = ("python", "sh")

    def __init__(
        self,
        name: str,
        code_executor: CodeExecutor,
        *,
        description: str | None = None,
        sources: Sequence[str] | None = None,
        supported_languages: Sequence[str] | None = None,
        approval_func: ApprovalFuncType | None = None,
    ) -> None:
        super().__init__(name, description or self.DEFAULT_TERMINAL_DESCRIPTION)
        if not isinstance(code_executor, CodeExecutor):
            raise UserError(f"code_executor is {code_executor!r}; give a CodeExecutor such as JupyterCodeExecutor().")
        if approval_func is None:
            warnings.warn(
                f"The agent {name!r} will run code unasked. Pass approval_func to be asked, "
                "or approval_func=approve_all to say that this is meant.",
                UserWarning,
                stacklevel=3,
            )
        self._executor = code_executor
        self._sources = sources
        self._languages = tuple(supported_languages or self.DEFAULT_SUPPORTED_LANGUAGES)
        self._approval = approval_func or approve_all

    @property
    def produced_message_types(self) -> Sequence[type[BaseChatMessage]]:
        return (TextMessage,)

    async def share(self, variables: Mapping[str, Any]) -> list[str]:
        return [self.name] if await self._executor.share(variables) else []

    async def on_messages(self, messages: Sequence[BaseChatMessage], cancellation_token: CancellationToken) -> Response:
        blocks = [
            block
            for message in messages
            if isinstance(message, TextMessage) and (self._sources is None or message.source in self._sources)
            for block in code_blocks(message.content, self._languages)
        ]
        if not blocks:
            return self._answer(self.NO_CODE_BLOCKS_FOUND_MESSAGE)
        result = await self._run(blocks, messages, cancellation_token)
        here = current()
        return self._answer(
            _as_text(result),
            exit_code=str(result.exit_code),
            code_output=str(here.parent) if here and here.parent else "yes",
        )

    async def _run(
        self, blocks: list[CodeBlock], messages: Sequence[BaseChatMessage], cancellation_token: CancellationToken
    ) -> CodeResult:
        code = "\n\n".join(f"```{block.language}\n{block.code}```" for block in blocks)
        asked = self._approval(ApprovalRequest(code=code, context=[m.to_model_message() for m in messages]))
        answer = await asked if inspect.isawaitable(asked) else asked
        if not answer.approved:
            return CodeResult(exit_code=1, output=f"The code was not approved and did not run: {answer.reason}")
        try:
            return await self._executor.execute_code_blocks(blocks, cancellation_token)
        except (TimeoutError, KernelDied) as error:
            # What the code did to its kernel is an answer to who wrote it; what it had shown helps another try.
            exit_code = 124 if isinstance(error, TimeoutError) else 137
            shown = getattr(error, "output", "")
            text = str(error) or "The code took too long and was stopped."
            return CodeResult(exit_code=exit_code, output=f"{shown}\n{text}" if shown else text)

    def _answer(self, text: str, **metadata: str) -> Response:
        return Response(chat_message=TextMessage(content=text, source=self.name, metadata=metadata))

    async def on_reset(self, cancellation_token: CancellationToken) -> None:
        """The kernel and its variables stay, as in AutoGen; restart the executor to lose them."""

    async def close(self) -> None:
        await self._executor.stop()


def _as_text(result: CodeResult) -> str:
    if result.exit_code != 0:
        return f"The code failed with exit code {result.exit_code}. Its output:\n{result.output}"
    if not result.output.strip():
        return "The code ran to its end with exit code 0 and printed nothing."
    return result.output
