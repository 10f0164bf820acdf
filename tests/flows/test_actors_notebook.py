"""The notebook about actors from end to end, as machines execute it."""

from __future__ import annotations

import re

import pandas as pd
import pytest

from tests.flows.notebooks import NOTEBOOKS, Cells, execute, needs_no_trust, pictures, text

NAME = "10-actors.ipynb"

pytestmark = pytest.mark.timeout(90)


@pytest.fixture(scope="module")
def cells(tmp_path_factory: pytest.TempPathFactory) -> Cells:
    """The outputs of the executed notebook, by cell; one kernel for all tests."""
    return execute(NAME, tmp_path_factory.mktemp("actors") / "notebooks")


def test_every_picture_is_stored_once_and_shown_in_a_way_that_needs_no_trust(cells: Cells) -> None:
    drawn = {name: pictures(outputs) for name, outputs in cells.items() if pictures(outputs)}

    assert {name: len(found) for name, found in drawn.items()} == dict.fromkeys(
        ("draw", "log", "interleaved", "one", "breaker", "interventions", "live", "end-sequence"), 1
    )
    assert all(needs_no_trust(cells[name]) for name in drawn)


def test_an_actor_answers_and_its_errors_arrive_where_it_was_asked(cells: Cells) -> None:
    penguins = pd.read_csv(NOTEBOOKS / "data" / "penguins.csv").dropna()
    gentoo = penguins.loc[penguins.species == "Gentoo", "body_mass_g"]

    assert f"birds={len(gentoo)}, mean_g={gentoo.mean():.1f}" in text(cells["send"])
    assert "LookupError: no Emperor penguins here" in text(cells["errors"])
    assert "'scale/biscoe': {'asked': 3}" in text(cells["errors"])
    assert "1 failed" in text(cells["draw"])


def test_every_island_has_actors_of_its_own(cells: Cells) -> None:
    told = text(cells["log"])

    assert "6 agents, 6 topics" in told
    for island in ("Biscoe", "Dream", "Torgersen"):
        assert f"chronicle/{island}" in told
        assert f"'{island}': [" in text(cells["publish"])


def test_one_at_a_time_keeps_the_order_that_interleaving_changes(cells: Cells) -> None:
    assert "['shallow', 'deep']" in text(cells["interleaved"])
    assert "['deep', 'shallow']" in text(cells["one"])
    assert "waited" in text(cells["one"])


def test_a_full_mailbox_and_an_open_breaker_turn_messages_away(cells: Cells) -> None:
    assert text(cells["full"]).count("MailboxFull") == 3
    assert "['OSError', 'OSError', 'BreakerOpen', 'BreakerOpen', 'a fish', 'a fish']" in text(cells["breaker"])
    assert "['open', 'half-open', 'closed']" in text(cells["breaker"])


def test_interventions_change_and_drop_and_state_is_loaded(cells: Cells) -> None:
    told = text(cells["interventions"])

    assert "['gentoo', 'Emperor', 'ADELIE']" in told
    assert "dropped: Customs.on_send dropped the Weigh." in told
    assert "'scale/biscoe': {'asked': 5}" in told


def test_stopping_tells_those_who_wait(cells: Cells) -> None:
    assert "['str', 'UndeliverableException', 'UndeliverableException']" in text(cells["stop"])


def test_the_live_picture_ends_with_everything_that_happened(cells: Cells) -> None:
    assert "182 deliveries" in text(cells["live"])
    assert "under way" not in text(cells["live"])
    assert re.search(r"clerk/study +60", text(cells["frame"]))
    assert "sampler" in text(cells["statistics"])
