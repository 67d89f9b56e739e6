"""Networks of a running machine that come, go and move with its VM's template: those of Multus."""

from __future__ import annotations

import copy
from collections.abc import Collection, Iterator

from kubevirt_py.plan import Document
from kubevirt_py.render.machine.nics import is_express
from kubevirt_py.render.machine_version import is_board, machine_type
from kubevirt_py.render.network.binding import ABSENT

LINK_STATE = "state"


def follow_networks(wanted: Document, spec: Document) -> None:
    """Secondary networks come; one that is gone from the template is first `absent`, so that its card is unplugged.

    One with another definition is, too: its card comes back when it has left. What waits for a restart stays as it is.
    """
    new, old = secondary_networks(wanted), secondary_networks(spec)
    moved, held = _moved(wanted, spec), _held(wanted, spec)
    devices = spec["domain"].setdefault("devices", {})
    cards = _cards(wanted)
    kept = []
    for item in devices.get("interfaces") or ():
        given = cards.get(item["name"])
        if item["name"] in held:
            pass
        elif (given is None and item["name"] in old) or item["name"] in moved:
            item = {**item, LINK_STATE: ABSENT}
        elif given is not None and given.get(LINK_STATE) != item.get(LINK_STATE):
            item = {key: value for key, value in item.items() if key != LINK_STATE}
            item |= {LINK_STATE: given[LINK_STATE]} if given.get(LINK_STATE) else {}
        kept.append(item)
    known = {item["name"] for item in kept} | held.keys()
    kept += [copy.deepcopy(cards[name]) for name in new if name in cards and name not in known]
    if kept:
        devices["interfaces"] = kept
    listed = {network["name"] for network in spec.get("networks") or ()} | held.keys()
    added = [copy.deepcopy(network) for name, network in new.items() if name not in listed]
    if added:
        spec["networks"] = [*(spec.get("networks") or ()), *added]


def waiting_networks(wanted: Document, running: Document) -> Iterator[str]:
    """What waits for a restart, in words: other cards, other definitions and cards that cannot be plugged."""
    new, old = secondary_networks(wanted), secondary_networks(running)
    moved, held = _moved(wanted, running), _held(wanted, running)
    cards = [
        {name: {key: card[key] for key in card if key != LINK_STATE} for name, card in _cards(spec).items()}
        for spec in (wanted, running)
    ]
    for name, why in held.items():
        yield f"network {name} {'goes' if name in old else 'comes'} when the guest restarts: {why}"
    for name in new:
        if name not in old or name in moved or name in held:
            continue
        if new[name] != old[name] or cards[0].get(name) != cards[1].get(name):
            yield f"network {name} changes when the guest restarts; restart, or add a network of another name"


def without_detached(spec: Document, reported: Collection[str]) -> Document:
    """A VMI spec without the interfaces that were to leave and have left, and without their networks."""
    devices = (spec.get("domain") or {}).get("devices") or {}
    left = {
        item["name"]
        for item in devices.get("interfaces") or ()
        if item.get(LINK_STATE) == ABSENT and item["name"] not in reported
    }
    if not left:
        return spec
    kept = [item for item in devices["interfaces"] if item["name"] not in left]
    networks = [network for network in spec.get("networks") or () if network["name"] not in left]
    domain = {**spec["domain"], "devices": {**devices, "interfaces": kept}}
    return {**spec, "domain": domain, "networks": networks}


def secondary_networks(spec: Document) -> dict[str, Document]:
    """Networks that come and go: those of Multus, but for one that takes the pod network's place."""
    return {
        network["name"]: network
        for network in spec.get("networks") or ()
        if "multus" in network and not (network["multus"] or {}).get("default")
    }


def _cards(spec: Document) -> dict[str, Document]:
    return {item["name"]: item for item in (spec["domain"].get("devices") or {}).get("interfaces") or ()}


def _moved(wanted: Document, running: Document) -> set[str]:
    """Networks of another definition whose card, a bridged one, can leave and come again."""
    new, old, cards = secondary_networks(wanted), secondary_networks(running), _cards(running)
    changed = {name for name in new if name in old and new[name] != old[name]}
    return {name for name in changed if "bridge" in cards.get(name, {}) and not _why_fixed(cards[name], running)}


def _held(wanted: Document, running: Document) -> dict[str, str]:
    """Networks whose card should come or go and cannot while the guest runs, and why."""
    new, old = secondary_networks(wanted), secondary_networks(running)
    there, here = _cards(wanted), _cards(running)
    going = [here[name] for name in old if name in here and (name not in new or _is_absent(there.get(name, {})))]
    going = [card for card in going if not _is_absent(card)]
    coming = [there[name] for name in new if name in there and name not in old and not _is_absent(there[name])]
    return {card["name"]: why for card in (*going, *coming) if (why := _why_fixed(card, running))}


def _is_absent(card: Document) -> bool:
    return card.get(LINK_STATE) == ABSENT


def _why_fixed(card: Document, running: Document) -> str:
    """Why a card cannot come to or leave a running machine; empty if it can."""
    devices = running["domain"].get("devices") or {}
    if devices.get("disableHotplug"):
        return "the machine has disableHotplug"
    if is_board(machine_type(running), "pc"):
        return ""
    if card.get("pciAddress"):
        return "on q35 a card with pciAddress cannot be plugged"
    if is_express(card, devices):
        return ""
    return "on q35 only cards of model virtio, e1000e and igb can be plugged, not old ones (useVirtioTransitional)"
