"""What runs on top of the bare cluster."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from hack.cluster.plan import Cluster
from hack.cluster.processes import Supervisor

DAEMONS: tuple[str, ...] = ()


@dataclass(frozen=True)
class Programs:
    """Folders with the addons' binaries."""


def ensure_programs() -> Programs:
    return Programs()


def ensure_images(programs: Programs) -> list[Path]:
    return []


def apply(cluster: Cluster, supervisor: Supervisor, kube: Path, programs: Programs) -> None:
    return
