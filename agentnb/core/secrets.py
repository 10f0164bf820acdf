"""Secrets of components: written as the environment variable they are found in, never as themselves."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any, get_args

from pydantic import BaseModel, SecretBytes, SecretStr

from agentnb.exceptions import UserError

MASK = "**********"
"""What JSON shows of pydantic's secrets; AutoGen's dumps hold it."""

NOT_WRITTEN = {"secret": "not written"}
"""What a dump shows of a secret whose variable is not known."""


class SecretReference(BaseModel, frozen=True, defer_build=True):
    """Where a secret is found again; the secret itself is never written."""

    env: str
    """The environment variable that holds it."""


def left_out(cls: type[Any], key: str, value: Any, *, hint: Any, required: bool) -> bool:
    """Whether a config's value stands for a secret that was not written, so that the class finds it by itself.

    Args:
        cls: A component class.
        key: The name of the argument.
        value: What the config holds.
        hint: The argument's annotation; AutoGen's mask stands for a secret only where one is asked for.
        required: Whether the argument must be given.

    Raises:
        UserError: If the config names another variable than the class does, or if the secret must be given and no
            variable is declared for it.
    """
    variable = cls.component_secrets.get(key)
    if value == NOT_WRITTEN or (value == MASK and (variable or asks_secret(hint))):
        pass
    elif variable and isinstance(value, Mapping) and set(value) == {"env"}:
        if value["env"] != variable:
            # Any other name could be one the config's author wants to be sent somewhere.
            raise UserError(
                f"The config takes {cls.__name__}.{key} from the environment variable {value['env']!r}; "
                f"only {variable!r} is read for it. Set that one, or give {key!r} in code."
            )
    else:
        return False
    if required and variable is None:
        raise UserError(
            f"{cls.__name__} needs {key!r}, a secret that is never written. Give it in code, or name its variable in "
            f"the class: component_secrets = {{{key!r}: '{key.upper()}'}}."
        )
    return True


def from_environment(cls: type[Any], key: str) -> str:
    """Return the secret of an argument that must be given.

    Raises:
        UserError: If its variable is not set.
    """
    variable: str = cls.component_secrets[key]
    if not os.environ.get(variable):
        raise UserError(f"{cls.__name__} needs {key!r}, a secret: set the environment variable {variable}.")
    return os.environ[variable]


def asks_secret(hint: Any) -> bool:
    """Whether an annotation mentions one of pydantic's secrets."""
    return hint in (SecretStr, SecretBytes) or any(asks_secret(part) for part in get_args(hint))
