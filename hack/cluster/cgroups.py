"""Cgroups of the nodes, on cgroup v1 and v2 hosts."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterable
from pathlib import Path

ROOT = Path("/sys/fs/cgroup")
WANTED = ("cpuset", "cpu", "io", "memory", "hugetlb", "pids")


def is_v2() -> bool:
    """Whether the host has the unified hierarchy only."""
    return (ROOT / "cgroup.controllers").exists()


def create(name: str) -> None:
    """Make a top-level cgroup of that name with every controller a kubelet needs."""
    if is_v2():
        _delegate(ROOT)
        (ROOT / name).mkdir(exist_ok=True)
        _delegate(ROOT / name)
        return
    for hierarchy in _hierarchies():
        (hierarchy / name).mkdir(exist_ok=True)
    # A new v1 cpuset is empty and admits no process.
    for setting in ("cpuset.cpus", "cpuset.mems"):
        source = ROOT / "cpuset" / setting
        if source.exists():
            (ROOT / "cpuset" / name / setting).write_text(source.read_text())


def pids(name: str) -> set[int]:
    """Every process in the cgroup of that name or below."""
    found: set[int] = set()
    for top in _tops(name):
        for procs in top.rglob("cgroup.procs"):
            try:
                found.update(int(line) for line in procs.read_text().split())
            except OSError:
                continue  # the cgroup went away, or is threaded; its processes show elsewhere
    return found - {0}


def remove(name: str) -> None:
    """Remove the cgroup of that name with all below it; there must be no process left in it."""
    for top in _tops(name):
        for folder, _, _ in os.walk(top, topdown=False):
            os.rmdir(folder)


def _hierarchies() -> Iterable[Path]:
    """The v1 hierarchies; aliases such as cpu -> cpu,cpuacct count once."""
    return (path for path in ROOT.iterdir() if path.is_dir() and not path.is_symlink())


def _tops(name: str) -> list[Path]:
    tops = [ROOT / name] if is_v2() else [hierarchy / name for hierarchy in _hierarchies()]
    return [top for top in tops if top.is_dir()]


def _delegate(parent: Path) -> None:
    """Enable the controllers for the children of a v2 cgroup."""
    available = set((parent / "cgroup.controllers").read_text().split())
    enabled = set((parent / "cgroup.subtree_control").read_text().split())
    missing = [controller for controller in WANTED if controller in available - enabled]
    if not missing:
        return
    order = " ".join(f"+{controller}" for controller in missing)
    try:
        (parent / "cgroup.subtree_control").write_text(order)
    except OSError as error:
        if error.errno != errno.EBUSY:
            raise
        # Inside a container our root is not the real one, and a cgroup that has processes may not delegate.
        _move_into_leaf(parent)
        (parent / "cgroup.subtree_control").write_text(order)


def _move_into_leaf(parent: Path) -> None:
    leaf = parent / "init"
    leaf.mkdir(exist_ok=True)
    for pid in (parent / "cgroup.procs").read_text().split():
        try:
            (leaf / "cgroup.procs").write_text(pid)
        except ProcessLookupError:
            continue
