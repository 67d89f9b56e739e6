"""The socket that VM pods call: a stub that wants to become QEMU, the preStop hook, and probes of the guest."""

from __future__ import annotations

import logging
import os
import socket
from collections import Counter

import anyio
import msgspec
from anyio.abc import TaskGroup

from kubevirt_py.api import names
from kubevirt_py.api.views import HostedInstance
from kubevirt_py.virt_handler import probes
from kubevirt_py.virt_handler.attachments import Attachment
from kubevirt_py.virt_handler.guests import Guests
from kubevirt_py.virt_handler.launch import Hello, LaunchRefused
from kubevirt_py.virt_handler.peers import Peer, StrangerError, identify
from kubevirt_py.virt_handler.seqpacket import Connection, PeerGone, ProtocolError, close_all

HELLO_S = 10.0
OWNER_S = 60.0
"""How long the watches may take to tell of a pod that already runs."""
ATTEMPTS = 5
"""Launches of one pod that may fail for reasons of the host before the pod is given up."""
NO_ROOM_S = 0.5
"""Until the next try to take a caller in when the host lacks descriptors or memory for it."""
MAX_CALLERS = 1024
MAX_CALLERS_OF_POD = 8
"""So that no pod keeps the others out: a stub calls once at a time, and so does the kubelet's hook."""

log = logging.getLogger(__name__)


class Launcher:
    """Serves `sock` (listening, non-blocking)."""

    def __init__(self, sock: socket.socket, guests: Guests, *, mount: str = names.AGENT_DIR) -> None:
        self._sock = sock
        self._guests = guests
        self._mount = mount
        self._room = anyio.Semaphore(MAX_CALLERS)
        self._failures: dict[str, int] = {}
        self._callers: Counter[str] = Counter()

    async def run(self) -> None:
        """Accept until cancelled."""
        async with anyio.create_task_group() as tasks:
            while True:
                await anyio.wait_readable(self._sock)
                try:
                    caller, _ = self._sock.accept()
                except (BlockingIOError, ConnectionAbortedError):
                    continue
                except OSError:
                    log.exception("no room for a caller, trying again")
                    await anyio.sleep(NO_ROOM_S)
                    continue
                await self._admit(caller, tasks)

    async def _admit(self, caller: socket.socket, tasks: TaskGroup) -> None:
        await self._room.acquire()
        tasks.start_soon(self._answer, Connection(caller))

    async def _answer(self, connection: Connection) -> None:
        """One caller, whatever happens: nothing it sends may hurt the others."""
        kept = False
        try:
            peer = identify(connection.sock, self._mount)
            taken = False
            self._callers[peer.pod_uid] += 1
            try:
                if self._callers[peer.pod_uid] > MAX_CALLERS_OF_POD:
                    raise StrangerError(f"pod {peer.pod_uid} calls too often at a time")
                kept, taken = await self._serve(connection, peer)
            finally:
                self._callers[peer.pod_uid] -= 1
                self._callers += Counter()  # forgets pods without callers
                if not taken:
                    os.close(peer.pidfd)
        except (StrangerError, ProtocolError, PeerGone, TimeoutError, msgspec.ValidationError) as error:
            log.info("a caller was turned away", extra={"error": f"{type(error).__name__}: {error}"})
        except Exception:
            log.exception("answering a launcher failed")
        finally:
            if not kept:
                connection.close()
            self._room.release()

    async def _serve(self, connection: Connection, peer: Peer) -> tuple[bool, bool]:
        """Whether a guest keeps the connection, and whether one has taken the peer's pidfd."""
        with anyio.fail_after(HELLO_S):
            message, fds = await connection.receive()
        close_all(fds)
        if "shutdown" in message:
            return await self._shut_down(connection, peer), False
        if "probe" in message:
            await self._probe(connection, peer, str(message["probe"]))
            return False, False
        if "attach" in message:
            return await self._attach(connection, peer), False
        if "hello" in message:
            return False, await self._launch(connection, peer, msgspec.convert(message, Hello))
        return False, False

    async def _shut_down(self, connection: Connection, peer: Peer) -> bool:
        """True when the guest keeps the connection until it is off."""
        guest = self._guests.of_pod(peer.pod_uid)
        if guest is None:
            await connection.send({"done": 1})
            return False
        guest.steering.stop_for(connection)
        return True

    async def _probe(self, connection: Connection, peer: Peer, name: str) -> None:
        guest = self._guests.of_pod(peer.pod_uid)
        found = await probes.answer(guest, name) if guest else probes.unknown(name, "the guest does not run here yet")
        await connection.send(found)
        await connection.heard()

    async def _attach(self, connection: Connection, peer: Peer) -> bool:
        """True when a guest keeps the connection of its attachment pod."""
        guest = await self._guests.of_attachment(peer.pod_uid, OWNER_S)
        if guest is None:
            log.warning("no VMI claims this attachment pod", extra={"pod": peer.pod_uid})
            return False
        forget = self._guests.forgetting(peer)
        guest.hotplug.attach(Attachment(connection, peer.pod_uid, peer.device_id, forget))
        return True

    async def _launch(self, connection: Connection, peer: Peer, hello: Hello) -> bool:
        """True when a guest has taken the peer's pidfd."""
        vmi = await self._guests.owner(peer.pod_uid, OWNER_S)
        if vmi is None:
            log.warning("no VMI claims this pod", extra={"pod": peer.pod_uid})
            return False
        try:
            await self._guests.start(connection, peer, hello, vmi)
        except LaunchRefused as error:
            await self._refuse(connection, peer, vmi, str(error))
            return False
        except PeerGone:
            raise
        except Exception as error:
            failures = self._failures[peer.pod_uid] = self._failures.get(peer.pod_uid, 0) + 1
            log.exception("launching a guest failed", extra={"pod": peer.pod_uid, "attempt": failures})
            if failures >= ATTEMPTS:
                del self._failures[peer.pod_uid]
                await self._refuse(connection, peer, vmi, f"the node could not prepare the guest: {error}")
            return False
        self._failures.pop(peer.pod_uid, None)
        return True

    async def _refuse(self, connection: Connection, peer: Peer, vmi: HostedInstance, text: str) -> None:
        """The user reads the reason in the VMI, and in the log of its pod, which ends with it."""
        self._guests.refuse(vmi, peer, text)
        await connection.send({"error": text})
        await connection.heard()
