"""Sets SSH keys and passwords inside one guest: when its agent appears, and whenever their Secret changes."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import anyio
import anyio.to_thread

from kubevirt_py.decide.guest_state import Propagation
from kubevirt_py.render.credentials import key_lines
from kubevirt_py.virt_handler import authorizedkeys, guestcommands, kernel, secretfolder
from kubevirt_py.virt_handler.agentwatch import AgentWatch
from kubevirt_py.virt_handler.guestagent import TEXT, AgentRefused, AgentSilent, Channel
from kubevirt_py.virt_handler.hosted import Hosted

AGAIN_S = 30.0
"""After a failure: the agent may only be starting, the user not be made yet."""
SETTLE_S = 0.2
"""The kubelet removes the old version of a Secret right after it put the new one in place."""

log = logging.getLogger(__name__)


class Credentials:
    """`outcome` is None until the first attempt, and for a guest without such credentials."""

    def __init__(self, hosted: Hosted, channel: Channel, agent: AgentWatch) -> None:
        self.outcome: Propagation | None = None
        self._hosted = hosted
        self._channel = channel
        self._agent = agent
        self._changed = anyio.Event()

    async def run(self) -> None:
        """Keep them set, until cancelled; returns at once when there are none."""
        if not self._hosted.record.credentials:
            return
        async with anyio.create_task_group() as tasks:
            for secret in self._hosted.record.secrets:
                tasks.start_soon(self._watch, secret)
            while True:
                self._changed = anyio.Event()
                settled = not self._agent.connected
                if self._agent.connected and self._hosted.record.freeze is None:
                    settled = await self._set_all()
                with anyio.move_on_after(None if settled else AGAIN_S):
                    await self._wait()

    async def _wait(self) -> None:
        """For a new version of a Secret, or for the agent to come (back)."""
        async with anyio.create_task_group() as tasks:

            async def first(event: anyio.Event) -> None:
                await event.wait()
                tasks.cancel_scope.cancel()

            tasks.start_soon(first, self._changed)
            tasks.start_soon(first, self._agent.appearance)

    async def _watch(self, secret: str) -> None:
        try:
            with secretfolder.opened(self._hosted.pidfd, self._hosted.record.secrets[secret]) as directory:
                watch = kernel.watch_renames(directory)
        except OSError as error:
            log.warning("cannot watch a Secret", extra={"vmi": str(self._hosted.key), "error": str(error)})
            return
        try:
            while True:
                await anyio.wait_readable(watch)
                await anyio.sleep(SETTLE_S)
                os.read(watch, 65536)
                self._changed.set()
        finally:
            os.close(watch)

    async def _set_all(self) -> bool:
        try:
            problems = await self._problems()
        except AgentSilent as error:
            problems = [str(error)[:TEXT]]
        outcome = Propagation(done=not problems, message="; ".join(problems)[: 4 * TEXT])
        if outcome != self.outcome:
            self.outcome = outcome
            self._hosted.changed()
        return outcome.done

    async def _problems(self) -> list[str]:
        """Set what can be set; what stands in the way of the rest. Raises AgentSilent."""
        problems: list[str] = []
        keys: dict[str, list[str]] = {}
        unread: set[str] = set()
        for credential in self._hosted.record.credentials:
            try:
                values = await anyio.to_thread.run_sync(self._read, credential.secret)
            except OSError as error:
                problems.append(f"Secret {credential.secret}: {error}"[:TEXT])
                unread.update(credential.users)
                continue
            for user in credential.users:
                keys.setdefault(user, []).extend(key_lines(values))
            for user, password in _passwords(values) if credential.kind == "passwords" else ():
                with _noted(problems, f"password of {user}"):
                    await guestcommands.set_password(self._channel, user, password)
        for user, found in keys.items():
            # The guest is told all keys of a user at once, so those of several Secrets go together or not at all.
            if user not in unread:
                with _noted(problems, f"keys of {user}"):
                    await authorizedkeys.set_keys(self._channel, user, tuple(dict.fromkeys(found)))
        return problems

    def _read(self, secret: str) -> dict[str, bytes]:
        with secretfolder.opened(self._hosted.pidfd, self._hosted.record.secrets[secret]) as directory:
            return secretfolder.read(directory)


@contextmanager
def _noted(problems: list[str], what: str) -> Iterator[None]:
    """A refusal concerns one user only."""
    try:
        yield
    except AgentRefused as error:
        problems.append(f"{what}: {error}"[:TEXT])


def _passwords(values: Mapping[str, bytes]) -> Iterator[tuple[str, bytes]]:
    """Users and their passwords, without white space around these. An empty one lets nobody in, and so is none."""
    stripped = ((user, value.strip()) for user, value in values.items())
    return ((user, password) for user, password in stripped if password)
