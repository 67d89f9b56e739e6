"""cloud-init images: a volume's source becomes the files of a NoCloud or ConfigDrive ISO.

Layout and names are cloud-init's (data sources NoCloud and ConfigDrive) and KubeVirt's (metadata keys, file places).
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping

import msgspec

from kubevirt_py.plan import Document
from kubevirt_py.render.network.attached import identity
from kubevirt_py.render.network.resolv import guest_hostname

NO_CLOUD = "cloudInitNoCloud"
CONFIG_DRIVE = "cloudInitConfigDrive"
SOURCES = (NO_CLOUD, CONFIG_DRIVE)
MAX_BYTES = 2 << 20
"""Of all files of one image: a Secret holds at most 1 MiB, so user and network data of two fit."""

_USER_KEYS = ("userdata", "userData")
_NETWORK_KEYS = ("networkdata", "networkData")


class CloudInitImage(msgspec.Struct, frozen=True, kw_only=True):
    """An ISO to make: `files` by path, the volume label, and where in names.CLOUD_INIT_DIR the stub puts it."""

    volume: str
    label: str
    path: str
    files: dict[str, bytes]


def cloud_init_images(
    namespace: str, name: str, uid: str, spec: Document, secrets: Mapping[str, Mapping[str, bytes]]
) -> tuple[CloudInitImage, ...]:
    """Images of all cloud-init volumes of a VMI; `secrets` are the files of referenced secrets by volume name.

    cloud-init runs once for each `instance-id` (NoCloud) or `uuid` (ConfigDrive): both are the machine's identity,
    which a restart does not change and a machine made anew does not have.

    Raises ValueError for data that is not base64, or is too large.
    """
    images = []
    for volume in spec.get("volumes") or ():
        for kind in SOURCES:
            if kind in volume:
                given = secrets.get(volume["name"], {})
                user = _data(volume, kind, "userData", given, _USER_KEYS)
                network = _data(volume, kind, "networkData", given, _NETWORK_KEYS)
                keys = _public_keys(spec, kind, secrets)
                hostname = guest_hostname(name, spec.get("hostname", ""))
                files = _FILES[kind](f"{name}.{namespace}", hostname, identity(spec, uid), keys)
                files |= {path: data for path, data in zip(_DATA_PATHS[kind], (user, network), strict=True) if data}
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


def _data(volume: Document, kind: str, field: str, secret: Mapping[str, bytes], keys: tuple[str, ...]) -> bytes:
    source = volume[kind] or {}
    if source.get(field):
        return str(source[field]).encode()
    if encoded := source.get(f"{field}Base64"):
        try:
            return base64.b64decode(encoded, validate=True)
        except binascii.Error as error:
            raise ValueError(f"volume {volume['name']}: {kind}.{field}Base64 is not base64: {error}") from error
    return next((secret[key] for key in keys if key in secret), b"")


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
    lines = []
    for secret in key_secrets(spec, kind):
        for _, value in sorted(secrets.get(credential_volume(secret), {}).items()):
            lines += [line.strip() for line in value.decode("utf-8", "replace").splitlines() if line.strip()]
    return lines
