"""Huge pages for guests that ask for them: the machine sets some aside while a cluster is up."""

from __future__ import annotations

from pathlib import Path

from hack.cluster.plan import Cluster

RESERVED = Path("/sys/kernel/mm/hugepages/hugepages-2048kB/nr_hugepages")
PAGES = 64
"""128 MiB: enough for a small guest. A kubelet counts them when it starts."""


def reserve(cluster: Cluster) -> None:
    """As many as the kernel can give; a machine that has more keeps them."""
    saved = cluster.state / "hugepages"
    if not RESERVED.exists():
        return
    if not saved.exists():
        saved.write_text(RESERVED.read_text())
    if int(RESERVED.read_text()) < PAGES:
        RESERVED.write_text(str(PAGES))


def release(cluster: Cluster) -> None:
    """Undo `reserve`, unless another cluster of this machine counts on them."""
    saved = cluster.state / "hugepages"
    if not saved.exists():
        return
    others = [path for path in cluster.state.parent.glob("*/hugepages") if path != saved]
    for other in others:
        other.write_text(min(other.read_text(), saved.read_text(), key=int))
    if not others:
        RESERVED.write_text(saved.read_text())
    saved.unlink()
