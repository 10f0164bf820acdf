"""Code that kills its kernel: the team is told, the run goes on, the data is there again."""

from __future__ import annotations

import pandas as pd

from agentnb.agents import AssistantAgent, CodeExecutorAgent, approve_all
from agentnb.code_executors import JupyterCodeExecutor
from agentnb.models import ScriptedChatCompletionClient
from agentnb.runlog import CodeFinished, fold
from agentnb.teams import RoundRobinGroupChat

# The pause lets the kernel's output thread send what was printed: a process that ends at once may take it along.
DEADLY = "```python\nimport os, time\nprint('so far', flush=True)\ntime.sleep(1)\nos._exit(3)\n```"
AGAIN = "```python\nprint(len(birds))\n```"


async def test_a_kernel_that_dies_is_reported_to_the_team_and_started_again_with_the_shared_data() -> None:
    coder = AssistantAgent("coder", ScriptedChatCompletionClient([DEADLY, AGAIN]))
    kernel = CodeExecutorAgent("kernel", JupyterCodeExecutor(), approval_func=approve_all)
    team = RoundRobinGroupChat([coder, kernel], max_turns=4)
    await team.share({"birds": pd.DataFrame({"mass": [1, 2, 3]})})

    try:
        result = await team.run(task="Count the birds.")
    finally:
        await team.close()
    assert result.log is not None
    said = [message.to_model_text() for message in fold.thread(result.log) if message.source == "kernel"]
    facts = [event.body for event in result.log if isinstance(event.body, CodeFinished)]

    assert "so far" in said[0]
    assert "exit code 3" in said[0]
    assert "Loaded again: birds" in said[1]
    assert said[1].rstrip().endswith("3")
    assert facts[0].error is not None
    assert "KernelDied" in facts[0].error
    assert facts[0].output == "so far\n"
    assert fold.totals(result.log).state == "done"
