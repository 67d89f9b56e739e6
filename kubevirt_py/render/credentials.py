"""Access credentials that the agent in the guest sets while it runs (propagation method qemuGuestAgent)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec

from kubevirt_py.plan import Document

METHOD = "qemuGuestAgent"


class AgentCredential(msgspec.Struct, frozen=True):
    """The Secret `secret` holds SSH keys for `users`, or passwords by user name."""

    kind: Literal["keys", "passwords"]
    secret: str
    users: tuple[str, ...] = ()


def agent_credentials(spec: Document) -> tuple[AgentCredential, ...]:
    """In the order of the VMI spec."""
    found = []
    for credential in spec.get("accessCredentials") or ():
        key, password = credential.get("sshPublicKey") or {}, credential.get("userPassword") or {}
        if METHOD in (key.get("propagationMethod") or {}):
            users = key["propagationMethod"][METHOD].get("users") or ()
            found.append(AgentCredential("keys", secret_of(key), tuple(users)))
        if METHOD in (password.get("propagationMethod") or {}):
            found.append(AgentCredential("passwords", secret_of(password)))
    return tuple(found)


def agent_secrets(spec: Document) -> tuple[str, ...]:
    """Names of the Secrets that the agent sets, each once."""
    return tuple(dict.fromkeys(credential.secret for credential in agent_credentials(spec)))


def key_lines(values: Mapping[str, bytes]) -> list[str]:
    """The SSH keys in a Secret, by name of the value: lines as in a file of authorized keys, without its comments."""
    text = "\n".join(value.decode(errors="replace") for _, value in sorted(values.items()))
    lines = (line.strip() for line in text.splitlines())
    return [line for line in lines if line and not line.startswith("#")]


def secret_of(credential: Document) -> str:
    """The Secret that a credential comes from, empty for none."""
    return str(((credential.get("source") or {}).get("secret") or {}).get("secretName") or "")
