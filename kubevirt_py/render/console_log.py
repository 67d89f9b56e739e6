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
from kubevirt_py.render.support_resources import GUEST_CONSOLE_LOG, support_resources

CONTAINER = "guest-console-log"
RESOURCES = {"requests": {"cpu": "5m", "memory": "16M"}, "limits": {"cpu": "100m", "memory": "32M"}}


def log_containers(spec: Document, config: ClusterConfig, image: str, compute: Document) -> list[Document]:
    """At most one. `compute` are the resources of QEMU's container: a pod that is Guaranteed stays so."""
    if not logs_serial((spec.get("domain") or {}).get("devices") or {}):
        return []
    return [
        {
            "name": CONTAINER,
            "image": image,
            "imagePullPolicy": config.image_pull_policy,
            "restartPolicy": "Always",
            "command": ["/usr/bin/virt-launcher", "console-log"],
            "resources": support_resources(
                config.support_resources.get(GUEST_CONSOLE_LOG), RESOURCES, guaranteed=is_guaranteed(compute)
            ),
            "securityContext": container_confinement(),
            "volumeMounts": [{"name": SERIAL_LOG_VOLUME, "mountPath": names.SERIAL_LOG_DIR}],
        }
    ]
