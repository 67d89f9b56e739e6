"""spec.domain.memory and the memory part of spec.domain.resources."""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

from kubevirt_py.api.quantity import is_quantity, parse_quantity
from kubevirt_py.plan import Document
from kubevirt_py.render.causes import INVALID, REQUIRED, Cause
from kubevirt_py.render.config import ClusterConfig

LEAST_BYTES = 1 << 20
"""QEMU starts no useful machine below this."""
PAGE_SIZES = ("2Mi", "1Gi")


def check(spec: Document, path: str, config: ClusterConfig) -> Iterator[Cause]:
    domain, base = spec["domain"], f"{path}.domain"
    memory, resources = domain.get("memory") or {}, domain.get("resources") or {}
    amounts = {
        f"{base}.memory.guest": memory.get("guest"),
        f"{base}.resources.requests.memory": (resources.get("requests") or {}).get("memory"),
        f"{base}.resources.limits.memory": (resources.get("limits") or {}).get("memory"),
    }
    sizes = {field: parse_quantity(amount) for field, amount in amounts.items() if amount is not None}
    if not sizes and "hugepages" not in memory:
        yield Cause(f"{base}.memory.guest", REQUIRED, "no memory is asked for; set memory.guest, such as 1Gi")
    for field, size in sizes.items():
        if size < LEAST_BYTES:
            yield Cause(
                field, INVALID, f"must be at least 1Mi, not {amounts[field]}; sizes are bytes: did you mean Mi?"
            )
    yield from _against_limit(sizes, base, resources)
    yield from _hugepages(sizes, memory, base)
    yield from _max_guest(sizes, memory, base)


def _against_limit(sizes: dict[str, Fraction], base: str, resources: Document) -> Iterator[Cause]:
    limit = sizes.get(f"{base}.resources.limits.memory")
    if limit is None:
        return
    for field in (f"{base}.memory.guest", f"{base}.resources.requests.memory"):
        if field in sizes and sizes[field] > limit:
            yield Cause(field, INVALID, f"is more than the limit of {resources['limits']['memory']}")


def _hugepages(sizes: dict[str, Fraction], memory: Document, base: str) -> Iterator[Cause]:
    given = (memory.get("hugepages") or {}).get("pageSize")
    if "hugepages" not in memory:
        return
    field = f"{base}.memory.hugepages.pageSize"
    if given is None:
        yield Cause(field, REQUIRED, f"set the size of a page, one of: {', '.join(PAGE_SIZES)}")
        return
    if not is_quantity(given) or parse_quantity(given) not in map(parse_quantity, PAGE_SIZES):
        yield Cause(field, INVALID, f"{given!r} is not the size of a page; use one of: {', '.join(PAGE_SIZES)}")
        return
    page = parse_quantity(given)
    for name, size in sizes.items():
        if not name.endswith("limits.memory") and size % page:
            yield Cause(name, INVALID, f"must be a multiple of the page size {given}")


def _max_guest(sizes: dict[str, Fraction], memory: Document, base: str) -> Iterator[Cause]:
    given, guest = memory.get("maxGuest"), sizes.get(f"{base}.memory.guest")
    if given is not None and guest is not None and parse_quantity(given) < guest:
        yield Cause(f"{base}.memory.maxGuest", INVALID, f"must not be less than memory.guest, {memory['guest']}")
