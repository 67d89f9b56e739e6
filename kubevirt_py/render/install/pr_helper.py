"""qemu-pr-helper beside each node agent: it executes the guests' SCSI persistent reservations.

QEMU passes it each command with the descriptor of the disk, so it opens nothing and needs no device of the host. It
starts as root to bind its socket, then is a user of its own that can only talk to devices (SYS_RAWIO): the pod shares
the host's processes, and this user has none there.
"""

from __future__ import annotations

from kubevirt_py.api import names
from kubevirt_py.plan import Document
from kubevirt_py.render.install.installation import Installation
from kubevirt_py.render.reservations import FOLDER, SOCKET_PATH

NAME = "pr-helper"
USER = 1007
VOLUME = "reservations"
PROGRAM = "/usr/bin/qemu-pr-helper"
START = f'umask 0; exec {PROGRAM} --socket "$0" --user {USER} --group {USER}'
"""Each QEMU may connect that sees the socket; only pods with the device see it."""
FOR_THE_START = ("SETGID", "SETPCAP", "SETUID")
"""Given up with the user."""


def add_pr_helper(pod: Document, inst: Installation) -> None:
    """Add the container and its directory to the pod spec of the node agent."""
    pod["containers"].append(
        {
            "name": NAME,
            "image": inst.virt_launcher_image,
            "imagePullPolicy": inst.pull_policy,
            "command": ["/usr/bin/sh", "-c", START, SOCKET_PATH],
            "resources": {"requests": {"cpu": "1m", "memory": "8Mi"}, "limits": {"memory": "64Mi"}},
            "securityContext": {
                "runAsUser": 0,
                "runAsGroup": 0,
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"], "add": [*FOR_THE_START, "SYS_RAWIO"]},
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "volumeMounts": [{"name": VOLUME, "mountPath": names.RESERVATIONS_DIR}],
        }
    )
    pod["volumes"].append(
        {"name": VOLUME, "hostPath": {"path": f"{names.AGENT_DIR}/{FOLDER}", "type": "DirectoryOrCreate"}}
    )
