"""The table of models."""

from __future__ import annotations

import pytest

from agentnb.messages import (
    AssistantMessage,
    FunctionCall,
    FunctionExecutionResult,
    FunctionExecutionResultMessage,
    LLMMessage,
    SystemMessage,
    UserMessage,
)
from agentnb.models import ModelFamily, catalog


def test_every_alias_leads_to_a_listed_model() -> None:
    for alias in catalog.ALIASES:
        assert catalog.info_of(alias) is not None, alias
        assert (catalog.window_of(alias) or 0) >= 4096, alias


@pytest.mark.parametrize(
    ("model", "vision", "functions", "json", "structured", "several", "window"),
    [
        ("gpt-5", True, True, True, True, True, 400_000),
        ("gpt-4.1-nano", True, True, True, True, True, 1_047_576),
        ("o3-mini", False, True, True, True, True, 200_000),
        ("o1", False, True, False, True, True, 200_000),
        ("o1-mini", False, False, False, False, True, 128_000),
        ("gpt-4o-mini", True, True, True, True, True, 128_000),
        ("gpt-4o-2024-05-13", True, True, True, False, True, 128_000),
        ("gpt-4", False, True, True, False, True, 8192),
        ("gpt-3.5-turbo", False, True, True, False, True, 16_385),
        ("gemini-2.5-flash", True, True, True, True, False, 1_048_576),
        ("claude-3-haiku", True, True, True, False, True, 50_000),
        ("llama-3.3-70b", False, True, True, False, True, 128_000),
    ],
)
def test_a_model_can_do_what_autogens_table_says(
    model: str, vision: bool, functions: bool, json: bool, structured: bool, several: bool, window: int
) -> None:
    info = catalog.info_of(model)

    assert info is not None
    assert (info["vision"], info["function_calling"], info["json_output"]) == (vision, functions, json)
    assert (info["structured_output"], info["multiple_system_messages"]) == (structured, several)
    assert catalog.window_of(model) == window


def test_a_newer_date_of_a_listed_model_is_known_by_the_longest_beginning() -> None:
    assert catalog.family_of("gpt-4o-mini-2030-01-01") == "gpt-4o"
    assert catalog.window_of("gpt-4-32k-0999") == 32_768
    assert catalog.info_of("gpt-4oo") is None
    assert catalog.family_of("something") == "unknown"


def test_what_is_given_out_can_be_changed_without_changing_the_table() -> None:
    info = catalog.info_of("gpt-4o")
    assert info is not None
    info["vision"] = False

    again = catalog.info_of("gpt-4o")

    assert again is not None
    assert again["vision"]


@pytest.mark.parametrize(
    ("model", "family", "rules"),
    [
        ("gemini-2.5-pro", "unknown", "gemini"),
        ("x", "claude-3-opus", "claude"),
        ("pixtral-12b", "unknown", "mistral"),
        ("gpt-4o", "gpt-4o", "openai"),
        ("gemini-lookalike", "gpt-4o", "openai"),
    ],
)
def test_the_family_decides_whose_rules_hold_then_the_name(model: str, family: str, rules: str) -> None:
    assert catalog.dialect(model, family) == rules


def test_tokens_are_bytes_over_four_of_every_kind_of_message() -> None:
    messages: list[LLMMessage] = [
        SystemMessage(content="é" * 40),
        UserMessage(content=["a" * 40, "b" * 40], source="u"),
        AssistantMessage(
            content=[FunctionCall(id="1", name="n" * 8, arguments="a" * 32)], source="m", thought="t" * 40
        ),
        FunctionExecutionResultMessage(content=[FunctionExecutionResult(content="r" * 40, name="n", call_id="1")]),
    ]

    assert catalog.estimate_tokens(messages) == (80 + 80 + 80 + 40) // 4 + 16


def test_every_listed_family_has_one_maker_or_is_a_name_of_its_own() -> None:
    makers = (ModelFamily.is_openai, ModelFamily.is_gemini, ModelFamily.is_claude, ModelFamily.is_llama)

    for alias in (*catalog.ALIASES, "gemini-2.5-pro"):
        assert sum(is_theirs(catalog.family_of(alias)) for is_theirs in makers) == 1, alias
    assert ModelFamily.is_mistral(ModelFamily.PIXTRAL)
    assert not ModelFamily.is_openai(ModelFamily.UNKNOWN)
