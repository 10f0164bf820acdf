"""The embedded team: what a 135M model can do truthfully, and no more.

The planner follows a fixed plan and lets the model rank readings of the question. The coder's lines are written by the
model under a grammar made from the frame's columns, and checked against the plan. The kernel computes. The reporter's
sentences are written by the model under a grammar that holds no number but the computed ones, and are checked again.
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

from agentnb.agents import BaseChatAgent, CodeExecutorAgent, approve_all
from agentnb.base import Response
from agentnb.code_executors.base import CodeExecutor
from agentnb.core import CancellationToken, new_id
from agentnb.messages import (
    AssistantMessage,
    BaseAgentEvent,
    BaseChatMessage,
    CreateResult,
    LLMMessage,
    ModelClientStreamingChunkEvent,
    RequestUsage,
    SystemMessage,
    TextMessage,
    UserMessage,
)
from agentnb.models.grammar import column_line_grammar, locked_numbers_grammar
from agentnb.models.local import LocalChatCompletionClient
from agentnb.recipes.facts import GUESS, LEAD, answer, checked, is_number, names_in, read_facts, told
from agentnb.recipes.guesses import Guess, guesses
from agentnb.recipes.plan import Profile, Step, fixed_plan, in_code, one_line

MODEL = "135M demonstration model"
FIXED_PLAN = "fixed plan"
RANKED = f"{MODEL}, ranked candidates"
GRAMMAR = f"{MODEL} under a grammar"
KERNEL = "the kernel"
LOCKED = f"{MODEL}, numbers locked"

_METHODS = ("mean", "median", "max", "min", "std", "sum", "value_counts")
_SHOWN = 12

_ASKING: tuple[LLMMessage, ...] = (
    SystemMessage(content="You ask the same question in simple words."),
    UserMessage(content="Which city has the highest mean temperature c?", source="user"),
    AssistantMessage(content="Which city is warmest?", source="assistant"),
    UserMessage(content="Which brand has the lowest mean noise db?", source="user"),
    AssistantMessage(content="Which brand is quietest?", source="assistant"),
)

_TELLING: tuple[LLMMessage, ...] = (
    SystemMessage(content="You put facts into two or three plain sentences and add nothing."),
    UserMessage(
        content="number of rows: 120\nnumber of columns: 5\nmissing values: 3\nmean height_m: 7.41\n"
        "most common tree: oak\ncount of oak: 48",
        source="user",
    ),
    AssistantMessage(
        content="The data set has 120 rows and 5 columns, with 3 missing values. The mean height_m is 7.41. "
        "The most common tree is oak with a count of 48.",
        source="assistant",
    ),
    UserMessage(
        content="number of rows: 900\nnumber of columns: 3\nmissing values: 0\nmean salary: 3120.5\nmean hours: 36.2\n"
        "most common job: clerk\ncount of clerk: 310",
        source="user",
    ),
    AssistantMessage(
        content="The data set has 900 rows and 3 columns, with 0 missing values. The mean salary is 3120.5 and the "
        "mean hours is 36.2. The most common job is clerk with a count of 310.",
        source="assistant",
    ),
)


async def rank(
    client: LocalChatCompletionClient,
    question: str,
    found: Sequence[Guess],
    cancellation_token: CancellationToken | None = None,
) -> list[Guess]:
    """Return the readings, best first, by the probability that the model asks the question when it is given one."""
    if len(found) < 2:
        return list(found)
    scores = []
    for guess in found:
        spoken = UserMessage(content=guess.words.replace("_", " "), source="user")
        scores.append(await client.score([*_ASKING, spoken], question, cancellation_token=cancellation_token))
    return [guess for _, guess in sorted(zip(scores, found, strict=True), key=lambda pair: -pair[0])]


def _spent(client: LocalChatCompletionClient, before: RequestUsage) -> RequestUsage | None:
    now = client.actual_usage()
    spent = RequestUsage(now.prompt_tokens - before.prompt_tokens, now.completion_tokens - before.completion_tokens)
    return spent if spent.prompt_tokens else None


def _copy(usage: RequestUsage) -> RequestUsage:
    return RequestUsage(usage.prompt_tokens, usage.completion_tokens)


class _Guided(BaseChatAgent):
    """What planner, coder and reporter share: the model, and what is known of the frame."""

    def __init__(self, name: str, description: str, client: LocalChatCompletionClient, seen: Profile) -> None:
        super().__init__(name, description)
        self._client = client
        self._seen = seen

    @property
    def produced_message_types(self) -> Sequence[type[BaseChatMessage]]:
        return (TextMessage,)

    def _run_model(self) -> str:
        return self._client.model_name

    def _answer(self, text: str, decided_by: str, usage: RequestUsage | None = None, **metadata: str) -> Response:
        return Response(
            chat_message=TextMessage(
                content=text, source=self.name, models_usage=usage, metadata={"decided_by": decided_by, **metadata}
            )
        )

    async def on_reset(self, cancellation_token: CancellationToken) -> None:
        """Nothing is remembered from one turn to the next."""


class Planner(_Guided):
    """Says what will be computed: a fixed description, and the likeliest reading of the question.

    Args:
        name: A Python identifier.
        client: The embedded model.
        seen: The frame's columns.
        ignored: Names of variables that were handed over and are not looked at.
    """

    def __init__(
        self, name: str, client: LocalChatCompletionClient, seen: Profile, *, ignored: Sequence[str] = ()
    ) -> None:
        super().__init__(name, "Plans a description of the data, and guesses what the question asks for.", client, seen)
        self._ignored = tuple(ignored)

    async def on_messages(self, messages: Sequence[BaseChatMessage], cancellation_token: CancellationToken) -> Response:
        question = _shortened(_question(messages))
        steps = fixed_plan(self._seen)
        found = guesses(self._seen, question) if question and self._seen.rows else []
        before = _copy(self._client.actual_usage())
        ranked = await rank(self._client, question, found, cancellation_token)
        guess = ranked[0] if ranked else None
        return self._answer(
            self._text(steps, ranked),
            f"{FIXED_PLAN}; the guess: {RANKED}" if len(ranked) > 1 else FIXED_PLAN,
            _spent(self._client, before),
            plan=json.dumps(
                {
                    "steps": [asdict(step) for step in steps],
                    "guess": asdict(guess) if guess else None,
                    "readings": len(ranked),
                },
                ensure_ascii=False,
            ),
        )

    def _text(self, steps: Sequence[Step], ranked: Sequence[Guess]) -> str:
        seen = self._seen
        lines = [f"A fixed plan describes `{seen.variable}` ({seen.rows} rows, {seen.width} columns):", ""]
        lines += [f"{number}. {step.fact}" for number, step in enumerate(steps, start=1)]
        lines.append("")
        if not ranked:
            lines.append(
                "There is no guess at the question: "
                + ("the frame is empty." if not seen.rows else "no column fits it.")
            )
        else:
            if len(ranked) > 1:
                how = f"the {MODEL} found it the likeliest of {len(ranked)} readings"
            else:
                how = "it is the only reading that fits the question's words and the columns; no model was asked"
            lines += [f"One guess at the question ({how}):", "", f"- {ranked[0].words}"]
            if len(ranked) > 1:
                lines += ["", "Thought less likely: " + " · ".join(guess.words for guess in ranked[1:4])]
        for names, why in (
            (seen.left_out, "cannot be named in code and are left out: columns"),
            (self._ignored, "are not looked at by this team: variables"),
        ):
            if names:
                lines += ["", f"These {why} {', '.join(names[:8])}{' …' if len(names) > 8 else ''}."]
        return "\n".join(lines)


def _question(messages: Sequence[BaseChatMessage]) -> str:
    asked = [
        message.to_model_text()
        for message in messages
        if message.source == "user" and message.metadata.get("kind") != "data"
    ]
    return one_line(" ".join(asked[-1:]))


def _shortened(question: str) -> str:
    # Each reading costs one request of the question's length; of a long one the last words carry what is asked.
    return question if len(question) <= 300 else question[-300:].partition(" ")[2] or question[-300:]


def _plan_of(messages: Sequence[BaseChatMessage]) -> Mapping[str, Any] | None:
    for message in reversed(messages):
        if "plan" in message.metadata:
            plan: Mapping[str, Any] = json.loads(message.metadata["plan"])
            return plan
    return None


class Coder(_Guided):
    """Turns the plan into one block of code; the model writes the lines on columns, under a grammar."""

    def __init__(self, name: str, client: LocalChatCompletionClient, seen: Profile) -> None:
        super().__init__(name, "Writes the plan's lines of pandas, with columns that exist.", client, seen)

    async def on_messages(self, messages: Sequence[BaseChatMessage], cancellation_token: CancellationToken) -> Response:
        plan = _plan_of(messages)
        if plan is None:
            return self._answer("There is no plan to write code for; the planner has not spoken yet.", FIXED_PLAN)
        steps = [Step(**step) for step in plan["steps"]]
        guess = Guess(**plan["guess"]) if plan["guess"] else None
        before = _copy(self._client.actual_usage())
        asked, wrong = 0, []
        for step in steps:
            if not step.by_model:
                continue
            asked += 1
            written = await self._line(step, cancellation_token)
            if written != step.code:
                wrong.append(f"for “{step.fact}” it wrote `{written}`")
        text = [_how_written(asked, wrong), "", "```python", block(self._seen, steps, guess), "```"]
        return self._answer(
            "\n".join(text),
            GRAMMAR if asked else FIXED_PLAN,
            _spent(self._client, before),
            plan=json.dumps(plan, ensure_ascii=False),
        )

    async def _line(self, step: Step, cancellation_token: CancellationToken) -> str:
        columns = [column.code for column in self._seen.columns if column.kind != "other"]
        result = await self._client.create(
            [
                SystemMessage(
                    content=f"You write one line of pandas code. The data frame is named {self._seen.variable}."
                ),
                UserMessage(content=step.request, source="planner"),
            ],
            extra_create_args={
                "grammar": column_line_grammar(self._seen.variable, columns, _METHODS),
                "max_tokens": max(len(code.encode()) for code in columns) + 40,
            },
            cancellation_token=cancellation_token,
        )
        return str(result.content)


def _how_written(asked: int, wrong: Sequence[str]) -> str:
    if not asked:
        return "Every line is the plan's own; no column was left to choose."
    lines = f"{asked} lines" if asked > 1 else "1 line"
    text = f"The {MODEL} wrote {lines} under a grammar of the frame's columns; the others are the plan's own."
    if not wrong:
        return f"{text} What it wrote is what the plan asks for."
    return f"{text} {len(wrong)} did not do what the plan asks, and the plan's line was taken: {'; '.join(wrong)}."


def block(seen: Profile, steps: Sequence[Step], guess: Guess | None) -> str:
    """Return code that computes the plan's facts, prints each as one line of JSON, and shows tables and a figure."""
    lines = ["import json", "", "import matplotlib.pyplot as plt", "import pandas as pd", "", "found = {"]
    lines += [f"    {in_code(step.fact)}: {step.code}," for step in steps]
    lines.append("}")
    if guess is not None:
        lines += [f"guess = {guess.code}", f'found["{GUESS}"] = guess']
        if guess.form in ("by group", "counts"):
            lines.append(f'found["{LEAD}"] = abs(guess.iloc[0] - guess.iloc[1]) if len(guess) > 1 else None')
    lines += _PRINTED.splitlines()
    if guess is not None:
        lines += _figure(seen, guess)
    return "\n".join(lines)


