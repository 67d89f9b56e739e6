"""When the platform's certificates are to be renewed. Source: KubeVirt's self-signed rotation (CA 7 d, leaves 24 h)."""

from __future__ import annotations

from datetime import datetime, timedelta

import msgspec

from kubevirt_py.api.durations import parse_duration
from kubevirt_py.plan import Document

SPREAD = timedelta(minutes=2)
"""How long a new CA is published before leaves are signed with it, so that every peer's bundle has it."""
SLACK = timedelta(seconds=1)
"""Dates in certificates are whole seconds."""


class Lifetime(msgspec.Struct, frozen=True):
    """How long a certificate is valid, and how long before its end it is replaced."""

    duration: timedelta
    renew_before: timedelta


class Rotation(msgspec.Struct, frozen=True):
    """The rotation times of an installation."""

    ca: Lifetime
    leaf: Lifetime

    @classmethod
    def from_spec(cls, spec: Document) -> Rotation:
        """Read spec.certificateRotateStrategy.selfSigned; a part left out keeps upstream's default of 80 % of life."""
        wanted = (spec.get("certificateRotateStrategy") or {}).get("selfSigned") or {}
        old_ca = {"duration": wanted.get("caRotateInterval"), "renewBefore": wanted.get("caOverlapInterval")}
        ca = _lifetime(wanted.get("ca") or old_ca, timedelta(days=7))
        leaf = _lifetime(wanted.get("server") or {"duration": wanted.get("certRotateInterval")}, timedelta(days=1))
        return cls(ca, leaf)


def _lifetime(wanted: Document | None, default: timedelta) -> Lifetime:
    wanted = wanted or {}
    duration = parse_duration(wanted["duration"]) if wanted.get("duration") else default
    before = parse_duration(wanted["renewBefore"]) if wanted.get("renewBefore") else duration / 5
    return Lifetime(duration, min(before, duration))


class Validity(msgspec.Struct, frozen=True):
    """The dates of a certificate in hand, and whether its CA is still trusted."""

    not_before: datetime
    not_after: datetime
    trusted: bool = True


def renewal_time(held: Validity | None, lifetime: Lifetime, now: datetime) -> datetime:
    """When to replace a certificate: now if there is none, it is not trusted, or the wanted life is shorter."""
    if held is None or not held.trusted or held.not_after - held.not_before > lifetime.duration + SLACK:
        return now
    end = min(held.not_after, held.not_before + lifetime.duration)
    return max(end - lifetime.renew_before, now) if end > now else now


def leaf_renewal_time(held: Validity | None, lifetime: Lifetime, ca_since: datetime, now: datetime) -> datetime:
    """As `renewal_time`, but a leaf that still serves waits until a fresh CA has spread."""
    due = renewal_time(held, lifetime, now)
    if held is None or not held.trusted or held.not_after <= ca_since + SPREAD:
        return due
    return max(due, ca_since + SPREAD)
