"""cloud-init images: a volume's source becomes the files of a NoCloud or ConfigDrive ISO.

Layout and names are cloud-init's (data sources NoCloud and ConfigDrive) and KubeVirt's (metadata keys, file places).
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from typing import NamedTuple

import msgspec

from kubevirt_py.plan import Document
from kubevirt_py.render.credentials import key_lines
from kubevirt_py.render.network.attached import identity
from kubevirt_py.render.network.resolv import guest_hostname

NO_CLOUD = "cloudInitNoCloud"
CONFIG_DRIVE = "cloudInitConfigDrive"
SOURCES = (NO_CLOUD, CONFIG_DRIVE)
MAX_BYTES = 2 << 20
"""Of all files of one image: a Secret holds at most 1 MiB, so user and network data of two fit."""


class Part(NamedTuple):
    """A part of a source: its field, the field that names its Secret, the keys there, its name in the pod."""

    field: str
    ref: str
    keys: tuple[str, str]
    short: str


PARTS = (
    Part("userData", "secretRef", ("userdata", "userData"), "udata"),
    Part("networkData", "networkDataSecretRef", ("networkdata", "networkData"), "ndata"),
)


class CloudInitImage(msgspec.Struct, frozen=True, kw_only=True):
    """An ISO to make: `files` by path, the volume label, and where in names.CLOUD_INIT_DIR the stub puts it."""

    volume: str
    label: str
    path: str
    files: dict[str, bytes]


def cloud_init_images(
    namespace: str, name: str, uid: str, spec: Document, secrets: Mapping[str, Mapping[str, bytes]]
) -> tuple[CloudInitImage, ...]:
    """Images of all cloud-init volumes of a VMI; `secrets` are the files of referenced secrets by data_folder.

    cloud-init runs once for each `instance-id` (NoCloud) or `uuid` (ConfigDrive): both are the machine's identity,
    which a restart does not change and a machine made anew does not have.

    Raises ValueError for data that is not base64, is too large, or does not stand in its Secret.
    """
    images = []
    for volume in spec.get("volumes") or ():
        for kind in SOURCES:
            if kind in volume:
                data = [_data(volume, kind, part, secrets) for part in PARTS]
                keys = _public_keys(spec, kind, secrets)
                hostname = guest_hostname(name, spec.get("hostname", ""))
                files = _FILES[kind](f"{name}.{namespace}", hostname, identity(spec, uid), keys)
                files |= {path: part for path, part in zip(_DATA_PATHS[kind], data, strict=True) if part}
                if sum(map(len, files.values())) > MAX_BYTES:
                    raise ValueError(f"volume {volume['name']}: cloud-init data is larger than {MAX_BYTES >> 20} MiB")
                label, file = _LABELS[kind]
                path = f"{namespace}/{name}/{file}"
                images.append(CloudInitImage(volume=volume["name"], label=label, path=path, files=files))
    return tuple(images)


META_DATA = "openstack/latest/meta_data.json"
_LABELS = {NO_CLOUD: ("cidata", "noCloud.iso"), CONFIG_DRIVE: ("config-2", "configdrive.iso")}
_DATA_PATHS = {
    NO_CLOUD: ("user-data", "network-config"),
    CONFIG_DRIVE: ("openstack/latest/user_data", "openstack/latest/network_data.json"),
}


def _no_cloud(name: str, hostname: str, machine: str, keys: list[str]) -> dict[str, bytes]:
    meta: Document = {"instance-id": machine, "local-hostname": hostname}
    if keys:
        meta["public-keys"] = {str(index): key for index, key in enumerate(keys)}
    # cloud-init takes a NoCloud image without user-data for no image at all.
    return {"meta-data": json.dumps(meta).encode(), "user-data": b""}


def _config_drive(name: str, hostname: str, machine: str, keys: list[str]) -> dict[str, bytes]:
    meta: Document = {"instance_id": name, "hostname": hostname, "uuid": machine}
    if keys:
        meta["public_keys"] = {str(index): key for index, key in enumerate(keys)}
    return {META_DATA: json.dumps(meta).encode()}


_FILES = {NO_CLOUD: _no_cloud, CONFIG_DRIVE: _config_drive}


def _data(volume: Document, kind: str, part: Part, secrets: Mapping[str, Mapping[str, bytes]]) -> bytes:
    source = volume[kind] or {}
    if source.get(part.field):
        return str(source[part.field]).encode()
    if encoded := source.get(f"{part.field}Base64"):
        try:
            return decoded(str(encoded).encode())
        except binascii.Error as error:
            raise ValueError(f"volume {volume['name']}: {kind}.{part.field}Base64 is not base64: {error}") from error
    if ref := source.get(part.ref):
        files = secrets.get(data_folder(volume["name"], part), {})
        if found := next((files[key] for key in part.keys if files.get(key)), b""):
            return found
        raise ValueError(
            f"volume {volume['name']}: {kind}.{part.ref}: Secret {ref['name']} has nothing under the key {part.keys[0]}"
        )
    return b""


def decoded(encoded: bytes) -> bytes:
    """The data behind base64, which may stand in several lines, as upstream. Raises binascii.Error."""
    return base64.b64decode(encoded.translate(None, b"\r\n"), validate=True)


def data_secrets(volume: Document) -> tuple[tuple[Part, str], ...]:
    """The parts of a cloud-init volume that come from Secrets, and the Secrets' names."""
    source = next((volume[kind] or {} for kind in SOURCES if kind in volume), {})
    return tuple((part, str(ref["name"])) for part in PARTS if (ref := source.get(part.ref)))


def data_folder(volume: str, part: Part) -> str:
    """Where in names.SECRET_DIR a part's Secret lies, and the name of the stub's step that reads it.

    Each has its own, so the keys of one Secret never stand for those of the other.
    """
    return f"{volume}/{part.short}"


def credential_volume(secret_name: str) -> str:
    """The pod volume (and the stub's step) that carries a secret of access credentials."""
    return f"{secret_name}-access-cred"


def key_secrets(spec: Document, kind: str = "") -> tuple[str, ...]:
    """Secrets whose SSH keys go into cloud-init images (of one kind, or of any)."""
    methods = {NO_CLOUD: "noCloud", CONFIG_DRIVE: "configDrive"}
    wanted = [methods[kind]] if kind else list(methods.values())
    found = []
    for credential in spec.get("accessCredentials") or ():
        key = credential.get("sshPublicKey") or {}
        secret = ((key.get("source") or {}).get("secret") or {}).get("secretName")
        if secret and any(method in (key.get("propagationMethod") or {}) for method in wanted):
            found.append(secret)
    return tuple(dict.fromkeys(found))


def _public_keys(spec: Document, kind: str, secrets: Mapping[str, Mapping[str, bytes]]) -> list[str]:
    return [
        line for secret in key_secrets(spec, kind) for line in key_lines(secrets.get(credential_volume(secret), {}))
    ]
