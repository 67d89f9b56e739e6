"""VMI spec + what the pod's links look like -> NetworkPlan.

Behaviour of KubeVirt's bindings: link names (`k6t-eth0`, `tap0`, `eth0-nic`), the guest's fixed addresses behind
masquerade, and the pod's own address moved to the guest by bridge.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from kubevirt_py.plan import Document
from kubevirt_py.render.network.attached import Guest
from kubevirt_py.render.network.bridged import bridge, managed_tap
from kubevirt_py.render.network.linknames import pod_link_name
from kubevirt_py.render.network.masquerade import masquerade
from kubevirt_py.render.network.model import InterfacePlan, LinkFacts, NetworkPlan, NetworkPlanError, ResolvFacts
from kubevirt_py.render.network.unplumbed import passt, ready_tap

ABSENT = "absent"
"""State of an interface that is to leave the machine."""
TAP, MANAGED_TAP = "tap", "managedTap"


def plan_links(
    spec: Document,
    links: tuple[LinkFacts, ...],
    resolv: ResolvFacts,
    *,
    namespace: str,
    name: str,
    uid: str,
    vcpus: int = 1,
    mesh: bool = False,
    plugins: Mapping[str, Document] | None = None,
) -> NetworkPlan:
    """The plan for a VMI's `spec` on the pod's untouched `links`.

    `namespace`, `name` and `uid` are the VMI's; `vcpus` sizes the queues under networkInterfaceMultiqueue; `mesh` says
    that a service mesh's proxy runs in the pod; `plugins` are the cluster's network binding plugins by name.
    Raises NetworkPlanError when a network, its link or a supported binding is missing.
    """
    guest = Guest(spec, namespace, name, uid, resolv, vcpus, mesh=mesh)
    by_name = {link.name: link for link in links}
    plans = []
    for index, interface, network in _wanted(spec):
        link = by_name.get(pod_link_name(network))
        if link is None:
            raise NetworkPlanError(
                f"network {interface['name']!r}: the pod has no link {pod_link_name(network)}; it has "
                f"{', '.join(sorted(by_name)) or 'none'}; check the CNI plugin's answer for this pod"
            )
        plans.append(_bind(index, interface, network, link, guest, plugins or {}))
    return NetworkPlan(tuple(plans), resolv)


def extended(
    plan: NetworkPlan,
    spec: Document,
    links: tuple[LinkFacts, ...],
    *,
    namespace: str,
    name: str,
    uid: str,
    vcpus: int = 1,
    plugins: Mapping[str, Document] | None = None,
) -> NetworkPlan:
    """`plan` with the interfaces that `spec` has beside it, as far as their links have arrived in the running pod."""
    guest = Guest(spec, namespace, name, uid, plan.resolv, vcpus)
    known = {interface.name for interface in plan.interfaces}
    by_name = {link.name: link for link in links}
    added = [
        _bind(index, interface, network, by_name[pod_link_name(network)], guest, plugins or {})
        for index, interface, network in _wanted(spec)
        if interface["name"] not in known and pod_link_name(network) in by_name
    ]
    return NetworkPlan((*plan.interfaces, *added), plan.resolv)


def leaving(plan: NetworkPlan, spec: Document) -> tuple[InterfacePlan, ...]:
    """Interfaces of `plan` that `spec` wants no more."""
    wanted = {interface["name"] for _, interface, _ in _wanted(spec)}
    return tuple(interface for interface in plan.interfaces if interface.name not in wanted)


def _wanted(spec: Document) -> Iterator[tuple[int, Document, Document]]:
    networks = {network["name"]: network for network in spec.get("networks") or ()}
    for index, interface in enumerate((spec["domain"].get("devices") or {}).get("interfaces") or ()):
        if interface.get("state") == ABSENT:
            continue
        network = networks.get(interface["name"])
        if network is None:
            field = f"spec.domain.devices.interfaces[{index}].name"
            raise NetworkPlanError(f"{field}: spec.networks has no network {interface['name']!r}")
        yield index, interface, network


def _bind(
    index: int,
    interface: Document,
    network: Document,
    link: LinkFacts,
    guest: Guest,
    plugins: Mapping[str, Document],
) -> InterfacePlan:
    attachment = _attachment(interface, plugins)
    if attachment == TAP:
        return ready_tap(interface, network, link, guest)
    if attachment == MANAGED_TAP:
        return managed_tap(interface, network, link, guest, index)
    if "masquerade" in interface:
        return masquerade(interface, network, link, guest)
    if "passtBinding" in interface:
        return passt(interface, network, link, guest)
    if "bridge" in interface:
        return bridge(interface, network, link, guest, index)
    raise NetworkPlanError(
        f"spec.domain.devices.interfaces[{index}]: the binding is not supported; use masquerade, passtBinding or bridge"
    )


def _attachment(interface: Document, plugins: Mapping[str, Document]) -> str:
    """How a plugin's interface is attached, empty for interfaces without plugin."""
    if not interface.get("binding"):
        return ""
    name = interface["binding"]["name"]
    if name not in plugins:
        raise NetworkPlanError(
            f"interface {interface['name']!r}: no network binding plugin is named {name!r} in the KubeVirt resource"
        )
    return str(plugins[name].get("domainAttachmentType") or "")
