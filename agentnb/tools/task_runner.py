"""Agents and teams as tools."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterator, Mapping
from contextlib import aclosing, contextmanager
from typing import Annotated, Any, ClassVar

from pydantic import BaseModel, Field

from agentnb.base import ChatAgent, TaskResult, Team
from agentnb.core import CancellationToken
from agentnb.exceptions import ToolError, UserError
from agentnb.messages import BaseAgentEvent, BaseChatMessage
from agentnb.tools.base import BaseStreamTool

# Those that are at work for a tool, by identity: several tools may have one agent.
_at_work: set[int] = set()


class TaskRunnerToolArgs(BaseModel):
    """What the caller sends."""

    task: Annotated[str, Field(description="The task, with everything that is needed to do it.")]


class TaskRunnerTool(BaseStreamTool[TaskRunnerToolArgs, BaseAgentEvent | BaseChatMessage, TaskResult]):
    """A tool that gives a task to an agent or a team, and shows what happens there."""

    _kind: ClassVar[str]

    component_defaults: ClassVar[Mapping[str, Any]] = {"return_value_as_last_message": False}

    idempotent = True  # what it does is done by models and tools, each of which knows whether it was asked before

    def __init__(
        self, runner: ChatAgent | Team, name: str, description: str, *, return_value_as_last_message: bool
    ) -> None:
        super().__init__(TaskRunnerToolArgs, TaskResult, name, description, strict=True)
        self._runner = runner
        self._last_only = return_value_as_last_message

    async def run_stream(
        self, args: TaskRunnerToolArgs, cancellation_token: CancellationToken
    ) -> AsyncGenerator[BaseAgentEvent | BaseChatMessage | TaskResult, None]:
        with self._alone():
            run = self._runner.run_stream(task=args.task, cancellation_token=cancellation_token)
            async with aclosing(run) as items:
                async for item in items:
                    yield item

    @property
    def runner(self) -> ChatAgent | Team:
        """Who does the work."""
        return self._runner

    @contextmanager
    def _alone(self) -> Iterator[None]:
        who = id(self._runner)
        if who in _at_work:
            raise ToolError(
                f"The {self._kind} {self._runner.name!r} is at work on another call and does one at a time. Call the "
                f"tool {self._name!r} again once that call has its result. A model that calls in parallel can be kept "
                "from it: parallel_tool_calls=False."
            )
        _at_work.add(who)
        try:
            yield
        finally:
            _at_work.discard(who)

    def return_value_as_string(self, value: TaskResult) -> str:
        """Return the last message, or all chat messages but the user's, each with who said it.

        Raises:
            ValueError: If only the last message is wanted, and it is no chat message.
        """
        if not self._last_only:
            said = (message for message in value.messages if isinstance(message, BaseChatMessage))
            return "\n\n".join(f"{m.source}: {m.to_model_text()}" for m in said if m.source != "user")
        last = value.messages[-1] if value.messages else None
        if not isinstance(last, BaseChatMessage):
            raise UserError(
                f"The {self._kind} {self._runner.name!r} ended with {type(last).__name__}, which is no chat message. "
                "Say return_value_as_last_message=False to have all that was said."
            )
        return last.to_model_text()

    async def save_state_json(self) -> Mapping[str, Any]:
        return await self._runner.save_state()

    async def load_state_json(self, state: Mapping[str, Any]) -> None:
        await self._runner.load_state(state)


class AgentTool(TaskRunnerTool):
    """An agent that other agents call as a tool, by its name.

    ```python
    writer = AssistantAgent("writer", client, description="Writes short texts.")
    editor = AssistantAgent("editor", client, tools=[AgentTool(writer)])
    ```

    It remembers what was said from call to call, and does one call at a time.

    Args:
        agent: The agent; the tool has its name and description.
        return_value_as_last_message: Whether the caller reads its last message only; else all of them.

    Raises:
        TypeError: If it is no agent.
    """

    _kind = "agent"

    def __init__(self, agent: ChatAgent, return_value_as_last_message: bool = False) -> None:
        if not isinstance(agent, ChatAgent):
            way_out = "write TeamTool(team, name=…, description=…)" if isinstance(agent, Team) else "give an agent"
            raise TypeError(f"The agent of an AgentTool is {agent!r:.80}; {way_out}.")
        super().__init__(
            agent, agent.name, agent.description, return_value_as_last_message=return_value_as_last_message
        )


class TeamTool(TaskRunnerTool):
    """A team that agents call as a tool.

    ```python
    team = RoundRobinGroupChat([writer, critic], max_turns=4)
    editor = AssistantAgent("editor", client, tools=[TeamTool(team, "essay", "Write an essay.")])
    ```

    It remembers what was said from call to call, and does one call at a time.

    Args:
        team: The team.
        name: The tool's name, as the model calls it.
        description: What it does, as the model reads it.
        return_value_as_last_message: Whether the caller reads its last message only; else all of them.

    Raises:
        TypeError: If it is no team.
    """

    _kind = "team"

    def __init__(self, team: Team, name: str, description: str, return_value_as_last_message: bool = False) -> None:
        if not isinstance(team, Team):
            agent = isinstance(team, ChatAgent)
            way_out = "write AgentTool(agent)" if agent else "give a team, such as RoundRobinGroupChat([…])"
            raise TypeError(f"The team of a TeamTool is {team!r:.80}; {way_out}.")
        super().__init__(team, name, description, return_value_as_last_message=return_value_as_last_message)
