"""Over because nothing new is said any more."""

from __future__ import annotations

from typing import Any

import pytest
from PIL import Image as pil

from agentnb.conditions import MaxMessageTermination, RepetitionTermination
from agentnb.messages import (
    BaseChatMessage,
    CodeBlock,
    CodeExecutionEvent,
    CodeGenerationEvent,
    CodeResult,
    Image,
    MultiModalMessage,
)
from agentnb.teams import RoundRobinGroupChat
from tests.conditions.conftest import Said, again, called, handoff, saved, text, thought, wanted
from tests.teams.conftest import Speaker, sources


async def end(lines: list[Said], **options: Any) -> tuple[int, str] | None:
    """How many messages it took to fire, and the reason; None if it did not."""
    condition = RepetitionTermination(**options)
    for number, message in enumerate(lines, 1):
        ended = await condition([message])
        if ended is not None:
            return number, ended.content
    return None


def talk(*lines: str) -> list[Said]:
    """Lines like `"ana: Thanks"`."""
    return [text(line.partition(": ")[2], line.partition(": ")[0]) for line in lines]


async def test_thanks_without_end_end_the_run() -> None:
    team = RoundRobinGroupChat(
        [Speaker("ana", "Thank you!"), Speaker("ben", "You're welcome!")],
        termination_condition=RepetitionTermination() | MaxMessageTermination(50),
    )
    result = await team.run(task="Say hello.")

    assert sources(result) == ["user", "ana", "ben", "ana", "ben", "ana"]
    assert result.stop_reason == "'Thank you!' was said 3 times by ana, with nothing new in between"


@pytest.mark.parametrize(
    ("lines", "after", "reason"),
    [
        (talk(*["ana: Same."] * 4), 3, "'Same.' was said 3 times by ana"),
        (talk("ana: Thanks!", "ben: thanks", "cleo: THANKS…"), 3, "'THANKS…' was said 3 times by ana and ben and cleo"),
        (talk("a: A.", "b: B.", "c: C.", "a: A.", "c: C.", "b: B.", "a: A."), 7, "'A.' was said 3 times by a"),
        (talk("ana: ", "ben:   ", "ana: \n\u200b\t"), 3, "a blank message was said 3 times by ana and ben"),
        (talk("ana: ", "ben: Sorry?", "ana: ", "ben: Sorry?", "ana: "), 5, "a blank message was said 3 times by ana"),
        (talk("ana: 👍", "ben: …", "ana: 👍", "ben: …", "ana: 👍"), 5, "'👍' was said 3 times by ana"),
        (talk("ana: ok\n\n  done", "ana: OK, done!", "ana: ok: done"), 3, "'ok: done' was said 3 times by ana"),
    ],
)
async def test_what_is_said_over_and_over_is_named(lines: list[Said], after: int, reason: str) -> None:
    assert await end(lines) == (after, f"{reason}, with nothing new in between")


async def test_nearly_the_same_counts_too() -> None:
    lines = talk(
        "ana: You're welcome! If you have any more questions, feel free to ask. Have a great day!",
        "ben: Thank you very much for all your help, and have a great day as well, my friend.",
        "ana: You're welcome! If you have any other questions, feel free to ask. Have a great day!",
        "ben: Thank you very much for all your help, and have a nice day as well, my friend.",
        "ana: You're welcome! If you have any more questions, feel free to ask. Have a nice day!",
    )

    ended = await end(lines)

    assert ended is not None
    assert ended[0] == 5
    assert await end(lines, similarity=1.0) is None


async def test_a_long_text_is_shown_shortened() -> None:
    ended = await end([text("na " * 100)] * 3)

    assert ended is not None
    assert len(ended[1]) < 150
    assert "…'" in ended[1]


# -- near misses ------------------------------------------------------------------------------------------------------

ROW = "Row {} of 500 was read and the result is fine, so I go on with the next one as before."
WORDS = " ".join(f"word{'abcdefghij'[i // 10]}{'abcdefghij'[i % 10]}" for i in range(100))
PICTURE = Image(pil.new("RGB", (2, 2), "red"))


def draft(number: int) -> str:
    changed = " ".join(f"new{'abc'[number]}{letter}" for letter in "klmnopqrst")
    return f"{WORDS} {changed}"


