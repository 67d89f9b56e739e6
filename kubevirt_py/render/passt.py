"""The binding passt: a process beside QEMU that speaks for the guest with ordinary sockets of the pod.

The guest has the pod's own addresses, and no link of the pod is changed. passt is a sidecar (an init container that is
restarted) without privileges; it confines itself by namespaces, which its seccomp profile alone permits. QEMU knows
it by the path of its socket, so the guest has its network back when passt was restarted.
"""

from __future__ import annotations

from collections.abc import Iterator

from kubevirt_py.api import names
from kubevirt_py.plan import Document
from kubevirt_py.render.config import ClusterConfig
from kubevirt_py.render.network.resolv import guest_hostname
from kubevirt_py.render.pod_security import container_confinement
from kubevirt_py.render.resources import is_guaranteed
from kubevirt_py.render.seccomp import PASST_PROFILE
from kubevirt_py.render.support_resources import SIDECAR, support_resources

BINDING = "passtBinding"
CONTAINER = "passt"
PASST = "/usr/bin/passt"
SOCKET_VOLUME = "passt"
SOCKET_PATH = f"{names.PASST_DIR}/passt.sock"
SYSCTLS: tuple[Document, ...] = (
    {"name": "net.ipv4.ip_unprivileged_port_start", "value": "0"},
    {"name": "net.ipv4.ping_group_range", "value": f"{names.QEMU_ID} {names.QEMU_ID}"},
)
"""Of the pod's own network: passt listens on low ports and pings for the guest without a privilege. Pod Security
counts both as safe."""

MIB = 1 << 20
PROCESS_BYTES = 24 * MIB
SOCKET_BYTES = 4096
"""Measured: 18,000 listening sockets take 63 MB of kernel memory."""
ALL_PORTS = 2 * (65535 - 28232)
"""Without lists passt listens on all TCP and UDP ports but those the kernel gives to outgoing connections."""
GUARANTEED_BYTES = 80 * MIB
"""Pages of guest memory that passt fills first are counted as its own."""


def passt_interface(spec: Document) -> Document | None:
    """The interface with this binding; there is at most one, since it needs the pod's own network."""
    interfaces: list[Document] = ((spec.get("domain") or {}).get("devices") or {}).get("interfaces") or []
    return next((interface for interface in interfaces if BINDING in interface), None)


def passt_containers(vmi: Document, config: ClusterConfig, image: str, compute: Document) -> list[Document]:
    """At most one. `compute` are the resources of QEMU's container: a pod that is Guaranteed stays so."""
    interface = passt_interface(vmi["spec"])
    if interface is None:
        return []
    hostname = guest_hostname(vmi["metadata"]["name"], vmi["spec"].get("hostname") or "")
    return [
        {
            "name": CONTAINER,
            "image": image,
            "imagePullPolicy": config.image_pull_policy,
            "restartPolicy": "Always",
            "command": [
                *(PASST, "--foreground", "--vhost-user", "--socket", SOCKET_PATH, "--repair-path", "none"),
                *("--hostname", hostname, "--no-map-gw"),
                *("--tcp-ports", _ports(interface, "TCP"), "--udp-ports", _ports(interface, "UDP")),
            ],
            "resources": _resources(interface, config, is_guaranteed(compute)),
            "securityContext": container_confinement({"type": "Localhost", "localhostProfile": PASST_PROFILE}),
            "terminationMessagePolicy": "FallbackToLogsOnError",
            "volumeMounts": [{"name": SOCKET_VOLUME, "mountPath": names.PASST_DIR}],
        }
    ]


def _ports(interface: Document, protocol: str) -> str:
    """As passt takes them. An interface that lists no ports at all has all of them."""
    spans = list(_spans(interface))
    if not spans:
        return "all"
    listed = sorted({(first, last) for kind, first, last in spans if kind == protocol})
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in _merged(listed)) or "none"


def _merged(spans: list[tuple[int, int]]) -> Iterator[tuple[int, int]]:
    """Spans in order without overlaps, which passt would take for a port that is used already."""
    held: tuple[int, int] | None = None
    for first, last in spans:
        if held is not None and first <= held[1]:
            held = (held[0], max(held[1], last))
            continue
        if held is not None:
            yield held
        held = (first, last)
    if held is not None:
        yield held


def _spans(interface: Document) -> Iterator[tuple[str, int, int]]:
    for port in interface.get("ports") or ():
        yield port.get("protocol") or "TCP", port["port"], port["port"]
    for span in interface.get("portRanges") or ():
        yield span.get("protocol") or "TCP", span["start"], span["end"]


def _resources(interface: Document, config: ClusterConfig, guaranteed: bool) -> Document:
    sockets = sum(last - first + 1 for _, first, last in _spans(interface)) or ALL_PORTS
    size = PROCESS_BYTES + sockets * SOCKET_BYTES
    usual: Document = {"requests": {"cpu": "10m", "memory": str(size)}}
    if guaranteed:
        usual["limits"] = {"cpu": "100m", "memory": str(size + GUARANTEED_BYTES)}
    return support_resources(config.support_resources.get(SIDECAR), usual, guaranteed=guaranteed)
