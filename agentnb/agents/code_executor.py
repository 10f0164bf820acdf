"""An agent that runs code: others' code, or its own."""

from __future__ import annotations

import warnings
from collections.abc import AsyncGenerator, Mapping, Sequence
from functools import partial
from typing import Any, ClassVar

from agentnb.agents.approval import ApprovalFuncType, approve_all, ask_person
from agentnb.agents.base import BaseChatAgent, check_state
from agentnb.agents.code_runner import CodeRunner, told
from agentnb.agents.code_writer import CodeWriter
from agentnb.agents.fences import code_blocks
from agentnb.agents.heard import Heard, Listener
from agentnb.agents.import_path import imported, keep_path
from agentnb.agents.model import Model
from agentnb.agents.stream import streamed
from agentnb.base import Response
from agentnb.base.agent import shown_by
from agentnb.code_executors.base import CodeExecutor
from agentnb.core import CancellationToken, ComponentModel
from agentnb.core.arguments import require_function
from agentnb.exceptions import UserError
from agentnb.messages import (
    BaseAgentEvent,
    BaseChatMessage,
    CodeBlock,
    CodeResult,
    LLMMessage,
    SystemMessage,
    TextMessage,
)
from agentnb.model_context import ChatCompletionContext, UnboundedChatCompletionContext
from agentnb.model_context.base import require_context
from agentnb.models.base import ChatCompletionClient, name_of, require_client
from agentnb.runlog import current
from agentnb.runlog.recorded import unrecorded

_SYSTEM_MESSAGE = """\
You solve tasks by writing code that is run for you. Write Python in a block that begins with ```python, or shell
commands in one that begins with ```sh, and end each block with ```. What it prints is all you will see: print what
you need to know. Each block must be complete: it runs as it stands, nobody fills anything in, and nothing asks the
user for input. When you are shown the output, answer the task from it in words, or say what went wrong. A task that
needs no code you answer right away, without a block.
"""


