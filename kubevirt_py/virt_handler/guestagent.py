"""The way to the agent inside a guest (qemu-ga), over its virtio-serial socket. Everything it says is hostile.

One conversation at a time, each on a connection of its own: size, depth, time and amount of what is kept are bounded.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TypeVar

import anyio
import msgspec
from anyio.abc import ByteReceiveStream, SocketStream
from anyio.streams.buffered import BufferedByteReceiveStream

from kubevirt_py.plan import Document

ANSWER_S = 5.0
CONNECT_S = 10.0
LINE_BYTES = 1 << 20
CONVERSATION_BYTES = 4 << 20
"""An agent that says more than this is hung up on, so that endless lines cost little."""
STALE_LINES = 64
"""What earlier conversations may have left to be read; more is a guest that wants to keep this process busy."""
TEXT = 256

T = TypeVar("T")


class AgentError(Exception):
    """The agent in the guest did not do what it was asked."""


class AgentSilent(AgentError):
    """It does not answer, or answers nonsense."""


class AgentRefused(AgentError):
    """It failed at the command, or (`unknown`) does not know or allow it; the text is its own."""

    def __init__(self, text: str, *, unknown: bool = False) -> None:
        super().__init__(text)
        self.unknown = unknown


class Channel:
    """The way to the agent of one guest."""

    def __init__(self, path: str) -> None:
        self.busy = False
        """Whether an agent that answers does something for us just now, and so nothing else."""
        self._path = path
        self._lock = anyio.Lock()
        self._serial = 0

    async def ask(
        self, command: str, answer: type[T], arguments: Document | None = None, *, deadline_s: float | None = None
    ) -> T:
        """The answer to one command. Raises AgentSilent and AgentRefused."""
        async with self.conversation() as talk:
            return await talk.ask(command, answer, arguments, deadline_s=deadline_s)

    @asynccontextmanager
    async def conversation(self) -> AsyncIterator[Conversation]:
        """A synchronised connection. Raises AgentSilent for every kind of failure."""
        try:
            async with self._lock:
                with anyio.fail_after(CONNECT_S):
                    stream = await anyio.connect_unix(self._path)
                async with stream:
                    self._serial += 1
                    talk = Conversation(stream)
                    await talk.synchronise(self._serial)
                    self.busy = True
                    try:
                        yield talk
                    finally:
                        self.busy = False
        except (OSError, anyio.BrokenResourceError, anyio.EndOfStream, anyio.IncompleteRead) as error:
            raise AgentSilent(f"the connection failed: {error!r}") from error
        except (anyio.DelimiterNotFound, msgspec.MsgspecError, UnicodeDecodeError, RecursionError) as error:
            raise AgentSilent(f"the answer makes no sense: {str(error)[:TEXT]}") from error
        except TimeoutError as error:
            raise AgentSilent("no answer in time") from error


class _Metered(ByteReceiveStream):
    """A stream that ends its patience after so many bytes."""

    def __init__(self, stream: SocketStream) -> None:
        self._stream = stream
        self._left = CONVERSATION_BYTES

    async def receive(self, max_bytes: int = 65536) -> bytes:
        data = await self._stream.receive(max_bytes)
        self._left -= len(data)
        if self._left < 0:
            raise AgentSilent(f"it said more than {CONVERSATION_BYTES >> 20} MiB")
        return data

    async def aclose(self) -> None:
        await self._stream.aclose()


class Conversation:
    """Commands and answers on one connection; get one from `Channel.conversation`."""

    def __init__(self, stream: SocketStream) -> None:
        self._stream = stream
        self._reader = BufferedByteReceiveStream(_Metered(stream))

    async def synchronise(self, serial: int) -> None:
        """Skip what an earlier conversation left over: the byte 0xff never occurs in JSON."""
        request = msgspec.json.encode({"execute": "guest-sync-delimited", "arguments": {"id": serial}})
        with anyio.fail_after(ANSWER_S):
            await self._stream.send(b"\xff" + request + b"\n")
            for _ in range(STALE_LINES):
                await self._reader.receive_until(b"\xff", LINE_BYTES)
                line = await self._reader.receive_until(b"\n", LINE_BYTES)
                answer = msgspec.json.decode(line, type=dict[str, msgspec.Raw])
                if bytes(answer.get("return", b"")) == b"%d" % serial:
                    return
        raise AgentSilent(f"it does not come to the point in {STALE_LINES} lines")

    async def tell(self, command: str, arguments: Document | None = None) -> None:
        """Give a command whose success has no answer."""
        request = {"execute": command, **({"arguments": arguments} if arguments else {})}
        with anyio.fail_after(ANSWER_S):
            await self._stream.send(msgspec.json.encode(request) + b"\n")

    async def ask(
        self, command: str, answer: type[T], arguments: Document | None = None, *, deadline_s: float | None = None
    ) -> T:
        """The answer to a command. Raises AgentRefused, and what `Channel.conversation` makes AgentSilent of."""
        await self.tell(command, arguments)
        with anyio.fail_after(ANSWER_S if deadline_s is None else deadline_s):
            return await self.hear(command, answer)

    async def hear(self, command: str, answer: type[T]) -> T:
        """Wait for the answer to a command that was told. Raises as `ask` does."""
        line = await self._reader.receive_until(b"\n", LINE_BYTES)
        outer = msgspec.json.decode(line, type=dict[str, msgspec.Raw])
        if "return" not in outer:
            raise _refusal(command, outer.get("error"))
        return msgspec.json.decode(outer["return"], type=answer)

    async def optional(self, command: str, answer: type[T]) -> T | None:
        """The answer, None when this agent does not have the command."""
        try:
            return await self.ask(command, answer)
        except AgentRefused:
            return None


class Nothing(msgspec.Struct):
    """The answer to a command that has none to give: whatever is in there is passed over."""


class _Trouble(msgspec.Struct, rename={"kind": "class"}):
    kind: str = ""
    desc: str = ""


def _refusal(command: str, error: msgspec.Raw | None) -> AgentRefused:
    trouble = msgspec.json.decode(error, type=_Trouble) if error is not None else _Trouble()
    unknown = trouble.kind in ("CommandNotFound", "CommandDisabled")
    return AgentRefused(f"{command}: {printable(trouble.desc) or 'it gave no reason'}", unknown=unknown)


def printable(text: str, size: int = TEXT) -> str:
    """At most `size` characters and bytes of `text`, without what would grow when written as JSON."""
    kept = "".join(character for character in text[:size] if character.isprintable())
    return kept.encode(errors="ignore")[:size].decode(errors="ignore")
