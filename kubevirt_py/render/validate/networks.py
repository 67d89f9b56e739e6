"""spec.networks: names, kinds and address ranges."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

from kubevirt_py.plan import Document
from kubevirt_py.render.causes import DUPLICATE, INVALID, REQUIRED, Cause, exactly_one, unique
from kubevirt_py.render.config import ClusterConfig
from kubevirt_py.render.network.linknames import is_primary
from kubevirt_py.render.validate.text import dns_label, dns_subdomain, network_name

KINDS = ("pod", "multus", "resourceClaim")
LEAST_ADDRESSES = 4
"""Network, gateway, guest and broadcast."""


def check(spec: Document, path: str, config: ClusterConfig) -> Iterator[Cause]:
    networks = spec.get("networks") or []
    interfaces = {item["name"] for item in (spec["domain"].get("devices") or {}).get("interfaces") or ()}
    for index, network in enumerate(networks):
        field = f"{path}.networks[{index}]"
        yield from network_name(f"{field}.name", network["name"])
        yield from exactly_one(field, network, KINDS, "network kind")
        if "multus" in network:
            yield from _definition(f"{field}.multus.networkName", network["multus"]["networkName"])
        yield from _cidr(network.get("pod") or {}, "vmNetworkCIDR", 4, field)
        yield from _cidr(network.get("pod") or {}, "vmIPv6NetworkCIDR", 6, field)
        if network["name"] not in interfaces:
            yield Cause(f"{field}.name", INVALID, f"no interface is named {network['name']!r}; add one or remove this")
    yield from unique(
        ((f"{path}.networks[{index}].name", network["name"]) for index, network in enumerate(networks)), "network name"
    )
    primary = [index for index, network in enumerate(networks) if is_primary(network)]
    for index in primary[1:]:
        yield Cause(
            f"{path}.networks[{index}]",
            DUPLICATE,
            f"only one network can be the pod's own; {path}.networks[{primary[0]}] already is",
        )


def _definition(field: str, given: str) -> Iterator[Cause]:
    home, slash, name = given.rpartition("/")
    if not name:
        yield Cause(field, REQUIRED, "must name a NetworkAttachmentDefinition")
    elif slash:
        yield from dns_label(field, home)
    yield from dns_subdomain(field, name or None)


def _cidr(pod: Document, key: str, version: int, field: str) -> Iterator[Cause]:
    given = pod.get(key)
    if not given:
        return
    try:
        network = ipaddress.ip_network(given, strict=False)
    except ValueError:
        network = None
    if network is None or "/" not in given or network.version != version or network.num_addresses < LEAST_ADDRESSES:
        example = "10.0.2.0/24" if version == 4 else "fd10:0:2::/120"
        yield Cause(
            f"{field}.pod.{key}",
            INVALID,
            f"{given!r} must be an IPv{version} range of at least {LEAST_ADDRESSES} addresses, such as {example}",
        )
