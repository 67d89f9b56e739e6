"""What the agent inside a guest is asked to do."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Literal

import anyio
import msgspec

from kubevirt_py.plan import Document
from kubevirt_py.virt_handler.guestagent import AgentRefused, AgentSilent, Channel, Nothing

FREEZE_S = 60.0
"""A freeze first writes out what the guest's file systems hold back."""
SET_TIME_S = 10.0
"""The agent also sets the guest's hardware clock, which waits for the beginning of a second."""
REFUSAL_S = 2.0
STATUS_S = 0.1
OUTPUT_BYTES = 64 << 10


class _Started(msgspec.Struct):
    pid: int


class _ExecStatus(msgspec.Struct, rename="kebab"):
    exited: bool = False
    exitcode: int | None = None
    signal: int | None = None
    out_data: str = ""
    err_data: str = ""


class Result(msgspec.Struct, frozen=True):
    """How a program in the guest ended; `code` is 128 plus the signal's number for one that was killed."""

    code: int
    output: bytes = b""
    errors: bytes = b""


async def ping(channel: Channel, deadline_s: float) -> None:
    """Raises AgentSilent when there is no answer in time."""
    with _in_time(deadline_s):
        await channel.ask("guest-ping", Nothing)


async def shut_down(channel: Channel, mode: Literal["powerdown", "reboot"]) -> None:
    """Ask for the guest's end; a success has no answer, so what is not refused soon is under way. Raises AgentError."""
    async with channel.conversation() as talk:
        await talk.tell("guest-shutdown", {"mode": mode})
        with anyio.move_on_after(REFUSAL_S):
            await talk.hear("guest-shutdown", Nothing)


async def freeze(channel: Channel, begin: Callable[[], None]) -> int:
    """Freeze all file systems; how many there were. `begin` is called once an agent listens. Raises AgentError."""
    async with channel.conversation() as talk:
        begin()
        return await talk.ask("guest-fsfreeze-freeze", int, deadline_s=FREEZE_S)


async def thaw(channel: Channel) -> int:
    """Thaw all file systems; how many were frozen. Raises AgentError."""
    return await channel.ask("guest-fsfreeze-thaw", int, deadline_s=FREEZE_S)


async def is_frozen(channel: Channel) -> bool:
    """Raises AgentError."""
    return await channel.ask("guest-fsfreeze-status", str) == "frozen"


async def run(channel: Channel, command: Sequence[str], deadline_s: float, stdin: bytes = b"") -> Result:
    """Run a program in the guest to its end. Raises AgentError, also when it takes longer than `deadline_s`."""
    request: Document = {"path": command[0], "arg": list(command[1:]), "capture-output": True}
    if stdin:
        request["input-data"] = base64.b64encode(stdin).decode()
    status = _ExecStatus()
    with _in_time(deadline_s):
        started = await channel.ask("guest-exec", _Started, request)
        while not status.exited:
            await anyio.sleep(STATUS_S)
            status = await channel.ask("guest-exec-status", _ExecStatus, {"pid": started.pid})
    return _result(status)


async def set_password(channel: Channel, user: str, password: bytes) -> None:
    """Raises AgentError."""
    encoded = base64.b64encode(password).decode()
    await channel.ask("guest-set-user-password", Nothing, {"username": user, "password": encoded, "crypted": False})


async def set_keys(channel: Channel, user: str, keys: Sequence[str]) -> None:
    """Make `keys` the user's authorized keys, all of them. Raises AgentError."""
    request: Document = {"username": user, "keys": list(keys), "reset": True}
    await channel.ask("guest-ssh-add-authorized-keys", Nothing, request)


async def set_time(channel: Channel, since_1970_ns: int) -> None:
    """Raises AgentError."""
    await channel.ask("guest-set-time", Nothing, {"time": since_1970_ns}, deadline_s=SET_TIME_S)


@contextmanager
def _in_time(deadline_s: float) -> Iterator[None]:
    """A deadline that raises AgentSilent."""
    with anyio.move_on_after(deadline_s) as scope:
        yield
    if scope.cancelled_caught:
        raise AgentSilent(f"not done within {deadline_s:g} s")


def _result(status: _ExecStatus) -> Result:
    code = status.exitcode if status.exitcode is not None else 128 + (status.signal or 0)
    return Result(code, _decoded(status.out_data), _decoded(status.err_data))


def _decoded(text: str) -> bytes:
    try:
        return base64.b64decode(text)[:OUTPUT_BYTES]
    except ValueError as error:  # also for what is not even ASCII
        raise AgentRefused(f"guest-exec-status: its output is not base64: {error}") from error