class CodeExecutorAgent(Listener, BaseChatAgent):
    """Runs the fenced code of the messages it is given; with a model, the code that it writes itself.

    ```python
    executor = JupyterCodeExecutor()
    CodeExecutorAgent("kernel", executor, approval_func=approve_all)
    CodeExecutorAgent("coder", executor, model_client=client, max_retries_on_error=2, approval_func=ask_person)
    ```

    Without a model it answers with what came out. With one it hears the conversation, writes code, has it run, asks
    the model whether code that failed is worth another try, and answers with the output put into words.

    Args:
        name: A Python identifier.
        code_executor: What runs the code; `close()` stops it.
        model_client: The model that writes code.
        model_context: What the model is shown of the conversation; default: all of it.
        model_client_stream: Whether what the model writes is shown while it is written.
        max_retries_on_error: How many times code that failed may be written anew in one turn.
        description: What the agent is good for, as others read it.
        system_message: Instructions to the model; None for none.
        sources: Without a model, whose code is run; default: everybody's.
        supported_languages: Languages of fences that are run; default: python and sh.
        approval_func: Asked before anything runs, such as `ask_person`; it may put other code in its place. Without
            it code runs unasked, with a warning. Configs hold the path it is imported from, which may be given too.

    Raises:
        ValueError: If `max_retries_on_error` is negative, or positive without a model that gives structured output.
        TypeError: If the model client, the context, the approval function, the sources or the languages are something
            else.
    """

    DEFAULT_TERMINAL_DESCRIPTION = "Runs the Python and shell code that others write in fenced blocks."
    DEFAULT_AGENT_DESCRIPTION = "Writes Python and shell code, runs it, and tells what came out."
    DEFAULT_SYSTEM_MESSAGE = _SYSTEM_MESSAGE
    NO_CODE_BLOCKS_FOUND_MESSAGE = (
        "There was no code to run. Write it in a fenced block that begins with ```python and ends with ```."
    )
    DEFAULT_SUPPORTED_LANGUAGES: ClassVar[list[str]] = ["python", "sh"]

    def __init__(
        self,
        name: str,
        code_executor: CodeExecutor,
        *,
        model_client: ChatCompletionClient | None = None,
        model_context: ChatCompletionContext | None = None,
        model_client_stream: bool = False,
        max_retries_on_error: int = 0,
        description: str | None = None,
        system_message: str | None = DEFAULT_SYSTEM_MESSAGE,
        sources: Sequence[str] | None = None,
        supported_languages: list[str] | None = None,
        approval_func: ApprovalFuncType | str | None = None,
    ) -> None:
        default = self.DEFAULT_TERMINAL_DESCRIPTION if model_client is None else self.DEFAULT_AGENT_DESCRIPTION
        super().__init__(name, description or default)
        if not isinstance(code_executor, CodeExecutor):
            raise UserError(
                f"code_executor of {name!r} is {code_executor!r:.80}; give a CodeExecutor such as "
                "JupyterCodeExecutor()."
            )
        if model_client is not None:
            require_client(model_client, f"the agent {name!r}")
        require_context(model_context, f"the agent {name!r}")
        for argument, texts in (("sources", sources), ("supported_languages", supported_languages)):
            if isinstance(texts, str):
                raise TypeError(f"{argument} of the agent {name!r} is the text {texts!r}; give a list: [{texts!r}].")
        _check_retries(name, max_retries_on_error, model_client)
        if approval_func is not None and not isinstance(approval_func, str):
            like = "a function such as ask_person or approve_all"
            require_function(f"The approval_func of the agent {name!r}", approval_func, like)
        if approval_func is None:
            warnings.warn(
                f"The agent {name!r} will run code unasked. Pass approval_func to be asked, "
                "or approval_func=approve_all to say that this is meant.",
                UserWarning,
                stacklevel=3,
            )
        given = imported(approval_func, "approval_func") if isinstance(approval_func, str) else approval_func
        self._approval: ApprovalFuncType = given or approve_all
        self._named = keep_path(self, "approval_func", approval_func)
        self._sources = sources
        languages = tuple(supported_languages or self.DEFAULT_SUPPORTED_LANGUAGES)
        self._runner = CodeRunner(name, code_executor, self._approval, languages)
        self._context = model_context or UnboundedChatCompletionContext()
        self._heard = Heard(self._context)
        self._client = model_client
        self._writer: CodeWriter | None = None
        if model_client is not None:
            system = [SystemMessage(content=system_message)] if system_message is not None else []
            model = Model(name, model_client, system, self._context, stream=model_client_stream)
            self._writer = CodeWriter(self._heard, model, system, self._runner, retries=max_retries_on_error)

    @property
    def produced_message_types(self) -> Sequence[type[BaseChatMessage]]:
        return (TextMessage,)

    @property
    def model_context(self) -> ChatCompletionContext:
        """What the model is shown; without a model it stays empty."""
        return self._context

    @property
    def asks_person(self) -> bool:
        return self._approval is ask_person

    def _run_model(self) -> str:
        return name_of(self._client) if self._client is not None else ""

    async def share(self, variables: Mapping[str, Any]) -> list[str]:
        return [self.name] if await self._runner.executor.share(variables) else []

    def dump_component(self) -> ComponentModel:
        if not self._named:
            raise UserError(
                f"The approval_func of {self.name!r} cannot be written into a config: {self._approval!r} has no path "
                "it can be imported from. Define it as a function of a module, or use ask_person."
            )
        return super().dump_component()

    async def on_messages(self, messages: Sequence[BaseChatMessage], cancellation_token: CancellationToken) -> Response:
        if self._writer is None:
            return await self._run_theirs(messages, cancellation_token)
        return await self._answer_streamed(messages, cancellation_token)

    @shown_by(lambda agent: agent._show_answer if agent._writer is None else agent._writer.turn)
    def on_messages_stream(
        self, messages: Sequence[BaseChatMessage], cancellation_token: CancellationToken
    ) -> AsyncGenerator[BaseAgentEvent | BaseChatMessage | Response, None]:
        if self._writer is None:
            return super().on_messages_stream(messages, cancellation_token)
        return streamed(partial(self._writer.turn, messages, cancellation_token))

    async def _run_theirs(self, messages: Sequence[BaseChatMessage], cancellation_token: CancellationToken) -> Response:
        blocks = [
            block
            for message in messages
            if isinstance(message, TextMessage) and (self._sources is None or message.source in self._sources)
            for block in code_blocks(message.content, self._runner.languages)
        ]
        if not blocks:
            said = TextMessage(content=self.NO_CODE_BLOCKS_FOUND_MESSAGE, source=self.name)
            return Response(chat_message=said)
        context = [message.to_model_message() for message in messages]
        verdict = await self._runner.judge(blocks, [*context], cancellation_token)
        result = await self._runner.run(verdict, cancellation_token)
        here = current()
        said = TextMessage(
            content=told(verdict, result),
            source=self.name,
            metadata={
                "exit_code": str(result.exit_code),
                "code_output": str(here.parent) if here and here.parent else "yes",
            },
        )
        inner = [self._runner.edit_event(verdict, 0)] if verdict.edited else None
        return Response(chat_message=said, inner_messages=inner)

    async def on_reset(self, cancellation_token: CancellationToken) -> None:
        """Forget the conversation; the kernel and its variables stay: restart the executor to lose them."""
        await self._context.clear()
        self._heard.clear()

    async def save_state(self) -> Mapping[str, Any]:
        if self._writer is None:
            return await super().save_state()
        return {
            "type": "CodeExecutorAgentState",
            "version": "1.0.0",
            "llm_context": await self._context.save_state(),
            **self._heard.save_state(),
        }

    async def load_state(self, state: Mapping[str, Any]) -> None:
        """Go on from a saved state; AutoGen's holds no context, and changes nothing.

        Raises:
            ValueError: If it is no such agent's.
        """
        if "llm_context" in state:
            check_state(self, state, "llm_context")
            await self._context.load_state(state["llm_context"])
            self._heard.load_state(state)

    def _keeps(self) -> Sequence[LLMMessage] | None:
        return super()._keeps() if self._writer is not None else None

    def _has_state(self) -> bool:
        return self._writer is not None and super()._has_state()

    async def _run_again(self, blocks: Sequence[CodeBlock], cancellation_token: CancellationToken) -> CodeResult:
        with unrecorded(self._runner.executor):
            return await self._runner.executor.execute_code_blocks(blocks, cancellation_token)

    async def close(self) -> None:
        await self._runner.executor.stop()
        if self._client is not None:
            await self._client.close()


def _check_retries(name: str, retries: int, client: ChatCompletionClient | None) -> None:
    if retries < 0:
        raise UserError(f"max_retries_on_error of {name!r} is {retries}; it must be 0 or more.")
    if retries > 0 and (client is None or not client.model_info.get("structured_output")):
        who = "there is no model_client" if client is None else f"{name_of(client)} cannot give any"
        raise UserError(
            f"max_retries_on_error of {name!r} is {retries}, which needs a model with structured output, and {who}. "
            "Give a model_client that can, or leave it at 0."
        )
