"""Formats of JSON schema as Python types: a date-time is a `datetime`, an e-mail address a checked `str`."""

from __future__ import annotations

import base64
import binascii
import json
import re
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from ipaddress import IPv4Address, IPv4Interface, IPv4Network, IPv6Address, IPv6Interface, IPv6Network
from pathlib import Path
from typing import Any, NamedTuple
from uuid import UUID

from pydantic import UUID1, UUID3, UUID4, UUID5, AfterValidator, AnyUrl, PlainSerializer


class Format(NamedTuple):
    """How a format is checked."""

    type: Any
    checks: tuple[Any, ...] = ()
    """Annotations that go after the limits."""
    known: bool = False
    """Whether pydantic writes the format itself."""


# The address that browsers take (HTML 5, 4.10.5.1.5), with a dot in the domain. Nothing is looked up.
_EMAIL = re.compile(
    r"[A-Za-z0-9.!#$%&'*+/=?^_`{|}~-]+@[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?"
    r"(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?)+"
)
# RFC 1123, 2.1
_HOSTNAME = re.compile(
    r"(?=.{1,253}\.?$)[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?)*\.?"
)


def _matching(pattern: re.Pattern[str], what: str, example: str) -> AfterValidator:
    def check(text: str) -> str:
        if not pattern.fullmatch(text):
            raise ValueError(f"{text!r} is no {what}, such as {example}")
        return text

    return AfterValidator(check)


def _json(text: str) -> str:
    json.loads(text)
    return text


def _regex(text: str) -> str:
    try:
        re.compile(text)
    except re.error as error:
        raise ValueError(f"{text!r} is no regular expression: {error}") from error
    return text


def _base64(text: str) -> str:
    try:
        base64.b64decode(text, validate=True)
    except binascii.Error as error:
        raise ValueError(f"it is not base64: {error}") from error
    return text


def _bits(number: int) -> AfterValidator:
    def check(value: int) -> int:
        if not -(2 ** (number - 1)) <= value < 2 ** (number - 1):
            raise ValueError(f"{value} does not fit into {number} bits")
        return value

    return AfterValidator(check)


_TEXT = Format(str)
_UNCHECKED = (
    "password idn-email idn-hostname iri iri-reference json-pointer relative-json-pointer uri-reference uri-template"
)

# What is sent on must be what came: the text, not what it encodes; and a password must not become asterisks.
_STRINGS: dict[str, Format] = {
    "uuid": Format(UUID, known=True),
    "uuid1": Format(UUID1, known=True),
    "uuid2": Format(UUID),
    "uuid3": Format(UUID3, known=True),
    "uuid4": Format(UUID4, known=True),
    "uuid5": Format(UUID5, known=True),
    "email": Format(str, (_matching(_EMAIL, "e-mail address", "ada@example.org"),)),
    "uri": Format(AnyUrl, known=True),
    "hostname": Format(str, (_matching(_HOSTNAME, "host name", "www.example.org"),)),
    "ipv4": Format(IPv4Address, known=True),
    "ipv6": Format(IPv6Address, known=True),
    "ipv4-network": Format(IPv4Network),
    "ipv6-network": Format(IPv6Network),
    "ipv4network": Format(IPv4Network, known=True),
    "ipv6network": Format(IPv6Network, known=True),
    "ipv4interface": Format(IPv4Interface, known=True),
    "ipv6interface": Format(IPv6Interface, known=True),
    "date-time": Format(datetime, known=True),
    "date": Format(date, known=True),
    "time": Format(time, known=True),
    "duration": Format(timedelta, known=True),
    "decimal": Format(Decimal),
    "byte": Format(str, (AfterValidator(_base64),)),
    "binary": Format(bytes, known=True),
    "path": Format(Path, known=True),
    "json": Format(str, (AfterValidator(_json),)),
    "regex": Format(str, (AfterValidator(_regex),)),
    **dict.fromkeys(_UNCHECKED.split(), _TEXT),
}

_INTEGERS: dict[str, Format] = {"int32": Format(int, (_bits(32),)), "int64": Format(int, (_bits(64),))}

_NUMBERS: dict[str, Format] = {
    "float": Format(float),
    "double": Format(float),
    # A number stays one when it is sent on.
    "decimal": Format(Decimal, (PlainSerializer(float, when_used="json"),)),
    **_INTEGERS,
}

FORMATS: dict[str, dict[str, Format]] = {"string": _STRINGS, "integer": _INTEGERS, "number": _NUMBERS}
"""By type and name; a name that is not here is not supported for the type."""