_PRINTED = f'''

def plain(value):
    """A value as JSON: a table as pairs, a missing number as null."""
    if hasattr(value, "items"):
        return [[str(name), plain(one)] for name, one in list(value.items())[:{_SHOWN}]]
    if pd.isna(value):
        return None
    return value.item() if hasattr(value, "item") else value


for name, value in found.items():
    print(json.dumps(name, ensure_ascii=False), json.dumps(plain(value), ensure_ascii=False), sep=": ")

for value in found.values():
    if hasattr(value, "items"):
        display(value.head({_SHOWN}).to_frame())'''


def _figure(seen: Profile, guess: Guess) -> list[str]:
    by_label = {column.label: column.code for column in seen.columns}
    number, group = by_label.get(guess.number), by_label.get(guess.group)
    if guess.form in ("by group", "counts"):
        drawn = [f"drawn = guess.dropna().head({_SHOWN})", "if len(drawn):"]
        plot = "drawn.iloc[::-1].plot.barh(ax=plt.figure(figsize=(6, 3.5)).gca())"
    elif guess.form == "correlation":
        drawn = [f"drawn = {seen.variable}[[{group}, {number}]].dropna()", "if len(drawn):"]
        plot = "plt.figure(figsize=(6, 3.5)).gca().scatter(drawn.iloc[:, 0], drawn.iloc[:, 1], s=12)"
    elif guess.form == "single" and number:
        drawn = [f"drawn = {seen.variable}[{number}].dropna()", "if len(drawn):"]
        plot = "drawn.plot.hist(bins=20, ax=plt.figure(figsize=(6, 3.5)).gca())"
    else:
        return []
    # Names and values are the user's: a `$` in one must not be read as the beginning of a formula.
    return [
        "",
        *drawn,
        '    with plt.rc_context({"text.parse_math": False}):',
        f"        {plot}",
        f"        plt.title({in_code(guess.words)}, fontsize=10)",
        "        plt.tight_layout()",
        "        plt.show()",
    ]


