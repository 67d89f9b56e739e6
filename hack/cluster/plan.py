"""The addressing plan: every name, address and path of a cluster follows from its name, slot and node count. Pure.

Several clusters live side by side on one machine. They share nothing: the name sets links, namespaces, cgroups and the
state folder; the slot (a small number chosen at the first `up`) sets the subnets.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from pathlib import Path

Address = IPv4Address | IPv6Address
Network = IPv4Network | IPv6Network

DEFAULT_NAME = "kvpy"
SLOTS = 16
MAX_NODES = 99
STATE_ROOT = Path("/var/lib/kubevirt-py")
PIN_ROOT = Path("/run/kubevirt-py")
SERVICES = (IPv4Network("10.96.0.0/16"), IPv6Network("fd00:10:96::/112"))
DNS_ADDRESS = IPv4Address("10.96.0.10")
POD_BRIDGE = "cni0"
"""The link of the pods' network on each node."""


@dataclass(frozen=True)
class Node:
    """One node: a network, a mount and a UTS namespace with folders and cgroups of its own."""

    cluster: Cluster
    index: int

    @property
    def name(self) -> str:
        """Kubernetes node name and host name, the same in every cluster."""
        return f"node{self.index}"

    @property
    def unique_name(self) -> str:
        """Name on the host of the network namespace, the host end of the link, and the cgroups."""
        return f"{self.cluster.name}-{self.name}"

    @property
    def cpu_policy(self) -> str:
        """How the kubelet deals out CPUs: those of the last node can be had for one pod alone."""
        return "static" if self.index == self.cluster.size else "none"

    @property
    def addresses(self) -> tuple[Address, Address]:
        v4, v6 = self.cluster.link_networks
        return v4[10 + self.index], v6[10 + self.index]

    @property
    def pod_networks(self) -> tuple[Network, Network]:
        v4, v6 = self.cluster.pod_networks
        return (
            IPv4Network((int(v4.network_address) + (self.index << 8), 24)),
            IPv6Network((int(v6.network_address) + (self.index << 64), 64)),
        )

    @property
    def state(self) -> Path:
        return self.cluster.state / self.name

    @property
    def mount_pin(self) -> Path:
        return self.cluster.pins / f"{self.name}.mnt"

    @property
    def uts_pin(self) -> Path:
        return self.cluster.pins / f"{self.name}.uts"

    @property
    def netns_pin(self) -> Path:
        return Path("/run/netns") / self.unique_name

    @property
    def enter(self) -> tuple[str, ...]:
        """Command prefix that runs a program inside the node.

        `ip netns exec` would remount /sys and so hide the cgroups from the kubelet.
        """
        return ("nsenter", f"--net={self.netns_pin}", f"--mount={self.mount_pin}", f"--uts={self.uts_pin}", "--")


@dataclass(frozen=True)
class Cluster:
    """One cluster: a control plane in the host's namespaces and `size` nodes behind a bridge."""

    name: str
    slot: int
    size: int

    def __post_init__(self) -> None:
        # The host end of a node's link, "<name>-node99", may have 15 characters.
        if not re.fullmatch(r"[a-z][a-z0-9]{0,7}", self.name):
            raise ValueError(f"cluster name {self.name!r}: use 1 to 8 lower-case letters and digits, a letter first")
        if not 0 <= self.slot < SLOTS:
            raise ValueError(f"slot {self.slot}: must be 0 to {SLOTS - 1}")
        if not 1 <= self.size <= MAX_NODES:
            raise ValueError(f"{self.size} nodes: must be 1 to {MAX_NODES}")

    @property
    def nodes(self) -> tuple[Node, ...]:
        return tuple(Node(self, index) for index in range(1, self.size + 1))

    @property
    def bridge(self) -> str:
        return f"{self.name}br0"

    @property
    def link_networks(self) -> tuple[Network, Network]:
        """Subnets of the bridge between the host and the nodes."""
        return IPv4Network(f"10.199.{self.slot}.0/24"), IPv6Network(f"fd00:10:199:{self.slot:x}::/64")

    @property
    def pod_networks(self) -> tuple[Network, Network]:
        """Pod subnets of the whole cluster; they differ by slot because the host routes to all of them."""
        return IPv4Network(f"10.{244 - self.slot}.0.0/16"), IPv6Network(f"fd00:10:{244 - self.slot}::/48")

    @property
    def host_addresses(self) -> tuple[Address, Address]:
        """The host on the bridge: the nodes' gateway, and where the API server listens."""
        v4, v6 = self.link_networks
        return v4[1], v6[1]

    @property
    def loopback(self) -> IPv4Address:
        """Loopback address of this cluster's own, so that etcd and the controllers keep their usual ports."""
        return IPv4Address(f"127.99.{self.slot}.1")

    @property
    def api_url(self) -> str:
        return f"https://{self.host_addresses[0]}:6443"

    @property
    def state(self) -> Path:
        return STATE_ROOT / self.name

    @property
    def pins(self) -> Path:
        """Mounted folder whose files keep the nodes' namespaces alive when all their processes are gone."""
        return PIN_ROOT / self.name

    @property
    def pki(self) -> Path:
        return self.state / "pki"

    @property
    def log(self) -> Path:
        return self.state / "log"

    @property
    def audit_log(self) -> Path:
        return self.log / "audit.log"

    @property
    def volumes(self) -> Path:
        """Folder of the dynamic volumes; every node sees it under the same path."""
        return self.state / "volumes"
