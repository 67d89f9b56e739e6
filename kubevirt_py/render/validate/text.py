"""The shapes of names that Kubernetes and its parts accept."""

from __future__ import annotations

import re
from collections.abc import Iterator

from kubevirt_py.render.causes import INVALID, Cause

_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?")
_NETWORK = re.compile(r"[A-Za-z0-9_-]{1,63}")
_SUBDOMAIN = re.compile(rf"{_LABEL.pattern}(\.{_LABEL.pattern})*")
_MAC = re.compile(r"[0-9a-fA-F]{2}([:-][0-9a-fA-F]{2}){5}|[0-9a-fA-F]{4}(\.[0-9a-fA-F]{4}){2}")
_PCI = re.compile(r"(?:[0-9a-fA-F]{4}:)?[0-9a-fA-F]{2}:[0-9a-fA-F]{2}\.[0-7]")
_UUID = re.compile(r"[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")


def dns_label(field: str, value: str | None) -> Iterator[Cause]:
    """RFC 1123 label: what a host name or a volume is called."""
    if value is not None and (len(value) > 63 or not _LABEL.fullmatch(value)):
        yield Cause(
            field,
            INVALID,
            f"{value!r} is not a DNS label; use up to 63 lower-case letters, digits and '-', "
            "starting and ending with a letter or digit",
        )


def network_name(field: str, value: str) -> Iterator[Cause]:
    """What an interface and its network are called: KubeVirt takes capitals and underscores too."""
    if not _NETWORK.fullmatch(value):
        yield Cause(field, INVALID, f"{value!r} is not a name of a network; use up to 63 letters, digits, '-' and '_'")


def dns_subdomain(field: str, value: str | None) -> Iterator[Cause]:
    """RFC 1123 subdomain: what most Kubernetes objects are called."""
    if value is not None and (len(value) > 253 or not _SUBDOMAIN.fullmatch(value)):
        yield Cause(
            field, INVALID, f"{value!r} is not a valid name; use lower-case letters, digits, '-' and '.', at most 253"
        )


def search_domain(field: str, value: str) -> Iterator[Cause]:
    """A domain the resolver tries; a dot at its end, and labels that begin with an underscore, are fine."""
    text = value.removesuffix(".").replace("_", "a").lower()
    if value != "." and (len(value) > 253 or not _SUBDOMAIN.fullmatch(text)):
        yield Cause(field, INVALID, f"{value!r} is not a search domain, such as svc.cluster.local")


def pci_address(field: str, value: str | None) -> Iterator[Cause]:
    if value and not _PCI.fullmatch(value):
        yield Cause(field, INVALID, f"{value!r} is not a PCI address; write it as 0000:81:01.0")


def uuid(field: str, value: str | None) -> Iterator[Cause]:
    if value and not _UUID.fullmatch(value):
        yield Cause(field, INVALID, f"{value!r} is not a UUID; write it as 5d307ca9-b3ef-428c-8861-06e72d69f223")


def absolute_path(field: str, value: str | None) -> Iterator[Cause]:
    """An absolute path to something, without `..` and zero bytes, and not the root itself."""
    if value and (not value.startswith("/") or value == "/" or ".." in value.split("/") or "\0" in value):
        yield Cause(field, INVALID, f"{value!r} must be an absolute path to a file, without '..'")


def mac_address(field: str, value: str | None) -> Iterator[Cause]:
    """The address of one interface, so not of a group."""
    if not value:
        return
    if not _MAC.fullmatch(value):
        yield Cause(field, INVALID, f"{value!r} is not a MAC address; write it as 02:00:00:12:34:56")
    elif int(value[:2], 16) & 1:
        yield Cause(field, INVALID, f"{value} is a multicast address; the lowest bit of the first octet must be 0")
