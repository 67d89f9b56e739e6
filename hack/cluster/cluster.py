"""Bring a cluster up and down."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from hack.cluster import addons, build, config, controlplane, hugepages, images, network, node, packages, storage
from hack.cluster.api import Api, wait_until
from hack.cluster.pki import write_if_changed
from hack.cluster.plan import DEFAULT_NAME, PIN_ROOT, SLOTS, STATE_ROOT, Cluster
from hack.cluster.processes import Supervisor
from hack.cluster.progress import ClusterError, say, step

DEFAULT_NODES = 2
HALF_DOWN = "half-down"


def kubeconfig_path(name: str) -> Path:
    """Where people and scripts find the kubeconfig of a cluster."""
    return build.cache_root() / ("cluster" if name == DEFAULT_NAME else f"cluster-{name}") / "kubeconfig"


def supervisor_of(cluster: Cluster) -> Supervisor:
    return Supervisor(cluster.state / "processes", cluster.log)


def component_names(cluster: Cluster) -> list[str]:
    """Names of all daemons of a cluster."""
    return [*controlplane.NAMES, addons.PROVISIONER, *(name for member in cluster.nodes for name in node.names(member))]


@contextmanager
def exclusive(name: str) -> Iterator[None]:
    """One command at a time changes a cluster."""
    if os.geteuid() != 0:
        raise ClusterError("a cluster needs root: namespaces, mounts and links are made")
    STATE_ROOT.mkdir(parents=True, exist_ok=True)
    with build.locked(STATE_ROOT / f".{name}.lock"):
        yield


def stored(name: str) -> Cluster | None:
    """The cluster of that name as `up` began it."""
    try:
        facts = json.loads((STATE_ROOT / name / "cluster.json").read_text())
    except FileNotFoundError:
        return None
    return Cluster(name, facts["slot"], facts["nodes"])


def up(name: str, nodes: int | None) -> None:
    """Bring up a cluster, or what of it is not up; prints how to use it."""
    if _use_foreign(name):
        return
    with exclusive(name):
        packages.ensure()
        with step("built programs"):
            programs = node.Programs(kube=build.ensure(build.KUBE), containerd=build.ensure(build.CONTAINERD))
            extras = addons.ensure_programs()
        if (STATE_ROOT / name / HALF_DOWN).exists():
            _remove(name)
        cluster = _claim(name, nodes)
        supervisor = supervisor_of(cluster)
        _start(cluster, supervisor, programs, extras)
        kubectl = build.install_link("kubectl", programs.kube / "kubectl")
        kubeconfig = kubeconfig_path(name)
        write_if_changed(kubeconfig, (cluster.pki / "admin.kubeconfig").read_text())
        say(f"cluster {name} is ready: {cluster.size} nodes, API server {cluster.api_url}")
        print(f"\nexport KUBECONFIG={kubeconfig}\n{kubectl} get nodes,pods -A\n", flush=True)


def foreign_kubeconfig(name: str) -> str:
    """What KUBECONFIG says, unless it is unset or names a cluster of this tool."""
    configured = os.environ.get("KUBECONFIG", "")
    ours = {path.resolve() for path in build.cache_root().glob("cluster*/kubeconfig")} | {
        kubeconfig_path(name).resolve()
    }
    return "" if not configured or Path(configured).resolve() in ours else configured


def _use_foreign(name: str) -> bool:
    """With KUBECONFIG set to a cluster that this tool did not make, check that one instead."""
    configured = foreign_kubeconfig(name)
    if not configured:
        return False
    kubectl = shutil.which("kubectl") or str(build.ensure(build.KUBE) / "kubectl")
    done = subprocess.run(
        [kubectl, "get", "nodes", "-o", "wide", "--request-timeout=15s"], text=True, capture_output=True
    )
    if done.returncode:
        raise ClusterError(
            f"KUBECONFIG={configured} is set, so that cluster is used, but it does not answer:\n{done.stderr.strip()}\n"
            "Unset KUBECONFIG to get a cluster on this machine."
        )
    say(f"KUBECONFIG={configured} is set: that cluster is used, none is made here")
    print(done.stdout, end="", flush=True)
    return True


def _claim(name: str, nodes: int | None) -> Cluster:
    """The stored plan, or a new one in the lowest free slot; written down before anything else is made."""
    old = stored(name)
    if old and nodes and nodes < old.size:
        raise ClusterError(f"cluster {name} has {old.size} nodes; to have fewer, take it down first")
    with build.locked(STATE_ROOT / ".slots.lock"):
        taken = {json.loads(path.read_text())["slot"] for path in STATE_ROOT.glob("*/cluster.json")}
        free = [slot for slot in range(SLOTS) if slot not in taken]
        if not old and not free:
            raise ClusterError(f"there are {SLOTS} clusters on this machine already; take one down")
        try:
            cluster = Cluster(name, old.slot if old else free[0], nodes or (old.size if old else DEFAULT_NODES))
        except ValueError as error:
            raise ClusterError(str(error)) from error
        facts = {"slot": cluster.slot, "nodes": cluster.size}
        write_if_changed(cluster.state / "cluster.json", config.document(facts))
    return cluster


def _start(cluster: Cluster, supervisor: Supervisor, programs: node.Programs, extras: addons.Programs) -> None:
    with step("certificates, bridge and images"):
        cluster.log.mkdir(parents=True, exist_ok=True)
        node.ensure_pins(cluster)
        network.ensure_host(cluster)
        storage.ensure_loop_devices()
        hugepages.reserve(cluster)
        controlplane.prepare(cluster)
        host_resolvers = Path("/etc/resolv.conf")
        text = host_resolvers.read_text() if host_resolvers.exists() else ""
        write_if_changed(cluster.state / "resolv.conf", config.resolv_conf(text), mode=0o644)
        archives = [images.ensure_pause(), *addons.ensure_images(extras)]
    # What an older version of this tool started under another name.
    supervisor.stop(sorted(set(supervisor.names()) - set(component_names(cluster))))
    api = controlplane.api(cluster)
    with ThreadPoolExecutor() as pool:
        store = pool.submit(controlplane.start_store, cluster, supervisor, programs.kube)
        prepared = [pool.submit(node.prepare, member, supervisor, programs, archives) for member in cluster.nodes]
        store.result()
        controlplane.start_controllers(cluster, supervisor, programs.kube)
        applied = pool.submit(addons.apply, cluster, supervisor, programs.kube, extras, api)
        for member, job in zip(cluster.nodes, prepared, strict=True):
            job.result()
            addons.install_multus(member, extras)
            node.start(member, supervisor, programs, api)
            supervisor.ensure(addons.network_policy(member, extras))
            supervisor.ensure(addons.multus(member, extras))
        applied.result()
    with step("nodes and DNS are ready"):
        wait_until("all nodes are Ready", lambda: not unready(api, cluster), 60, lambda: _complaints(cluster, api))
        # A pod made before its namespace's ServiceAccount exists is refused.
        wait_until(
            "ServiceAccount default/default exists",
            lambda: api.get("/api/v1/namespaces/default/serviceaccounts/default") is not None,
            30,
        )
        wait_until("CoreDNS is available", lambda: addons.dns_ready(api), 60)


def unready(api: Api, cluster: Cluster) -> list[str]:
    """Names of the nodes that are not Ready."""
    listed = (api.get("/api/v1/nodes") or {"items": []})["items"]
    good = {
        item["metadata"]["name"]
        for item in listed
        for condition in item.get("status", {}).get("conditions", ())
        if condition["type"] == "Ready" and condition["status"] == "True"
    }
    return [member.name for member in cluster.nodes if member.name not in good]


def _complaints(cluster: Cluster, api: Api) -> str:
    supervisor = supervisor_of(cluster)
    return "\n".join(f"{name}:\n{supervisor.tail(f'{name}-kubelet')}" for name in unready(api, cluster))


def down(name: str) -> None:
    """End a cluster and remove everything of it, or whatever a broken `up` left of it."""
    with exclusive(name):
        _remove(name)
        say(f"cluster {name} is down")


def _remove(name: str) -> None:
    cluster = stored(name) or _found(name)
    supervisor = supervisor_of(cluster)
    if cluster.state.exists():
        # An `up` after an interrupted `down` must not meet objects whose volumes and pods are gone.
        (cluster.state / HALF_DOWN).touch()
    with step(f"cluster {name}: end the nodes"):
        supervisor.stop([addons.PROVISIONER])
        node.remove(list(cluster.nodes), supervisor)
    with step(f"cluster {name}: end the control plane, remove volumes and network"):
        supervisor.stop(controlplane.NAMES[1:])
        supervisor.stop(supervisor.names())
        storage.release(cluster)
        hugepages.release(cluster)
        network.remove_host(cluster)
        node.remove_pins(cluster)
        if cluster.state.exists():
            shutil.rmtree(cluster.state)
    kubeconfig_path(name).unlink(missing_ok=True)


def _found(name: str) -> Cluster:
    """What can be told of a cluster whose state is lost: as many nodes as there are traces of."""
    traces = [*Path("/run/netns").glob(f"{name}-node*"), *(PIN_ROOT / name).glob("node*.mnt")]
    indexes = [
        int(digits) for trace in traces if (digits := trace.name.removesuffix(".mnt").rpartition("node")[2]).isdigit()
    ]
    try:
        return Cluster(name, 0, max(indexes, default=DEFAULT_NODES))
    except ValueError as error:
        raise ClusterError(str(error)) from error


def load(name: str, archives: list[Path]) -> None:
    """Import image archives into every node."""
    if configured := foreign_kubeconfig(name):
        raise ClusterError(
            f"KUBECONFIG={configured} is set: images get into that cluster by way of a registry. "
            "Unset KUBECONFIG to load them into the cluster on this machine."
        )
    cluster = running(name)
    for archive in archives:
        if not archive.is_file():
            raise ClusterError(f"{archive}: no such file; give the path of an OCI or docker archive")
    images.load(cluster.nodes, archives, build.ensure(build.CONTAINERD))


def running(name: str) -> Cluster:
    """The stored cluster; raises ClusterError when there is none."""
    cluster = stored(name)
    if not cluster:
        raise ClusterError(f"there is no cluster {name} on this machine: run `make cluster-up`")
    return cluster
