"""What messages carry: images, calls, code, memories, counts of tokens."""

from __future__ import annotations

import base64
import io
import json
import re
import struct
from collections.abc import Iterable
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    GetCoreSchemaHandler,
    SerializerFunctionWrapHandler,
    field_serializer,
    model_validator,
)
from pydantic.dataclasses import dataclass as pydantic_dataclass
from pydantic_core import core_schema

from agentnb.core import Text
from agentnb.exceptions import UserError

if TYPE_CHECKING:
    from PIL.Image import Image as PILImage

_DATA_URI = re.compile(r"data:image/(?:png|jpeg);base64,")
_DETAILS = ("auto", "low", "high")
_WRITTEN = core_schema.typed_dict_schema({"data": core_schema.typed_dict_field(core_schema.str_schema())})


class Image:
    """A picture in a message; always RGB, so an alpha channel is lost.

    ```python
    Image.from_file(Path("plot.png")).data_uri
    ```

    Raises:
        TypeError: If it is made of something other than a PIL image.
        ValueError: If the picture is damaged.
    """

    def __init__(self, image: PILImage) -> None:
        if not hasattr(image, "convert"):
            raise TypeError(
                f"Image takes a PIL image, not {type(image).__name__}; "
                "read others with Image.from_file, Image.from_uri or Image.from_base64."
            )
        # Pillow clips 16 bits of grey to 8, which leaves a white picture.
        if image.mode.startswith("I;16"):
            image = image.convert("I").point(lambda grey: grey * (1 / 257)).convert("L")
        self.image: PILImage = image.convert("RGB")

    @classmethod
    def from_pil(cls, pil_image: PILImage) -> Image:
        """Take a PIL image."""
        return cls(pil_image)

    @classmethod
    def from_uri(cls, uri: str) -> Image:
        """Read a `data:image/png;base64,` or `data:image/jpeg;base64,` address.

        Raises:
            ValueError: If it is any other address; nothing is fetched.
        """
        if not isinstance(uri, str) or not _DATA_URI.match(uri):
            raise UserError(f"{uri!r:.60} is no data URI of a PNG or JPEG image. Read the file: Image.from_file(path).")
        return cls.from_base64(uri.partition(",")[2])

    @classmethod
    def from_base64(cls, base64_str: str) -> Image:
        """Read the base64 text of an image file.

        Raises:
            ValueError: If it is something else, or only a part of it.
        """
        quoted = f"{base64_str!r:.40}"
        try:
            file = io.BytesIO(base64.b64decode(base64_str))
        except (TypeError, ValueError) as error:
            raise UserError(f"{quoted} is not the base64 text of an image file: {error}.") from error
        return cls._read(file, f"{quoted} is not the base64 text of an image file")

    @classmethod
    def from_file(cls, file_path: Path) -> Image:
        """Read an image file.

        Raises:
            OSError: If there is no such file, or it may not be read.
            ValueError: If it holds no picture, or only a part of one.
        """
        with Path(file_path).open("rb") as file:
            return cls._read(file, f"{str(file_path)!r} is not an image file")

    @classmethod
    def _read(cls, file: IO[bytes], wrong: str) -> Image:
        from PIL import Image as pil

        try:
            with pil.open(file) as opened:
                return cls(opened)
        except pil.DecompressionBombError as error:
            raise UserError(f"The image has too many pixels: {error} Make it smaller first.") from error
        # Pillow's readers of damaged files raise what their parsing happens to meet.
        except (OSError, ValueError, SyntaxError, EOFError, LookupError, struct.error) as error:
            raise UserError(f"{wrong}: {error}.") from error

    def to_base64(self) -> str:
        """Return the picture as base64 text of a PNG file."""
        buffer = io.BytesIO()
        self.image.save(buffer, format="PNG")
        return base64.b64encode(buffer.getvalue()).decode()

    @property
    def data_uri(self) -> str:
        """The picture as an address that holds it, as PNG in base64."""
        return f"data:image/png;base64,{self.to_base64()}"

    def to_openai_format(self, detail: Literal["auto", "low", "high"] = "auto") -> dict[str, Any]:
        """Return the content part that OpenAI-compatible servers take.

        Raises:
            ValueError: If `detail` is none of the three.
        """
        if detail not in _DETAILS:
            raise UserError(f"detail is {detail!r}; it must be one of {', '.join(map(repr, _DETAILS))}.")
        return {"type": "image_url", "image_url": {"url": self.data_uri, "detail": detail}}

    def _repr_html_(self) -> str:
        return f'<img src="{self.data_uri}" alt="image" style="max-width:100%"/>'

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        def validate(value: Any) -> Image:
            if isinstance(value, cls):
                return value
            if isinstance(value, dict):
                if "data" not in value:
                    raise ValueError("an image is written as {'data': '<base64>'}")
                return cls.from_base64(value["data"])
            raise TypeError(f"expected an Image or its dict, not {type(value).__name__}")

        return core_schema.no_info_plain_validator_function(
            validate,
            json_schema_input_schema=_WRITTEN,
            serialization=core_schema.plain_serializer_function_ser_schema(
                lambda image: {"data": image.to_base64()}, return_schema=_WRITTEN
            ),
        )


