"""Show what runs, and where its files are."""

from __future__ import annotations

from pathlib import Path

from hack.cluster import build, cluster, controlplane
from hack.cluster.plan import Cluster


def show(name: str) -> int:
    """Print nodes, components and paths; the exit code is 1 unless all of it is well."""
    found = cluster.stored(name)
    if not found:
        print(f"cluster {name}: not there; `python3 -m hack.cluster up` makes it")
        return 1
    supervisor = cluster.supervisor_of(found)
    pids = {component: supervisor.pid(component) for component in cluster.component_names(found)}
    api = controlplane.api(found)
    answers = api.ready()
    unready = cluster.unready(api, found) if answers else [member.name for member in found.nodes]
    print(f"cluster {name}: API server {found.api_url} {'is ready' if answers else 'does not answer'}")
    for member in found.nodes:
        state = "NotReady" if member.name in unready else "Ready"
        addresses = " ".join(map(str, member.addresses))
        print(f"  {member.name}  {state:8}  {addresses}  pods {' '.join(map(str, member.pod_networks))}")
    print("components")
    for component, pid in pids.items():
        print(f"  {component:24} {f'pid {pid}' if pid else 'DEAD: see ' + str(supervisor.log(component))}")
    print("paths")
    for what, path in _paths(found).items():
        print(f"  {what:24} {path}")
    return 0 if answers and not unready and all(pids.values()) else 1


def _paths(found: Cluster) -> dict[str, Path]:
    return {
        "kubeconfig": cluster.kubeconfig_path(found.name),
        "kubectl": build.cache_root() / "bin/kubectl",
        "logs": found.log,
        "audit log": found.audit_log,
        "volumes": found.volumes,
    }