NEAR: dict[str, list[Said]] = {
    "twice": talk("ana: Thanks", "ben: Thanks"),
    "something new in between": talk("ana: Thanks", "ana: Thanks", "ben: By the way, …", "ana: Thanks"),
    "one goes on while another urges": talk(
        *(line for name in ("sea", "fog", "ice", "sun", "ash") for line in (f"ana: A chapter on {name}", "ben: Go on!"))
    ),
    "a number counts up": talk(*(f"ana: {ROW.format(n)}" for n in range(6))),
    "files differ": talk(
        *(f"ana: I have read the file {n}.py, and it is fine, so I go on to the next." for n in "abcd")
    ),
    "a sign differs": talk("ana: so x = y + z here", "ana: so x = y < z here", "ana: so x = y > z here"),
    "drafts with a new sentence": talk(*(f"ana: {draft(n)}" for n in range(3))),
    "short texts with one other word": talk("ana: The dog sleeps.", "ana: The cat sleeps.", "ana: The cow sleeps."),
    "blank and not": talk("ana: ", "ana: ?", "ana: !"),
    "another target": [handoff("ben"), handoff("cleo"), handoff("dan")],
    "another call": [m for n in range(4) for m in (wanted("save", f'{{"row": {n}}}'), called("save"), text("Saved."))],
    "another result": [m for n in range(4) for m in (called("look", content=f"{n} jobs left"), text("Waiting."))],
    "other code": [
        m
        for n in range(4)
        for m in (
            CodeGenerationEvent(
                retry_attempt=0, content=f"f({n})", code_blocks=[CodeBlock(f"f({n})", "python")], source="ana"
            ),
            text("Fixed it."),
        )
    ],
    "another output": [
        m
        for n in range(4)
        for m in (
            CodeExecutionEvent(retry_attempt=0, result=CodeResult(exit_code=1, output=f"line {n}"), source="ana"),
            text("It failed."),
        )
    ],
    "pictures": [MultiModalMessage(content=["The plot:", PICTURE], source="ana") for _ in range(4)],
    "thoughts": [thought("hm")] * 5,
}


@pytest.mark.parametrize("lines", NEAR.values(), ids=list(NEAR))
async def test_near_misses_do_not_end_it(lines: list[Said]) -> None:
    assert await end(lines) is None


async def test_tools_that_do_the_same_again_are_no_news() -> None:
    turn: list[Said] = [wanted("find", '{"q": "x"}'), called("find", content="nothing"), text("I try again.")]

    assert await end(turn * 3) == (9, "'I try again.' was said 3 times by ana, with nothing new in between")


async def test_what_one_has_done_is_not_counted_as_anothers() -> None:
    lines: list[Said] = [text("ok"), called("save", source="ben"), text("ok"), text("ok")]

    ended = await end(lines)

    assert ended is not None
    assert ended[0] == 4


async def test_pieces_of_text_in_a_message_with_pictures_only_are_compared_without_any() -> None:
    lines: list[Said] = [MultiModalMessage(content=["a", "b"], source="ana") for _ in range(3)]

    assert await end(lines) == (3, "'a b' was said 3 times by ana, with nothing new in between")


# -- its parameters ---------------------------------------------------------------------------------------------------


async def test_how_often_is_up_to_the_user() -> None:
    assert await end([text("x")] * 9, times=5) is not None
    assert (await end([text("x")] * 9, times=5) or (0,))[0] == 5


async def test_similarity_can_be_lowered_for_thanks_worded_anew() -> None:
    lines = talk(
        "ana: Thank you so much, have a great day!",
        "ana: Thanks so much, have a lovely day!",
        "ana: Thank you very much, have a great day!",
    )

    assert await end(lines) is None
    assert await end(lines, similarity=0.6) is not None


async def test_only_the_last_messages_are_looked_at() -> None:
    lines = talk(*(f"{name}: {name} speaks" for _ in range(3) for name in "abcdef"))

    assert await end(lines, window=12) is None
    assert await end(lines, window=13) is not None


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        ({"times": 1}, "times is 1"),
        ({"times": "3"}, "times is '3'; it must be a number"),
        ({"similarity": "much"}, "similarity is 'much'"),
        ({"window": 2}, "window is 2; it must hold at least 3"),
        ({"similarity": 0.0}, r"similarity is 0\.0"),
        ({"similarity": 1.1}, r"similarity is 1\.1"),
    ],
)
def test_parameters_that_make_no_sense_are_refused(options: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        RepetitionTermination(**options)


# -- its state --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("lines", [*NEAR.values(), talk("a: A.", "b: B.", "c: C.", "a: A.", "c: C.", "b: B.", "a: A.")])
async def test_saved_and_loaded_after_every_message_it_ends_all_the_same(lines: list[Said]) -> None:
    condition = RepetitionTermination(times=3)
    ended = None
    for message in lines:
        moved = again(condition)
        moved.load_state(saved(condition))
        assert saved(moved) == saved(condition)
        condition = moved  # type: ignore[assignment]
        ended = ended or await condition([message])

    assert (ended and ended.content) == ((await end(lines) or (0, None))[1])


async def test_a_message_of_a_class_of_ones_own_is_compared_by_what_a_model_reads() -> None:
    class Poem(MultiModalMessage):
        def to_model_message(self) -> Any:
            return text("the same").to_model_message()

    lines: list[BaseChatMessage] = [Poem(content=[str(n)], source="ana") for n in range(3)]

    assert await end([*lines]) is not None
