"""Messages beside their saved forms: each is made from the other once, when it is first asked for."""

from __future__ import annotations

import gc
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, Generic, NamedTuple, TypeVar

from pydantic import ValidationError

from agentnb.messages.llm import Edits

Form = dict[str, Any]
M = TypeVar("M")

_OPENS = (
    *("__add__", "__delitem__", "__getitem__", "__iadd__", "__imul__", "__iter__", "__mul__", "__reversed__"),
    *("__rmul__", "__setitem__", "append", "clear", "copy", "extend", "insert", "pop", "remove", "reverse", "sort"),
)


class SavedMessages(list[Form]):
    """The messages of a saved state: a list of dicts that belongs to whoever asked for it.

    Until somebody looks into it the dicts are those of other states too, which saves writing a long conversation anew
    each time; what takes one out from Python, or changes the list, first gets copies of its own. Encoders, which only
    read, see the shared ones.
    """

    __slots__ = ("_own",)

    def __init__(self, forms: Iterable[Form]) -> None:
        super().__init__(forms)
        self._own = False

    def _open(self) -> None:
        if not self._own:
            self._own = True
            list.__setitem__(self, slice(None), [copied(form) for form in list.__iter__(self)])

    def _grow(self, forms: Sequence[Form]) -> None:
        """Take in what was said since, if nobody has looked into it."""
        list.extend(self, forms[len(self) :])

    def __radd__(self, before: list[Any]) -> list[Any]:
        return [*before, *self]

    def __reduce_ex__(self, protocol: Any) -> tuple[Any, ...]:
        return list, (list(self),)  # copied and pickled it is a plain list


def _opening(method: Callable[..., Any]) -> Callable[..., Any]:
    def opening(self: SavedMessages, *args: Any, **options: Any) -> Any:
        self._open()
        return method(self, *args, **options)

    return opening


for _name in _OPENS:
    setattr(SavedMessages, _name, _opening(getattr(list, _name)))


def copied(value: Any) -> Any:
    """Return JSON data whose dicts and lists are the caller's own."""
    if isinstance(value, dict):
        return {key: copied(one) if isinstance(one, dict | list) else one for key, one in value.items()}
    if isinstance(value, list):
        return [copied(one) for one in value]
    return value


def apart(value: Any) -> Any:
    """Return JSON data in dicts and lists of its own; messages that were saved here are apart as they are."""
    if type(value) is dict:
        return {key: apart(one) if type(one) in _NESTING else one for key, one in value.items()}
    if type(value) is list:
        return [apart(one) if type(one) in _NESTING else one for one in value]
    return value


_NESTING = (dict, list)


def as_given(saved: Sequence[Any]) -> Iterator[Any]:
    """Return what goes through saved messages, for one who copies what it keeps: the list need not do so first."""
    return list.__iter__(saved) if type(saved) is SavedMessages else iter(saved)


def problem_of(error: ValidationError) -> str:
    """Return what is wrong first with data that cannot be read."""
    first = error.errors(include_url=False)[0]
    # A tagged union puts the tag before the field.
    place = ".".join(str(part) for part in first["loc"] if not isinstance(part, int))
    found = "" if first["type"] == "missing" else f", not {first['input']!r:.60}"
    return f"{place}: {first['msg']}{found}." if place else f"{first['msg']}{found}."


_AT_ONCE = 256
"""How many messages are written together: so many are still in the processor's cache when they are looked at again."""


_AHEAD = 64
"""After how many messages their forms are written, before they are asked for."""


class Ahead(NamedTuple):
    """Forms that are written before they are asked for."""

    forms: list[Form]
    parts: Sequence[Any] = ()
    """Of each message what is empty and could be filled until then."""


class Loaded(Generic[M]):
    """Saved messages that were looked through: of texts the values, of any others the messages.

    Args:
        columns: The values of the texts, a list each, as long as there are messages: thousands of texts are then no
            more objects than one.
        others: The others by their places, in order.
            In their places the columns hold the values of some text.
        make: Makes messages of such columns.
        write: Writes the forms of such messages.
    """

    __slots__ = ("_columns", "_others", "_write", "make")

    def __init__(
        self,
        columns: Sequence[list[Any]],
        others: dict[int, M],
        make: Callable[..., list[M]],
        write: Callable[..., list[Form]],
    ) -> None:
        self._columns, self._others = columns, others
        self.make, self._write = make, write

    def __len__(self) -> int:
        return len(self._columns[0])

    def made(self, start: int, stop: int) -> list[M]:
        """Return the messages from one place to before another."""
        made = self.make(*(column[start:stop] for column in self._columns))
        for place, other in self._others.items():
            if start <= place < stop:
                made[place - start] = other
        return made

    def forms(self, write: Callable[[list[M]], list[Form]]) -> list[Form]:
        """Return the saved form of each, by `write` where it is no text."""
        forms = self._write(*self._columns)
        for place, form in zip(self._others, write(list(self._others.values())), strict=True):
            forms[place] = form
        return forms


