"""Consent to run source code that a config carries."""

from __future__ import annotations

import asyncio
from typing import Any, Self

import pytest
from pydantic import BaseModel

from agentnb.core import Component, code_allowed, require_code_consent
from agentnb.core.consent import consenting
from agentnb.exceptions import CodeNotAllowed, UserError


class SourceConfig(BaseModel):
    source: str


class Script(Component[SourceConfig]):
    """Made from source code."""

    component_type = "script"
    component_config_schema = SourceConfig
    ran: list[str] = []  # noqa: RUF012 - what the tests look at

    def _to_config(self) -> SourceConfig:
        return SourceConfig(source="1 + 1")

    @classmethod
    def _from_config(cls, config: SourceConfig) -> Self:
        require_code_consent("the script 'sum' (Script)")
        cls.ran.append(config.source)
        return cls()


class Shelf(Component):
    def __init__(self, *scripts: Script) -> None:
        self.scripts = scripts


class Loading(Component):
    """Loads another component while it is made, and asks for no consent itself."""

    def __init__(self, script: dict[str, Any]) -> None:
        self.script = Script.load_component(script)


@pytest.fixture(autouse=True)
def _trusting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AGENTNB_TRUSTED_NAMESPACES", __name__)
    Script.ran.clear()


def test_code_in_a_config_is_not_run_unless_asked_for() -> None:
    with pytest.raises(CodeNotAllowed, match=r"the script 'sum' \(Script\).*load_component\(\.\.\., allow_code=True\)"):
        Script.load_component(Script().dump_component())

    assert Script.ran == []


def test_code_in_a_nested_config_is_not_run_unless_asked_for() -> None:
    dumped = Shelf(Script(), Script()).dump_component()

    with pytest.raises(CodeNotAllowed):
        Shelf.load_component(dumped)
    assert Script.ran == []
    assert len(Shelf.load_component(dumped, allow_code=True).scripts) == 2


def test_what_the_outermost_caller_allowed_holds_for_what_is_loaded_on_the_way() -> None:
    dumped = Loading.load_component(
        {"provider": f"{__name__}.Loading", "config": {"script": {"plain data": _script()}}}, allow_code=True
    )

    assert isinstance(dumped.script, Script)


def _script() -> dict[str, Any]:
    return Script().dump_component().model_dump(exclude_none=True)


def test_consent_ends_with_the_loading() -> None:
    Script.load_component(Script().dump_component(), allow_code=True)

    assert not code_allowed()
    with pytest.raises(UserError):
        require_code_consent("anything")


def test_consent_ends_when_loading_fails() -> None:
    with pytest.raises(ValueError, match="no path"):
        Component.load_component({"provider": "a b.C", "config": {}}, allow_code=True)

    assert not code_allowed()


async def test_a_task_that_began_while_loading_has_no_consent_afterwards() -> None:
    go = asyncio.Event()

    async def later() -> bool:
        await go.wait()
        return code_allowed()

    with consenting(True):
        task = asyncio.create_task(later())
        assert code_allowed()
    go.set()

    assert not await task
