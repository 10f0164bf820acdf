"""Where a run comes from, in a cell."""

from __future__ import annotations

from typing import Any

from IPython.core.interactiveshell import InteractiveShell

import agentnb
from agentnb.transcripts import Provenance, provenance
from agentnb.ui import provenance_bundle, register, unregister
from tests.transcripts.talks import talk


def test_a_table_and_a_folded_paragraph_are_shown() -> None:
    log = talk(("ana", "x"), versions={"python": "3.11.1"}, circumstances={"os": "Linux 6"})

    bundle = provenance_bundle(provenance(log))

    assert "Linux 6" in bundle["text/html"]
    assert 'scope="row"' in bundle["text/html"]
    assert "was run once" in bundle["text/html"].partition("<details>")[2]
    assert "| os | Linux 6 |" in bundle["text/markdown"]
    assert log.id in bundle["text/plain"]


def test_names_of_the_run_cannot_act() -> None:
    evil = "<script>alert(1)</script>"

    bundle = provenance_bundle(provenance(talk(("ana", "x"), runner=evil, circumstances={"file": evil})))

    assert "<script" not in bundle["text/html"]
    assert "<script" not in bundle["text/markdown"].replace("\\<", "")


def test_it_draws_itself_with_the_extension_and_without(shell: InteractiveShell) -> None:
    log = talk(("ana", "x"))
    drawn = agentnb.provenance(log)
    formatter: Any = shell.display_formatter

    without = formatter.format(drawn)[0]
    register(shell)
    try:
        with_it = formatter.format(provenance(log))[0]
    finally:
        unregister(shell)

    assert without == with_it == provenance_bundle(drawn)
    assert isinstance(drawn, Provenance)
