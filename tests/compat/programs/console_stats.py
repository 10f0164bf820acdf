# mypy: ignore-errors
"""The console prints a team's run with its statistics, and a streamed answer once."""

import asyncio
import contextlib
import io

from autogen_agentchat.agents import AssistantAgent
from autogen_agentchat.messages import TextMessage
from autogen_agentchat.teams import RoundRobinGroupChat
from autogen_agentchat.ui import Console
from autogen_core import CancellationToken
from autogen_core.models import CreateResult, RequestUsage
from autogen_ext.models.replay import ReplayChatCompletionClient


def said(text: str, prompt_tokens: int, completion_tokens: int) -> CreateResult:
    usage = RequestUsage(prompt_tokens=prompt_tokens, completion_tokens=completion_tokens)
    return CreateResult(finish_reason="stop", content=text, usage=usage, cached=False)


async def main() -> None:
    host = AssistantAgent("host", ReplayChatCompletionClient([said("Good evening.", 20, 3)]))
    guest = AssistantAgent(
        "guest", ReplayChatCompletionClient([said("Good evening to you all.", 31, 6)] * 2), model_client_stream=True
    )
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        await Console(RoundRobinGroupChat([host, guest], max_turns=2).run_stream(task="Begin."), output_stats=True)
    lines = out.getvalue().splitlines()
    print(*[line for line in lines if line.startswith("-")][:3], sep="\n")
    print(out.getvalue().count("Good evening to you all."))
    print(*[line for line in lines if "okens" in line or line.startswith("Number of")], sep="\n")
    print(any(line.startswith("Duration: ") for line in lines))

    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        response = await Console(
            guest.on_messages_stream([TextMessage(content="Again.", source="host")], CancellationToken()),
            output_stats=True,
        )
    print(response.chat_message.source, "Number of inner messages: 0" in out.getvalue())


if __name__ == "__main__":
    asyncio.run(main())
