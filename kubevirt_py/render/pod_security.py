"""How the pods of machines are confined: Pod Security level restricted, and what the KubeVirt CR says of it."""

from __future__ import annotations

from kubevirt_py.api import names
from kubevirt_py.plan import Document
from kubevirt_py.render.config import ClusterConfig

RUNTIME_DEFAULT: Document = {"type": "RuntimeDefault"}
_QEMU_USER: Document = {"runAsUser": names.QEMU_ID, "runAsGroup": names.QEMU_ID, "runAsNonRoot": True}


def container_confinement(seccomp: Document = RUNTIME_DEFAULT, capabilities: tuple[str, ...] = ()) -> Document:
    """The security context of a container: QEMU's user, without privileges but the named capabilities."""
    added = {"add": list(capabilities)} if capabilities else {}
    return {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"], **added},
        **_QEMU_USER,
        "seccompProfile": dict(seccomp),
    }


def pod_confinement(seccomp: Document = RUNTIME_DEFAULT) -> Document:
    """The security context of a pod, whose volumes are QEMU's group's."""
    return {
        "fsGroup": names.QEMU_ID,
        "fsGroupChangePolicy": "OnRootMismatch",
        **_QEMU_USER,
        "seccompProfile": dict(seccomp),
    }


def seccomp_profile(config: ClusterConfig) -> Document:
    """The runtime's own profile, or one that lies on the nodes."""
    if config.seccomp_profile:
        return {"type": "Localhost", "localhostProfile": config.seccomp_profile}
    return dict(RUNTIME_DEFAULT)


def selinux_options(config: ClusterConfig) -> Document:
    """For the pod's security context. The restricted Pod Security level allows the types container_t,
    container_init_t, container_kvm_t and container_engine_t."""
    return {"seLinuxOptions": {"type": config.selinux_type}} if config.selinux_type else {}