class Kernel(CodeExecutorAgent):
    """Runs the coder's block, and nobody else's."""

    def __init__(self, name: str, code_executor: CodeExecutor) -> None:
        super().__init__(
            name,
            code_executor,
            description="Runs the coder's Python in a Jupyter kernel.",
            sources=["coder"],
            supported_languages=["python"],
            approval_func=approve_all,
        )

    async def on_messages(self, messages: Sequence[BaseChatMessage], cancellation_token: CancellationToken) -> Response:
        response = await super().on_messages(messages, cancellation_token)
        response.chat_message.metadata["decided_by"] = KERNEL
        return response


class Reporter(_Guided):
    """Puts what was computed into sentences, and adds the guess's result, called a guess."""

    def __init__(self, name: str, client: LocalChatCompletionClient, seen: Profile) -> None:
        super().__init__(name, "Reports what the kernel computed, and nothing else.", client, seen)

    async def on_messages(self, messages: Sequence[BaseChatMessage], cancellation_token: CancellationToken) -> Response:
        async for item in self.on_messages_stream(messages, cancellation_token):
            if isinstance(item, Response):
                return item
        raise AssertionError("the stream always ends with a Response")

    async def on_messages_stream(
        self, messages: Sequence[BaseChatMessage], cancellation_token: CancellationToken
    ) -> AsyncGenerator[BaseAgentEvent | BaseChatMessage | Response, None]:
        ran = next((m for m in reversed(messages) if m.metadata.get("decided_by") == KERNEL), None)
        output = ran.to_model_text() if ran is not None else ""
        facts = read_facts(output)
        if not facts:
            yield self._answer(_nothing(output), KERNEL)
            return
        identity = new_id()
        shown = told(facts)
        text, usage = "", None
        async for piece in self._client.create_stream(
            [*_TELLING, UserMessage(content="\n".join(f"{k}: {v}" for k, v in shown.items()), source="kernel")],
            extra_create_args={
                "grammar": locked_numbers_grammar(
                    [value for value in shown.values() if is_number(value)],
                    [name for name in (*names_in(shown), *shown.values()) if not is_number(name)],
                ),
                "max_tokens": 200,
            },
            cancellation_token=cancellation_token,
        ):
            if isinstance(piece, CreateResult):
                text, usage = str(piece.content), piece.usage
            else:
                yield ModelClientStreamingChunkEvent(content=piece, source=self.name, full_message_id=identity)
        plan = _plan_of(messages)
        yield Response(
            chat_message=TextMessage(
                id=identity,
                content=self._report(text, shown, facts, plan),
                source=self.name,
                models_usage=usage,
                metadata={"decided_by": LOCKED},
            )
        )

    def _report(
        self, text: str, shown: Mapping[str, str], facts: Mapping[str, Any], plan: Mapping[str, Any] | None
    ) -> str:
        good, bad = checked(text, shown)
        parts = [" ".join(good)] if good else [f"Computed: {', '.join(f'{k} {v}' for k, v in shown.items())}."]
        if bad:
            parts.append(f"(Left out of what the model wrote, because it did not match what was computed: {len(bad)}.)")
        if plan and plan["guess"]:
            guess = Guess(**plan["guess"])
            parts.append(
                f"A guess at the question, read as “{guess.words}”: {answer(guess, facts)} "
                + (
                    f"The reading is a guess: the {MODEL} ranked {plan['readings']} of them. "
                    if plan["readings"] > 1
                    else "The reading is a guess: it is the only one that fitted the question's words. "
                )
                + "The numbers are computed."
            )
        else:
            parts.append("There is no guess at the question; the plan's facts are all this team has.")
        return "\n\n".join(part for part in parts if part)


def _nothing(output: str) -> str:
    last = next((line for line in reversed(output.strip().split("\n")) if line.strip()), "")
    why = f" The kernel's last line was: {one_line(last)[:300]}" if last else ""
    return f"Nothing was computed, so there is nothing to report, and no guess.{why}"
