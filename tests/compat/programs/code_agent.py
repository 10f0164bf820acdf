# mypy: ignore-errors
"""A coder writes Python, has it run in a Jupyter kernel, and corrects what failed; another runs others' code."""

import asyncio

from autogen_agentchat.agents import ApprovalRequest, ApprovalResponse, AssistantAgent, CodeExecutorAgent
from autogen_agentchat.messages import CodeExecutionEvent, CodeGenerationEvent, TextMessage
from autogen_agentchat.teams import RoundRobinGroupChat
from autogen_core.models import ModelFamily, ModelInfo
from autogen_ext.code_executors.jupyter import JupyterCodeExecutor
from autogen_ext.models.replay import ReplayChatCompletionClient

INFO = ModelInfo(
    vision=False, function_calling=False, json_output=True, family=ModelFamily.UNKNOWN, structured_output=True
)


def approve(request: ApprovalRequest) -> ApprovalResponse:
    if "remove" in request.code:
        return ApprovalResponse(approved=False, reason="Nothing is removed here.")
    return ApprovalResponse(approved=True, reason="Harmless.")


async def main() -> None:
    async with JupyterCodeExecutor() as executor:
        client = ReplayChatCompletionClient(
            [
                "Let us see.\n```python\nprint(sum(nubmers))\n```",
                '{"reason": "a name is misspelt", "retry": true}',
                "```python\nnumbers = [1, 2, 3]\nprint(sum(numbers))\n```",
                "The sum is 6.",
            ],
            model_info=INFO,
        )
        coder = CodeExecutorAgent(
            "coder", code_executor=executor, model_client=client, max_retries_on_error=1, approval_func=approve
        )
        async for item in coder.run_stream(task="Add up 1, 2 and 3."):
            if isinstance(item, CodeGenerationEvent) and item.code_blocks:
                print("wrote", item.retry_attempt, [block.code for block in item.code_blocks])
            elif isinstance(item, CodeExecutionEvent):
                print("ran", item.retry_attempt, item.result.exit_code)
            elif isinstance(item, TextMessage):
                print(item.source, "said", item.content)

        writer = AssistantAgent(
            "writer", ReplayChatCompletionClient(["```python\nprint(len(numbers))\n```", "```sh\nremove it\n```"])
        )
        runner = CodeExecutorAgent("runner", executor, sources=["writer"], approval_func=approve)
        result = await RoundRobinGroupChat([writer, runner], max_turns=4).run(task="How many were there?")
        print(result.messages[2].to_text().strip())
        print("Nothing is removed here." in result.messages[4].to_text())


if __name__ == "__main__":
    asyncio.run(main())
