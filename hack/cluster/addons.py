"""What runs on top of the bare cluster: DNS, dynamic volumes, NetworkPolicy."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from hack.cluster import build, config, images
from hack.cluster.api import Api
from hack.cluster.oci import File, write_image
from hack.cluster.plan import SERVICES, Cluster, Node
from hack.cluster.processes import Daemon, Supervisor, run

MANIFESTS = build.HERE / "manifests"
PROVISIONER = "provisioner"


@dataclass(frozen=True)
class Programs:
    """Folders with the addons' binaries."""

    coredns: Path
    provisioner: Path
    kube_router: Path


def ensure_programs() -> Programs:
    """Build what is not built yet."""
    return Programs(build.ensure(build.COREDNS), build.ensure(build.PROVISIONER), build.ensure(build.KUBE_ROUTER))


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


def kube_router(node: Node, programs: Programs) -> Daemon:
    """kube-router with nothing on but its NetworkPolicy controller."""
    return Daemon(
        f"{node.name}-kube-router",
        (
            f"{programs.kube_router}/kube-router",
            f"--kubeconfig={node.cluster.pki}/kube-router.kubeconfig",
            f"--hostname-override={node.name}",
            "--run-firewall=true",
            "--run-router=false",
            "--run-service-proxy=false",
            "--run-loadbalancer=false",
            "--enable-ipv4=true",
            "--enable-ipv6=true",
            f"--service-cluster-ip-range={','.join(map(str, SERVICES))}",
            "--iptables-sync-period=60s",
        ),
        enter=node.enter,
        path=str(build.KUBE_ROUTER.source / "bin"),
    )
