"""Pictures and other contents."""

from __future__ import annotations

import base64
import io
from pathlib import Path

import pytest
from PIL import Image as pil
from pydantic import BaseModel, ValidationError

from agentnb.messages import CodeBlock, CodeResult, Image, MemoryContent, MemoryMimeType, UserMessage


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


@pytest.mark.parametrize("form", ["PNG", "JPEG"])
def test_a_data_uri_of_a_png_or_jpeg_is_read(form: str) -> None:
    uri = f"data:image/{form.lower()};base64,{base64.b64encode(png(form=form)).decode()}"

    image = Image.from_uri(uri)

    assert image.image.size == (3, 2)
    assert image.data_uri.startswith("data:image/png;base64,")


@pytest.mark.parametrize(
    "uri", ["https://example.org/a.png", "data:image/svg+xml;base64,AAAA", "file:///etc/passwd", ""]
)
def test_any_other_address_is_refused_and_nothing_is_fetched(uri: str) -> None:
    with pytest.raises(ValueError, match=r"no data URI of a PNG or JPEG.*Image\.from_file"):
        Image.from_uri(uri)


@pytest.mark.parametrize("text", ["AAAA", "not base64 at all!", ""])
def test_base64_of_something_else_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="is not the base64 text of an image file"):
        Image.from_base64(text)


def test_a_picture_is_read_from_a_file(tmp_path: Path) -> None:
    path = tmp_path / "a.png"
    path.write_bytes(png())

    assert Image.from_file(path).image.getpixel((0, 0)) == (255, 0, 0)


def test_a_picture_in_a_model_comes_back_from_json() -> None:
    holder = Holder(image=Image(pil.new("RGB", (3, 2), "red")))

    made = Holder.model_validate_json(holder.model_dump_json())

    assert made.image.to_base64() == holder.image.to_base64()


@pytest.mark.parametrize("data", [{"data": "AAAA"}, {"other": "x"}])
def test_a_dict_that_holds_no_picture_is_a_validation_error(data: dict[str, str]) -> None:
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


def test_a_picture_in_a_memory_comes_back_as_a_picture_and_json_as_json() -> None:
    picture = MemoryContent(content=Image(pil.new("RGB", (1, 1), "red")), mime_type=MemoryMimeType.IMAGE)
    data = MemoryContent(content={"data": "AAAA"}, mime_type=MemoryMimeType.JSON)

    picture_again = MemoryContent.model_validate_json(picture.model_dump_json())
    data_again = MemoryContent.model_validate_json(data.model_dump_json())

    assert isinstance(picture_again.content, Image)
    assert data_again.content == {"data": "AAAA"}


def test_a_memory_writes_its_mime_type_as_text() -> None:
    content = MemoryContent(content="x", mime_type=MemoryMimeType.MARKDOWN)

    assert content.model_dump(mode="json")["mime_type"] == "text/markdown"


def test_lone_surrogates_are_mended_in_everything_that_carries_text() -> None:
    assert CodeBlock("x\ud83d", "python").code == "x\ufffd"
    assert CodeResult(exit_code=0, output="x\ud83d").output == "x\ufffd"
    assert UserMessage(content=["x\ud83d"], source="u").content == ["x\ufffd"]
