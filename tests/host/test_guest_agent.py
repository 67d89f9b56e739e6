"""What the agent inside a guest is asked, with a real stub and QEMU; the agent itself is made up, honest or hostile."""

from __future__ import annotations

import json
import os
import struct
from pathlib import Path
from typing import Any

import anyio
from anyio.abc import SocketStream

from kubevirt_py.virt_handler import requests
from kubevirt_py.virt_handler.guest import Guest
from kubevirt_py.virt_handler.screen import FIRST_SET
from tests.host.agentlab import FakePod, Node, needs_qemu, place, vmi
from tests.unit.virt_handler.agents import HONEST, Speak, agent, answering

pytestmark = needs_qemu
SECRET = "secret/keys-access-cred"
KEYS = {
    "sshPublicKey": {
        "source": {"secret": {"secretName": "keys"}},
        "propagationMethod": {"qemuGuestAgent": {"users": ["root"]}},
    }
}
VMI_BYTES = 64 << 10


class _Recording:
    """An honest agent that notes what it is asked."""

    def __init__(self, **more: Any) -> None:
        self.asked: list[tuple[str, Any]] = []
        self._speak = answering({**HONEST, **more})

    async def __call__(self, stream: SocketStream, request: dict[str, Any]) -> None:
        self.asked.append((request["execute"], request.get("arguments")))
        await self._speak(stream, request)

    def keys(self) -> list[str]:
        """The keys set last."""
        sets = [given["keys"] for command, given in self.asked if command == "guest-ssh-add-authorized-keys"]
        return sets[-1] if sets else []


def _write_secret(pod: FakePod, version: str, key: str) -> None:
    """As the kubelet does: a directory for the version, then the link to it is renamed into place."""
    root = pod.folder / "private" / SECRET
    (root / version).mkdir(parents=True)
    (root / version / "key").write_text(key)
    (root / "..data_tmp").symlink_to(version)
    (root / "..data_tmp").rename(root / "..data")


async def _running(lab: Node, pods: list[FakePod], document: Any, path: Path) -> Guest:
    """The guest, with its channel turned to the agent that listens at `path`."""
    key = lab.put_vmi(document)
    pods[-1].start()
    await lab.until_phase(key, "Running")
    return _turn(lab, document, path)


def _followed(lab: Node, name: str) -> bool:
    """Whether QEMU has told how the guest is: what it says of the real port comes before, and would undo `_turn`."""
    guest = lab.guests.named("default", name)
    return guest is not None and guest.run_state == "running"


def _turn(lab: Node, document: Any, path: Path) -> Guest:
    guest = lab.guests.named("default", document["metadata"]["name"])
    assert guest is not None
    guest.channel._path = str(path)
    guest.agent.set_open(True)
    return guest


def _condition(lab: Node, guest: Guest, kind: str) -> dict[str, Any]:
    found = lab.status(guest.key).get("conditions") or []
    return next((one for one in found if one["type"] == kind), {})


async def test_keys_follow_their_secret_also_over_a_restart_of_the_agent(lab: Node, pods: list[FakePod]) -> None:
    document = vmi("keys")
    document["spec"]["accessCredentials"] = [KEYS]
    _, pod = place(lab, document)
    pods.append(pod)
    _write_secret(pod, "..1", "ssh-ed25519 ONE\n")
    speak, path = _Recording(**{"guest-ssh-add-authorized-keys": {}}), lab.root / "a"
    async with agent(path, speak):
        async with lab.agent():
            guest = await _running(lab, pods, document, path)
            await lab.until(lambda: speak.keys() == ["ssh-ed25519 ONE"], "the first key")
            _write_secret(pod, "..2", "ssh-ed25519 TWO\n")
            await lab.until(lambda: speak.keys() == ["ssh-ed25519 TWO"], "the second key")
            synchronized = "AccessCredentialsSynchronized"
            await lab.until(lambda: _condition(lab, guest, synchronized).get("status") == "True", synchronized)
            assert "AccessCredentialsSyncSuccess" in [event.reason for event in lab.office.events]
        async with lab.agent():
            await lab.until(lambda: _followed(lab, "keys"), "the guest to be found and followed again")
            _turn(lab, document, path)
            _write_secret(pod, "..3", "ssh-ed25519 THREE\n")
            await lab.until(lambda: speak.keys() == ["ssh-ed25519 THREE"], "the third key")


async def test_probes_are_answered_through_the_stub(lab: Node, pods: list[FakePod]) -> None:
    document = vmi("probed")
    document["spec"]["livenessProbe"] = {"guestAgentPing": {}, "timeoutSeconds": 5}
    document["spec"]["readinessProbe"] = {"exec": {"command": ["/bin/check", "it"]}, "timeoutSeconds": 5}
    _, pod = place(lab, document)
    pods.append(pod)
    ended = {"exited": True, "exitcode": 3, "out-data": "bm8K"}
    speak, path = _Recording(**{"guest-ping": {}, "guest-exec": {"pid": 7}, "guest-exec-status": ended}), lab.root / "a"

    async def code(name: str) -> int:
        process = pod.command("probe", name, "10")
        await lab.until(lambda: process.poll() is not None, "the probe to end")
        return process.returncode

    async with agent(path, speak), lab.agent():
        guest = await _running(lab, pods, document, path)
        assert (await code("livenessProbe"), await code("readinessProbe")) == (0, 3)
        assert pod.errors.read_text().endswith("no\n")
        given = [arguments for command, arguments in speak.asked if command == "guest-exec"]
        assert [(one["path"], one["arg"]) for one in given] == [("/bin/check", ["it"])]
        await requests.pause(guest)
        await lab.until(lambda: guest.run_state == "paused", "the guest to be paused")
        guest.channel._path = str(lab.root / "nowhere")
        assert (await code("livenessProbe"), await code("readinessProbe")) == (0, 1)
        await requests.unpause(guest)
        await lab.until(lambda: guest.run_state == "running", "the guest to run on")
        assert await code("livenessProbe") == 1
    # Without an agent on the node nothing is known of the guest: it is not killed, and gets no new clients.
    assert (await code("livenessProbe"), await code("readinessProbe")) == (0, 1)


