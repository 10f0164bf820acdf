"""Programs as AutoGen's users write them run unchanged."""

from __future__ import annotations

import asyncio
import importlib.util
import logging
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from agentnb import EVENT_LOGGER_NAME, ROOT_LOGGER_NAME, TRACE_LOGGER_NAME
from agentnb.compat import autogen
from agentnb.compat.migrate import migrate

PROGRAMS = Path(__file__).parent / "programs"

SAYS = {
    "agent_as_tool": "user host user mathematician host host user writer reviewer host host\n"
    "'It is 55.'\n"
    "'writer: Ten numbers met.\\n\\nreviewer: Charming.'\n"
    "55, and a tale.\n",
    "ask_a_person": "TextMessage TextMessage UserInputRequestedEvent TextMessage\n"
    "['', 'Greener, please.', '', 'APPROVE']\n"
    "is asked\n"
    "answers painter It is 7.\n",
    "code_agent": "user said Add up 1, 2 and 3.\n"
    "wrote 0 ['print(sum(nubmers))\\n']\n"
    "ran 0 1\n"
    "wrote 1 ['numbers = [1, 2, 3]\\nprint(sum(numbers))\\n']\n"
    "ran 1 0\n"
    "coder said The sum is 6.\n"
    "3\n"
    "True\n",
    "collect_results": "[0, 1, 4, 9]\n",
    "component_json": "['Speak.', 'one', 'two']\nOrTerminationCondition False\n",
    "console_stats": "---------- TextMessage (user) ----------\n"
    "---------- TextMessage (host) ----------\n"
    "---------- ModelClientStreamingChunkEvent (guest) ----------\n"
    "1\n"
    "[Prompt tokens: 20, Completion tokens: 3]\n"
    "[Prompt tokens: 31, Completion tokens: 6]\n"
    "Number of messages: 3\n"
    "Total prompt tokens: 51\n"
    "Total completion tokens: 9\n"
    "True\n"
    "guest True\n",
    "event_log": "[('MessageKind.DIRECT DeliveryStage.DELIVER', 1), ('MessageKind.DIRECT DeliveryStage.SEND', 1), "
    "('MessageKind.RESPOND DeliveryStage.DELIVER', 1), ('MessageKind.RESPOND DeliveryStage.SEND', 1)]\n",
    "graph_loop": "['user', 'start'] ['left', 'right'] ['end']\n"
    "['user', 'start'] ['left', 'right'] ['end']\n"
    "True ['printer']\n"
    "user: Write two lines about the sea.\n"
    "poet: Grey sea.\n"
    "critic: REVISE: too short.\n"
    "poet: Grey sea, white gulls.\n"
    "critic: APPROVE\n"
    "printer: Printed.\n"
    "['Grey sea, white gulls.']\n",
    "intervene": "sold: bread\nnot sold\n",
    "magentic_one": "user Orchestrator Orchestrator geographer Orchestrator checker Orchestrator\n"
    "Name the highest peak of the Harz.\n"
    "The Brocken.\n"
    "Is that right?\n"
    "Yes, 1141 m.\n"
    "The Brocken, 1141 m.\n"
    "the peak is named True\n"
    "3 ['MagenticOneOrchestrator', 'checker', 'geographer']\n",
    "memory_list": "['TextMessage', 'MemoryQueryEvent', 'MemoryQueryEvent', 'TextMessage']\n"
    "['Units must be metric.', 'Recipes must be vegan.'] MemoryMimeType.TEXT\n"
    "2 True\n"
    "['TextMessage', 'MemoryQueryEvent', 'TextMessage']\n"
    "[]\n",
    "own_agent": "19 xox/oxo/xox 5 4\n"
    "['TextMessage', 'Thinking', 'Move', 'Thinking']\n"
    "True Move\n"
    "0\n"
    "['Begin.', 'thinks about 0', 'x  /   /   ']\n"
    "a message nobody announced\n",
    "own_condition": "3 8 words False\n"
    "3 8 words False\n"
    "Enough was said already.\n"
    "mine.WordsTermination termination {'words': 8}\n"
    "2\n"
    "True\n"
    "True True\n",
    "pause_resume": "nothing to pause yet\n"
    "False 0 0 1 1\n"
    "['Dig.', '3 strokes', '3 strokes', '6 strokes']\n"
    "False ['user', 'two']\n",
    "private_imports": "Ping(text='hello')\na=1 b=2\nTrue 0.7.5\n",
    "publish_and_subscribe": "printer/default: A poem, written, edited\nprinter/customer-2: A song, written, edited\n",
    "request_and_reply": "3 2 1 0\n",
    "round_robin": "['user', 'writer', 'critic', 'writer', 'critic']\n",
    "save_load": "AssistantAgentState 1.0.0 ['The sea?', 'Waves.']\n"
    "Waves, as I said.\n"
    "[True, True, True, True]\n"
    "TeamState ['RoundRobinGroupChatManager', 'ann', 'bob']\n"
    "1 ['user', 'ann']\n"
    "[('user', 'And you?'), ('bob', 'I am Bob.')]\n"
    "['Who are you?', 'I am Ann.', 'And you?', 'I am Bob.']\n"
    "ann\n"
    "nobody is in that state\n",
    "selector_functions": "user planner reader planner counter planner writer planner\n"
    "user \n"
    "SelectorGroupChatManager ['counter']\n"
    "counter \n"
    "SelectorGroupChatManager ['reader']\n"
    "reader \n"
    "SelectorGroupChatManager ['writer']\n"
    "writer \n"
    "there is no ghost\n",
    "society": "user writer editor writer editor society translator\n"
    "('society', 'Our tale of the sea.') ('translator', 'Nuestro cuento.')\n"
    "['user', 'writer', 'editor', 'society', 'translator'] Otro cuento.\n"
    "SocietyOfMindAgentState True\n",
    "stop_conditions": "0\n3 3\n4 0\n6\n4 3\n1 0\n1 3\n1 3\n6\n3 3\n",
    "structured_output": 'StructuredMessage[Mood] happy | happy, because of sun | {"reason":"sun","mood":"happy"}\n'
    "['TextMessage', 'StructuredMessage[Mood]', 'TextMessage']\n"
    "neutral! True False\n",
    "swarm_handoffs": "user seats seats seats seats seats seats desk\n"
    "HandoffMessage ToolCallRequestEvent ToolCallExecutionEvent ToolCallSummaryMessage\n"
    "Seat 12C is free again. | Thank you for calling. GOODBYE\n",
    "team_json": "True team\n"
    "['Plan.', 'One.', 'Two.', 'END']\n"
    "second go all\n"
    "SelectorGroupChat [('user', 'We are hungry.'), ('cook', 'Soup is ready.'), ('waiter', 'Served. DONE')]\n"
    "True ['Ready?', 'Yes.', 'Over.']\n"
    "readers 3 A reader\n",
    "tool_loop": "AssistantMessage FunctionExecutionResultMessage AssistantMessage\nIt costs 12.5.\n",
    "tool_reflection": "user says Can I leave Husum today?\n"
    "asks ['tide_at', 'wind'] 9\n"
    "hears ['14:20', '12 knots at Husum']\n"
    "pilot says High water is at 14:20, with 12 knots of wind.\n"
    "['ToolCallRequestEvent', 'ToolCallExecutionEvent'] True I know nothing of Atlantis.\n",
}


