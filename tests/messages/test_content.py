"""Pictures and other contents."""

from __future__ import annotations

import base64
import io
import json
import struct
import zlib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image as pil
from pydantic import BaseModel, ValidationError

from agentnb.messages import (
    CodeBlock,
    CodeResult,
    Image,
    MemoryContent,
    MemoryMimeType,
    MemoryQueryEvent,
    UserMessage,
    read_message,
)
from tests.strategies import json_values, names


def png(colour: str = "red", mode: str = "RGB", form: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    pil.new(mode, (3, 2), colour).save(buffer, format=form)
    return buffer.getvalue()


class Holder(BaseModel):
    image: Image


def test_a_picture_comes_back_from_base64_with_the_same_pixels() -> None:
    image = Image(pil.new("RGB", (3, 2), "blue"))

    made = Image.from_base64(image.to_base64())

    assert (made.image.size, made.image.getpixel((0, 0))) == ((3, 2), (0, 0, 255))


def test_an_alpha_channel_is_dropped() -> None:
    image = Image.from_pil(pil.new("RGBA", (1, 1), (10, 20, 30, 0)))

    assert (image.image.mode, image.image.getpixel((0, 0))) == ("RGB", (10, 20, 30))


@pytest.mark.parametrize("mode", ["1", "L", "LA", "P", "PA", "RGBA", "CMYK", "YCbCr", "HSV", "I", "F"])
def test_a_picture_of_any_mode_becomes_rgb(mode: str) -> None:
    assert Image(pil.new(mode, (2, 2))).image.mode == "RGB"


def test_sixteen_bits_of_grey_stay_grey_and_do_not_turn_white() -> None:
    file = io.BytesIO()
    pil.new("I;16", (1, 1), 0x8000).save(file, format="PNG")

    image = Image.from_base64(base64.b64encode(file.getvalue()).decode())

    assert image.image.getpixel((0, 0)) == (127, 127, 127)


def test_later_strokes_on_the_picture_given_are_not_seen() -> None:
    given_ = pil.new("RGB", (1, 1), "red")
    image = Image.from_pil(given_)

    given_.putpixel((0, 0), (0, 0, 0))

    assert image.image.getpixel((0, 0)) == (255, 0, 0)


@pytest.mark.parametrize("given_", ["plot.png", Path("plot.png"), b"", None, 3], ids=repr)
def test_what_is_no_pil_picture_is_refused_and_the_other_ways_are_named(given_: Any) -> None:
    with pytest.raises(TypeError, match=rf"not {type(given_).__name__}; read others with Image.from_file"):
        Image(given_)


@pytest.mark.parametrize("form", ["PNG", "JPEG"])
def test_a_data_uri_of_a_png_or_jpeg_is_read(form: str) -> None:
    uri = f"data:image/{form.lower()};base64,{base64.b64encode(png(form=form)).decode()}"

    image = Image.from_uri(uri)

    assert image.image.size == (3, 2)
    assert image.data_uri.startswith("data:image/png;base64,")


@pytest.mark.parametrize(
    "uri",
    [
        "https://example.org/a.png",
        "data:image/svg+xml;base64,AAAA",
        "data:image/gif;base64,AAAA",
        "data:image/png;charset=utf-8;base64,AAAA",
        "data:image/png,AAAA",
        " data:image/png;base64,AAAA",
        "file:///etc/passwd",
        "",
        b"data:image/png;base64,AAAA",
        None,
    ],
)
def test_any_other_address_is_refused_and_nothing_is_fetched(uri: Any) -> None:
    with pytest.raises(ValueError, match=r"no data URI of a PNG or JPEG.*Image\.from_file"):
        Image.from_uri(uri)


@pytest.mark.parametrize("text", ["AAAA", "not base64 at all!", "", "é", "A", None, 3, ["AAAA"]], ids=repr)
def test_base64_of_something_else_is_refused(text: Any) -> None:
    with pytest.raises(ValueError, match="is not the base64 text of an image file"):
        Image.from_base64(text)


def refused(data: bytes) -> str:
    """Return why a file is no picture, empty if it is one; any other error is the test's."""
    try:
        Image.from_base64(base64.b64encode(data).decode())
    except ValueError as error:
        return str(error)
    return ""


@pytest.mark.parametrize("form", ["PNG", "JPEG", "GIF", "WEBP", "BMP"])
def test_a_picture_cut_off_anywhere_is_refused_and_nothing_else_is_raised(form: str) -> None:
    whole = png(form=form)

    why = [refused(whole[:length]) for length in range(len(whole))]

    assert all(why[: len(whole) // 2])
    assert all("is not the base64 text of an image file" in text for text in why if text)


def test_half_a_picture_is_refused() -> None:
    half = base64.b64encode(png()).decode()[:60]

    with pytest.raises(ValueError, match="is not the base64 text of an image file"):
        Image.from_base64(half)


@given(st.integers(0, 200), st.integers(0, 255))
def test_a_damaged_byte_is_refused_or_changes_a_pixel(place: int, value: int) -> None:
    data = bytearray(png())
    data[place % len(data)] = value

    assert refused(bytes(data)) == "" or "base64 text of an image file" in refused(bytes(data))


def test_a_picture_of_more_pixels_than_memory_is_refused_before_it_is_unpacked() -> None:
    header = struct.pack(">IIBBBBB", 60_000, 60_000, 8, 2, 0, 0, 0)

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    bomb = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", b"") + chunk(b"IEND", b"")

    with pytest.raises(ValueError, match=r"too many pixels.*Make it smaller first"):
        Image.from_base64(base64.b64encode(bomb).decode())


def test_a_picture_is_read_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(png())

    assert Image.from_file(path).image.getpixel((0, 0)) == (255, 0, 0)


def test_a_file_that_is_missing_is_named() -> None:
    with pytest.raises(FileNotFoundError, match=r"nowhere\.png"):
        Image.from_file(Path("nowhere.png"))


def test_a_file_that_is_no_picture_is_named(tmp_path: Path) -> None:
    path = tmp_path / "notes.png"
    path.write_text("not a picture")

    with pytest.raises(ValueError, match=r"notes\.png' is not an image file"):
        Image.from_file(path)


def test_a_file_of_several_pictures_is_closed_after_the_first_is_read(tmp_path: Path) -> None:
    path = tmp_path / "film.gif"
    frames = [pil.new("RGB", (2, 2), colour) for colour in ("red", "blue")]
    frames[0].save(path, save_all=True, append_images=frames[1:])

    image = Image.from_file(path)  # a file left open is a warning, which fails the test

    assert image.image.getpixel((0, 0)) == (255, 0, 0)


def test_a_notebook_shows_the_picture() -> None:
    image = Image(pil.new("RGB", (1, 1), "red"))

    assert image._repr_html_().startswith(f'<img src="{image.data_uri}"')


def test_the_schema_of_a_model_with_a_picture_says_how_it_is_written() -> None:
    schema = Holder.model_json_schema()["properties"]["image"]

    assert (schema["type"], schema["properties"]["data"]["type"], schema["required"]) == ("object", "string", ["data"])


def test_a_picture_in_a_model_comes_back_from_json() -> None:
    holder = Holder(image=Image(pil.new("RGB", (3, 2), "red")))

    made = Holder.model_validate_json(holder.model_dump_json())

    assert made.image.to_base64() == holder.image.to_base64()


@pytest.mark.parametrize("data", [{"data": "AAAA"}, {"other": "x"}, {"data": 3}, {"data": None}, {}])
def test_a_dict_that_holds_no_picture_is_a_validation_error(data: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Holder.model_validate({"image": data})


def test_what_is_no_picture_at_all_is_a_type_error() -> None:
    with pytest.raises(TypeError, match="expected an Image or its dict, not int"):
        Holder.model_validate({"image": 3})


@pytest.mark.parametrize("detail", ["auto", "low", "high"])
def test_servers_get_a_data_uri_and_the_detail_asked_for(detail: str) -> None:
    image = Image(pil.new("RGB", (1, 1)))

    assert image.to_openai_format(detail) == {  # type: ignore[arg-type]
        "type": "image_url",
        "image_url": {"url": image.data_uri, "detail": detail},
    }


@pytest.mark.parametrize("detail", ["medium", "", None])
def test_a_detail_that_servers_do_not_know_is_refused(detail: Any) -> None:
    with pytest.raises(ValueError, match=r"detail is .*'auto', 'low', 'high'"):
        Image(pil.new("RGB", (1, 1))).to_openai_format(detail)


def test_a_picture_in_a_memory_comes_back_as_a_picture_and_json_as_json() -> None:
    picture = MemoryContent(content=Image(pil.new("RGB", (1, 1), "red")), mime_type=MemoryMimeType.IMAGE)
    data = MemoryContent(content={"data": "AAAA"}, mime_type=MemoryMimeType.JSON)

    picture_again = MemoryContent.model_validate_json(picture.model_dump_json())
    data_again = MemoryContent.model_validate_json(data.model_dump_json())

    assert isinstance(picture_again.content, Image)
    assert data_again.content == {"data": "AAAA"}


@given(st.binary(), st.sampled_from(["application/octet-stream", "image/png", "text/plain", "x/y"]))
def test_bytes_in_a_memory_come_back_from_json_as_they_were(content: bytes, mime_type: str) -> None:
    memory = MemoryContent(content=content, mime_type=mime_type)

    assert MemoryContent.model_validate_json(memory.model_dump_json()) == memory
    assert MemoryContent.model_validate(memory.model_dump()) == memory


@given(st.dictionaries(names | st.just("base64") | st.just("data"), json_values, max_size=2))
def test_json_in_a_memory_comes_back_whatever_it_looks_like(content: dict[str, Any]) -> None:
    memory = MemoryContent(content=content, mime_type=MemoryMimeType.JSON)

    again = MemoryContent.model_validate(memory.model_dump())

    assert again.content == content


def test_json_given_as_bytes_is_written_as_text() -> None:
    memory = MemoryContent(content=b'{"a": 1}', mime_type=MemoryMimeType.JSON)

    assert memory.model_dump(mode="json")["content"] == '{"a": 1}'


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("a", "a"),
        ({"a": "é", "b": None}, '{"a": "é", "b": null}'),
        (b"\xff\x00", "<2 bytes of text/plain>"),
        (Image(pil.new("RGB", (1, 1))), "<image>"),
    ],
    ids=["text", "json", "bytes", "image"],
)
def test_a_model_reads_a_memory_as_text(content: Any, text: str) -> None:
    assert MemoryContent(content=content, mime_type="text/plain").to_text() == text


@pytest.mark.parametrize("mime_type", [*MemoryMimeType, "text/plain", "text/csv"])
def test_what_a_memory_gave_reads_the_same_before_and_after_a_file(mime_type: MemoryMimeType | str) -> None:
    event = MemoryQueryEvent(content=[MemoryContent(content="tea", mime_type=mime_type)], source="a")

    read = read_message(json.loads(event.model_dump_json()))

    assert read == event
    assert read.to_text() == event.to_text()
    assert ("<MemoryMimeType.TEXT: 'text/plain'>" in event.to_text()) is (mime_type == "text/plain")


def test_a_memory_writes_its_mime_type_as_text() -> None:
    content = MemoryContent(content="x", mime_type=MemoryMimeType.MARKDOWN)

    assert content.model_dump(mode="json")["mime_type"] == "text/markdown"


def test_lone_surrogates_are_mended_in_everything_that_carries_text() -> None:
    assert CodeBlock("x\ud83d", "python").code == "x\ufffd"
    assert CodeResult(exit_code=0, output="x\ud83d").output == "x\ufffd"
    assert UserMessage(content=["x\ud83d"], source="u").content == ["x\ufffd"]
