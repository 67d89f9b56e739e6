"""spec.domain.devices.interfaces: bindings, models, addresses and ports."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator

from kubevirt_py.plan import Document
from kubevirt_py.render.causes import (
    INVALID,
    NOT_FOUND,
    NOT_SUPPORTED,
    Cause,
    between,
    exactly_one,
    needs_gate,
    one_of,
    unique,
)
from kubevirt_py.render.config import ClusterConfig
from kubevirt_py.render.network.attached import chosen_mac
from kubevirt_py.render.network.binding import ABSENT
from kubevirt_py.render.network.linknames import is_primary
from kubevirt_py.render.network.macs import MASQUERADE_BRIDGE_MAC
from kubevirt_py.render.validate.text import mac_address, network_name, pci_address

BINDINGS = ("bridge", "masquerade", "passt", "passtBinding", "slirp", "sriov", "macvtap", "binding")
GONE = {
    "macvtap": "this binding is now a plugin: register it in network.binding of the KubeVirt resource, or use bridge",
    "passt": "this binding no longer exists; use passtBinding",
    "slirp": "the slirp binding no longer exists; use masquerade",
    "sriov": "no node of this cluster has network cards with virtual functions to pass through; use bridge",
}
MODELS = ("virtio", "e1000", "e1000e", "igb", "ne2k_pci", "pcnet", "rtl8139")
PASST = "passtBinding"
PROTOCOLS = ("TCP", "UDP")
STATES = ("up", "down", ABSENT)
VIRTIO = "virtio"
PORT_RANGES_GATE = "PortRangesSpec"
MAX_ACPI_INDEX = 16383
"""Source: QEMU's ONBOARD_INDEX_MAX, what Linux takes for names like eno1."""
PRIVATE_OPTIONS = (224, 254)
"""DHCP options that RFC 2132 leaves to the site."""
_PORT_NAME = re.compile(r"(?=.*[a-z])[a-z0-9]+(-[a-z0-9]+)*")


def check(spec: Document, path: str, config: ClusterConfig) -> Iterator[Cause]:
    interfaces = (spec["domain"].get("devices") or {}).get("interfaces") or []
    networks = {network["name"]: network for network in spec.get("networks") or ()}
    base = f"{path}.domain.devices.interfaces"
    for index, interface in enumerate(interfaces):
        field = f"{base}[{index}]"
        yield from _interface(interface, field, config)
        network = networks.get(interface["name"])
        if network is None:
            known = ", ".join(sorted(networks)) or "none"
            yield Cause(
                f"{field}.name", NOT_FOUND, f"no network is named {interface['name']!r}; the networks are: {known}"
            )
        else:
            yield from _on_network(interface, network, field, config)
    for key, what in (("name", "interface name"), ("pciAddress", "PCI address"), ("acpiIndex", "ACPI index")):
        yield from unique(((f"{base}[{i}].{key}", item.get(key)) for i, item in enumerate(interfaces)), what)
    macs = ((f"{base}[{i}].macAddress", chosen_mac(item)) for i, item in enumerate(interfaces))
    yield from unique(macs, "MAC address")
    yield from _ports(interfaces, base)
    if not config.gate(PORT_RANGES_GATE):
        for index, interface in enumerate(interfaces):
            if interface.get("portRanges"):
                yield needs_gate(f"{base}[{index}].portRanges", PORT_RANGES_GATE)


def _interface(interface: Document, field: str, config: ClusterConfig) -> Iterator[Cause]:
    yield from network_name(f"{field}.name", interface["name"])
    yield from exactly_one(field, interface, BINDINGS, "binding")
    yield from one_of(f"{field}.model", interface.get("model"), MODELS)
    yield from one_of(f"{field}.state", interface.get("state"), STATES)
    yield from pci_address(f"{field}.pciAddress", interface.get("pciAddress"))
    yield from between(f"{field}.acpiIndex", interface.get("acpiIndex"), 0, MAX_ACPI_INDEX)
    yield from mac_address(f"{field}.macAddress", interface.get("macAddress"))
    yield from _dhcp(interface.get("dhcpOptions") or {}, f"{field}.dhcpOptions")
    yield from (Cause(f"{field}.{name}", NOT_SUPPORTED, why) for name, why in GONE.items() if name in interface)
    plugin = (interface.get("binding") or {}).get("name")
    if plugin is not None and plugin not in config.network_bindings:
        known = ", ".join(sorted(config.network_bindings)) or "none"
        why = f"no plugin is named {plugin!r} in network.binding of the KubeVirt resource; there are: {known}"
        yield Cause(f"{field}.binding.name", NOT_FOUND, why)
    if interface.get("state") == ABSENT and "bridge" not in interface and "binding" not in interface:
        yield Cause(f"{field}.state", INVALID, "only an interface with binding bridge or of a plugin can be absent")


