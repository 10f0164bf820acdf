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
    "collect_results": "[0, 1, 4, 9]\n",
    "component_json": "['Speak.', 'one', 'two']\nOrTerminationCondition False\n",
    "event_log": "[('MessageKind.DIRECT DeliveryStage.DELIVER', 1), ('MessageKind.DIRECT DeliveryStage.SEND', 1), "
    "('MessageKind.RESPOND DeliveryStage.DELIVER', 1), ('MessageKind.RESPOND DeliveryStage.SEND', 1)]\n",
    "intervene": "sold: bread\nnot sold\n",
    "private_imports": "Ping(text='hello')\na=1 b=2\nTrue 0.7.5\n",
    "publish_and_subscribe": "printer/default: A poem, written, edited\nprinter/customer-2: A song, written, edited\n",
    "request_and_reply": "3 2 1 0\n",
    "round_robin": "['user', 'writer', 'critic', 'writer', 'critic']\n",
    "tool_loop": "AssistantMessage FunctionExecutionResultMessage AssistantMessage\nIt costs 12.5.\n",
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
