"""Keys and passwords that the agent in a guest is given: all of a user, whichever Secrets they stand in."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest
from anyio.abc import SocketStream

from kubevirt_py.render.credentials import AgentCredential
from kubevirt_py.virt_handler.agentwatch import AgentWatch
from kubevirt_py.virt_handler.credentials import Credentials
from kubevirt_py.virt_handler.hosted import Hosted
from kubevirt_py.virt_handler.monitor import Monitor
from kubevirt_py.virt_handler.records import Folder, Record
from tests.unit.virt_handler.agents import agent, answering

UID = "0a1b2c3d-1111-4222-8333-444455556666"


class _Home:
    def changed(self, *_: Any) -> None:
        return


async def _set_up(_: Any) -> None:
    return


def _credentials(tmp_path: Path, channel: Any, *given: AgentCredential) -> Credentials:
    record = Record(namespace="default", name="vm", uid=UID, pod_uid="pod", pid=1, started=1, credentials=given)
    hosted = Hosted(record, Folder(tmp_path, UID), -1, _Home())  # type: ignore[arg-type]
    return Credentials(hosted, channel, AgentWatch(hosted, Monitor(hosted, _set_up), channel))


async def test_a_user_has_the_keys_of_all_its_secrets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A second command would take away what the first had given."""
    secrets = {"own": {"key": b"# of Eva\nssh-ed25519 A\n\nssh-ed25519 B\r\n"}, "team": {"key": b"ssh-ed25519 C"}}
    told: list[dict[str, Any]] = []

    async def speak(stream: SocketStream, request: dict[str, Any]) -> None:
        if request["execute"] == "guest-ssh-add-authorized-keys":
            told.append(request["arguments"])
        await answering({"guest-ssh-add-authorized-keys": {}})(stream, request)

    async with agent(tmp_path / "a", speak) as channel:
        own, team = AgentCredential("keys", "own", ("root", "eva")), AgentCredential("keys", "team", ("root",))
        credentials = _credentials(tmp_path, channel, own, team)
        monkeypatch.setattr(credentials, "_read", secrets.__getitem__)
        assert await credentials._set_all()
    assert {one["username"]: one["keys"] for one in told} == {
        "root": ["ssh-ed25519 A", "ssh-ed25519 B", "ssh-ed25519 C"],
        "eva": ["ssh-ed25519 A", "ssh-ed25519 B"],
    }


async def test_a_secret_that_cannot_be_read_takes_no_keys_away(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def read(secret: str) -> dict[str, bytes]:
        if secret == "team":
            raise OSError("replaced meanwhile")
        return {"key": b"ssh-ed25519 A"}

    async with agent(tmp_path / "a", answering({})) as channel:
        own, team = AgentCredential("keys", "own", ("root",)), AgentCredential("keys", "team", ("root",))
        credentials = _credentials(tmp_path, channel, own, team)
        monkeypatch.setattr(credentials, "_read", read)
        assert not await credentials._set_all()
    assert credentials.outcome is not None
    assert credentials.outcome.message == "Secret team: replaced meanwhile"


async def test_a_user_that_the_guest_lacks_keeps_no_other_from_its_password(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    users: list[str] = []
    passwords: list[bytes] = []

    async def speak(stream: SocketStream, request: dict[str, Any]) -> None:
        if request["execute"] != "guest-set-user-password":
            return await answering({})(stream, request)
        users.append(request["arguments"]["username"])
        passwords.append(base64.b64decode(request["arguments"]["password"]))
        known = users[-1] == "eva"
        await stream.send(
            b'{"return": {}}\n' if known else b'{"error": {"class": "GenericError", "desc": "no user"}}\n'
        )

    async with agent(tmp_path / "a", speak) as channel:
        credentials = _credentials(tmp_path, channel, AgentCredential("passwords", "all"))
        monkeypatch.setattr(credentials, "_read", {"all": {"adam": b"x", "eva": b"y\r\n", "gone": b"\n"}}.__getitem__)
        assert not await credentials._set_all()
    assert (users, passwords) == (["adam", "eva"], [b"x", b"y"])
    assert credentials.outcome is not None
    assert credentials.outcome.message.startswith("password of adam: ")
