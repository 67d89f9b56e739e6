"""Names of links in a pod, as KubeVirt gives them."""

from __future__ import annotations

import hashlib
from typing import Any

from kubevirt_py.plan import Document

POD_LINK = "eth0"
_HASH_CHARACTERS = 11
"""So that `pod<hash>` stays within the 15 characters of a link's name."""


def is_primary(network: Document) -> bool:
    """Whether an entry of spec.networks is the network the pod itself has."""
    return "pod" in network or bool((network.get("multus") or {}).get("default"))


def pod_link_name(network: Document) -> str:
    """The link of the pod that carries `network`: eth0, or `pod<hash>` of Multus."""
    return POD_LINK if is_primary(network) else f"pod{_hash(network)}"


def tap_name(network: Document) -> str:
    return "tap0" if is_primary(network) else f"tap{_hash(network)}"


def bridge_name(network: Document) -> str:
    return f"k6t-{POD_LINK if is_primary(network) else _hash(network)}"


def nic_name(network: Document) -> str:
    """The pod's link after a bridge has taken it."""
    return f"{POD_LINK if is_primary(network) else _hash(network)}-nic"


def _hash(network: dict[str, Any]) -> str:
    return hashlib.sha256(str(network["name"]).encode()).hexdigest()[:_HASH_CHARACTERS]
