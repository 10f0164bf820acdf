"""Secrets of components."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, ClassVar

import pytest
from pydantic import SecretStr

from agentnb.core import Component
from agentnb.exceptions import ModelNotConfigured, UserError
from agentnb.messages import UserMessage
from agentnb.models.openai import OpenAIChatCompletionClient


class Door(Component):
    component_secrets: ClassVar[Mapping[str, str]] = {"code": "DOOR_CODE", "spare": "DOOR_SPARE"}

    def __init__(self, code: SecretStr, spare: str | None = None, sign: str = "", other: SecretStr | None = None):
        self.code, self.spare, self.sign, self.other = code, spare, sign, other


class Safe(Component):
    def __init__(self, number: SecretStr) -> None:
        self.number = number


@pytest.fixture(autouse=True)
def _trusting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AGENTNB_TRUSTED_NAMESPACES", __name__)
    monkeypatch.delenv("DOOR_CODE", raising=False)


def door(**config: Any) -> Door:
    return Door.load_component({"provider": f"{__name__}.Door", "config": config})


def test_a_secret_is_written_as_the_variable_it_is_found_in() -> None:
    dumped = Door(SecretStr("1234"), "5678", other=SecretStr("9012")).dump_component()

    assert dumped.config == {
        "code": {"env": "DOOR_CODE"},
        "spare": {"env": "DOOR_SPARE"},
        "other": {"secret": "not written"},
    }


def test_a_secret_that_must_be_given_is_read_from_its_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOOR_CODE", "1234")

    made = Door.load_component(json.loads(Door(SecretStr("0000")).dump_component().model_dump_json()))

    assert made.code == SecretStr("1234")


def test_a_secret_that_is_missing_is_named_with_its_variable() -> None:
    with pytest.raises(UserError, match=r"Door needs 'code', a secret: set the environment variable DOOR_CODE"):
        door(code={"env": "DOOR_CODE"})


def test_a_secret_without_a_variable_says_how_to_give_it_one() -> None:
    with pytest.raises(UserError, match=r"Safe needs 'number'.*component_secrets = \{'number': 'NUMBER'\}"):
        Safe.load_component(Safe(SecretStr("1")).dump_component())


def test_a_config_cannot_make_a_class_read_another_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "precious")

    with pytest.raises(UserError, match=r"Door\.code from the environment variable 'AWS_SECRET_ACCESS_KEY'"):
        door(code={"env": "AWS_SECRET_ACCESS_KEY"})


def test_a_secret_that_stands_in_a_config_is_taken() -> None:
    assert door(code="1234").code == SecretStr("1234")


def test_ten_stars_are_a_mask_only_where_a_secret_is_asked_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DOOR_CODE", "1234")

    made = door(code="**********", spare="**********", sign="**********", other="**********")

    assert (made.code, made.spare, made.sign, made.other) == (SecretStr("1234"), None, "**********", None)


async def test_a_client_with_autogens_masked_key_says_at_use_that_its_key_is_missing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """AutoGen sends the stars to the server, which answers that they are no key."""
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    config = {"model": "gpt-4o", "api_key": "**********"}

    client = OpenAIChatCompletionClient.load_component(
        {"provider": "autogen_ext.models.openai.OpenAIChatCompletionClient", "config": config}
    )

    with pytest.raises(ModelNotConfigured, match="OPENAI_API_KEY"):
        await client.create([UserMessage(content="hello", source="user")])