class Kept(Generic[M]):
    """Messages that are kept in order, beside their saved forms.

    Messages that were loaded are made when they are first looked at. The form of a text is written soon after it was
    added, that of anything else when it is first saved; it stands until an attribute of some message is set. A message
    whose parts are changed in place is saved as it was, but for metadata that are filled in before the first save.

    Args:
        messages: What it begins with.
        write: Writes messages.
        write_ahead: Writes messages that were just added, or returns None where that had better wait for a save.
        edits: Counts the changes of such messages.
    """

    __slots__ = (
        *("_count", "_due", "_edits", "_forms", "_given", "_loaded", "_messages", "_parts", "_seen", "_unread"),
        *("_write", "_write_ahead"),
    )

    def __init__(
        self,
        messages: list[M],
        write: Callable[[list[M]], list[Form]],
        write_ahead: Callable[[list[M]], Ahead | None],
        edits: Edits,
    ) -> None:
        self._write, self._write_ahead, self._edits = write, write_ahead, edits
        self._take(messages)

    def _take(self, messages: list[M]) -> None:
        self._unread = 0  # how many were loaded that nobody has looked at; the messages come after them
        self._loaded: Loaded[M] | None = None  # what was loaded, until all of it was looked at and written
        self._messages = messages
        self._forms: list[Form] = []  # of what is unread, and of the messages that were seen when last saved
        self._seen: list[M] = []
        self._parts: list[Any] = []  # what could have changed of those written ahead, until they are saved
        self._count = self._edits.count
        self._due = len(messages) + _AHEAD
        self._given: SavedMessages | None = None

    @property
    def messages(self) -> list[M]:
        """The messages; a list that may be changed."""
        if self._unread:
            self._look(self._unread)
        return self._messages

    @messages.setter
    def messages(self, messages: list[M]) -> None:
        self._take(messages)

    def last(self, count: int) -> list[M]:
        """Return the last messages, `count` of them if there are so many, without a look at those before."""
        missing = count - len(self._messages)
        if self._unread and missing > 0:
            self._look(min(missing, self._unread))
        return self._messages[-count:]

    def append(self, message: M) -> None:
        """Add a message at the end, without a look at what is there."""
        messages = self._messages
        messages.append(message)
        if len(messages) > self._due:
            self._keep_up()

    def extend(self, messages: Sequence[M]) -> None:
        """Add messages at the end, as `append` does."""
        self._messages.extend(messages)
        if len(self._messages) > self._due:
            self._keep_up()

    def _keep_up(self) -> None:
        """Write what was added last: what is still in the processor's cache is written at half the price."""
        self._due = len(self._messages) + _AHEAD
        if not self._seen:
            self._count = self._edits.count  # nothing is written that could have changed
        new = self._messages[len(self._seen) :]
        # More is left to a save: who edits messages, or adds what is no text, would have them written each time.
        if len(new) > 2 * _AHEAD or self._count != self._edits.count:
            return
        if len(self._forms) < self._unread + len(self._seen) or (ahead := self._write_ahead(new)) is None:
            return
        self._forms += ahead.forms
        self._parts += ahead.parts
        self._seen += new

    def clear(self) -> None:
        """Forget all messages; the list stays the same."""
        self._unread, self._loaded = 0, None
        self._messages.clear()
        self._rewrite()

    def load(self, loaded: Loaded[M]) -> None:
        """Take other messages in place of the present ones."""
        self._take([])
        self._unread, self._loaded = len(loaded), loaded or None

    def _look(self, count: int) -> None:
        assert self._loaded is not None
        if not self._messages:
            self._count = self._edits.count  # what is yet to be made was not changed
        until, self._unread = self._unread, self._unread - count
        with Uncollected():
            made = self._loaded.made(self._unread, until)
        self._messages[:0] = made
        self._seen[:0] = made
        self._let_go()

    def _let_go(self) -> None:
        if self._forms and not self._unread:
            self._loaded = None

    def forms(self) -> Sequence[Form]:
        """Return the saved forms; the list and the dicts must not be changed."""
        messages = self._messages
        if self._loaded is not None and not self._forms:
            with Uncollected():
                self._forms = self._loaded.forms(self._write)
            self._let_go()
        if self._count != self._edits.count:
            self._rewrite()
        if self._parts:
            if any(self._parts):
                del self._forms[-len(self._parts) :], self._seen[-len(self._parts) :]
            self._parts = []
        self._seen.extend(messages[len(self._seen) :])
        # Two lists of the same objects are compared without a look at these.
        if self._seen != messages:
            self._rewrite()
            self._seen.extend(messages)
        if len(self._forms) < self._unread + len(messages):
            with Uncollected():
                for start in range(len(self._forms) - self._unread, len(messages), _AT_ONCE):
                    self._forms += self._write(messages[start : start + _AT_ONCE])
        return self._forms

    def _rewrite(self) -> None:
        del self._forms[self._unread :]
        self._seen, self._parts = [], []
        self._count = self._edits.count
        self._given = None

    def saved(self) -> SavedMessages:
        """Return the saved forms as part of a state, at the cost of what is new since the last time."""
        forms = self.forms()
        if self._given is not None and not self._given._own and sys.getrefcount(self._given) == _UNSHARED:
            self._given._grow(forms)  # the state it was made for is gone: its list is used again
        else:
            self._given = SavedMessages(forms)
        return self._given


class Uncollected:
    """Looks for no garbage where thousands of objects are made that are none: it takes two thirds of the time."""

    __slots__ = ("_enabled",)

    def __enter__(self) -> None:
        self._enabled = gc.isenabled()
        gc.disable()

    def __exit__(self, *_: object) -> None:
        if not self._enabled:
            return
        if gc.get_count()[0] > _MANY and gc.get_freeze_count() < _FROZEN:
            # Puts what was made among the old objects, without the two walks through all of it that lead there else.
            gc.freeze()
            gc.unfreeze()
        gc.enable()


_MANY = 10_000
"""Objects. What else is young then and becomes garbage waits for a full collection: not worth it for fewer."""
_FROZEN = 1_000
"""Python 3.12 begins with some hundred frozen objects; whoever freezes what a program has loaded freezes more."""


class _Holder:
    __slots__ = ("held",)

    def __init__(self) -> None:
        self.held: list[Any] = []


def _unshared(holder: _Holder) -> int:
    return sys.getrefcount(holder.held)


_UNSHARED = _unshared(_Holder())
"""The count of references to what only one attribute holds, as it is seen from there."""
