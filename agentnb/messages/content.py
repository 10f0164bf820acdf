"""What messages carry: images, calls, code, memories, counts of tokens."""

from __future__ import annotations

import base64
import io
import re
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, ConfigDict, GetCoreSchemaHandler, field_serializer, model_validator
from pydantic.dataclasses import dataclass as pydantic_dataclass
from pydantic_core import core_schema

from agentnb.core import Text

if TYPE_CHECKING:
    from PIL.Image import Image as PILImage

_DATA_URI = re.compile(r"data:image/(?:png|jpeg);base64,")


class Image:
    """A picture in a message; always RGB, so an alpha channel is lost.

    ```python
    Image.from_file(Path("plot.png")).data_uri
    ```
    """

    def __init__(self, image: PILImage) -> None:
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
        if not _DATA_URI.match(uri):
            raise ValueError(
                f"{uri[:60]!r} is no data URI of a PNG or JPEG image. Read the file: Image.from_file(path)."
            )
        return cls.from_base64(uri.partition(",")[2])

    @classmethod
    def from_base64(cls, base64_str: str) -> Image:
        """Read the base64 text of an image file.

        Raises:
            ValueError: If it is something else.
        """
        from PIL import Image as pil

        try:
            return cls(pil.open(io.BytesIO(base64.b64decode(base64_str))))
        except (OSError, ValueError) as error:
            raise ValueError(f"{base64_str[:40]!r} is not the base64 text of an image file: {error}.") from error

    @classmethod
    def from_file(cls, file_path: Path) -> Image:
        """Read an image file."""
        from PIL import Image as pil

        return cls(pil.open(file_path))

    def to_base64(self) -> str:
        """Return the picture as base64 text of a PNG file."""
        buffer = io.BytesIO()
        self.image.save(buffer, format="PNG")
        return base64.b64encode(buffer.getvalue()).decode()

    @property
    def data_uri(self) -> str:
        return f"data:image/png;base64,{self.to_base64()}"

    def to_openai_format(self, detail: Literal["auto", "low", "high"] = "auto") -> dict[str, Any]:
        """Return the content part that OpenAI-compatible servers take."""
        return {"type": "image_url", "image_url": {"url": self.data_uri, "detail": detail}}

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
            serialization=core_schema.plain_serializer_function_ser_schema(lambda image: {"data": image.to_base64()}),
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


class MemoryMimeType(Enum):
    """Kinds of content a memory holds."""

    TEXT = "text/plain"
    JSON = "application/json"
    MARKDOWN = "text/markdown"
    IMAGE = "image/*"
    BINARY = "application/octet-stream"


class MemoryContent(BaseModel):
    """One thing a memory holds."""

    model_config = ConfigDict(arbitrary_types_allowed=True)

    content: str | bytes | dict[str, Any] | Image
    mime_type: MemoryMimeType | str
    metadata: dict[str, Any] | None = None

    @model_validator(mode="before")
    @classmethod
    def _pictures(cls, data: Any) -> Any:
        # Written, a picture is a dict, as JSON content is: the mime type tells them apart.
        if isinstance(data, dict) and isinstance(data.get("content"), dict):
            mime_type = data.get("mime_type")
            kind = mime_type.value if isinstance(mime_type, MemoryMimeType) else str(mime_type)
            if kind.startswith("image/"):
                return {**data, "content": Image.from_base64(data["content"].get("data", ""))}
        return data

    @field_serializer("mime_type")
    def _plain(self, mime_type: MemoryMimeType | str) -> str:
        return mime_type.value if isinstance(mime_type, MemoryMimeType) else mime_type
