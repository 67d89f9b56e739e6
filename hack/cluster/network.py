"""Links between the host and the nodes: one bridge, one veth pair a node, routes to every pod network."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

from hack.cluster.plan import POD_BRIDGE, Cluster, Node
from hack.cluster.processes import run

FIREWALLS = ("iptables", "ip6tables")
_PASSAGES = (("INPUT", "-i"), ("FORWARD", "-i"), ("FORWARD", "-o"))
FORWARDING = Path("/proc/sys/net/ipv4/ip_forward")


def ensure_host(cluster: Cluster) -> None:
    """The bridge with the host's addresses, and masquerading for what pods send to the world."""
    run(["modprobe", "br_netfilter"], check=False)
    if not exists(cluster.bridge):
        run(["ip", "link", "add", cluster.bridge, "type", "bridge"])
    for address, network in zip(cluster.host_addresses, cluster.link_networks, strict=True):
        nodad = ["nodad"] if address.version == 6 else []
        run(["ip", "address", "replace", f"{address}/{network.prefixlen}", "dev", cluster.bridge, *nodad])
    run(["ip", "link", "set", cluster.bridge, "up"])
    saved = cluster.state / "ip_forward"
    if not saved.exists():
        saved.write_text(FORWARDING.read_text())
    FORWARDING.write_text("1")
    run(["nft", "-f", "-"], stdin=render_masquerade(cluster))
    for command in FIREWALLS:
        for chain, direction in _PASSAGES:
            if f"-P {chain} DROP" in run([command, "-S", chain], check=False):
                _pass(command, "-D", chain, direction, cluster.bridge)
                _pass(command, "-I", chain, direction, cluster.bridge)


def _pass(command: str, action: str, chain: str, direction: str, bridge: str) -> bool:
    """Add or delete the rule that lets the cluster through a host firewall that drops what it does not know."""
    return not subprocess.run(
        [command, action, chain, direction, bridge, "-j", "ACCEPT"], capture_output=True
    ).returncode


def render_masquerade(cluster: Cluster) -> str:
    """The nft script of the cluster's own table on the host; loading it again changes nothing. Pure."""
    sources = ", ".join(str(networks[0]) for networks in (cluster.link_networks, cluster.pod_networks))
    chain = f"ip {cluster.bridge} postrouting"
    return (
        f"add table ip {cluster.bridge}\n"
        f"add chain {chain} {{ type nat hook postrouting priority srcnat; }}\n"
        f"flush chain {chain}\n"
        f'add rule {chain} oifname != "{cluster.bridge}" ip saddr {{ {sources} }} masquerade\n'
    )


def ensure_node(node: Node) -> None:
    """The node's network namespace, its link and its routes."""
    cluster, inside = node.cluster, ["ip", "-n", node.unique_name]
    if not node.netns_pin.exists():
        run(["ip", "netns", "add", node.unique_name])
    if not exists(node.unique_name):
        run(["ip", "link", "add", node.unique_name, "type", "veth", "peer", "name", "eth0", "netns", node.unique_name])
    run(["ip", "link", "set", node.unique_name, "master", cluster.bridge, "up"])
    # Set before any link comes up: with forwarding on, the kernel does not configure itself from advertisements.
    settings = ["net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1"]
    if f" {POD_BRIDGE}:" not in run([*inside, "-o", "link"]):
        run([*inside, "link", "add", POD_BRIDGE, "type", "bridge"])
    if Path("/proc/sys/net/bridge").exists():
        # Services and policies need the pods' bridge filtered. Others are plain networks: the kernel drops fragments
        # that cross a filtered bridge made with an MTU above 1500, since it remembers 1500 until the MTU is changed.
        settings += ["net.bridge.bridge-nf-call-iptables=0", "net.bridge.bridge-nf-call-ip6tables=0"]
        filtered = ["nf_call_iptables", "1", "nf_call_ip6tables", "1"]
        run([*inside, "link", "set", POD_BRIDGE, "type", "bridge", *filtered])
    run(["nsenter", f"--net={node.netns_pin}", "sysctl", "-qw", *settings])
    run([*inside, "link", "set", "lo", "up"])
    for address, network in zip(node.addresses, cluster.link_networks, strict=True):
        nodad = ["nodad"] if address.version == 6 else []
        run([*inside, "address", "replace", f"{address}/{network.prefixlen}", "dev", "eth0", *nodad])
    run([*inside, "link", "set", "eth0", "up"])
    for gateway in cluster.host_addresses:
        run([*inside, f"-{gateway.version}", "route", "replace", "default", "via", str(gateway)])
    for other in cluster.nodes:
        for pods, address in zip(other.pod_networks, other.addresses, strict=True):
            route = ["route", "replace", str(pods), "via", str(address)]
            if other != node:
                run([*inside, f"-{pods.version}", *route])
            else:
                run(["ip", f"-{pods.version}", *route])


def exists(link: str) -> bool:
    """Whether the host has a link of that name."""
    return Path("/sys/class/net", link).exists()


def node_pids(node: Node) -> set[int]:
    """Processes in the node's network namespace."""
    if not node.netns_pin.exists():
        return set()
    return {int(pid) for pid in run(["ip", "netns", "pids", node.unique_name], check=False).split()}


def remove_node(node: Node) -> None:
    if exists(node.unique_name):
        run(["ip", "link", "delete", node.unique_name])
    if node.netns_pin.exists():
        run(["ip", "netns", "delete", node.unique_name])


def remove_host(cluster: Cluster) -> None:
    """Undo `ensure_host`; forwarding is switched off again if it was off before and no other cluster needs it."""
    for command in FIREWALLS:
        for chain, direction in _PASSAGES:
            if f" {cluster.bridge} " in run([command, "-S", chain], check=False):
                _pass(command, "-D", chain, direction, cluster.bridge)
    if exists(cluster.bridge):
        run(["ip", "link", "delete", cluster.bridge])
    tables = json.loads(run(["nft", "-j", "list", "tables"]))["nftables"]
    if any(entry.get("table", {}).get("name") == cluster.bridge for entry in tables):
        run(["nft", "delete", "table", "ip", cluster.bridge])
    saved = cluster.state / "ip_forward"
    others = [path for path in cluster.state.parent.glob("*/ip_forward") if path != saved]
    if saved.exists() and others:
        for other in others:
            other.write_text(min(other.read_text(), saved.read_text()))
    elif saved.exists():
        FORWARDING.write_text(saved.read_text())
    saved.unlink(missing_ok=True)
