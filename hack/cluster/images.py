"""Make the cluster's own images and load image archives into the nodes."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from hack.cluster import config
from hack.cluster.build import HERE, cache_key, cache_root, locked
from hack.cluster.oci import File, images_in, write_image
from hack.cluster.plan import Node
from hack.cluster.processes import run
from hack.cluster.progress import ClusterError, say, step


def ensure_pause() -> Path:
    """The archive of the pause image: one static program."""
    source = HERE / "pause.c"
    path = cache_root() / "images" / f"pause-{cache_key({source.name: source.read_bytes()})}.tar"
    with locked(path.with_name(".pause.lock")):
        if not path.exists():
            program = path.with_suffix(".bin")
            run(["cc", "-Os", "-static", "-s", "-Wall", "-Werror", "-o", str(program), str(source)])
            write_image(path, config.PAUSE_IMAGE, {"pause": File(program, mode=0o755)}, {"Entrypoint": ["/pause"]})
            program.unlink()
    return path


def listening(pid: int | None) -> bool:
    """Whether the containerd with that pid accepts connections."""
    try:
        # Before its exec the process is still outside the node, where another containerd may listen.
        if Path(f"/proc/{pid}/comm").read_text().strip() != "containerd":
            return False
        with socket.socket(socket.AF_UNIX) as probe:
            probe.connect(f"/proc/{pid}/root/run/containerd/containerd.sock")
    except OSError:
        return False
    return True


def load(nodes: Sequence[Node], archives: Sequence[Path], containerd: Path) -> None:
    """Import archives into every node's containerd, nodes in parallel; what a node has already is skipped."""
    wanted = {archive: images_in(archive) for archive in archives}
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda node: _load_into(node, wanted, containerd), nodes))


def ctr(node: Node, containerd: Path, *arguments: str) -> list[str]:
    """Command line of containerd's client for a node's Kubernetes images."""
    client = [f"{containerd}/ctr", "--address", "/run/containerd/containerd.sock", "--namespace", "k8s.io"]
    return [*node.enter, *client, *arguments]


def _load_into(node: Node, wanted: dict[Path, dict[str, str]], containerd: Path) -> None:
    lines = run(ctr(node, containerd, "images", "list")).splitlines()[1:]
    present = {fields[0]: fields[2] for fields in map(str.split, lines) if len(fields) > 2}
    for archive, names in wanted.items():
        if all(digest and present.get(name) == digest for name, digest in names.items()):
            say(f"{node.name}: has {', '.join(names)}")
            continue
        with step(f"{node.name}: load {', '.join(names)}"):
            done = subprocess.run(
                ctr(node, containerd, "images", "import", str(archive)), capture_output=True, text=True
            )
            if done.returncode:
                raise ClusterError(f"{node.name}: {archive} does not load:\n{done.stderr}")
