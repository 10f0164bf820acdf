"""Functions in configs, by the path they are imported from."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable
from typing import Any

import pytest

from agentnb.agents import approve_all
from agentnb.agents.import_path import imported, path_of
from agentnb.exceptions import UnknownName


def plain() -> None: ...


class Holder:
    """Holds functions."""

    def method(self) -> None: ...

    @staticmethod
    def static() -> None: ...


nameless: Callable[[], None] = lambda: None  # noqa: E731 - a lambda that has a name in its module all the same


def within() -> Callable[[], None]:
    def inner() -> None: ...

    return inner


def test_functions_of_modules_and_classes_have_a_path() -> None:
    assert path_of(plain) == f"{__name__}.plain"
    assert path_of(Holder.static) == f"{__name__}.Holder.static"


def test_a_rooms_function_has_the_rooms_path() -> None:
    assert path_of(approve_all) == "agentnb.agents.approve_all"
    assert imported("agentnb.agents.approve_all", "approval_func") is approve_all


@pytest.mark.parametrize(
    "function",
    [nameless, within(), Holder().method, functools.partial(plain)],
    ids=["lambda", "inner", "bound", "partial"],
)
def test_what_an_import_would_not_find_has_none(function: Any) -> None:
    assert path_of(function) is None


def test_a_function_whose_name_now_means_another_has_none(monkeypatch: pytest.MonkeyPatch) -> None:
    before = plain
    monkeypatch.setattr(sys.modules[__name__], "plain", within())

    assert path_of(before) is None


def test_a_path_to_nothing_names_what_is_near() -> None:
    with pytest.raises(UnknownName, match=r"agentnb.agents has no 'aprove_all'. Did you mean 'approve_all'"):
        imported("agentnb.agents.aprove_all", "approval_func")
