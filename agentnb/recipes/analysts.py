"""A team that analyses data: a coder, a kernel, and one who says what it means."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from typing import Any

from agentnb.agents import AssistantAgent, CodeExecutorAgent, approve_all
from agentnb.base import Response, Team
from agentnb.conditions import MaxMessageTermination, SourceMatchTermination, StopMessageTermination
from agentnb.core import CancellationToken
from agentnb.exceptions import UserError
from agentnb.messages import BaseAgentEvent, BaseChatMessage, StopMessage, TextMessage
from agentnb.models.base import ChatCompletionClient
from agentnb.models.local import LocalChatCompletionClient
from agentnb.models.naming import choose
from agentnb.recipes import plan
from agentnb.recipes.guided import Coder, Kernel, Planner, Reporter
from agentnb.teams import RoundRobinGroupChat

DONE = "ANALYSIS COMPLETE"
_MESSAGES = 24
_COLUMNS = 40

UNASKED = "The executor runs the coder's code without asking, in a kernel of its own, with your rights on this machine."

CODER = """You are the coder of a team of data analysts. You write Python; the executor runs it in a Jupyter kernel \
that keeps its variables from one turn to the next, and shows you what came out.

{data}

How to work:
- Write exactly one fenced block that begins with ```python. No other fences, no shell commands.
- Look before you conclude: print what the question needs, and show one figure or table where it helps the reader. \
End a block with the table itself to show it; matplotlib figures appear by plt.show().
- Do not load data that is named above as a variable; it is there already. Do not change it in place.
- When your code failed, read the error and write the corrected block.
- Do not claim results before the executor has shown them."""

REVIEWER = f"""You are the reviewer of a team of data analysts. The coder writes code, the executor runs it and shows \
the output. Compare the output with the question.

- If something is wrong, missing or unclear, tell the coder in one or two sentences what to do next. Write no code.
- If the output answers the question, write the answer for the person who asked: short, with the numbers as they were \
computed, and what they do not show. Use only numbers that appear in the executor's output. Then write, on a line of \
its own: {DONE}"""


class Reviewer(AssistantAgent):
    """Checks results; an answer that ends with the agreed words becomes a `StopMessage` without them."""

    @property
    def produced_message_types(self) -> Sequence[type[BaseChatMessage]]:
        return (*super().produced_message_types, StopMessage)

    async def on_messages_stream(
        self, messages: Sequence[BaseChatMessage], cancellation_token: CancellationToken
    ) -> AsyncGenerator[BaseAgentEvent | BaseChatMessage | Response, None]:
        async with aclosing(super().on_messages_stream(messages, cancellation_token)) as items:
            async for item in items:
                yield _answered(item) if isinstance(item, Response) else item


def _answered(response: Response) -> Response:
    said = response.chat_message
    if not isinstance(said, TextMessage) or DONE not in said.content:
        return response
    answer = said.content.replace(DONE, "").rstrip(" \n*_#-") or said.content
    stop = StopMessage(
        id=said.id,
        content=answer,
        source=said.source,
        models_usage=said.models_usage,
        metadata=said.metadata,
        created_at=said.created_at,
    )
    return Response(chat_message=stop, inner_messages=response.inner_messages)


def analysts(
    *,
    model: str | ChatCompletionClient | None = None,
    data: Mapping[str, Any] | None = None,
    max_turns: int | None = None,
) -> Team:
    """Make a team that answers a question about data by running code in a Jupyter kernel of its own.

    With a model of some ability: coder, executor and reviewer in turn, until the reviewer has its answer. With the
    embedded 135M demonstration model: planner, coder, kernel and reporter, who describe the first DataFrame by a fixed
    plan and add one guess at the question, marked as a guess.

    Args:
        model: A client or a text such as `openai:gpt-4o-mini`; default: what is configured (`models.choose`).
        data: Variables to work on. Hand them over with `await team.share(data)`; here only shapes, columns and a few
            values are read.
        max_turns: Ends a run after so many turns.

    Raises:
        UserError: If the embedded model shall work and `data` holds no DataFrame.
        ModelNotConfigured: If there is no model to choose.
    """
    choice = choose(model)
    if isinstance(choice.client, LocalChatCompletionClient) and choice.client.embedded:
        team = _guided(choice.client, data, max_turns)
        team.opening_notes = (choice.line(),)
    else:
        team = _free(choice.client, data, max_turns)
        team.opening_notes = (choice.line(), UNASKED)
    return team


def _free(client: ChatCompletionClient, data: Mapping[str, Any] | None, max_turns: int | None) -> Team:
    from agentnb.code_executors.jupyter import JupyterCodeExecutor

    coder = AssistantAgent(
        "coder",
        client,
        description="Writes Python that answers the question.",
        system_message=CODER.format(data=described(data)),
        model_client_stream=True,
    )
    executor = CodeExecutorAgent(
        "executor",
        JupyterCodeExecutor(),
        description="Runs the coder's Python in a Jupyter kernel and shows what came out.",
        sources=["coder"],
        supported_languages=["python"],
        approval_func=approve_all,
    )
    reviewer = Reviewer(
        "reviewer",
        client,
        description="Checks the output against the question, and answers it.",
        system_message=REVIEWER,
        model_client_stream=True,
    )
    return RoundRobinGroupChat(
        [coder, executor, reviewer],
        name="analysts",
        description="Analyses data: a coder, a kernel that runs the code, and a reviewer who answers.",
        termination_condition=StopMessageTermination() | MaxMessageTermination(_MESSAGES),
        max_turns=max_turns,
    )


def _guided(client: LocalChatCompletionClient, data: Mapping[str, Any] | None, max_turns: int | None) -> Team:
    from agentnb.code_executors.jupyter import JupyterCodeExecutor

    frames = plan.frames_of(data)
    if not frames:
        have = f" (given: {', '.join(data)})" if data else ""
        raise UserError(
            f"The embedded 135M model can only look at a pandas DataFrame, and was given none{have}. "
            "Add `--with NAME`, or in Python `data={'NAME': frame}`. For open questions choose another model, "
            "for example `--model openai:gpt-4o-mini`."
        )
    name, frame = next(iter(frames.items()))
    seen = plan.profile(name, frame)
    others = [other for other in data or () if other != name]
    return RoundRobinGroupChat(
        [
            Planner("planner", client, seen, ignored=others),
            Coder("coder", client, seen),
            Kernel("kernel", JupyterCodeExecutor()),
            Reporter("reporter", client, seen),
        ],
        name="analysts",
        description="Describes a data frame by a fixed plan, and adds one guess at the question.",
        termination_condition=SourceMatchTermination(["reporter"]),
        max_turns=max_turns,
    )


def described(data: Mapping[str, Any] | None) -> str:
    """Say in words what variables the kernel holds: shapes, columns, types and a few values of each DataFrame."""
    if not data:
        return "No variables were handed over; the question says where the data is, or none is needed."
    frames = plan.frames_of(data)
    parts = ["These variables are in the kernel:"]
    for name, value in data.items():
        if name in frames:
            parts.append(_described_frame(name, value))
        else:
            shape = getattr(value, "shape", None)
            size = f", shape {shape}" if shape is not None else ""
            parts.append(f"- `{name}`: {type(value).__module__}.{type(value).__qualname__}{size}")
    return "\n".join(parts)


def _described_frame(name: str, frame: Any) -> str:
    rows, columns = frame.shape
    lines = [f"- `{name}`: a pandas DataFrame of {rows} rows and {columns} columns"]
    for position in range(min(columns, _COLUMNS)):
        series = frame.iloc[:, position]
        examples = [plan.one_line(str(value))[:40] for value in series.dropna().iloc[:200].astype(str).unique()[:3]]
        missing = int(series.isna().sum())
        lines.append(
            f"  - {plan.one_line(repr(frame.columns[position]))}: {series.dtype}, {missing} missing"
            + (f", for example {', '.join(examples)}" if examples else "")
        )
    if columns > _COLUMNS:
        lines.append(f"  - and {columns - _COLUMNS} more columns")
    return "\n".join(lines)
