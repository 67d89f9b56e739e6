"""Credentials put into the guest from secrets."""

from __future__ import annotations

from kubevirt_py.api.base import Empty, Model, SetList


class GuestAgentUsers(Model):
    """"""

    users: SetList[str]


class SSHPublicKeyPropagation(Model):
    """"""

    config_drive: Empty | None = None
    no_cloud: Empty | None = None
    qemu_guest_agent: GuestAgentUsers | None = None


class AccessCredentialSecret(Model):
    """"""

    secret_name: str


class AccessCredentialSource(Model):
    """"""

    secret: AccessCredentialSecret | None = None


class SSHPublicKey(Model):
    """"""

    propagation_method: SSHPublicKeyPropagation
    source: AccessCredentialSource


class UserPasswordPropagation(Model):
    """"""

    qemu_guest_agent: Empty | None = None


class UserPassword(Model):
    """"""

    propagation_method: UserPasswordPropagation
    source: AccessCredentialSource


class AccessCredential(Model):
    """"""

    ssh_public_key: SSHPublicKey | None = None
    user_password: UserPassword | None = None
