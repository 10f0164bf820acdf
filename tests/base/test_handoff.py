"""Handing over."""

from __future__ import annotations

import pytest

from agentnb.base import Handoff
from agentnb.core import CancellationToken


def test_a_handoff_names_itself_after_its_target() -> None:
    handoff = Handoff(target="Refunds")

    assert handoff.name == "transfer_to_refunds"
    assert "Refunds" in handoff.description
    assert "Refunds" in handoff.message


def test_what_is_given_is_kept() -> None:
    handoff = Handoff(target="ben", description="For refunds.", name="to_ben", message="Over to you.")

    assert handoff.model_dump() == {
        "target": "ben",
        "description": "For refunds.",
        "name": "to_ben",
        "message": "Over to you.",
    }


def test_a_name_that_is_no_identifier_is_refused() -> None:
    with pytest.raises(ValueError, match="'to ben' is no Python identifier"):
        Handoff(target="ben", name="to ben")


async def test_its_tool_takes_nothing_and_says_the_message() -> None:
    tool = Handoff(target="ben", message="Over to you.").handoff_tool

    assert await tool.run_json({}, CancellationToken()) == "Over to you."
    assert tool.name == "transfer_to_ben"
    assert tool.schema["strict"] is True
    assert tool.schema["parameters"]["properties"] == {}


def test_a_handoff_survives_being_written() -> None:
    handoff = Handoff(target="ben", description="For refunds.")

    assert Handoff.model_validate_json(handoff.model_dump_json()) == handoff
