"""resolv.conf text -> ResolvFacts, and the names a guest is told."""

from __future__ import annotations

import ipaddress

from kubevirt_py.render.network.model import ResolvFacts

_MAX_NAMESERVERS = 8
_MAX_DOMAINS = 32
"""As many as Kubernetes lets a pod have; of name servers it allows three."""


def parse_resolv(text: str) -> ResolvFacts:
    """Name servers and the last `search` (or `domain`) line. Lines that make no sense are left out, as resolvers do."""
    nameservers: list[str] = []
    search: tuple[str, ...] = ()
    for line in text.splitlines():
        word, *values = line.split() or [""]
        if word == "nameserver" and values and _is_address(values[0]):
            nameservers.append(values[0])
        elif word in ("search", "domain"):
            search = tuple(value.rstrip(".") for value in values if _is_domain(value.rstrip(".")))
    return ResolvFacts(tuple(dict.fromkeys(nameservers))[:_MAX_NAMESERVERS], search[:_MAX_DOMAINS])


def with_subdomain(search: tuple[str, ...], subdomain: str) -> tuple[str, ...]:
    """`search` led by the domain in which the pod's own headless Service name lies, when there is a subdomain.

    The cluster's `<namespace>.svc.<zone>` is the entry with `svc` as its second label.
    """
    own = next((domain for domain in search if domain.split(".")[1:2] == ["svc"]), "")
    return (f"{subdomain}.{own}", *search) if subdomain and own else search


def guest_hostname(name: str, hostname: str) -> str:
    """`spec.hostname`, else the VMI's name up to its first dot; at most 63 characters, as a DNS label."""
    return (hostname or name.split(".")[0])[:63].rstrip("-")


def _is_address(value: str) -> bool:
    try:
        ipaddress.ip_address(value.partition("%")[0])
    except ValueError:
        return False
    return "%" not in value


def _is_domain(value: str) -> bool:
    return 0 < len(value) <= 253 and value.isascii() and all(0 < len(label) <= 63 for label in value.split("."))