@dataclass
class FunctionCall:
    """A model's wish to call a tool; `arguments` is JSON text as the model wrote it."""

    id: str
    arguments: str
    name: str


@dataclass
class RequestUsage:
    """Tokens of one request as the server counted them."""

    prompt_tokens: int
    completion_tokens: int


@pydantic_dataclass
class CodeBlock:
    """Code to run, and the language it is in."""

    code: Text
    language: str


@pydantic_dataclass
class CodeResult:
    """What running code gave: `exit_code` 0 for success, `output` as a reader of plain text sees it."""

    exit_code: int
    output: Text


class MemoryMimeType(str, Enum):  # noqa: UP042 - AutoGen's prints as MemoryMimeType.TEXT
    """Kinds of content a memory holds; each equals its text, as which it is written."""

    TEXT = "text/plain"
    JSON = "application/json"
    MARKDOWN = "text/markdown"
    IMAGE = "image/*"
    BINARY = "application/octet-stream"


class MemoryContent(BaseModel):
    """One thing a memory holds."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    content: str | bytes | dict[str, Any] | Image
    """In JSON a picture is `{"data": base64 of a PNG}` and bytes are `{"base64": …}`; of JSON, bytes become text."""
    mime_type: MemoryMimeType | str
    metadata: dict[str, Any] | None = None

    @model_validator(mode="before")
    @classmethod
    def _written(cls, data: Any) -> Any:
        # Written, pictures and bytes are dicts, as JSON content is: the mime type tells them apart.
        if isinstance(data, dict) and isinstance(content := data.get("content"), dict):
            mime_type = _mime_text(data.get("mime_type"))
            if mime_type.startswith("image/") and "data" in content:
                return {**data, "content": Image.from_base64(content["data"])}
            if mime_type != MemoryMimeType.JSON.value and content.keys() == {"base64"}:
                return {**data, "content": base64.b64decode(str(content["base64"]))}
        return data

    @field_serializer("content", mode="wrap", when_used="json")
    def _writable(self, content: Any, write: SerializerFunctionWrapHandler) -> Any:
        if not isinstance(content, bytes):
            return write(content)
        if _mime_text(self.mime_type) == MemoryMimeType.JSON.value:
            return content.decode(errors="replace")
        return {"base64": base64.b64encode(content).decode()}

    def __repr_args__(self) -> Iterable[tuple[str | None, Any]]:
        # Read again, a kind is a text: what is shown of it must not depend on that.
        for name, value in super().__repr_args__():
            yield name, _KINDS.get(value, value) if name == "mime_type" else value

    @field_serializer("mime_type")
    def _plain(self, mime_type: MemoryMimeType | str) -> str:
        return _mime_text(mime_type)

    def to_text(self) -> str:
        """Return the content as a model reads it; bytes and pictures are named, not shown."""
        match self.content:
            case str():
                return self.content
            case bytes():
                return f"<{len(self.content)} bytes of {_mime_text(self.mime_type)}>"
            case Image():
                return "<image>"
        return json.dumps(self.content, ensure_ascii=False, default=str)


_KINDS: dict[Any, MemoryMimeType] = {kind.value: kind for kind in MemoryMimeType}


def _mime_text(mime_type: Any) -> str:
    return mime_type.value if isinstance(mime_type, MemoryMimeType) else str(mime_type)
