"""Whether the file systems of a VMI can be shared: before its pod is made, and by the pod as it was admitted."""

from __future__ import annotations

from kubevirt_py.api import names
from kubevirt_py.api.views import Pod
from kubevirt_py.decide.vmi_snapshot import VmiSnapshot
from kubevirt_py.render.container_paths import GATE, container_paths, missing
from kubevirt_py.render.pod_volumes import claim_of
from kubevirt_py.render.shares import share_names

Trouble = tuple[str, str]
"""Reason and text."""


def unshareable(s: VmiSnapshot) -> Trouble | None:
    """Why no pod of this VMI could share its file systems: a claim without files, or the gate of containerPath."""
    shared = share_names(s.spec)
    for volume in s.spec.get("volumes") or ():
        claim = s.claims.get(claim_of(volume) or "")
        if volume["name"] in shared and claim is not None and claim.spec.volume_mode == "Block":
            text = (
                f"volume {volume['name']} cannot be shared as a file system: its claim {claim.metadata.name} has "
                "volumeMode Block; use a claim of volumeMode Filesystem, or a disk"
            )
            return names.FAILED_CREATE, text
    if (paths := container_paths(s.spec)) and not s.config.gate(GATE):
        text = f"volumes {', '.join(paths)} are of kind containerPath, which needs the feature gate {GATE}"
        return names.CONTAINER_PATHS_DISABLED, text
    return None


def unserved(s: VmiSnapshot, pod: Pod) -> Trouble | None:
    """What keeps a pod that was admitted without servers for all containerPath volumes from running its guest."""
    lacking = missing(s.spec, (one.name for one in pod.spec.init_containers))
    if not lacking:
        return None
    listed = ", ".join(f"{path} (volume {volume})" for volume, path in lacking.items())
    text = (
        f"pod {pod.metadata.name} has nothing to share at {listed}: no ConfigMap, Secret, projected, downwardAPI or "
        f"emptyDir volume is mounted there in container {names.COMPUTE}"
    )
    return names.MISSING_VIRTIOFS_CONTAINERS, text
