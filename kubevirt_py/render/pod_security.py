"""What the KubeVirt CR says of the confinement of launcher pods."""

from __future__ import annotations

from kubevirt_py.plan import Document
from kubevirt_py.render.config import ClusterConfig


def seccomp_profile(config: ClusterConfig) -> Document:
    """The runtime's own profile, or one that lies on the nodes."""
    if config.seccomp_profile:
        return {"type": "Localhost", "localhostProfile": config.seccomp_profile}
    return {"type": "RuntimeDefault"}


def selinux_options(config: ClusterConfig) -> Document:
    """For the pod's security context. The restricted Pod Security level allows the types container_t,
    container_init_t, container_kvm_t and container_engine_t."""
    return {"seLinuxOptions": {"type": config.selinux_type}} if config.selinux_type else {}
