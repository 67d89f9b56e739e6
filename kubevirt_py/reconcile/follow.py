"""How to follow a list of objects: a pure step function over what the API server says.

`step(state, heard)` gives the next state, what to tell the store, and what to ask next.
It knows nothing of sockets, clocks or views; the loop around it is in `watcher`.

    Cold ---watch with initial events---> Streaming --end of them--> Live <-+
      |                                       |                       |  |  |
      +---paged list---> Listing --last page--|-----------------------+  +--+ events, reconnects
      ^                                       v                       |
      +-------------------- 410, or a line that cannot be read -------+
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from kubevirt_py.plan import Key


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Stands for the view of an object that does not decode."""

    reason: str


# What was heard


@dataclass(frozen=True, slots=True)
class Start:
    """Begin."""


@dataclass(frozen=True, slots=True)
class Object:
    """One object, decoded (or not: then `view` is Unreadable). `rv` is 0 where versions are not numbers."""

    key: Key
    view: Any
    rv: int


@dataclass(frozen=True, slots=True)
class PageRead:
    """A page of a list."""

    objects: tuple[Object, ...]
    rv: str
    more: bool


@dataclass(frozen=True, slots=True)
class Changed:
    """A watch event."""

    object: Object
    deleted: bool


@dataclass(frozen=True, slots=True)
class Bookmark:
    """A version up to which nothing else happened; `initial_end` closes the initial events."""

    rv: str
    initial_end: bool = False


@dataclass(frozen=True, slots=True)
class Ended:
    """The connection is over: cleanly, by a time-out or by an error that says nothing about our version."""


@dataclass(frozen=True, slots=True)
class Expired:
    """410: the version (or page token) we asked for is too old."""


@dataclass(frozen=True, slots=True)
class Unsupported:
    """The server does not know initial events."""


@dataclass(frozen=True, slots=True)
class Garbled:
    """A line that is not a watch event at all."""


Heard = Start | PageRead | Changed | Bookmark | Ended | Expired | Unsupported | Garbled


# What to tell the store


@dataclass(frozen=True, slots=True)
class Put:
    object: Object


@dataclass(frozen=True, slots=True)
class Drop:
    key: Key
    rv: int


@dataclass(frozen=True, slots=True)
class Mark:
    rv: str


@dataclass(frozen=True, slots=True)
class Replaced:
    objects: dict[Key, Object]
    rv: str


Out = Put | Drop | Mark | Replaced


# What to ask next


@dataclass(frozen=True, slots=True)
class AskList:
    """List, in pages or in one piece."""

    paged: bool = True


@dataclass(frozen=True, slots=True)
class AskWatch:
    """Watch from `since`, or with initial events."""

    since: str = ""
    initial: bool = False


Ask = AskList | AskWatch


# States. A buffer belongs to its state: `step` fills it in place, so that a long list is not copied per line.


@dataclass(frozen=True, slots=True)
class Cold:
    """Nothing is known. `streaming`: initial events are worth trying."""

    streaming: bool = True


@dataclass(frozen=True, slots=True)
class Listing:
    """Reading pages."""

    paged: bool
    streaming: bool
    buffer: dict[Key, Object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Streaming:
    """Reading initial events."""

    buffer: dict[Key, Object] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Live:
    """Everything up to `rv` is known; `unreadable` are the objects known not to decode."""

    rv: str
    streaming: bool
    unreadable: frozenset[Key] = frozenset()


State = Cold | Listing | Streaming | Live
Step = tuple[State, tuple[Out, ...], Ask | None]
"""Next state, what to tell the store, and what to ask; None: go on reading."""


def step(state: State, heard: Heard) -> Step:
    """One step. Raises TypeError for an input that cannot come in that state: a bug of the caller."""
    match state, heard:
        case Cold(), Start() | Ended() | Expired() | Garbled():
            return _begin(state.streaming)
        case Streaming(), Unsupported():
            return _begin(streaming=False)
        case Streaming(), Changed(thing, deleted):
            if deleted:
                state.buffer.pop(thing.key, None)
            else:
                state.buffer[thing.key] = thing
            return state, (), None
        case Streaming(), Bookmark(rv, initial_end):
            return _live(state.buffer, rv, streaming=True) if initial_end else (state, (), None)
        case Streaming(), Ended() | Expired() | Garbled():
            return _begin(streaming=True)
        case Listing(), PageRead(objects, rv, more):
            state.buffer.update((thing.key, thing) for thing in objects)
            if more:
                return state, (), None
            live, outs, _ = _live(state.buffer, rv, state.streaming)
            return live, outs, AskWatch(since=rv)
        case Listing(), Expired():
            return Listing(paged=False, streaming=state.streaming), (), AskList(paged=False)
        case Listing(), Ended() | Garbled():
            return _begin(state.streaming)
        case Live(), Changed():
            return _change(state, heard)
        case Live(), Bookmark(rv):
            return _at(state, rv), (Mark(rv),), None
        case Live(), Ended():
            return state, (), AskWatch(since=state.rv)
        case Live(), Expired() | Garbled():
            return _begin(state.streaming)
        case _:
            raise TypeError(f"{type(heard).__name__} in state {type(state).__name__}")


def _begin(streaming: bool) -> Step:
    """Start from nothing: the version we had, if any, is forgotten."""
    if streaming:
        return Streaming(), (), AskWatch(initial=True)
    return Listing(paged=True, streaming=False), (), AskList()


def _live(buffer: dict[Key, Object], rv: str, streaming: bool) -> Step:
    unreadable = frozenset(key for key, thing in buffer.items() if isinstance(thing.view, Unreadable))
    return Live(rv, streaming, unreadable), (Replaced(buffer, rv),), None


def _change(state: Live, heard: Changed) -> Step:
    thing = heard.object
    rv = str(thing.rv) if thing.rv else state.rv
    if heard.deleted:
        return Live(rv, state.streaming, state.unreadable - {thing.key}), (Drop(thing.key, thing.rv),), None
    if isinstance(thing.view, Unreadable):
        if thing.key not in state.unreadable:
            return _begin(state.streaming)  # never skip: read everything again; if it is still bad, keep it as such
        return _at(state, rv), (Put(thing),), None
    unreadable = state.unreadable - {thing.key} if state.unreadable else state.unreadable
    return Live(rv, state.streaming, unreadable), (Put(thing),), None


def _at(state: Live, rv: str) -> Live:
    return Live(rv, state.streaming, state.unreadable)
