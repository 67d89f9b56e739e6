"""Configuration files of the components, rendered from the plan. Pure.

Kubernetes reads JSON wherever it reads YAML, so these are JSON documents.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from hack.cluster.plan import DNS_ADDRESS, POD_BRIDGE, Cluster, Node

PAUSE_IMAGE = "localhost/kubevirt-py/pause:1"
COREDNS_IMAGE = "localhost/kubevirt-py/coredns:1"
OWN_PLUGINS = "/opt/cni/bin"


def document(content: dict[str, Any]) -> str:
    return json.dumps(content, indent=1) + "\n"


def kubelet(node: Node, *, resolv_conf: Path) -> str:
    """KubeletConfiguration of a node."""
    pki = node.cluster.pki
    return document(
        {
            "apiVersion": "kubelet.config.k8s.io/v1beta1",
            "kind": "KubeletConfiguration",
            "address": str(node.addresses[0]),
            "authentication": {
                "anonymous": {"enabled": False},
                "webhook": {"enabled": True},
                "x509": {"clientCAFile": str(pki / "ca.crt")},
            },
            "authorization": {"mode": "Webhook"},
            "tlsCertFile": str(pki / f"{node.name}.crt"),
            "tlsPrivateKeyFile": str(pki / f"{node.name}.key"),
            "failCgroupV1": False,
            "failSwapOn": False,
            "cgroupDriver": "cgroupfs",
            "cgroupRoot": f"/{node.unique_name}",
            "cgroupsPerQOS": True,
            "enforceNodeAllocatable": ["pods"],
            "containerRuntimeEndpoint": "unix:///run/containerd/containerd.sock",
            "volumePluginDir": "/var/lib/kubelet/volume-plugins",
            "clusterDNS": [str(DNS_ADDRESS)],
            "clusterDomain": "cluster.local",
            "resolvConf": str(resolv_conf),
            "maxPods": 250,
            # A tenth of a CPU taken off makes a whole one that is never given to a pod alone.
            "cpuManagerPolicy": node.cpu_policy,
            "systemReserved": {"cpu": "100m"},
            "serializeImagePulls": False,
            "syncFrequency": "10s",
            "nodeStatusUpdateFrequency": "10s",
            "kubeAPIQPS": 100,
            "kubeAPIBurst": 200,
            # The nodes share the machine's disk and memory with whatever else runs on it.
            "evictionHard": {
                "memory.available": "100Mi",
                "nodefs.available": "1%",
                "imagefs.available": "1%",
                "nodefs.inodesFree": "1%",
            },
            # Images are loaded by hand and exist nowhere else: never collect them.
            "imageGCHighThresholdPercent": 100,
        }
    )


def kube_proxy(node: Node) -> str:
    """KubeProxyConfiguration of a node."""
    return document(
        {
            "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
            "kind": "KubeProxyConfiguration",
            "clientConnection": {"kubeconfig": str(node.cluster.pki / "kube-proxy.kubeconfig")},
            "hostnameOverride": node.name,
            "mode": "nftables",
            "clusterCIDR": ",".join(map(str, node.cluster.pod_networks)),
            "nftables": {"minSyncPeriod": "100ms", "syncPeriod": "30s"},
            # The limits are the machine's, not the node's to change.
            "conntrack": {"maxPerCore": 0, "min": 0, "tcpEstablishedTimeout": "0s", "tcpCloseWaitTimeout": "0s"},
        }
    )


def cni(node: Node) -> str:
    """CNI configuration: pods on a bridge, routed between nodes without translation."""
    return document(
        {
            "cniVersion": "1.0.0",
            "name": "pods",
            "plugins": [
                {
                    "type": "bridge",
                    "bridge": POD_BRIDGE,
                    "isGateway": True,
                    "ipMasq": False,
                    "hairpinMode": True,
                    "ipam": {
                        "type": "host-local",
                        "ranges": [[{"subnet": str(network)}] for network in node.pod_networks],
                        "routes": [{"dst": "0.0.0.0/0"}, {"dst": "::/0"}],
                    },
                },
                {"type": "portmap", "capabilities": {"portMappings": True}},
            ],
        }
    )


def multus(node: Node) -> str:
    """CNI configuration: the pods' network by default, others as a pod's annotations say.

    The pods' network stands in it: of one that it reads from a file Multus forgets the addresses until the pod's end.
    """
    return document(
        {
            "cniVersion": "1.0.0",
            "name": "multus-cni-network",
            "type": "multus",
            "kubeconfig": str(node.cluster.pki / "multus.kubeconfig"),
            "delegates": [json.loads(cni(node))],
            "binDir": "/usr/lib/cni",
        }
    )


def containerd() -> str:
    """containerd configuration, the same on every node.

    restrict_oom_score_adj: without CAP_SYS_RESOURCE runc may not lower a container's OOM score and would fail.
    device_ownership_from_security_context: block volumes and devices belong to the pod's user.
    """
    return f"""version = 3
