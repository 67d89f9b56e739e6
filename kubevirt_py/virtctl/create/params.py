"""Flags with parameters of their own: `--volume-pvc src:my-claim,bootorder:1`."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from kubevirt_py.virtctl.main import Failure

Reader = Callable[[str], Any]
Shape = Mapping[str, Reader]
"""Reader of each parameter a flag knows."""

_LABEL = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")


def flag_error(flag: str, why: str) -> Failure:
    """A failure that names the flag, its dashes left out."""
    return Failure(f'failed to parse "--{flag}" flag: {why}')


def text(value: str) -> str:
    """Any text."""
    return value


def uint(value: str) -> int:
    """A whole number, not negative."""
    if not value.isdecimal():
        raise ValueError(f"{value!r} is not a whole number")
    return int(value)


def quantity(value: str) -> str:
    """A Kubernetes quantity, kept as it was written."""
    from kubevirt_py.api.quantity import is_quantity

    if not is_quantity(value):
        raise ValueError(f"{value!r} is not a quantity: give a number with an optional suffix, such as 512Mi or 10Gi")
    return value


def texts(value: str) -> list[str]:
    """Texts with semicolons between them."""
    return value.split(";")


_TYPES: dict[Reader, str] = {text: "string", uint: "uint", quantity: "resource.Quantity", texts: "[]string"}


def supported(shape: Shape) -> str:
    """The parameters with their types, for help."""
    return ",".join(f"{name}:{_TYPES[reader]}" for name, reader in shape.items())


def parse(flag: str, given: str, shape: Shape) -> dict[str, Any]:
    """Read `name:value,name:value`. Failure names the flag and what is wrong; absent parameters are absent."""
    words = _split(flag, given)
    if unknown := [f"{name}:{value}" for name, value in words.items() if name not in shape]:
        raise flag_error(flag, f"unknown param(s): {','.join(unknown)}")
    found = {}
    for name, value in words.items():
        try:
            found[name] = shape[name](value)
        except ValueError as error:
            raise flag_error(flag, f'failed to parse param "{name}": {error}') from None
    return found


def parameter(flag: str, given: str, name: str) -> str:
    """One parameter, before it is known which others may be there. Failure where it is missing."""
    words = _split(flag, given)
    if not words.get(name):
        raise flag_error(flag, f"{name} must be specified")
    return words[name]


def _split(flag: str, given: str) -> dict[str, str]:
    if not given:
        raise flag_error(flag, "params may not be empty")
    words = {}
    for part in given.split(","):
        name, colon, value = part.partition(":")
        if not colon:
            raise flag_error(flag, f"params need to have at least one colon: {part}")
        words[name] = value
    return words


def split_prefixed_name(flag: str, given: str, what: str = "") -> tuple[str, str]:
    """Read `prefix/name` or `name`; `what` goes before the reason in a Failure."""
    parts = given.split("/")
    if len(parts) > 2:
        raise flag_error(flag, f"{what}invalid count {len(parts) - 1} of slashes in prefix/name")
    if not parts[-1]:
        raise flag_error(flag, f"{what}name cannot be empty")
    return (parts[0] if len(parts) == 2 else ""), parts[-1]


def local_source(flag: str, source: dict[str, Any], what: str) -> str:
    """The parameter `src` of something that must lie in the VM's own namespace."""
    if not source.get("src"):
        raise flag_error(flag, "src must be specified")
    namespace, name = split_prefixed_name(flag, source["src"], "src invalid: ")
    if namespace:
        raise flag_error(flag, f'not allowed to specify namespace of {what} "{name}"')
    return name


def check_label(flag: str, name: str) -> None:
    """Volumes are named by DNS labels."""
    if not _LABEL.fullmatch(name):
        raise flag_error(
            flag, f'invalid name "{name}": use at most 63 lower case letters, digits and dashes, no dash at an end'
        )
