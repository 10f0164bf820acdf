"""Under what circumstances a run starts: versions, machine, notebook, state of the code; nothing that names a person.

Everything that cannot change is looked up once per process, so that a run pays for a few look-ups in dictionaries. No
host name, no user name, and of a path only the file's name.
"""

from __future__ import annotations

import os
import platform
import re
import sys
from functools import cache, lru_cache
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from agentnb.runlog.checkout import checkout

# By the module that shows that it is used: what an adapter imports only with its first request counts as well.
_DISTRIBUTIONS = {
    "pydantic": "pydantic",
    "pydantic_core": "pydantic-core",
    "openai": "openai",
    "agentnb.models.openai": "openai",
    "agentnb.models.engine": "xllamacpp",
    "agentnb.models.local": "xllamacpp",
    "anthropic": "anthropic",
    "ollama": "ollama",
    "mcp": "mcp",
    "tiktoken": "tiktoken",
    "IPython": "ipython",
    "ipykernel": "ipykernel",
    "jupyter_client": "jupyter-client",
    "anywidget": "anywidget",
    "numpy": "numpy",
    "pandas": "pandas",
    "polars": "polars",
    "pyarrow": "pyarrow",
    "scipy": "scipy",
    "sklearn": "scikit-learn",
    "statsmodels": "statsmodels",
    "matplotlib": "matplotlib",
    "torch": "torch",
    "transformers": "transformers",
}
_SETTINGS = ("AGENTNB_MODEL", "AGENTNB_GGUF", "AGENTNB_TRUSTED_NAMESPACES", "OPENAI_MODEL", "PYTHONHASHSEED")
_FOLDERS = re.compile(r"(?<![A-Za-z0-9])(?:~|\.{0,2}/|[A-Za-z]:[\\/]|\\\\)(?:.*[\\/])?")
_LAUNCHERS = ("ipykernel_launcher", "ipykernel.kernelapp", "colab_kernel_launcher")


def versions() -> dict[str, str]:
    """Return the versions a run depends on: agentnb's, Python's, and those of known packages that are in use."""
    return dict(_versions(frozenset(_DISTRIBUTIONS.keys() & sys.modules.keys())))


@lru_cache(maxsize=16)
def _versions(modules: frozenset[str]) -> dict[str, str]:
    found = {"agentnb-toolkit": _version("agentnb-toolkit") or "source tree", "python": platform.python_version()}
    for module, name in _DISTRIBUTIONS.items():
        if module in modules:
            known = _version(name)
            if known is not None:
                found[name] = known
    return found


@cache
def _version(name: str) -> str | None:
    try:
        return version(name)
    except PackageNotFoundError:
        return None


def circumstances() -> dict[str, Any]:
    """Return what is to be noted when a run starts, besides versions.

    Returns:
        `implementation`, `os`, `machine`; `place`: "notebook", "ipython", "script" or "python", with `kernel` and
        `file` where they are known; `git` (see `agentnb.runlog.checkout`); `settings` that were made. What is not known
        is left out.
    """
    found: dict[str, Any] = {**_machine(), **_place()}
    settings = {name: file_only(value) for name in _SETTINGS if (value := os.environ.get(name))}
    if settings:
        found["settings"] = settings
    state = checkout()
    if state is not None:
        found["git"] = state
    return found


def file_only(text: str) -> str:
    """Return a setting without the folders of the path in it."""
    return _FOLDERS.sub("", text)


@cache
def _machine() -> dict[str, str]:
    system, release = platform.system(), platform.release()
    if system == "Darwin":
        system, release = "macOS", platform.mac_ver()[0] or release
    found = {"implementation": platform.python_implementation(), "os": f"{system} {release}".strip()}
    if system == "Linux":
        try:
            found["distribution"] = platform.freedesktop_os_release()["PRETTY_NAME"]
        except (OSError, KeyError):
            pass  # none says so
    if platform.machine():
        found["machine"] = platform.machine()
    return found


def _place() -> dict[str, str]:
    ipython = sys.modules.get("IPython")
    ip = ipython.get_ipython() if ipython is not None and hasattr(ipython, "get_ipython") else None
    if ip is None:
        return _script()
    kernel = getattr(ip, "kernel", None)
    if kernel is None:
        return {"place": "ipython"}
    found = {"place": "notebook", "kernel": type(kernel).__module__.partition(".")[0]}
    # VS Code tells its kernels by a variable, Jupyter's servers by the environment.
    named = getattr(ip, "user_ns", {}).get("__vsc_ipynb_file__") or os.environ.get("JPY_SESSION_NAME")
    name = _last(named) if isinstance(named, str) else ""
    if name:
        found["file"] = name
    return found


@cache
def _script() -> dict[str, str]:
    spec = getattr(sys.modules.get("__main__"), "__spec__", None)
    if spec is not None:
        return {"place": "script", "file": f"-m {spec.name.removesuffix('.__main__')}"}
    name = _last(sys.argv[0]) if getattr(sys, "argv", None) else ""
    if not name or name == "-c" or name.removesuffix(".py") in _LAUNCHERS:
        return {"place": "python"}
    return {"place": "script", "file": name}


def _last(path: str) -> str:
    return re.split(r"[\\/]", path)[-1]