root = "/var/lib/containerd"
state = "/run/containerd"
oom_score = 0

[grpc]
  address = "/run/containerd/containerd.sock"

[plugins.'io.containerd.internal.v1.opt']
  path = "/var/lib/containerd/opt"

[plugins.'io.containerd.cri.v1.images']
  snapshotter = "overlayfs"
  [plugins.'io.containerd.cri.v1.images'.pinned_images]
    sandbox = "{PAUSE_IMAGE}"

[plugins.'io.containerd.cri.v1.runtime']
  restrict_oom_score_adj = true
  device_ownership_from_security_context = true
  [plugins.'io.containerd.cri.v1.runtime'.cni]
    bin_dirs = ["/usr/lib/cni", "/opt/cni/bin"]
    conf_dir = "/etc/cni/net.d"
  [plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc]
    runtime_type = "io.containerd.runc.v2"
    [plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc.options]
      SystemdCgroup = false
"""


def audit_policy() -> str:
    """Every write is recorded once, at metadata level, and the reads of everything that is not part of Kubernetes.

    A record has verb, user, objectRef and response code; writes of Leases and Events are among them and can be told
    apart by resource.
    """
    reads = ["get", "list", "watch"]
    system_users = ["system:apiserver", "system:kube-controller-manager", "system:kube-scheduler", "system:kube-proxy"]
    reviews = ["tokenreviews", "subjectaccessreviews", "selfsubjectaccessreviews", "localsubjectaccessreviews"]
    return document(
        {
            "apiVersion": "audit.k8s.io/v1",
            "kind": "Policy",
            "omitStages": ["RequestReceived", "ResponseStarted"],
            "rules": [
                {"level": "None", "nonResourceURLs": ["/healthz*", "/livez*", "/readyz*", "/version", "/openapi/*"]},
                {"level": "None", "nonResourceURLs": ["/api*", "/apis*"]},
                {
                    "level": "None",
                    "resources": [
                        {"group": group, "resources": reviews}
                        for group in ("authentication.k8s.io", "authorization.k8s.io")
                    ],
                },
                {"level": "None", "verbs": reads, "users": system_users},
                {"level": "None", "verbs": reads, "userGroups": ["system:nodes", "system:serviceaccounts:kube-system"]},
                {"level": "Metadata"},
            ],
        }
    )


def coredns(resolvers: str) -> dict[str, Any]:
    """The ConfigMap with CoreDNS's configuration; names outside the cluster go to the resolvers there are, if any."""
    lines = [
        ".:53 {",
        "    errors",
        "    health {",
        "        lameduck 2s",
        "    }",
        "    ready",
        "    kubernetes cluster.local in-addr.arpa ip6.arpa {",
        "        pods insecure",
        "        fallthrough in-addr.arpa ip6.arpa",
        "        ttl 5",
        "    }",
        "    prometheus :9153",
        *(["    forward . /etc/resolv.conf"] if "nameserver" in resolvers else []),
        "    cache 5",
        "    reload",
        "    loadbalance",
        "}",
    ]
    return {
        "apiVersion": "v1",
        "kind": "ConfigMap",
        "metadata": {"name": "coredns", "namespace": "kube-system"},
        "data": {"Corefile": "\n".join(lines) + "\n"},
    }


def node_object(node: Node) -> dict[str, Any]:
    """The Node as created before its kubelet starts, so that its pod networks do not depend on who comes first."""
    networks = [str(network) for network in node.pod_networks]
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": node.name},
        "spec": {"podCIDR": networks[0], "podCIDRs": networks},
    }


def resolv_conf(host: str) -> str:
    """What pods with the node's DNS policy get: the host's resolvers, without those that only the host can reach."""
    lines = [line for line in host.splitlines() if not line.startswith(("nameserver 127.", "nameserver ::1"))]
    return "\n".join(lines) + "\n"


def apiserver_names(cluster: Cluster) -> tuple[str, ...]:
    """Subject alternative names of the API server's certificate."""
    addresses = (*cluster.host_addresses, "127.0.0.1", "10.96.0.1", "fd00:10:96::1")
    hosts = ("localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc")
    return (*(f"IP:{address}" for address in addresses), *(f"DNS:{host}" for host in hosts))
