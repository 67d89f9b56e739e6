"""Bindings for which no link of the pod is made or changed: a plugin's own tap, and passt."""

from __future__ import annotations

from kubevirt_py.plan import Document
from kubevirt_py.render.network.attached import Guest, base, chosen_mac, kept_mac
from kubevirt_py.render.network.model import InterfacePlan, LinkFacts

PASST = "passt"


def ready_tap(interface: Document, network: Document, link: LinkFacts, guest: Guest) -> InterfacePlan:
    """The link is a tap or macvtap device that the plugin has made: it is opened, not changed."""
    fields = base(interface, network, link, guest, chosen_mac(interface) or link.mac)
    return InterfacePlan(binding="tap", bridge=None, **(fields | {"tap": link.name, "queues": 1}))


def passt(interface: Document, network: Document, link: LinkFacts, guest: Guest) -> InterfacePlan:
    """The guest has the addresses of the pod, whose sockets speak for it. passt tells it the MTU that suits both."""
    fields = base(interface, network, link, guest, kept_mac(interface, guest.seed))
    return InterfacePlan(binding=PASST, bridge=None, **(fields | {"tap": "", "queues": 1, "mtu": 0}))
