"""Pictures of actors in a cell."""

from __future__ import annotations

import asyncio
import base64
import re
import xml.etree.ElementTree as ET
from collections.abc import Iterator
from typing import Any

import nh3
import pytest
from IPython.core.displaypub import CapturingDisplayPublisher
from IPython.core.interactiveshell import InteractiveShell

from agentnb.exceptions import UnknownName, UserError
from agentnb.runlog import EnvelopeSent, RunFinished, RunLog, RunStarted
from agentnb.runtimes import SingleThreadedAgentRuntime
from agentnb.transcripts import MIME
from agentnb.ui import actors_bundle, actors_svg, bundle, show_actors
from agentnb.ui.picture import EVERY
from tests.transcripts.colony import colony


class Page:
    """What a cell's client was sent."""

    def __init__(self, shell: Any) -> None:
        self.shell = shell
        self.shell.kernel = object()
        self.shell.display_pub = CapturingDisplayPublisher()

    @property
    def sent(self) -> list[dict[str, Any]]:
        sent: list[dict[str, Any]] = self.shell.display_pub.outputs
        return sent

    @property
    def updates(self) -> int:
        return sum(bool(output.get("update")) for output in self.sent)

    def end_cell(self) -> None:
        self.shell.events.trigger("post_run_cell", None)


@pytest.fixture
def page(tmp_path: object, monkeypatch: pytest.MonkeyPatch) -> Iterator[Page]:
    monkeypatch.setenv("IPYTHONDIR", str(tmp_path))
    yield Page(InteractiveShell.instance())
    InteractiveShell.clear_instance()


def ask(log: RunLog, number: int) -> None:
    log.append(EnvelopeSent(message_id=str(number), sort="send", recipient=f"a/{number}", type="Ask"), source="")


@pytest.mark.parametrize("view", ["graph", "sequence"])
async def test_a_picture_comes_as_a_page_a_drawing_and_a_text(view: Any) -> None:
    log = await colony(1, 2, 3)
    made = actors_bundle(log, view)

    assert set(made) == {"text/html", "image/svg+xml", "text/plain"}
    (data,) = re.findall(r'src="data:image/svg\+xml;base64,([^"]*)"', made["text/html"])
    assert base64.b64decode(data).decode() == made["image/svg+xml"] == actors_svg(log, view)
    for text in (made["text/plain"], made["text/html"]):
        assert "1 dropped" in text
        assert "asked/a" in text


async def test_the_page_survives_what_a_notebook_leaves_of_an_untrusted_output() -> None:
    """An `svg` element is taken away there, an image with its own data is not."""
    page = actors_bundle(await colony(1, 3))["text/html"]

    kept = nh3.clean(page, tags={"div", "img", "details", "summary", "table", "tbody", "tr", "td"}, attributes={
        "img": {"src", "alt", "style"}, "div": {"style"}, "td": {"style"}, "table": {"style"}, "details": {"style"},
        "summary": {"style"}}, url_schemes={"data"})  # fmt: skip
    assert "data:image/svg+xml;base64," in kept
    assert "<b>is</b>" not in page
    assert re.sub(r"<[^>]*>", "", kept) == re.sub(r"<[^>]*>", "", page)
    assert not re.search(r"<(script|svg|style|iframe|foreignObject)", page)


async def test_a_runtimes_log_is_shown_as_its_picture_with_its_facts() -> None:
    made = bundle(await colony(1))

    assert {MIME, "text/html", "image/svg+xml", "text/plain"} == set(made)
    assert "asked/a" in made["text/plain"]


async def test_without_a_notebook_the_facts_are_printed(capsys: pytest.CaptureFixture[str]) -> None:
    show_actors(await colony(1, 2))

    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert ["your", "code", "sends", "asked/a", "Ask", "2", "1", "dropped"] in lines


async def test_without_a_notebook_a_runtime_at_work_is_printed_when_it_ends(capsys: pytest.CaptureFixture[str]) -> None:
    log = RunLog()

    show_actors(log)
    before = capsys.readouterr().out
    await colony(1, log=log)
    await asyncio.sleep(0)
    await asyncio.sleep(0)

    assert before == ""
    assert capsys.readouterr().out.count("3 agents, 2 topics, 5 deliveries") == 1


async def test_a_page_follows_a_runtime_in_one_output_until_it_ends(page: Page) -> None:
    log = RunLog()

    show_actors(log)
    await colony(1, 2, 3, log=log)
    await asyncio.sleep(EVERY / 20)
    ended = len(page.sent)
    ask(log, 99)
    page.end_cell()

    assert not page.sent[0].get("update")
    assert len({output["transient"]["display_id"] for output in page.sent}) == 1
    assert "3 agents" in page.sent[-1]["data"]["text/plain"]
    assert len(page.sent) == ended


async def test_a_thousand_facts_at_once_are_a_few_updates_and_the_cells_end_shows_the_last(page: Page) -> None:
    log = RunLog()
    log.append(RunStarted(runner="runtime", runner_type="R"), source="runtime")

    show_actors(log)
    for number in range(1000):
        ask(log, number)
        if number % 50 == 0:
            await asyncio.sleep(0)
    early = page.updates
    page.end_cell()

    assert early <= 3
    assert "1000 deliveries" in page.sent[-1]["data"]["text/plain"]
    assert len(page.sent[-1]["data"]["image/svg+xml"]) < 20_000


def test_facts_from_a_thread_without_a_loop_are_shown_at_the_end(page: Page) -> None:
    log = RunLog()
    run = log.append(RunStarted(runner="runtime", runner_type="R"), source="runtime")

    show_actors(log)
    ask(log, 1)
    log.append(RunFinished(outcome="done"), source="runtime", parent=run.id)

    assert page.updates == 1
    assert "1 delivery" in page.sent[-1]["data"]["text/plain"]


async def test_a_log_that_is_over_is_drawn_once(page: Page) -> None:
    log = await colony(1)

    show_actors(log)
    ask(log, 2)
    page.end_cell()

    assert len(page.sent) == 1


async def test_an_unknown_view_a_runtime_and_a_bad_number_are_refused() -> None:
    runtime = SingleThreadedAgentRuntime()

    with pytest.raises(UnknownName, match="No view named 'grph'"):
        show_actors(RunLog(), "grph")  # type: ignore[arg-type]
    with pytest.raises(UserError, match="last is 0; a sequence shows 1 to 200"):
        actors_svg(RunLog(), "sequence", last=0)
    with pytest.raises(UserError, match=r"not a SingleThreadedAgentRuntime.*log=log"):
        show_actors(runtime)


async def test_the_drawing_is_well_formed() -> None:
    log = await colony(1, 2, 3)

    assert ET.fromstring(actors_svg(log)).tag == ET.fromstring(actors_svg(log, "sequence")).tag
