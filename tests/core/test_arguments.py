"""What is given wrongly is named where it is given."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import BaseModel

from agentnb.core.arguments import at_least_one, require_function, require_model_class, require_text
from agentnb.messages import RequestUsage


@pytest.mark.parametrize("value", [0, -1, 2.5, "3", None, [1]])
def test_a_count_is_a_whole_number_of_at_least_one(value: Any) -> None:
    with pytest.raises(ValueError, match=r"^turns is .*; it must be a whole number of at least 1\.$"):
        at_least_one("turns", value)


def test_a_count_may_be_left_open_where_that_means_something() -> None:
    assert at_least_one("turns", 3, none="no limit") == 3
    assert at_least_one("turns", None, none="no limit") is None
    with pytest.raises(ValueError, match=r"turns is 0; .* at least 1, or None for no limit\.$"):
        at_least_one("turns", 0, none="no limit")


def test_a_count_of_numpys_is_a_whole_number() -> None:
    numpy = pytest.importorskip("numpy")

    assert at_least_one("turns", numpy.int64(3)) == 3


def test_a_text_is_required() -> None:
    require_text("The charter", "Be kind.")
    with pytest.raises(TypeError, match="The charter is 3; it must be a text"):
        require_text("The charter", 3)


def test_a_function_is_required() -> None:
    require_function("The check", print, "a function of an act")
    with pytest.raises(TypeError, match="The check is 'x', which cannot be called; give a function of an act"):
        require_function("The check", "x", "a function of an act")


@pytest.mark.parametrize("value", [int, RequestUsage(1, 2), "Answer"])
def test_a_class_of_pydantics_is_required(value: Any) -> None:
    require_model_class("The form", BaseModel)
    with pytest.raises(TypeError, match=r"The form is .*; it must be a class of pydantic's"):
        require_model_class("The form", value)
