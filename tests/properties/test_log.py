"""What holds for any log, however it came about and wherever its file ends."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from agentnb.core import EventId, well_formed
from agentnb.messages import TextMessage
from agentnb.runlog import Branched, Event, Noted, RunLog, Said, add_totals, said, thread
from agentnb.runlog.fold import Totals
from tests.strategies import facts, texts

files = settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("runs")


def filled(log: RunLog, facts: Iterable[dict[str, Any]]) -> RunLog:
    for fact in facts:
        before = log.events
        parent = before[fact["cause"] % len(before)].id if before and fact["cause"] else None
        log.append(fact["body"], source=fact["source"], took=fact["took"], usage=fact["usage"], parent=parent)
    return log


def mended(value: Any) -> Any:
    """Return what a file holds of a value: lone surrogates cannot be written."""
    if isinstance(value, str):
        return well_formed(value)
    if isinstance(value, dict):
        return {mended(key): mended(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [mended(item) for item in value]
    return value


def data_of(events: Iterable[Event]) -> list[Any]:
    return [mended(event.model_dump()) for event in events]


def opened(log: RunLog) -> RunLog:
    assert log.path is not None
    return RunLog.open(log.path)


# -- the file ---------------------------------------------------------------------------------------------------------


@files
@given(st.lists(facts, max_size=12))
def test_every_fact_survives_a_round_trip_through_the_file(folder: Path, made: list[dict[str, Any]]) -> None:
    log = filled(RunLog.create("all", folder=folder), made)

    again = opened(log)

    assert again.id == log.id
    assert data_of(again) == data_of(log)
    log.close()


@files
@given(st.lists(facts, max_size=12))
def test_every_fact_survives_being_saved_alone(folder: Path, made: list[dict[str, Any]]) -> None:
    log = filled(RunLog(), made)
    alone = folder / f"alone-{log.id}" / "run.jsonl"

    again = RunLog.open(log.save(alone))

    assert data_of(again) == data_of(log)
    assert [path.name for path in alone.parent.iterdir()] == ["run.jsonl"]


@files
@given(st.lists(facts, max_size=12), st.randoms(use_true_random=False))
def test_facts_may_be_read_in_any_order(folder: Path, made: list[dict[str, Any]], order: random.Random) -> None:
    log = filled(RunLog.create("all", folder=folder), made)
    again = opened(log)
    numbers = list(range(len(log)))
    order.shuffle(numbers)

    for number in numbers:
        assert mended(again.events[number].body.model_dump()) == mended(log.events[number].body.model_dump())
    log.close()


@files
@given(st.lists(facts, max_size=12), st.lists(st.integers(0, 12), max_size=3))
def test_a_log_that_was_closed_and_reopened_is_the_log_that_went_on(
    folder: Path, made: list[dict[str, Any]], stops: list[int]
) -> None:
    whole = filled(RunLog(), made)
    log = RunLog.create("parts", folder=folder)
    for number, event in enumerate(whole):
        if number in stops:
            log.close()
            log = opened(log).reopen()
        log.append(event.body)  # type: ignore[arg-type]
    log.close()

    assert [mended(e.body.model_dump()) for e in opened(log)] == [mended(e.body.model_dump()) for e in whole]


# -- a file that ends anywhere ----------------------------------------------------------------------------------------


def whole_facts(log: RunLog, data: bytes) -> int:
    """Return how many facts of the file have all of their line within `data`."""
    return sum(b'"body":' in line for line in data.split(b"\n")[:-1])


def check_cut(log: RunLog, data: bytes, end: int, path: Path) -> None:
    path.write_bytes(data[:end])
    expected = whole_facts(log, data[:end])

    again = RunLog.open(path)

    assert len(again) == expected
    assert all(event.body == other.body for event, other in zip(again, log, strict=False))


def sample(log: RunLog, number: int) -> bytes:
    for index in range(number):
        log.append(Said(message=TextMessage(content=f"{index} ünd so weiter " * (index % 40), source="ana")))
        log.append(Noted(text="so be it, " * (index % 60)), parent=log.events[0].id)
    log.note("x" * 20_000)
    log.note("the end")
    log.close()
    assert log.path is not None
    return log.path.read_bytes()


def test_a_log_cut_at_any_byte_opens_with_all_whole_facts(folder: Path) -> None:
    log = RunLog.create("small", folder=folder)
    data = sample(log, 3)

    for end in range(len(data) + 1):
        check_cut(log, data, end, folder / "cut.jsonl")


def test_a_longer_log_cut_at_random_bytes_opens_with_all_whole_facts(folder: Path) -> None:
    log = RunLog.create("long", folder=folder)
    data = sample(log, 300)
    cuts = random.Random(20260101)

    for _ in range(60):
        check_cut(log, data, cuts.randrange(len(data)), folder / "cut.jsonl")


def test_a_log_cut_at_any_byte_goes_on_behind_its_last_whole_fact(folder: Path) -> None:
    log = RunLog.create("small", folder=folder)
    data = sample(log, 2)
    path = folder / "cut.jsonl"

    for end in range(0, len(data) + 1, 7):
        path.write_bytes(data[:end])
        again = RunLog.open(path).reopen()
        again.note("next")
        again.close()
        known = whole_facts(log, data[:end])
        bodies = [event.body for event in RunLog.open(path)]
        assert bodies == [*(event.body for event in log.events[:known]), Noted(text="next", by="agentnb")]


# -- folds ------------------------------------------------------------------------------------------------------------


REDUCERS: dict[str, tuple[Callable[[Any, Event], Any], Any]] = {
    "totals": (add_totals, Totals()),
    "thread": (lambda messages, event: messages + thread([event]), []),
    "said": (lambda messages, event: messages + said([event]), []),
}


@pytest.mark.parametrize("reducer", REDUCERS)
@settings(max_examples=60, deadline=None)
@given(made=st.lists(facts, max_size=15), place=st.integers(0, 15))
def test_folding_a_beginning_and_then_the_rest_is_folding_all(
    reducer: str, made: list[dict[str, Any]], place: int
) -> None:
    log = filled(RunLog(), made)
    reduce, start = REDUCERS[reducer]
    at = min(place, len(log))
    beginning, rest = RunLog(), RunLog()
    beginning._events, rest._events = log._events[:at], log._events[at:]

    assert rest.fold(reduce, beginning.fold(reduce, start)) == log.fold(reduce, start)


@settings(max_examples=60, deadline=None)
@given(made=st.lists(facts, max_size=15), place=st.integers(0, 15))
def test_folding_the_file_is_folding_the_log(folder: Path, made: list[dict[str, Any]], place: int) -> None:
    log = filled(RunLog.create("all", folder=folder), made)
    again = opened(log)
    log.close()

    for reduce, start in REDUCERS.values():
        assert again.fold(reduce, start) == log.fold(reduce, start)


# -- branches ---------------------------------------------------------------------------------------------------------


@files
@given(st.lists(facts, max_size=10), st.integers(0, 10), st.lists(facts, max_size=4))
def test_a_branch_shares_exactly_so_many_facts(
    folder: Path, made: list[dict[str, Any]], place: int, more: list[dict[str, Any]]
) -> None:
    log = filled(RunLog.create("trunk", folder=folder), made)
    before = log.events
    at = min(place, len(log))

    branch = filled(log.branch(at=at, folder=folder), more)
    filled(log, more)

    assert all(mine is its for mine, its in zip(branch.events[:at], before, strict=False))
    assert not {id(event) for event in branch.events[at:]} & {id(event) for event in log}
    assert branch.events[at].body == Branched(origin=log.id, at=at)
    assert [event.seq for event in branch] == list(range(1, len(branch) + 1))
    assert log.events[: len(before)] == before
    again = opened(branch)
    assert data_of(again) == data_of(branch)
    assert data_of(again.events[:at]) == data_of(before[:at])
    log.close()
    branch.close()


@files
@given(st.lists(st.tuples(st.integers(0, 6), texts), min_size=1, max_size=4))
def test_branches_of_branches_open_as_they_were(folder: Path, cuts: list[tuple[int, str]]) -> None:
    log = RunLog.create("trunk", folder=folder)
    for number in range(3):
        log.note(str(number))
    for place, text in cuts:
        log.close()
        log = log.branch(at=min(place, len(log)), folder=folder)
        log.append(Noted(text=text), parent=EventId(log.events[0].id))
    log.close()

    assert data_of(opened(log)) == data_of(log)
