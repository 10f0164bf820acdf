"""A run with everything a transcript can show, as its agents would log it."""

from __future__ import annotations

from agentnb.messages import (
    CodeBlock,
    CreateResult,
    FunctionExecutionResult,
    RequestUsage,
    TextMessage,
    ThoughtEvent,
    ToolCallExecutionEvent,
)
from agentnb.runlog import (
    CodeFinished,
    CodeStarted,
    ErrorRaised,
    InputAnswered,
    InputRequested,
    ModelFinished,
    ModelStarted,
    Noted,
    Participant,
    RunFinished,
    RunLog,
    RunStarted,
    Said,
    SpeakerChosen,
    ToolFinished,
    ToolStarted,
    TurnFinished,
    TurnStarted,
    Usage,
    VariablesShared,
)

PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="

TABLE = """<div><style scoped>.dataframe tbody tr th { vertical-align: top; }</style>
<table border="1" class="dataframe"><thead>
<tr style="text-align: right;"><th></th><th>species</th><th>mass</th></tr></thead>
<tbody><tr><th>0</th><td>Adelie</td><td>3700.66</td></tr><tr><th>1</th><td>Gentoo</td><td>5076.02</td></tr></tbody>
</table></div>"""

CODE = 'mass = penguins.groupby("species").body_mass_g.mean()\nmass.plot.bar()\nmass.to_frame()\n'

TRACE = "\n".join(
    ["Traceback (most recent call last)", *[f"  line {n}" for n in range(20)], "NameError: name 'x' is not defined"]
)


def sample_log(log: RunLog | None = None) -> RunLog:
    """Write a whole run of three agents."""
    log = log if log is not None else RunLog()
    people = (Participant(name="coder", role="AssistantAgent"), Participant(name="kernel", role="CodeExecutorAgent"))
    run = log.append(
        RunStarted(
            runner="analysts", runner_type="RoundRobinGroupChat", participants=people, model="openai:gpt-4o-mini"
        ),
        source="analysts",
    ).id
    log.append(Noted(text="The model is openai:gpt-4o-mini because OPENAI_API_KEY is set.", by="agentnb"), parent=run)
    log.append(
        VariablesShared(executor="JupyterCodeExecutor", names=("penguins",), summary="penguins: DataFrame, 344 × 8"),
        source="analysts",
        parent=run,
    )
    task = "Describe the penguins: which species is heaviest, and by how much?\nUse `penguins` & nothing else."
    log.append(Said(message=TextMessage(content=task, source="user")), parent=run, source="analysts")

    turn = log.append(TurnStarted(agent="coder", turn=1), source="coder", parent=run).id
    model = log.append(ModelStarted(model="gpt-4o-mini", streaming=True), source="coder", parent=turn).id
    answer = CreateResult(
        finish_reason="stop", content="ok", usage=RequestUsage(prompt_tokens=280, completion_tokens=32), cached=False
    )
    log.append(
        ModelFinished(model="gpt-4o-mini", result=answer),
        source="coder",
        parent=model,
        took=1.5,
        usage=Usage(prompt_tokens=280, completion_tokens=32),
    )
    log.append(Said(message=ThoughtEvent(content="Group, then compare.", source="coder")), parent=turn, source="coder")
    text = f"I compare the **mean mass** of each species:\n\n```python\n{CODE}```\n\n- one bar per species\n- a table"
    log.append(
        Said(
            message=TextMessage(
                content=text,
                source="coder",
                models_usage=RequestUsage(prompt_tokens=280, completion_tokens=32),
                metadata={"decided_by": "fixed plan"},
            )
        ),
        parent=turn,
        source="coder",
    )
    log.append(TurnFinished(agent="coder", turn=1), source="coder", parent=turn, took=2.0)
    log.append(SpeakerChosen(names=("kernel",)), parent=run)

    turn = log.append(TurnStarted(agent="kernel", turn=2), source="kernel", parent=run).id
    code = log.append(
        CodeStarted(executor="JupyterCodeExecutor", blocks=(CodeBlock(code=CODE, language="python"),)),
        source="kernel",
        parent=turn,
    ).id
    log.append(
        CodeFinished(
            executor="JupyterCodeExecutor",
            exit_code=0,
            output="Gentoo is heaviest\n",
            outputs=(
                {"text/plain": "\x1b[32mGentoo\x1b[0m is heaviest\n"},
                {"text/html": TABLE, "text/plain": "  species mass"},
                {"image/png": PIXEL, "text/plain": "<Figure size 640x480 with 1 Axes>"},
            ),
        ),
        source="kernel",
        parent=code,
        took=0.42,
    )
    log.append(
        Said(message=TextMessage(content="Gentoo is heaviest", source="kernel", metadata={"code_output": turn})),
        parent=turn,
        source="kernel",
    )
    code = log.append(
        CodeStarted(executor="JupyterCodeExecutor", blocks=(CodeBlock(code="print(x)", language="python"),)),
        source="kernel",
        parent=turn,
    ).id
    log.append(
        CodeFinished(executor="JupyterCodeExecutor", exit_code=1, output=TRACE),
        source="kernel",
        parent=code,
        took=0.1,
    )
    tool = log.append(
        ToolStarted(tool="weigh", call_id="c1", arguments={"species": "Gentoo", "unit": "g"}),
        source="kernel",
        parent=turn,
    ).id
    log.append(ToolFinished(tool="weigh", call_id="c1", result="5076.02"), source="kernel", parent=tool, took=0.01)
    done = FunctionExecutionResult(content="5076.02", name="weigh", call_id="c1")
    log.append(Said(message=ToolCallExecutionEvent(content=[done], source="kernel")), source="kernel", parent=turn)
    log.append(TurnFinished(agent="kernel", turn=2), source="kernel", parent=turn, took=1.0)

    turn = log.append(TurnStarted(agent="person", turn=3), source="person", parent=run).id
    log.append(
        InputRequested(input_id="q1", prompt="Good enough?", choices=("yes", "no")), source="person", parent=turn
    )
    log.append(InputAnswered(input_id="q1", text="yes", by="widget"), parent=turn)
    log.append(Said(message=TextMessage(content="yes", source="person")), source="person", parent=turn)
    log.append(TurnFinished(agent="person", turn=3), source="person", parent=turn, took=1.0)
    log.append(
        ErrorRaised(type="ModelTimeout", message="The server did not answer within 60 s.", traceback=TRACE),
        source="analysts",
        parent=run,
    )
    log.append(
        RunFinished(outcome="failed", stop_reason="ModelTimeout: The server did not answer within 60 s.", turns=3),
        source="analysts",
        parent=run,
        took=9.0,
    )
    return log
