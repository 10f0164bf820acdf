"""Every exception, in one tree."""

from __future__ import annotations

import inspect
import pickle
import re

import pytest

from agentnb import exceptions
from agentnb.exceptions import (
    AgentnbError,
    KernelTimeout,
    MissingExtra,
    ModelError,
    ModelRateLimited,
    RunStopped,
    RuntimeFault,
    TerminatedException,
    ToolError,
    ToolException,
    ToolNotFound,
    UnknownName,
    UserError,
)

ALL = {name: cls for name, cls in vars(exceptions).items() if inspect.isclass(cls) and issubclass(cls, BaseException)}
PUBLIC = {name: cls for name, cls in ALL.items() if not name.startswith("_")}


def test_all_that_is_public_is_listed_in_order() -> None:
    assert exceptions.__all__ == sorted(PUBLIC)


def test_the_tree_in_the_docstring_names_every_class_at_its_place() -> None:
    drawn = exceptions.__doc__ or ""

    missing = [name for name in PUBLIC if not re.search(rf"\b{name}\b", drawn)]

    assert missing == []


@pytest.mark.parametrize("name", sorted(set(PUBLIC) - {"TerminatedException"}))
def test_every_error_has_the_one_root(name: str) -> None:
    assert issubclass(PUBLIC[name], AgentnbError)


@pytest.mark.parametrize(
    ("ours", "pythons"),
    [
        (UserError, ValueError),
        (UnknownName, LookupError),
        (MissingExtra, ImportError),
        (ModelError, RuntimeError),
        (ToolError, RuntimeError),
        (ToolNotFound, LookupError),
        (KernelTimeout, TimeoutError),
        (RuntimeFault, RuntimeError),
    ],
)
def test_errors_are_caught_by_the_name_python_gives_them(ours: type[Exception], pythons: type[Exception]) -> None:
    with pytest.raises(pythons, match="what happened"):
        raise ours("what happened")


@pytest.mark.parametrize("cls", [UserError, ModelError, RunStopped], ids=lambda cls: cls.__name__)
def test_an_error_that_says_everything_is_shown_without_its_stack(cls: type[Exception]) -> None:
    assert cls("no such team")._render_traceback_() == [f"{cls.__name__}: no such team"]  # type: ignore[attr-defined]


def test_errors_that_need_their_stack_keep_it() -> None:
    assert not hasattr(RuntimeFault("x"), "_render_traceback_")


def test_a_models_error_keeps_what_had_arrived() -> None:
    error = ModelRateLimited("wait", retry_after=2.5, partial="half")

    assert (str(error), error.retry_after, error.partial) == ("wait", 2.5, "half")
    assert ModelError("x").partial == ""


def test_a_stopped_run_keeps_its_result() -> None:
    assert RunStopped("stopped", result=[1]).result == [1]
    assert RunStopped("stopped").result is None


@pytest.mark.parametrize("name", sorted(PUBLIC))
def test_every_error_goes_to_another_process_and_back(name: str) -> None:
    cls = PUBLIC[name]
    error = cls("call", "what happened", "tool") if issubclass(cls, ToolException) else cls("what happened")

    again = pickle.loads(pickle.dumps(error))

    assert (type(again), str(again)) == (type(error), str(error))


def test_a_terminated_condition_is_not_caught_by_chance() -> None:
    assert not issubclass(TerminatedException, Exception)
