"""Credentials put into the guest from secrets."""

from __future__ import annotations

from kubevirt_py.api.base import Empty, Model, SetList


class GuestAgentUsers(Model):
    """Users whose keys the guest agent sets."""

    users: SetList[str]
    """Names of users in the guest."""


class SSHPublicKeyPropagation(Model):
    """How keys reach the guest; choose one."""

    config_drive: Empty | None = None
    """Through the config drive, at boot."""
    no_cloud: Empty | None = None
    """Through the NoCloud seed, at boot."""
    qemu_guest_agent: GuestAgentUsers | None = None
    """By the guest agent, while running."""


class AccessCredentialSecret(Model):
    """A Secret in the same namespace."""

    secret_name: str
    """Name of the Secret."""


class AccessCredentialSource(Model):
    """Where a credential comes from."""

    secret: AccessCredentialSecret | None = None
    """A Secret in the same namespace."""


class SSHPublicKey(Model):
    """SSH public keys of a secret."""

    propagation_method: SSHPublicKeyPropagation
    """How the keys reach the guest."""
    source: AccessCredentialSource
    """Where the keys come from."""


class UserPasswordPropagation(Model):
    """How a password reaches the guest."""

    qemu_guest_agent: Empty | None = None
    """By the guest agent, while running."""


class UserPassword(Model):
    """A user's password."""

    propagation_method: UserPasswordPropagation
    """How the password reaches the guest."""
    source: AccessCredentialSource
    """Secret whose keys are user names and values are passwords."""


class AccessCredential(Model):
    """A credential put into the guest; choose one."""

    ssh_public_key: SSHPublicKey | None = None
    """SSH public keys."""
    user_password: UserPassword | None = None
    """A user's password."""
