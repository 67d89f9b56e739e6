"""Make the cluster's own images and load image archives into the nodes."""

from __future__ import annotations

import socket
import subprocess
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from hack.cluster import config
from hack.cluster.build import HERE, cache_key, cache_root, locked
from hack.cluster.oci import File, images_in, write_image
from hack.cluster.plan import Node
from hack.cluster.processes import run
from hack.cluster.progress import ClusterError, say, step


def ensure(name: str, key: str, write: Callable[[Path], None]) -> Path:
    """The archive of one of the cluster's own images, written on first use; `key` names the inputs it is made from."""
    folder = cache_root() / "images"
    path = folder / f"{name}-{key}.tar"
    with locked(folder / f".{name}.lock"):
        if not path.exists():
            write(path)
    return path


def ensure_pause() -> Path:
    """The archive of the pause image: one static program."""
    source = HERE / "pause.c"
    return ensure("pause", cache_key({source.name: source.read_bytes()}), lambda path: _write_pause(source, path))


def _write_pause(source: Path, path: Path) -> None:
    with tempfile.TemporaryDirectory(dir=path.parent) as scratch:
        program = Path(scratch) / "pause"
        run(["cc", "-Os", "-static", "-s", "-Wall", "-Werror", "-o", str(program), str(source)])
        write_image(path, config.PAUSE_IMAGE, {"pause": File(program, mode=0o755)}, {"Entrypoint": ["/pause"]})


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
