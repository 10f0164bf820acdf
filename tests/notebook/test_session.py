"""Which client is asking, and whether its cell waits."""

from __future__ import annotations

from typing import Any

import pytest

from agentnb.notebook.session import Kind, Session, Waiting, Wish, here, kind_of, waiting

ZMQ = "ZMQInteractiveShell"
LAB: dict[str, Any] = {"content": {"allow_stdin": True}, "metadata": {"cellId": "a1"}}
BARE: dict[str, Any] = {"content": {"allow_stdin": True}, "metadata": {}}
MUTE: dict[str, Any] = {"content": {"allow_stdin": False}, "metadata": {}}


@pytest.mark.parametrize(
    ("shell", "parent", "environment", "modules", "kind"),
    [
        (ZMQ, LAB, {"JPY_SESSION_NAME": "a.ipynb"}, {}, "page"),
        (ZMQ, LAB, {}, {}, "page"),
        (ZMQ, BARE, {"JPY_SESSION_NAME": "a.ipynb"}, {}, "page"),
        (ZMQ, BARE, {"COLAB_RELEASE_TAG": "x"}, {}, "page"),
        (ZMQ, BARE, {}, {"google.colab": object()}, "page"),
        (ZMQ, BARE, {}, {}, "console"),
        (ZMQ, MUTE, {}, {}, "headless"),
        (ZMQ, MUTE, {"JPY_SESSION_NAME": "a.ipynb"}, {}, "headless"),
        (ZMQ, MUTE, {"SERVER_SOFTWARE": "voila/0.5.13"}, {}, "voila"),
        (ZMQ, MUTE, {"VOILA_KERNEL_ID": "1"}, {}, "voila"),
        ("TerminalInteractiveShell", {}, {}, {}, "terminal"),
        (None, {}, {}, {}, "plain"),
    ],
)
def test_the_kind_of_client_is_told_from_its_request(
    shell: str | None, parent: dict[str, Any], environment: dict[str, str], modules: dict[str, Any], kind: Kind
) -> None:
    assert kind_of(shell, parent, environment, modules) == kind


@pytest.mark.parametrize(
    ("kind", "version", "asks", "wish", "waits", "may_detach"),
    [
        ("page", (7, 4), False, "auto", True, True),
        ("page", (7, 4), True, "auto", True, True),
        ("page", (7, 2), False, "auto", True, True),
        ("page", (7, 2), True, "auto", False, False),
        ("page", (6, 31), True, "auto", False, False),
        ("page", (6, 31), True, "wait", True, False),
        ("page", (8, 0), True, "auto", True, True),
        ("page", (7, 4), False, "background", False, False),
        ("voila", (7, 4), False, "auto", False, False),
        ("voila", (7, 4), False, "wait", True, False),
        ("headless", (7, 4), True, "auto", True, False),
        ("headless", (7, 4), False, "background", True, False),
        ("console", (7, 4), False, "background", True, False),
        ("terminal", None, True, "auto", True, False),
        ("terminal", None, False, "background", True, False),
        ("plain", None, False, "auto", True, False),
    ],
)
def test_a_cell_waits_where_its_page_stays_usable(
    kind: Kind, version: tuple[int, int] | None, asks: bool, wish: Wish, waits: bool, may_detach: bool
) -> None:
    decided = waiting(Session(kind, ipykernel=version), asks_person=asks, wish=wish)

    assert decided[:2] == (waits, may_detach)
    refused = wish == "background" and waits
    assert decided.remark.startswith("--background is not possible here") == refused


def test_leaving_a_cell_for_a_person_says_why() -> None:
    decided = waiting(Session("page", ipykernel=(6, 31)), asks_person=True)

    assert isinstance(decided, Waiting)
    assert "ipykernel 6.31" in decided.remark


def test_without_ipython_the_session_is_plain() -> None:
    assert here().kind in ("plain", "terminal")
    assert here().ipykernel is None


def test_someone_is_there_if_a_page_or_a_line_of_input_is() -> None:
    assert Session("page").someone_there
    assert Session("console", allow_stdin=True).someone_there
    assert not Session("headless").someone_there
