"""Names of model families."""

from __future__ import annotations

from collections.abc import Callable
from typing import get_args

import pytest

from agentnb.models import ModelFamily

NAMES = """
GPT_5=gpt-5 GPT_41=gpt-41 GPT_45=gpt-45 GPT_4O=gpt-4o O1=o1 O3=o3 O4=o4 GPT_4=gpt-4 GPT_35=gpt-35 R1=r1
GEMINI_1_5_FLASH=gemini-1.5-flash GEMINI_1_5_PRO=gemini-1.5-pro GEMINI_2_0_FLASH=gemini-2.0-flash
GEMINI_2_5_PRO=gemini-2.5-pro GEMINI_2_5_FLASH=gemini-2.5-flash CLAUDE_3_HAIKU=claude-3-haiku
CLAUDE_3_SONNET=claude-3-sonnet CLAUDE_3_OPUS=claude-3-opus CLAUDE_3_5_HAIKU=claude-3-5-haiku
CLAUDE_3_5_SONNET=claude-3-5-sonnet CLAUDE_3_7_SONNET=claude-3-7-sonnet CLAUDE_4_OPUS=claude-4-opus
CLAUDE_4_SONNET=claude-4-sonnet LLAMA_3_3_8B=llama-3.3-8b LLAMA_3_3_70B=llama-3.3-70b LLAMA_4_SCOUT=llama-4-scout
LLAMA_4_MAVERICK=llama-4-maverick CODESRAL=codestral OPEN_CODESRAL_MAMBA=open-codestral-mamba MISTRAL=mistral
MINISTRAL=ministral PIXTRAL=pixtral UNKNOWN=unknown
"""
SPELLED = dict(pair.split("=") for pair in NAMES.split())


def test_every_family_has_autogens_name_and_is_one_of_any() -> None:
    constants = {name: value for name, value in vars(ModelFamily).items() if name.isupper() and name != "ANY"}

    assert constants == SPELLED
    assert get_args(ModelFamily.ANY) == tuple(SPELLED.values())


@pytest.mark.parametrize(
    ("is_theirs", "theirs"),
    [
        (ModelFamily.is_claude, "CLAUDE"),
        (ModelFamily.is_gemini, "GEMINI"),
        (ModelFamily.is_openai, ("GPT", "O1", "O3", "O4")),
        (ModelFamily.is_llama, "LLAMA"),
        (ModelFamily.is_mistral, ("CODESRAL", "OPEN_CODESRAL", "MISTRAL", "MINISTRAL", "PIXTRAL")),
    ],
    ids=["claude", "gemini", "openai", "llama", "mistral"],
)
def test_each_maker_knows_its_own_families(is_theirs: Callable[[str], bool], theirs: str | tuple[str, ...]) -> None:
    assert [name for name, value in SPELLED.items() if is_theirs(value)] == [
        name for name in SPELLED if name.startswith(theirs)
    ]


def test_a_family_is_not_made_into_an_object() -> None:
    with pytest.raises(TypeError, match="holds names"):
        ModelFamily()
