"""etcd, kube-apiserver, kube-controller-manager and kube-scheduler as processes of the host."""

from __future__ import annotations

import signal
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from hack.cluster import config
from hack.cluster.api import Api, wait_until
from hack.cluster.pki import Pki, control_plane_leaves, write_if_changed
from hack.cluster.plan import SERVICES, Cluster
from hack.cluster.processes import Daemon, Supervisor
from hack.cluster.progress import step

NAMES = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler")


def prepare(cluster: Cluster) -> Pki:
    """Certificates and files of the control plane."""
    pki = Pki(cluster.pki)
    pki.authority("ca")
    pki.authority("front-proxy-ca")
    with ThreadPoolExecutor() as pool:
        jobs = [pool.submit(pki.issue, leaf) for leaf in control_plane_leaves(config.apiserver_names(cluster))]
        jobs.append(pool.submit(pki.token_key))
        for job in jobs:
            job.result()
    for name in ("controller-manager", "scheduler", "kube-proxy", "network-policy", "multus", "provisioner"):
        pki.kubeconfig(name, cluster.api_url)
    pki.kubeconfig("admin", cluster.api_url, embed=True)
    write_if_changed(cluster.state / "audit-policy.json", config.audit_policy())
    return pki


def api(cluster: Cluster) -> Api:
    pki = Pki(cluster.pki)
    return Api(cluster.api_url, pki.crt("ca"), pki.crt("admin"), pki.key("admin"))


def start_store(cluster: Cluster, supervisor: Supervisor, kube: Path) -> None:
    """Start etcd and the API server and wait until it is ready."""
    with step("etcd and API server"):
        _start_store(cluster, supervisor, kube)


def _start_store(cluster: Cluster, supervisor: Supervisor, kube: Path) -> None:
    supervisor.ensure(etcd(kube, cluster.state / "etcd", f"{cluster.loopback}:2379", f"{cluster.loopback}:2380"))
    supervisor.ensure(apiserver(cluster, kube))
    wait_until(
        "kube-apiserver is ready",
        lambda: api(cluster).ready(),
        90,
        lambda: supervisor.tail("etcd", 5) + "\n" + supervisor.tail("kube-apiserver"),
    )


def start_controllers(cluster: Cluster, supervisor: Supervisor, kube: Path) -> None:
    supervisor.ensure(controller_manager(cluster, kube))
    supervisor.ensure(scheduler(cluster, kube))


def etcd(kube: Path, data: Path, client: str, peer: str) -> Daemon:
    """etcd without fsync: what is lost in a power cut can be made again with `up`."""
    return Daemon(
        "etcd",
        (
            f"{kube}/etcd",
            f"--data-dir={data}",
            f"--listen-client-urls=http://{client}",
            f"--advertise-client-urls=http://{client}",
            f"--listen-peer-urls=http://{peer}",
            f"--initial-advertise-peer-urls=http://{peer}",
            f"--initial-cluster=default=http://{peer}",
            "--unsafe-no-fsync",
            "--auto-compaction-retention=10m",
            "--quota-backend-bytes=8589934592",
            "--log-level=warn",
        ),
    )


def security_flags(pki: Path) -> tuple[str, ...]:
    """Flags of an API server that follow from its certificate folder: TLS, tokens, front proxy, authorization."""
    return (
        f"--tls-cert-file={pki}/apiserver.crt",
        f"--tls-private-key-file={pki}/apiserver.key",
        f"--client-ca-file={pki}/ca.crt",
        "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
        f"--service-account-key-file={pki}/sa.pub",
        f"--service-account-signing-key-file={pki}/sa.key",
        f"--requestheader-client-ca-file={pki}/front-proxy-ca.crt",
        "--requestheader-allowed-names=front-proxy-client",
        "--requestheader-extra-headers-prefix=X-Remote-Extra-",
        "--requestheader-group-headers=X-Remote-Group",
        "--requestheader-username-headers=X-Remote-User",
        f"--proxy-client-cert-file={pki}/front-proxy.crt",
        f"--proxy-client-key-file={pki}/front-proxy.key",
        "--authorization-mode=Node,RBAC",
        "--allow-privileged=true",
        "--profiling=false",
    )


def apiserver(cluster: Cluster, kube: Path) -> Daemon:
    """The API server, on the bridge.

    Aggregator routing makes it reach webhooks and aggregated APIs by pod address, because the host has no kube-proxy;
    kubelets are reached by address because node names do not resolve. It is ended with SIGKILL: asked politely, it
    waits for an etcd that may be gone.
    """
    pki = cluster.pki
    policy = cluster.state / "audit-policy.json"
    return Daemon(
        "kube-apiserver",
        (
            f"{kube}/kube-apiserver",
            f"--etcd-servers=http://{cluster.loopback}:2379",
            f"--bind-address={cluster.host_addresses[0]}",
            f"--advertise-address={cluster.host_addresses[0]}",
            "--secure-port=6443",
            f"--service-cluster-ip-range={','.join(map(str, SERVICES))}",
            "--enable-admission-plugins=NodeRestriction",
            "--enable-aggregator-routing=true",
            "--kubelet-preferred-address-types=InternalIP",
            f"--kubelet-client-certificate={pki}/apiserver-kubelet.crt",
            f"--kubelet-client-key={pki}/apiserver-kubelet.key",
            f"--kubelet-certificate-authority={pki}/ca.crt",
            f"--audit-policy-file={policy}",
            f"--audit-log-path={cluster.audit_log}",
            "--audit-log-format=json",
            "--audit-log-maxsize=200",
            "--audit-log-maxbackup=3",
            *security_flags(pki),
        ),
        inputs=(policy,),
        stop_signal=signal.SIGKILL,
    )


def controller_manager(cluster: Cluster, kube: Path) -> Daemon:
    pki = cluster.pki
    return Daemon(
        "kube-controller-manager",
        (
            f"{kube}/kube-controller-manager",
            *_client_flags(cluster, "controller-manager"),
            f"--service-account-private-key-file={pki}/sa.key",
            f"--root-ca-file={pki}/ca.crt",
            f"--cluster-signing-cert-file={pki}/ca.crt",
            f"--cluster-signing-key-file={pki}/ca.key",
            "--use-service-account-credentials",
            "--allocate-node-cidrs=false",
        ),
    )


def scheduler(cluster: Cluster, kube: Path) -> Daemon:
    return Daemon("kube-scheduler", (f"{kube}/kube-scheduler", *_client_flags(cluster, "scheduler")))


def _client_flags(cluster: Cluster, name: str) -> tuple[str, ...]:
    kubeconfig = cluster.pki / f"{name}.kubeconfig"
    return (
        f"--kubeconfig={kubeconfig}",
        f"--authentication-kubeconfig={kubeconfig}",
        f"--authorization-kubeconfig={kubeconfig}",
        f"--bind-address={cluster.loopback}",
        "--leader-elect=false",
        "--profiling=false",
    )
