"""The container whose log is the guest's serial console: `kubectl logs POD -c guest-console-log`.

QEMU writes into a small file in memory, which never blocks it; this container prints the file as it grows and cuts
off what it has printed, so a reader that stops costs a hole in the log and never the guest.
"""

from __future__ import annotations

from kubevirt_py.api import names
from kubevirt_py.plan import Document
from kubevirt_py.render.config import ClusterConfig
from kubevirt_py.render.machine.devices import logs_serial
from kubevirt_py.render.pod_security import container_confinement
from kubevirt_py.render.pod_volumes import SERIAL_LOG_VOLUME
from kubevirt_py.render.resources import is_guaranteed

CONTAINER = "guest-console-log"
RESOURCES = {"cpu": "100m", "memory": "32M"}
REQUESTS = {"cpu": "5m", "memory": "16M"}


def log_containers(spec: Document, config: ClusterConfig, image: str, compute: Document) -> list[Document]:
    """At most one. `compute` are the resources of QEMU's container: a pod that is Guaranteed stays so."""
    if not logs_serial((spec.get("domain") or {}).get("devices") or {}):
        return []
    guaranteed = is_guaranteed(compute)
    return [
        {
            "name": CONTAINER,
            "image": image,
            "imagePullPolicy": config.image_pull_policy,
            "restartPolicy": "Always",
            "command": ["/usr/bin/virt-launcher", "console-log"],
            "resources": {"requests": dict(RESOURCES if guaranteed else REQUESTS), "limits": dict(RESOURCES)},
            "securityContext": container_confinement(),
            "volumeMounts": [{"name": SERIAL_LOG_VOLUME, "mountPath": names.SERIAL_LOG_DIR}],
        }
    ]
