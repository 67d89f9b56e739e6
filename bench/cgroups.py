"""Memory of a container as its cgroup and its processes tell, on hosts with cgroup v1 or v2."""

from __future__ import annotations

import re
from pathlib import Path

MIB = 1 << 20


def processes(fragment: str) -> list[Path]:
    """/proc folders of the processes whose cgroup path contains `fragment` (a pod or container id)."""
    found = []
    for folder in Path("/proc").iterdir():
        if folder.name.isdigit():
            try:
                text = (folder / "cgroup").read_text()
            except OSError:
                continue
            if fragment in text:
                found.append(folder)
    return found


def cgroup_bytes(process: Path) -> int:
    """What the cgroup of a process is charged, without the page cache that can be dropped."""
    lines = (process / "cgroup").read_text().splitlines()
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if "memory" in controllers.split(","):
            folder = Path("/sys/fs/cgroup/memory") / path.lstrip("/")
            usage, inactive = "memory.usage_in_bytes", "total_inactive_file"
            break
    else:
        folder = Path("/sys/fs/cgroup") / lines[-1].split(":", 2)[2].lstrip("/")
        usage, inactive = "memory.current", "inactive_file"
    text = (folder / "memory.stat").read_text()
    droppable = int(re.search(rf"^{inactive} (\d+)$", text, re.M).group(1))  # type: ignore[union-attr]
    return int((folder / usage).read_text()) - droppable


def smaps(process: Path) -> dict[str, int]:
    """Bytes by field of smaps_rollup: Rss, Pss, ..."""
    text = (process / "smaps_rollup").read_text()
    return {name: int(size) * 1024 for name, size in re.findall(r"^(\w+):\s+(\d+) kB$", text, re.M)}


def largest_mapping(process: Path, size_bytes: int) -> int:
    """Resident bytes of the mapping of exactly that size (a guest's RAM); 0 if there is none."""
    wanted = 0
    for line in (process / "smaps").read_text().splitlines():
        if line.startswith("Size:"):
            wanted = int(line.split()[1]) * 1024
        elif line.startswith("Rss:") and wanted == size_bytes:
            return int(line.split()[1]) * 1024
    return 0


def translated_bytes(process: Path) -> int:
    """Resident bytes of anonymous memory that is writable and executable: code that emulation has translated."""
    found, counts = 0, False
    for line in (process / "smaps").read_text().splitlines():
        head = line.split()
        if re.match(r"^[0-9a-f]+-[0-9a-f]+$", head[0]):
            counts = "w" in head[1] and "x" in head[1]
        elif counts and line.startswith("Rss:"):
            found += int(head[1]) * 1024
    return found