@pytest.fixture(autouse=True)
def a_place_of_its_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    monkeypatch.setenv("AGENTNB_RUNS", str(tmp_path / "runs"))
    before = set(sys.modules)
    loggers = [logging.getLogger(name) for name in (ROOT_LOGGER_NAME, EVENT_LOGGER_NAME, TRACE_LOGGER_NAME)]
    kept = [(logger, logger.level, list(logger.handlers)) for logger in loggers]
    yield
    for logger, level, handlers in kept:
        logger.setLevel(level)
        logger.handlers[:] = handlers
    for name in set(sys.modules) - before:
        if name.startswith("program_"):
            del sys.modules[name]


def _run(path: Path) -> None:
    name = f"program_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    asyncio.run(module.main())


def test_every_program_has_its_expected_words() -> None:
    assert sorted(path.stem for path in PROGRAMS.glob("*.py")) == sorted(SAYS)


@pytest.mark.parametrize("program", SAYS)
def test_an_autogen_program_runs_unchanged_behind_the_hook(program: str, capsys: pytest.CaptureFixture[str]) -> None:
    with autogen.installed():
        _run(PROGRAMS / f"{program}.py")

    assert capsys.readouterr().out.endswith(SAYS[program])


@pytest.mark.parametrize("program", [program for program in SAYS if program != "private_imports"])
def test_an_autogen_program_runs_without_the_hook_once_it_is_migrated(
    program: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / f"{program}.py"
    path.write_bytes((PROGRAMS / path.name).read_bytes())

    done = migrate(path, write=True)
    _run(path)

    assert not done.needs_a_hand
    assert not [name for name in sys.modules if name.startswith("autogen_")]
    assert capsys.readouterr().out.endswith(SAYS[program])
