"""How a machine starts: at once, or paused before its first instruction until a user lets it run."""

from __future__ import annotations

from kubevirt_py.plan import Document

PAUSED = "Paused"
"""The only value of spec.startStrategy."""


def starts_paused(spec: Document) -> bool:
    """Whether the guest of this VMI spec waits for a user."""
    return bool(spec.get("startStrategy") == PAUSED)
