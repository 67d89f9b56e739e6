"""File systems shared with the guest by virtiofs: one server for each, in an unprivileged container of its own.

A server is a sidecar of the pod (an init container that is restarted), since a stub that begins again drops its
connection and virtiofsd then ends. Its socket lies in a directory it shares with QEMU's container; it sees nothing
of the pod but its own volume, into which virt_launcher/share.py locks it.
"""

from __future__ import annotations

from kubevirt_py.api import names
from kubevirt_py.plan import Document
from kubevirt_py.render.config import ClusterConfig
from kubevirt_py.render.pod_security import container_confinement
from kubevirt_py.render.resources import is_guaranteed
from kubevirt_py.render.support_resources import VIRTIOFS, support_resources

SERVER = ("/usr/bin/virt-launcher", "share")
SOCKETS_VOLUME = "virtiofs-containers"
REQUESTS = {"cpu": "10m", "memory": "8M"}
GUARANTEED = {"cpu": "100m", "memory": "80M"}
"""Without need a server has no limit: pages of guest memory that it fills first are counted as its own."""
MAX_NAME = 63


def share_names(spec: Document) -> tuple[str, ...]:
    """Names of the volumes that the guest sees as file systems."""
    devices = (spec.get("domain") or {}).get("devices") or {}
    return tuple(str(item["name"]) for item in devices.get("filesystems") or ())


def socket_path(volume: str) -> str:
    """Where the server of a volume listens."""
    return f"{names.SHARES_DIR}/{volume}.sock"


def container_name(volume: str) -> str:
    return f"virtiofs-{volume}"[:MAX_NAME].rstrip("-")


def server(volume: str, mount: Document, config: ClusterConfig, image: str, compute: Document) -> Document:
    """The container that shares what is mounted as `mount` says, as the VMI's `volume`.

    `compute` are the resources of QEMU's container: a pod that is Guaranteed stays so.
    """
    guaranteed = is_guaranteed(compute)
    usual = {"requests": REQUESTS} | ({"limits": GUARANTEED} if guaranteed else {})
    return {
        "name": container_name(volume),
        "image": image,
        "imagePullPolicy": config.image_pull_policy,
        "restartPolicy": "Always",
        "command": [*SERVER, socket_path(volume), mount["mountPath"]],
        "resources": support_resources(config.support_resources.get(VIRTIOFS), usual, guaranteed=guaranteed),
        "securityContext": container_confinement(),
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": [{"name": SOCKETS_VOLUME, "mountPath": names.SHARES_DIR}, mount],
    }
