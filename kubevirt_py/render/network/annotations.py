"""A VMI's networks -> the annotations by which Multus and service meshes read them from its pod."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from typing import Any

from kubevirt_py.api import names
from kubevirt_py.plan import Document, Key
from kubevirt_py.render.network.attached import chosen_mac, kept_mac, mac_seed
from kubevirt_py.render.network.binding import ABSENT, MANAGED_TAP
from kubevirt_py.render.network.linknames import bridge_name, pod_link_name


def network_annotations(
    spec: Document, namespace: str, name: str, uid: str, plugins: Mapping[str, Document], kept: Collection[str] = ()
) -> dict[str, str]:
    """Annotations of the pod of the VMI with this `spec`, `namespace`, `name` and `uid`.

    `kept` are interfaces whose link the guest still has: it stays, though the spec wants it no more.
    Multus is asked for the guest's MAC, so that networks which filter addresses let the guest through.
    """
    interfaces = {item["name"]: item for item in (spec["domain"].get("devices") or {}).get("interfaces") or ()}
    elements: list[dict[str, Any]] = []
    annotations: dict[str, str] = {}
    for network in spec.get("networks") or ():
        interface = interfaces.get(network["name"], {})
        if interface.get("state") == ABSENT and network["name"] not in kept:
            continue
        plugin = plugins.get((interface.get("binding") or {}).get("name", "")) or {}
        elements += _plugin_elements(plugin, network, namespace)
        if "masquerade" in interface:
            annotations |= _mesh(network)
        if "multus" not in network:
            continue
        home, definition = namespaced(network["multus"]["networkName"], namespace)
        if network["multus"].get("default"):
            annotations[names.DEFAULT_NETWORK_ANNOTATION] = f"{home}/{definition}"
            continue
        bridged = "bridge" in interface or plugin.get("domainAttachmentType") == MANAGED_TAP
        mac = kept_mac(interface, mac_seed(spec, namespace, name, uid)) if bridged else chosen_mac(interface)
        element = {"name": definition, "namespace": home, "mac": mac, "interface": pod_link_name(network)}
        elements.append({key: value for key, value in element.items() if value})
    if elements:
        annotations[names.NETWORKS_ANNOTATION] = json.dumps(elements, separators=(",", ":"))
    return annotations


def namespaced(network_name: str, namespace: str) -> tuple[str, str]:
    """Namespace and name of the NetworkAttachmentDefinition that `networkName` means in a VMI of `namespace`."""
    home, slash, name = network_name.partition("/")
    return (home, name) if slash else (namespace, network_name)


def definitions(spec: Document, namespace: str, plugins: Mapping[str, Document]) -> tuple[Key, ...]:
    """The NetworkAttachmentDefinitions that the pod of a VMI with this `spec` asks of Multus."""
    annotations = network_annotations(spec, namespace, "", "", plugins)
    elements = json.loads(annotations.get(names.NETWORKS_ANNOTATION, "[]"))
    found = [Key(element["namespace"], element["name"]) for element in elements]
    if default := annotations.get(names.DEFAULT_NETWORK_ANNOTATION):
        found.append(Key(*namespaced(default, namespace)))
    return tuple(dict.fromkeys(found))


def attached_links(annotations: Mapping[str, str]) -> frozenset[str]:
    """Links of the pod that Multus has finished, addresses and all, by its report; none if that makes no sense."""
    try:
        entries = json.loads(annotations.get(names.NETWORK_STATUS_ANNOTATION) or "[]")
    except (ValueError, RecursionError):
        return frozenset()
    if not isinstance(entries, list):
        return frozenset()
    return frozenset(str(entry.get("interface")) for entry in entries if isinstance(entry, dict))


def arrived_links(spec: Document, namespace: str, pod: Mapping[str, str]) -> frozenset[str]:
    """Links that Multus has finished for networks of a VMI with this `spec`, by the annotations of its pod.

    A link that the guest has given back may be there still, when another network of the same name is wanted already.
    """
    finished, asked = attached_links(pod), _asked(pod)
    secondary = [network for network in spec.get("networks") or () if "multus" in network]
    wanted = {pod_link_name(one): namespaced(one["multus"]["networkName"], namespace) for one in secondary}
    there = {link: _network(element) for link, element in asked.items() if link in finished}
    return frozenset(link for link, network in wanted.items() if there.get(link) == network)


def in_turn(wanted: str, pod: Mapping[str, str]) -> str:
    """The annotation that is `wanted`, without networks by whose links Multus has others still, or the same of before.

    It might see nothing but that the pod has a link of this name. What the pod has already stays as it is written.
    Empty when none is left.
    """
    finished, asked, elements = attached_links(pod), _asked(pod), []
    for element in json.loads(wanted):
        there = asked.get(element.get("interface"))
        if there is not None and _network(there) == _network(element):
            elements.append(there)
        elif element.get("interface") not in finished:
            elements.append(element)
    return json.dumps(elements, separators=(",", ":")) if elements else ""


def _asked(pod: Mapping[str, str]) -> dict[str, Document]:
    """What Multus is asked for, by the links; nothing where a user writes the annotation."""
    try:
        elements = json.loads(pod.get(names.NETWORKS_ANNOTATION) or "[]")
        return {one["interface"]: one for one in elements if one.keys() >= {"interface", "namespace", "name"}}
    except (ValueError, TypeError, AttributeError, RecursionError):
        return {}


def _network(element: Document) -> tuple[str, str]:
    return element["namespace"], element["name"]


def _plugin_elements(plugin: Document, network: Document, namespace: str) -> list[dict[str, Any]]:
    if not plugin.get("networkAttachmentDefinition"):
        return []
    home, name = namespaced(plugin["networkAttachmentDefinition"], namespace)
    return [{"name": name, "namespace": home, "cni-args": {"logicNetworkName": network["name"]}}]


def _mesh(network: Document) -> dict[str, str]:
    """By these names Istio, where it is, takes the guest's traffic into the mesh."""
    bridge = bridge_name(network)
    return {names.ISTIO_INTERFACES_ANNOTATION: bridge, names.ISTIO_REROUTE_ANNOTATION: bridge}


def in_mesh(annotations: Mapping[str, str]) -> bool:
    """Whether the annotations of a VMI ask for a mesh's proxy in its pod."""
    return annotations.get(names.ISTIO_INJECT_ANNOTATION, "").lower() == "true"