async def test_a_frozen_guest_thaws_in_the_next_life_of_the_agent(lab: Node, pods: list[FakePod]) -> None:
    document = vmi("frozen")
    _, pod = place(lab, document)
    pods.append(pod)
    state, path = {"guest-fsfreeze-status": "frozen"}, lab.root / "a"

    async def speak(stream: SocketStream, request: dict[str, Any]) -> None:
        command = request["execute"]
        if command in ("guest-fsfreeze-freeze", "guest-fsfreeze-thaw"):
            state["guest-fsfreeze-status"] = "frozen" if command.endswith("freeze") else "thawed"
        await answering({**HONEST, **state, "guest-fsfreeze-freeze": 1, "guest-fsfreeze-thaw": 1})(stream, request)

    async with agent(path, speak):
        async with lab.agent():
            guest = await _running(lab, pods, document, path)
            await requests.freeze(guest, 0.1)
            key = guest.key
            guest.channel._path = str(lab.root / "nowhere")
            await lab.until(lambda: lab.status(key).get("fsFreezeStatus") == "frozen", "the frozen guest to be told")
        assert state["guest-fsfreeze-status"] == "frozen"
        async with lab.agent():
            await lab.until(lambda: _followed(lab, "frozen"), "the guest to be found and followed again")
            _turn(lab, document, path)
            await lab.until(lambda: "fsFreezeStatus" not in lab.status(key), "the thaw")
        assert state["guest-fsfreeze-status"] == "thawed"


async def test_a_picture_of_the_screen(lab: Node, pods: list[FakePod]) -> None:
    document = vmi("seen")
    document["spec"]["domain"]["devices"]["autoattachGraphicsDevice"] = True
    _, pod = place(lab, document)
    pods.append(pod)
    async with lab.agent():
        guest = await _running(lab, pods, document, lab.root / "a")
        for move_cursor in (False, True, False):
            async with guest.screen.picture(move_cursor=move_cursor) as file:
                data = os.pread(file, 1 << 24, 0)
            assert data.startswith(b"\x89PNG\r\n\x1a\n")
            width, height = struct.unpack_from(">II", data, 16)
            assert width >= 320
            assert height >= 200
        sets = await guest.monitor.execute("query-fdsets")
        assert [one["fds"] for one in sets if one["fdset-id"] >= FIRST_SET] == [[]]


def _hostile(answers: dict[str, Any]) -> Speak:
    return answering({**HONEST, **answers})


async def _endless(stream: SocketStream, request: dict[str, Any]) -> None:
    while True:
        await stream.send(b'{"return": {}}\n' * 4096)


async def _binary(stream: SocketStream, request: dict[str, Any]) -> None:
    await stream.send(bytes(range(256)) * 4096 + b"\n")


_CROWD = [
    {"name": f'"\\{n}', "hardware-address": f"02:00:00:00:{n >> 8:02x}:{n & 255:02x}", "ip-addresses": [
        {"ip-address": f"fd00:{n:x}:{m:x}:1111:2222:3333:4444:5555"} for m in range(40)
    ]}
    for n in range(100)
]  # fmt: skip
_NESTED: Any = []
for _ in range(200):
    _NESTED = [_NESTED]
HOSTILE: dict[str, Speak] = {
    "endless lines": _endless,
    "binary": _binary,
    "a crowd of interfaces": _hostile({"guest-network-get-interfaces": _CROWD}),
    "10,000 interfaces": _hostile({"guest-network-get-interfaces": [{"name": "e"}] * 10_000}),
    "10 MB strings": _hostile({"guest-get-osinfo": {"name": "\x01" * 10_000_000}}),
    "control characters": _hostile({"guest-get-osinfo": dict.fromkeys(("name", "id", "version"), '"\x01\\' * 9999)}),
    "nesting": _hostile({"guest-get-osinfo": {"name": _NESTED}}),
}


async def test_no_agent_makes_its_vmi_large_or_stops_the_others(lab: Node, pods: list[FakePod]) -> None:
    document = vmi("hostile")
    _, pod = place(lab, document)
    pods.append(pod)
    path = lab.root / "a"
    async with lab.agent():
        guest = await _running(lab, pods, document, path)
        for number, (what, speak) in enumerate(HOSTILE.items()):
            async with agent(lab.root / f"a{number}", speak):
                guest.channel._path = str(lab.root / f"a{number}")
                with anyio.fail_after(30):
                    await guest.agent._look()
                assert len(json.dumps(lab.office.documents[guest.key])) < VMI_BYTES, what
        async with agent(path, answering(HONEST)):
            guest.channel._path = str(path)
            await guest.agent._look()
            assert lab.status(guest.key)["guestOSInfo"]["prettyName"] == "Debian 13"
