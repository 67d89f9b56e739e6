"""Who may log in: cloud-init and access credentials of `create vm`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from kubevirt_py.plan import Document
from kubevirt_py.virtctl.create.draft import Draft
from kubevirt_py.virtctl.create.params import Shape, flag_error, local_source, parse, text
from kubevirt_py.virtctl.main import Failure

ACCESS_CRED = "access-cred"
CLOUD_INIT = "cloud-init"
CLOUD_INIT_DISK = "cloudinitdisk"
HEADER = "#cloud-config"
CREDENTIAL: Shape = {"type": text, "src": text, "user": text, "method": text}

_SOURCES = {"nocloud": "cloudInitNoCloud", "configdrive": "cloudInitConfigDrive"}
_PROPAGATION = {"nocloud": "noCloud", "configdrive": "configDrive"}
_NO_USER = "user cannot be specified with selected access credential type and method"


@dataclass
class Login:
    """What the flags say of logging in. Empty texts and None: not given."""

    user: str = ""
    password: str = ""
    ssh_keys: Sequence[str] = ()
    guest_agent_keys: bool | None = None
    cloud_init: str = ""
    user_data: str = ""
    """Base64."""
    network_data: str = ""
    """Base64."""


def add_credentials(draft: Draft, login: Login, given: Sequence[str]) -> None:
    """--access-cred. Sets in `login` what a credential's way into the guest needs of cloud-init."""
    for each in given:
        source = parse(ACCESS_CRED, each, CREDENTIAL)
        secret = {"secret": {"secretName": local_source(ACCESS_CRED, source, "secret")}}
        kind = source.get("type") or "ssh"
        if kind.lower() == "ssh":
            credential = {"sshPublicKey": {"source": secret, "propagationMethod": _ssh_method(source, login)}}
        elif kind.lower() == "password":
            credential = {"userPassword": {"source": secret, "propagationMethod": _password_method(source)}}
        else:
            why = f'invalid access credential type "{kind}", supported values are: ssh, password'
            raise flag_error(ACCESS_CRED, why)
        draft.spec.setdefault("accessCredentials", []).append(credential)


def _ssh_method(source: Document, login: Login) -> Document:
    given = source.get("method") or "ga"
    method = given.lower()
    if method == "ga":
        user = source.get("user") or login.user
        if not user:
            why = 'user must be specified with access credential ssh method ga ("--user" flag or param "user")'
            raise flag_error(ACCESS_CRED, why)
        if login.guest_agent_keys is None:
            login.guest_agent_keys = True
        return {"qemuGuestAgent": {"users": [user]}}
    if method not in _PROPAGATION:
        raise flag_error(
            ACCESS_CRED,
            f'invalid access credentials ssh method "{given}", supported values are: ga, nocloud, configdrive',
        )
    if source.get("user"):
        raise flag_error(ACCESS_CRED, _NO_USER)
    login.cloud_init = login.cloud_init or method
    if login.cloud_init.lower() != method:
        raise flag_error(
            ACCESS_CRED,
            f"method param and value passed to --{CLOUD_INIT} have to match: {method} vs {login.cloud_init}",
        )
    return {_PROPAGATION[method]: {}}


def _password_method(source: Document) -> Document:
    method = source.get("method") or "ga"
    if method.lower() != "ga":
        raise flag_error(
            ACCESS_CRED, f'invalid access credentials password method "{method}", supported values are: ga'
        )
    if source.get("user"):
        raise flag_error(ACCESS_CRED, _NO_USER)
    return {"qemuGuestAgent": {}}


def add_cloud_init(draft: Draft, login: Login) -> None:
    """The cloud-init disk, where the flags give it content or ask for it by --cloud-init."""
    kind = login.cloud_init.lower() or "nocloud"
    if kind == "none":
        return
    if kind not in _SOURCES:
        raise flag_error(
            CLOUD_INIT,
            f'invalid cloud-init data source type "{login.cloud_init}", '
            "supported values are: nocloud, configdrive, none",
        )
    source: Document = {"networkDataBase64": login.network_data} if login.network_data else {}
    if login.user_data:
        source["userDataBase64"] = login.user_data
    else:
        source["userData"] = user_data(login)
    if source == {"userData": HEADER} and not login.cloud_init:
        return
    if draft.has_volume(CLOUD_INIT_DISK):
        raise Failure(f'there is already a volume with name "{CLOUD_INIT_DISK}"')
    draft.add_volume(CLOUD_INIT, CLOUD_INIT_DISK, {_SOURCES[kind]: source})


def user_data(login: Login) -> str:
    """A cloud-config document for the flags."""
    lines = [HEADER]
    if login.user:
        lines.append(f"user: {login.user}")
    if login.password:
        lines += [f"password: {login.password}", "chpasswd: { expire: False }"]
    if login.ssh_keys:
        lines += ["ssh_authorized_keys:", *(f"  - {key}" for key in login.ssh_keys)]
    if login.guest_agent_keys:
        lines += ["runcmd:", "  - [ setsebool, -P, 'virt_qemu_ga_manage_ssh', 'on' ]"]
    return "\n".join(lines)
