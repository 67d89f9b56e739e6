"""What runs on top of the bare cluster: DNS, dynamic volumes, NetworkPolicy, secondary networks."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from hack.cluster import build, config, images
from hack.cluster.api import Api
from hack.cluster.oci import File, write_image
from hack.cluster.pki import write_if_changed
from hack.cluster.plan import SERVICES, Cluster, Node
from hack.cluster.processes import Daemon, Supervisor, run

MANIFESTS = build.HERE / "manifests"
PROVISIONER = "provisioner"


@dataclass(frozen=True)
class Programs:
    """Folders with the addons' binaries."""

    coredns: Path
    provisioner: Path
    network_policy: Path
    multus: Path


def ensure_programs() -> Programs:
    """Build what is not built yet."""
    return Programs(
        coredns=build.ensure(build.COREDNS),
        provisioner=build.ensure(build.PROVISIONER),
        network_policy=build.ensure(build.NETWORK_POLICY),
        multus=build.ensure(build.MULTUS),
    )


def ensure_images(programs: Programs) -> list[Path]:
    """Image archives the addons need in every node."""
    return [images.ensure("coredns", programs.coredns.name, lambda path: _write_coredns(path, programs))]


def _write_coredns(path: Path, programs: Programs) -> None:
    files = {"coredns": File(programs.coredns / "coredns", mode=0o755)}
    write_image(path, config.COREDNS_IMAGE, files, {"Entrypoint": ["/coredns"], "User": "65532:65532"})


def apply(cluster: Cluster, supervisor: Supervisor, kube: Path, programs: Programs, api: Api) -> None:
    """Apply the manifests and start the provisioner."""
    resolvers = (cluster.state / "resolv.conf").read_text()
    api.apply("/api/v1/namespaces/kube-system/configmaps/coredns", config.coredns(resolvers))
    kubectl = [f"{kube}/kubectl", "--kubeconfig", f"{cluster.pki}/admin.kubeconfig"]
    run([*kubectl, "apply", "--server-side", "--force-conflicts", "-f", str(MANIFESTS)])
    supervisor.ensure(
        Daemon(
            PROVISIONER,
            (
                f"{programs.provisioner}/provisioner",
                f"--kubeconfig={cluster.pki}/provisioner.kubeconfig",
                f"--root={cluster.volumes}",
            ),
        )
    )


def dns_ready(api: Api) -> bool:
    """Whether cluster DNS answers."""
    deployment = api.get("/apis/apps/v1/namespaces/kube-system/deployments/coredns") or {}
    return bool(deployment.get("status", {}).get("availableReplicas"))


def network_policy(node: Node, programs: Programs) -> Daemon:
    """The process that enforces NetworkPolicies in a node."""
    return Daemon(
        f"{node.name}-network-policy",
        (
            f"{programs.network_policy}/network-policy",
            f"--kubeconfig={node.cluster.pki}/network-policy.kubeconfig",
            f"--node={node.name}",
            f"--service-cidrs={','.join(map(str, SERVICES))}",
        ),
        enter=node.enter,
    )


def multus(node: Node, programs: Programs) -> Daemon:
    """The process that attaches networks to running pods of a node."""
    return Daemon(
        f"{node.name}-multus",
        (
            f"{programs.multus}/multus",
            f"-kubeconfig={node.cluster.pki}/multus.kubeconfig",
            f"-node={node.name}",
            "-binaries=/usr/lib/cni",
        ),
        enter=node.enter,
    )


def install_multus(node: Node, programs: Programs) -> None:
    """Make Multus the node's CNI plugin, also while the node runs: containerd follows the folder of configurations."""
    folder = node.state / f"root{config.OWN_PLUGINS}"
    folder.mkdir(parents=True, exist_ok=True)
    fresh = folder / ".multus.new"
    shutil.copy2(programs.multus / "multus", fresh)
    fresh.rename(folder / "multus")
    script = 'mkdir -p "$1" && { mountpoint -q "$1" || mount --bind "$2" "$1"; }'
    run([*node.enter, "sh", "-c", script, "sh", config.OWN_PLUGINS, str(folder)])
    write_if_changed(node.state / "root/etc/cni/net.d/00-multus.conf", config.multus(node), mode=0o600)