def _on_network(interface: Document, network: Document, field: str, config: ClusterConfig) -> Iterator[Cause]:
    if interface.get("state") == ABSENT and is_primary(network):
        text = "only an interface of a further network can be absent; remove this one, or use state down"
        yield Cause(f"{field}.state", INVALID, text)
    if "masquerade" in interface and not is_primary(network):
        yield Cause(f"{field}.masquerade", INVALID, "masquerade is only possible on the pod network; use bridge here")
    if "masquerade" in interface and chosen_mac(interface) == MASQUERADE_BRIDGE_MAC:
        text = f"{interface['macAddress']} is the address of the guest's router behind masquerade; choose another one"
        yield Cause(f"{field}.macAddress", INVALID, text)
    if PASST in interface:
        yield from _passt(interface, network, field)
    if "bridge" in interface and "pod" in network and not config.permit_bridge_on_pod_network:
        yield Cause(
            f"{field}.bridge",
            NOT_SUPPORTED,
            "this cluster does not permit bridge on the pod network "
            "(network.permitBridgeInterfaceOnPodNetwork of the KubeVirt resource); use masquerade",
        )


def _passt(interface: Document, network: Document, field: str) -> Iterator[Cause]:
    if not is_primary(network):
        yield Cause(f"{field}.{PASST}", INVALID, "passt is only possible on the pod network; use bridge here")
    if interface.get("model", VIRTIO) != VIRTIO:
        yield Cause(f"{field}.model", NOT_SUPPORTED, "passt speaks with cards of model virtio only")
    if interface.get("dhcpOptions"):
        yield Cause(f"{field}.dhcpOptions", NOT_SUPPORTED, "passt answers DHCP itself, without these; use masquerade")
    for key in ("vmNetworkCIDR", "vmIPv6NetworkCIDR"):
        if (network.get("pod") or {}).get(key):
            yield Cause(f"{field}.{PASST}", INVALID, f"with passt the guest has the pod's addresses, not pod.{key}")


def _dhcp(options: Document, field: str) -> Iterator[Cause]:
    for index, server in enumerate(options.get("ntpServers") or ()):
        try:
            ipaddress.IPv4Address(server)
        except ValueError:
            yield Cause(f"{field}.ntpServers[{index}]", INVALID, f"{server!r} is not an IPv4 address")
    private = options.get("privateOptions") or []
    for index, option in enumerate(private):
        yield from between(f"{field}.privateOptions[{index}].option", option["option"], *PRIVATE_OPTIONS)
    yield from unique(
        ((f"{field}.privateOptions[{index}].option", item["option"]) for index, item in enumerate(private)),
        "DHCP option",
    )


def _ports(interfaces: list[Document], base: str) -> Iterator[Cause]:
    """A port may be that of two cards, since their addresses differ; its name stands in the pod, once."""
    names = []
    for index, interface in enumerate(interfaces):
        numbers = []
        for number, port in enumerate(interface.get("ports") or ()):
            field = f"{base}[{index}].ports[{number}]"
            yield from between(f"{field}.port", port["port"], 1, 65535)
            yield from one_of(f"{field}.protocol", port.get("protocol"), PROTOCOLS)
            yield from port_name(port.get("name"), f"{field}.name")
            names.append((f"{field}.name", port.get("name")))
            numbers.append((f"{field}.port", f"{port['port']}/{port.get('protocol') or 'TCP'}"))
        for number, span in enumerate(interface.get("portRanges") or ()):
            yield from _range(span, f"{base}[{index}].portRanges[{number}]")
        yield from unique(numbers, "port")
    yield from unique(names, "port name")


def port_name(name: str | None, field: str) -> Iterator[Cause]:
    """As Kubernetes wants it of a pod's ports."""
    if name and (len(name) > 15 or not _PORT_NAME.fullmatch(name)):
        yield Cause(field, INVALID, f"{name!r} must be up to 15 lower-case letters, digits and '-', with a letter")


def _range(span: Document, field: str) -> Iterator[Cause]:
    start, end = span.get("start"), span.get("end")
    yield from between(f"{field}.start", start, 1, 65535)
    yield from between(f"{field}.end", end, 1, 65535)
    yield from one_of(f"{field}.protocol", span.get("protocol"), PROTOCOLS)
    if start is not None and end is not None and start > end:
        yield Cause(f"{field}.end", INVALID, f"must not be less than start ({start})")
