"""The import hook: AutoGen's programs run as they are, on agentnb.

```python
from agentnb.compat import autogen
autogen.install()
from autogen_core import RoutedAgent      # agentnb's own RoutedAgent
```

Importing this module changes nothing; `install()` does, and `uninstall()` takes it back.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

from agentnb.compat.paths import MODULES, ROOTS, VERSION, near, there
from agentnb.exceptions import UserError

__all__ = ["install", "installed", "is_installed", "uninstall"]

# Those that are there, and the packages round them: `find_spec`, which programs ask what is installed, finds no other.
_FOUND = frozenset(
    module for module in MODULES if any(there(other) for other in MODULES if f"{other}.".startswith(f"{module}."))
)
_CHILDREN: dict[str, frozenset[str]] = {
    module: frozenset(other.rpartition(".")[2] for other in _FOUND if other.rpartition(".")[0] == module)
    for module in _FOUND
}


def _missing(old: str) -> str:
    """Say that a name cannot be had, whether it is still to come, and what is there instead."""
    module, _, name = old.rpartition(".")
    close = ", ".join(near(old))
    hint = f" There is: {close}." if close else ""
    if old in MODULES or name in getattr(MODULES.get(module), "names", ()):
        return f"agentnb does not have {old} yet.{hint}"
    return f"agentnb knows no {old} of AutoGen {VERSION}.{hint}"


def _value(old: str) -> Any:
    """Return the object an old path stands for.

    Raises:
        ImportError: If it is not there yet; of an optional dependency the message names the extra.
    """
    module, _, name = old.rpartition(".")
    if name == "__version__":
        return VERSION
    room, _, attribute = MODULES[module].names[name].rpartition(".")
    if not there(old):
        raise ImportError(_missing(old), name=old)
    try:
        return getattr(importlib.import_module(room), attribute)
    except (AttributeError, ModuleNotFoundError) as error:
        if isinstance(error, ModuleNotFoundError) and not (error.name or "").startswith("agentnb"):
            raise
        raise ImportError(_missing(old), name=old) from error


class _Forwarder(Loader):
    """Fills a module whose names are looked up in agentnb's rooms when they are first asked for."""

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return None

    def exec_module(self, module: ModuleType) -> None:
        name = module.__name__
        home = MODULES[name]

        def lookup(attribute: str) -> Any:
            if attribute == "__all__":
                return public()
            if attribute in home.names:
                value = _value(f"{name}.{attribute}")
            elif attribute in _CHILDREN[name]:
                value = importlib.import_module(f"{name}.{attribute}")
            else:
                raise AttributeError(f"module {name!r} has no attribute {attribute!r}")
            cached.add(attribute)
            module.__dict__[attribute] = value
            return value

        def public() -> list[str]:
            return sorted(n for n in home.names if n not in home.later and not n.startswith("_"))

        # A reload looks every name up again, and leaves what the program itself has put here.
        cached: set[str] = module.__dict__.setdefault("__agentnb_cached__", set())
        for attribute in cached:
            module.__dict__.pop(attribute, None)
        cached.clear()
        module.__doc__ = f"AutoGen's `{name}`, looked up in `{home.new}`."
        module.__dict__["__getattr__"] = lookup
        if name in ROOTS:
            _show_telemetry()
        module.__dict__["__dir__"] = lambda: sorted({*module.__dict__, *public(), *_CHILDREN[name]})


def _show_telemetry() -> None:
    """Let AutoGen's event logger and OpenTelemetry's global provider see runs, which AutoGen does unasked."""
    global _stop_spans
    importlib.import_module("agentnb.telemetry.logging")
    if _stop_spans is None and is_installed():
        from agentnb.telemetry.otel import follow_global_provider

        _stop_spans = follow_global_provider()


def _is_imported() -> bool:
    """Tell whether the module that is looked for will be imported, and is not only asked about."""
    search = sys._getframe(2)  # importlib's, which looks the same for both: who called it tells
    return search.f_back is not None and search.f_back.f_code.co_name == "_find_and_load_unlocked"


class _Finder(MetaPathFinder):
    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if fullname.partition(".")[0] not in ROOTS:
            return None
        if fullname in _FOUND:
            # A package, as `from package import name` asks for a submodule `name` before it gives up: see below.
            return importlib.util.spec_from_loader(fullname, _Forwarder(), origin="agentnb.compat", is_package=True)
        if not _is_imported():
            return None
        if fullname.rpartition(".")[2][:1].isupper():
            raise ImportError(_missing(fullname), name=fullname)
        raise ModuleNotFoundError(_missing(fullname), name=fullname)


_finder = _Finder()
_replaced: dict[str, ModuleType] = {}
_stop_spans: Callable[[], None] | None = None


def _loaded() -> dict[str, ModuleType]:
    return {name: module for name, module in sys.modules.items() if name.partition(".")[0] in ROOTS}


def _ours(module: ModuleType) -> bool:
    return isinstance(getattr(getattr(module, "__spec__", None), "loader", None), _Forwarder)


def is_installed() -> bool:
    """Whether AutoGen's names resolve to agentnb in this process."""
    return _finder in sys.meta_path


def install(*, replace: bool = False) -> None:
    """Make `autogen_core`, `autogen_agentchat` and `autogen_ext` import agentnb, in this process.

    The objects are agentnb's own: `isinstance` holds across both names. What is not there yet raises an
    `ImportError` when it is asked for, and says so. As with AutoGen, spans of runs and runtimes go to the tracer
    provider that the program sets with `opentelemetry.trace.set_tracer_provider`. A second call changes nothing.

    Args:
        replace: Go on although the real AutoGen was imported; it comes back with `uninstall()`.

    Raises:
        UserError: If the real AutoGen was imported before, since objects of both would meet.
    """
    if is_installed():
        return
    real = {name: module for name, module in _loaded().items() if not _ours(module)}
    if real and not replace:
        roots = ", ".join(sorted({name.partition(".")[0] for name in real}))
        raise UserError(
            f"The real AutoGen is imported already ({roots}), and its objects would meet agentnb's. Call "
            "`autogen.install()` before the first import of AutoGen (restart the kernel), or `install(replace=True)`."
        )
    _replaced.update(real)
    for name in real:
        del sys.modules[name]
    sys.meta_path.insert(0, _finder)


def uninstall() -> None:
    """Take the hook away: AutoGen's names are AutoGen's again, where it is installed."""
    global _stop_spans
    if not is_installed():
        return
    if _stop_spans is not None:
        _stop_spans()
        _stop_spans = None
    sys.meta_path.remove(_finder)
    for name, module in _loaded().items():
        if _ours(module):
            del sys.modules[name]
    sys.modules.update(_replaced)
    _replaced.clear()
    importlib.invalidate_caches()


@contextmanager
def installed(*, replace: bool = False) -> Iterator[None]:
    """Have the hook within a `with` block; a hook that was there before stays afterwards."""
    before = is_installed()
    install(replace=replace)
    try:
        yield
    finally:
        if not before:
            uninstall()
