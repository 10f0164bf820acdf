# mypy: ignore-errors
"""Magentic-One with an orchestrator whose answers are written down beforehand."""

import asyncio
import json

from autogen_agentchat.agents import AssistantAgent
from autogen_agentchat.messages import TextMessage
from autogen_agentchat.teams import MagenticOneGroupChat
from autogen_agentchat.ui import Console
from autogen_core.models import ModelFamily, ModelInfo
from autogen_ext.models.replay import ReplayChatCompletionClient

INFO = ModelInfo(
    vision=False, function_calling=False, json_output=True, family=ModelFamily.UNKNOWN, structured_output=False
)


def ledger(speaker: str, instruction: str, *, done: bool = False, progress: bool = True) -> str:
    return json.dumps(
        {
            "is_request_satisfied": {"reason": "the peak is named" if done else "not yet", "answer": done},
            "is_in_loop": {"reason": "no", "answer": False},
            "is_progress_being_made": {"reason": "somebody works", "answer": progress},
            "next_speaker": {"reason": "the right one", "answer": speaker},
            "instruction_or_question": {"reason": "it is needed", "answer": instruction},
        }
    )


async def main() -> None:
    orchestrator = ReplayChatCompletionClient(
        [
            "1. GIVEN OR VERIFIED FACTS: none",
            "- the geographer names the peak, the checker checks it",
            ledger("geographer", "Name the highest peak of the Harz."),
            ledger("checker", "Is that right?"),
            ledger("checker", "", done=True),
            "The Brocken, 1141 m.",
        ],
        model_info=INFO,
    )
    geographer = AssistantAgent("geographer", ReplayChatCompletionClient(["The Brocken."]), description="Knows maps.")
    checker = AssistantAgent("checker", ReplayChatCompletionClient(["Yes, 1141 m."]), description="Checks.")
    team = MagenticOneGroupChat([geographer, checker], model_client=orchestrator, max_turns=6, max_stalls=2)
    result = await Console(team.run_stream(task="What is the highest peak of the Harz?"))
    print("=====")
    print(*(message.source.removeprefix("MagenticOne") for message in result.messages))
    print(*(message.to_text() for message in result.messages[2:]), sep="\n")
    print(result.stop_reason, isinstance(result.messages[-1], TextMessage))
    state = await team.save_state()
    print(state["agent_states"]["MagenticOneOrchestrator"]["n_rounds"], sorted(state["agent_states"]))


if __name__ == "__main__":
    asyncio.run(main())
