"""The framing of HTTP/1.1; over real connections it is tested with the transport."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from agentnb.models.connection import Connection

CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"


@given(
    pieces=st.lists(st.binary(min_size=1, max_size=40) | st.sampled_from([b"\r\n", b"a\r\n1\r\nb", b"1", b"0\r\n"])),
    cuts=st.lists(st.integers(0, 400), max_size=5),
)
async def test_chunks_are_put_together_whatever_they_hold_and_wherever_they_are_cut(
    pieces: list[bytes], cuts: list[int]
) -> None:
    stream = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in pieces) + b"0\r\n\r\n"
    ends = sorted({min(cut, len(stream)) for cut in cuts} | {0, len(stream)})
    connection = Connection(("http", "127.0.0.1", 80))
    connection.data_received(CHUNKED)
    await connection.answer("POST", None)

    read: list[bytes | None] = []
    for begin, end in pairwise(ends):
        connection.data_received(stream[begin:end])
        read.append(connection.piece())

    assert b"".join(piece or b"" for piece in read) == b"".join(pieces)
    assert connection.piece() is None
    assert connection.reusable()
