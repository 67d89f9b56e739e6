"""Secrets of a machine's access credentials. A Secret that the VM does not own may serve others too."""

from __future__ import annotations

import base64
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from kubevirt_py.api import kinds
from kubevirt_py.kube.errors import ApiError, NotFound, PatchTestFailed
from kubevirt_py.plan import Document, Key
from kubevirt_py.virtctl.create.manifest import random_name
from kubevirt_py.virtctl.main import Failure
from kubevirt_py.virtctl.session import Session

ATTEMPTS = 5
_CREDENTIALS = "/spec/template/spec/accessCredentials"


async def read_vm(session: Session, name: str) -> Document:
    """The VirtualMachine; raises ApiError."""
    machine: Document = msgspec.json.decode(await session.client.get(kinds.VM, Key(session.namespace, name)))
    return machine


def ssh_secrets(machine: Document, user: str) -> list[str]:
    """Secrets whose keys the guest agent gives to `user`."""
    found = (each.get("sshPublicKey") or {} for each in _credentials(machine))
    return [name for each in found if user in (_agent(each) or {}).get("users", ()) and (name := _secret_name(each))]


def password_secrets(machine: Document) -> list[str]:
    """Secrets whose passwords the guest agent sets."""
    found = (each.get("userPassword") or {} for each in _credentials(machine))
    return [name for each in found if _agent(each) is not None and (name := _secret_name(each))]


def _credentials(machine: Document) -> list[Document]:
    return machine["spec"]["template"]["spec"].get("accessCredentials") or []


def _agent(credential: Document) -> Document | None:
    agent: Document | None = (credential.get("propagationMethod") or {}).get("qemuGuestAgent")
    return agent


def _secret_name(credential: Document) -> str:
    name: str = ((credential.get("source") or {}).get("secret") or {}).get("secretName", "")
    return name


def choose(wanted: str, secrets: Sequence[str]) -> str:
    """The Secret the user means. Failure where that is not clear."""
    if wanted:
        if wanted not in secrets:
            raise Failure(f"secret {wanted} was not assigned")
        return wanted
    if len(secrets) > 1:
        raise Failure("multiple secrets specified, use option --secret to specify which secret to modify")
    return secrets[0]


async def create_with_key(session: Session, machine: Document, user: str, key: str, *, force: bool) -> str:
    """Make a Secret and let the VM use it, from its next start on. Failure where it runs now."""
    meta = machine["metadata"]
    if not force and await _runs(session, meta["name"]):
        raise Failure(
            f"virtual machine {meta['name']} is running. "
            "Use --force flag to update a running VM, it will take effect after restart"
        )
    owner = {"apiVersion": "kubevirt.io/v1", "kind": "VirtualMachine", "name": meta["name"], "uid": meta["uid"]}
    body = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "generateName": f"{meta['name']}-ssh-key-",
            "namespace": meta["namespace"],
            "ownerReferences": [owner | {"controller": True}],
        },
        "data": {random_name("ssh-key", 6): _encode(key)},
    }
    made = msgspec.json.decode(await session.client.create(kinds.SECRET, session.namespace, body))
    name: str = made["metadata"]["name"]
    credential = {
        "sshPublicKey": {
            "source": {"secret": {"secretName": name}},
            "propagationMethod": {"qemuGuestAgent": {"users": [user]}},
        }
    }
    ops: list[Document] = [{"op": "add", "path": f"{_CREDENTIALS}/-", "value": credential}]
    if not _credentials(machine):
        ops = [{"op": "add", "path": _CREDENTIALS, "value": [credential]}]
    version = {"op": "test", "path": "/metadata/resourceVersion", "value": meta["resourceVersion"]}
    vm = Key(session.namespace, meta["name"])
    try:
        await session.client.json_patch(kinds.VM, vm, [version, *ops])
    except ApiError:
        await session.client.delete(kinds.SECRET, Key(session.namespace, name))
        raise
    return f'Successfully added the key to secret "{name}"'


async def _runs(session: Session, name: str) -> bool:
    try:
        await session.client.get(kinds.VMI, Key(session.namespace, name))
    except NotFound:
        return False
    return True


async def add_key(session: Session, machine: Document, name: str, key: str, *, force: bool) -> str:
    """Add the key to a Secret, unless it is there."""
    secret = await _read_secret(session, machine, name, force=force)
    if any(_holds(line, key) for text in _texts(secret).values() for line in text.splitlines()):
        return f'Secret "{name}" already contains this SSH key.'
    patch = {"data": {random_name("ssh-key", 6): _encode(key)}}
    await session.client.merge_patch(kinds.SECRET, Key(session.namespace, name), patch)
    return f'Successfully added the key to secret "{name}"'


async def remove_key(session: Session, machine: Document, name: str, key: str, *, force: bool) -> str:
    """Take the key out of every entry of the Secret. A change by others meanwhile makes it start again."""
    for _ in range(ATTEMPTS):
        try:
            secret = await _read_secret(session, machine, name, force=force)
        except NotFound:
            return f'Secret "{name}" does not exist.'
        changes = without_key(_texts(secret), key)
        if not changes:
            return f'Secret "{name}" does not contain this SSH key.'
        version = secret["metadata"]["resourceVersion"]
        ops: list[Document] = [{"op": "test", "path": "/metadata/resourceVersion", "value": version}]
        for entry, text in changes.items():
            path = f"/data/{entry}"
            ops.append(
                {"op": "replace", "path": path, "value": _encode(text)} if text else {"op": "remove", "path": path}
            )
        try:
            await session.client.json_patch(kinds.SECRET, Key(session.namespace, name), ops)
        except PatchTestFailed:
            continue
        return f'Successfully removed the key from secret "{name}"'
    raise Failure(f"secret {name} changes all the time; try again")


def without_key(texts: Mapping[str, str], key: str) -> dict[str, str]:
    """The entries that hold `key`, without it; empty where nothing else is in them."""
    changed = {}
    for entry, text in texts.items():
        lines = [line for line in text.splitlines() if line.strip()]
        kept = [line for line in lines if not _holds(line, key)]
        if len(kept) < len(lines):
            changed[entry] = "\n".join(kept)
    return changed


async def set_password(session: Session, machine: Document, name: str, user: str, password: str, *, force: bool) -> str:
    """Store the user's password in the Secret."""
    await _read_secret(session, machine, name, force=force)
    patch = {"data": {user: _encode(password)}}
    await session.client.merge_patch(kinds.SECRET, Key(session.namespace, name), patch)
    return f'Successfully set password in secret "{name}"'


async def _read_secret(session: Session, machine: Document, name: str, *, force: bool) -> dict[str, Any]:
    """The Secret. Failure where the VM does not own it and nobody insists."""
    secret: Document = msgspec.json.decode(await session.client.get(kinds.SECRET, Key(session.namespace, name)))
    meta = machine["metadata"]
    owned = any(owner.get("uid") == meta["uid"] for owner in secret["metadata"].get("ownerReferences") or ())
    if not owned and not force:
        raise Failure(
            f"secret {name} does not have an owner reference pointing to VM {meta['name']}; "
            "use --force to change it for all who use it"
        )
    return secret


def _texts(secret: Document) -> dict[str, str]:
    data = secret.get("data") or {}
    return {entry: base64.b64decode(value).decode(errors="replace") for entry, value in data.items()}


def _holds(line: str, key: str) -> bool:
    """Whether the line has the key; comments and options do not count."""
    words = key.split()
    return words[1] in line.split() if len(words) > 1 else line.strip() == key


def _encode(text: str) -> str:
    return base64.b64encode(text.encode()).decode()
