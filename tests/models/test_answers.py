"""Answers put together from pieces, however a server writes and cuts them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from agentnb.models.answers import Answer, EventLines, read_json


def piece(text: str, **more: Any) -> dict[str, Any]:
    """Return a chunk of a stream that holds a text, and what else its delta is to hold."""
    choice = {"index": 0, "delta": {"content": text, **more}, "finish_reason": None, "logprobs": None}
    return {"id": "chatcmpl-1", "object": "chat.completion.chunk", "choices": [choice], "usage": None}


def take(answer: Answer, data: bytes) -> list[str]:
    """Let an answer take a chunk as a client does; return the texts to show."""
    alike = answer.take_alike([data])
    return answer.add(read_json(data), data) if alike is None else alike


@given(
    texts=st.lists(st.text(st.characters(exclude_categories=())) | st.sampled_from(['"', "\\", "\ud83d", "\ude00"])),
    compact=st.booleans(),
    plain=st.booleans(),
    role=st.booleans(),
)
def test_pieces_say_the_same_whether_their_json_is_read_or_not(
    texts: list[str], compact: bool, plain: bool, role: bool
) -> None:
    chunks = [piece(text, **({"role": "assistant"} if role else {})) for text in texts]
    separators = (",", ":") if compact else None
    lines = [json.dumps(chunk, separators=separators, ensure_ascii=not plain) for chunk in chunks]
    quick, slow = Answer("m"), Answer("m")

    for line in lines:
        data = line.encode("utf-8", "surrogatepass")
        try:
            chunk = read_json(data)
        except ValueError:
            assert quick.take_alike([data]) is None  # half a pair that was written as it is: no UTF-8, and no JSON
            continue
        assert take(quick, data) == slow.add(chunk)

    assert quick.partial == slow.partial


def test_the_json_of_a_piece_like_the_one_before_is_not_read() -> None:
    answer = Answer("m")
    one, two = (json.dumps(piece(text)).encode() for text in ("one", " two"))

    assert answer.take_alike([one]) is None
    answer.add(read_json(one), one)

    assert answer.take_alike([two]) == [" two"]
    assert answer.partial == "one two"


@given(texts=st.lists(st.text(min_size=1) | st.sampled_from(['"', "\\", '","', "\n", "\\u0061"]), min_size=1))
def test_pieces_that_come_together_are_read_together(texts: list[str]) -> None:
    answer = Answer("m")
    known = json.dumps(piece("a")).encode()
    answer.add(read_json(known), known)

    shown = answer.take_alike([json.dumps(piece(text), ensure_ascii=False).encode() for text in texts])

    assert shown == texts
    assert answer.partial == "a" + "".join(texts)


@given(
    inner=st.lists(st.sampled_from([b"a", b'"', b"\\", b",", b"\xc3", b"\xff", b"\x00", b"\\ud83d"]), min_size=1),
    place=st.integers(0, 2),
)
def test_pieces_that_come_together_are_read_as_one_by_one(inner: list[bytes], place: int) -> None:
    begin, end = b'{"choices": [{"delta": {"content": "', b'"}}]}'
    together, alone = Answer("m"), Answer("m")
    for answer in (together, alone):
        answer.add(read_json(begin + b"a" + end), begin + b"a" + end)
    events = [begin + b"b" + end] * 3
    events[place] = begin + b"".join(inner) + end

    each = [alone.take_alike([event]) for event in events]

    assert together.take_alike(events) == (None if None in each else [text for texts in each for text in texts or ()])


def test_pieces_whose_text_has_to_be_read_do_not_hide_that_others_are_alike() -> None:
    answer = Answer("m")

    for text in ("a", *['"\n'] * 20):
        data = json.dumps(piece(text)).encode()
        answer.add(read_json(data), data)

    assert answer.take_alike([json.dumps(piece("b")).encode()]) == ["b"]


def test_the_other_half_of_an_emoji_is_joined_to_the_first() -> None:
    answer = Answer("m")

    shown = [take(answer, json.dumps(piece(text)).encode()) for text in ("a", "\ud83d", "\ude00", "b", "\ud83d", "c")]

    assert shown == [["a"], [], ["\U0001f600"], ["b"], [], ["\ufffdc"]]


@pytest.mark.parametrize(
    "other",
    [
        b'{"choices": [{"delta": {"content": "a\tb"}}]}',
        b'{"choices": [{"delta": {"content": "a\\qb"}}]}',
        b'{"choices": [{"delta": {"content": "a\\ud83d"}}]}',
        b'{"choices": [{"delta": {"content": "a", "refusal": "b"}}]}',
        b'{"choices": [{"delta": {"content": ""}}]}',
        b'{"choices": [{"delta": {"content": "}}]}',
        b'{"choices": [{"delta": {"content": "\xff"}}]}',
        b'{"choices": [{"delta": {"content": "a"}}], "usage": {"prompt_tokens": 1}}',
    ],
)
def test_a_piece_that_is_more_than_a_plain_text_is_left_to_who_reads_json(other: bytes) -> None:
    answer = Answer("m")
    known = b'{"choices": [{"delta": {"content": "a"}}]}'
    answer.add(read_json(known), known)

    assert answer.take_alike([other]) is None
    assert answer.take_alike([known, other]) is None
    assert answer.take_alike([known]) == ["a"]


def test_a_text_elsewhere_is_not_taken_for_the_answer() -> None:
    answer = Answer("m")

    for text in ("one", "two"):
        data = json.dumps({"content": text, **piece("said")}).encode()
        assert take(answer, data) == ["said"]
    for text in ("one", "two"):
        data = json.dumps({**piece("said"), "note": 'a "content": "' + text}).encode()
        assert take(answer, data) == ["said"]


def test_a_text_after_reasoning_ends_the_reasoning() -> None:
    answer = Answer("m")
    said = [piece("one"), {"choices": [{"delta": {"reasoning": "hm"}}]}, piece("two"), piece("three")]

    shown = [text for chunk in said for text in take(answer, json.dumps(chunk).encode())]

    assert shown == ["one", "<think>", "hm", "</think>", "two", "three"]


def test_a_server_that_writes_every_piece_differently_is_understood() -> None:
    answer = Answer("m")

    shown = [take(answer, json.dumps({**piece("a"), "n": n}).encode()) for n in range(20)]

    assert shown == [["a"]] * 20


event_lines = st.sampled_from(
    [b"data: a", b"data:b", b"data: ", b": a comment", b"event: x", b"", b"", b"data: [DONE]"]
)


@given(lines=st.lists(event_lines), ending=st.sampled_from([b"\n", b"\r\n"]), data=st.data())
def test_events_are_the_same_however_they_are_cut(lines: list[bytes], ending: bytes, data: st.DataObject) -> None:
    stream = ending.join(lines)
    cuts = sorted(data.draw(st.lists(st.integers(0, len(stream)), max_size=5)))
    expected: list[bytes] = []
    held: list[bytes] = []
    for line in [*lines, b""]:
        if line.startswith(b"data:"):
            held.append(line[5:].strip())
        elif not line and held:
            expected.append(b"\n".join(held))
            held = []

    reader = EventLines()
    found = [event for a, b in zip([0, *cuts], [*cuts, len(stream)], strict=True) for event in reader.add(stream[a:b])]

    assert found + reader.end() == expected
