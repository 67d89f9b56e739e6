"""A node: namespaces, folders, cgroups, and in them containerd, kubelet and kube-proxy."""

from __future__ import annotations

import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from hack.cluster import cgroups, config, images, network
from hack.cluster.api import Api, wait_until
from hack.cluster.pki import Leaf, Pki, write_if_changed
from hack.cluster.plan import Cluster, Node
from hack.cluster.processes import Daemon, Supervisor, kill_all, run, start_time, wait_gone
from hack.cluster.progress import ClusterError, step

PROGRAMS = ("kubelet", "kube-proxy", "network-policy", "multus", "containerd")
SETUP = Path(__file__).with_name("node-setup.sh")


@dataclass(frozen=True)
class Programs:
    """Folders with the built binaries."""

    kube: Path
    containerd: Path


def names(node: Node) -> tuple[str, ...]:
    """The daemons of a node, in the order in which they are stopped."""
    return tuple(f"{node.name}-{program}" for program in PROGRAMS)


def prepare(node: Node, supervisor: Supervisor, programs: Programs, archives: list[Path]) -> None:
    """All that needs no API server: links, namespaces, cgroups, containerd and its images."""
    with step(f"{node.name}: namespaces, containerd, images"):
        _prepare(node, supervisor, programs, archives)


def _prepare(node: Node, supervisor: Supervisor, programs: Programs, archives: list[Path]) -> None:
    cgroups.create(node.unique_name)
    network.ensure_node(node)
    _ensure_namespaces(node)
    _write_configuration(node)
    supervisor.ensure(containerd(node, programs))
    name = f"{node.name}-containerd"
    wait_until(f"{name} listens", lambda: images.listening(supervisor.pid(name)), 30, lambda: supervisor.tail(name))
    images.load([node], archives, programs.containerd)


def start(node: Node, supervisor: Supervisor, programs: Programs, api: Api) -> None:
    """Join the cluster."""
    if api.get(f"/api/v1/nodes/{node.name}") is None:
        api.apply(f"/api/v1/nodes/{node.name}", config.node_object(node))
    supervisor.ensure(kubelet(node, programs))
    supervisor.ensure(kube_proxy(node, programs))


def containerd(node: Node, programs: Programs) -> Daemon:
    settings = node.state / "containerd.toml"
    return Daemon(
        f"{node.name}-containerd",
        (f"{programs.containerd}/containerd", "--config", str(settings)),
        enter=node.enter,
        inputs=(settings,),
        path=str(programs.containerd),
    )


def kubelet(node: Node, programs: Programs) -> Daemon:
    settings = node.state / "kubelet.json"
    return Daemon(
        f"{node.name}-kubelet",
        (
            f"{programs.kube}/kubelet",
            f"--config={settings}",
            f"--kubeconfig={node.cluster.pki}/{node.name}.kubeconfig",
            f"--hostname-override={node.name}",
            f"--node-ip={','.join(map(str, node.addresses))}",
        ),
        enter=node.enter,
        inputs=(settings,),
    )


def kube_proxy(node: Node, programs: Programs) -> Daemon:
    settings = node.state / "kube-proxy.json"
    return Daemon(
        f"{node.name}-kube-proxy",
        (f"{programs.kube}/kube-proxy", f"--config={settings}"),
        enter=node.enter,
        inputs=(settings,),
    )


def remove(nodes: list[Node], supervisor: Supervisor) -> None:
    """End everything that runs in the nodes and take them apart."""
    for position in range(len(names(nodes[0])) if nodes else 0):
        supervisor.stop([names(node)[position] for node in nodes])
    with ThreadPoolExecutor() as pool:
        list(pool.map(_remove, nodes))


def _remove(node: Node) -> None:
    # Killing a shim leaves its containers, killing a pod may make a shim start a cleanup: repeat until all is quiet.
    for _ in range(20):
        pids = {pid for pid in network.node_pids(node) | cgroups.pids(node.unique_name) if start_time(pid)}
        if not pids:
            break
        kill_all(pids)
        wait_gone(pids, 5)
    else:
        raise ClusterError(f"{node.name}: processes {sorted(pids)} cannot be killed")
    for pin in (node.mount_pin, node.uts_pin):
        _unpin(pin)
    network.remove_node(node)
    cgroups.remove(node.unique_name)
    if node.state.exists():
        shutil.rmtree(node.state)


def _ensure_namespaces(node: Node) -> None:
    """Pinned mount and UTS namespaces, set up completely or made anew."""
    if node.mount_pin.exists() and run(
        [*node.enter, "find", "/run", "-maxdepth", "1", "-name", "node-is-set-up"], check=False
    ):
        return
    for pin in (node.mount_pin, node.uts_pin):
        _unpin(pin)
        pin.touch()
    unshare = ("unshare", f"--mount={node.mount_pin}", f"--uts={node.uts_pin}", "--propagation", "private", "--")
    run(["nsenter", f"--net={node.netns_pin}", "--", *unshare, "sh", str(SETUP), node.name, str(node.state)])


def _unpin(pin: Path) -> None:
    if not pin.exists():
        return
    while pin.is_mount() or str(pin) in Path("/proc/self/mountinfo").read_text():
        run(["umount", str(pin)])
    pin.unlink()


def _write_configuration(node: Node) -> None:
    cluster = node.cluster
    pki = Pki(cluster.pki)
    names = tuple(f"IP:{address}" for address in node.addresses)
    pki.issue(Leaf(node.name, "ca", f"/O=system:nodes/CN=system:node:{node.name}", (*names, f"DNS:{node.name}")))
    pki.kubeconfig(node.name, cluster.api_url)
    resolv_conf = cluster.state / "resolv.conf"
    _forget_other_policy(node)
    write_if_changed(node.state / "root/etc/cni/net.d/10-pods.conflist", config.cni(node))
    write_if_changed(node.state / "containerd.toml", config.containerd())
    write_if_changed(node.state / "kubelet.json", config.kubelet(node, resolv_conf=resolv_conf))
    write_if_changed(node.state / "kube-proxy.json", config.kube_proxy(node))


def _forget_other_policy(node: Node) -> None:
    """A kubelet refuses to start where CPUs were dealt out by another policy than its own."""
    dealt = node.state / "root/var/lib/kubelet/cpu_manager_state"
    if dealt.exists() and json.loads(dealt.read_text())["policyName"] != node.cpu_policy:
        dealt.unlink()


def ensure_pins(cluster: Cluster) -> None:
    """The folder for pinned namespaces: a mount that propagates nowhere, as the kernel demands for mount namespaces."""
    pins = cluster.pins
    pins.mkdir(parents=True, exist_ok=True)
    if not pins.is_mount():
        run(["mount", "-t", "tmpfs", "-o", "mode=700", "kubevirt-py", str(pins)])
        run(["mount", "--make-private", str(pins)])


def remove_pins(cluster: Cluster) -> None:
    if cluster.pins.is_mount():
        run(["umount", str(cluster.pins)])
    if cluster.pins.exists():
        cluster.pins.rmdir()
    if cluster.pins.parent.exists() and not any(cluster.pins.parent.iterdir()):
        cluster.pins.parent.rmdir()
