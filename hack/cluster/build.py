"""Build the programs of the cluster, each once: results are kept outside the checkout, keyed by what went into them."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from hack.cluster.processes import run
from hack.cluster.progress import ClusterError, step

HERE = Path(__file__).resolve().parent
_VERSION = "k8s.io/component-base/version"


@dataclass(frozen=True)
class Component:
    """A Go module in this folder and the binaries made from it.

    `packages` are built into binaries named after their last path element; `links` are further names for the first.
    """

    name: str
    packages: tuple[str, ...] = (".",)
    links: tuple[str, ...] = ()
    tags: str = ""
    ldflags: str = "-s -w"

    @property
    def source(self) -> Path:
        return HERE / self.name


KUBE = Component(
    "kube",
    links=(
        "etcd",
        "kube-apiserver",
        "kube-controller-manager",
        "kube-scheduler",
        "kube-proxy",
        "kubelet",
        "kubectl",
    ),
    ldflags=f"-s -w -X {_VERSION}.gitVersion=v1.37.2 -X {_VERSION}.gitMajor=1 -X {_VERSION}.gitMinor=37",
)
CONTAINERD = Component(
    "containerd",
    packages=tuple(
        f"github.com/containerd/containerd/v2/cmd/{name}" for name in ("containerd", "containerd-shim-runc-v2", "ctr")
    ),
    tags="no_btrfs,no_devmapper,no_zfs",
    ldflags="-s -w -X github.com/containerd/containerd/v2/version.Version=v2.4.2",
)
COREDNS = Component("coredns")
PROVISIONER = Component("provisioner")
NETWORK_POLICY = Component("network-policy")
MULTUS = Component("multus")
COMPONENTS = (KUBE, CONTAINERD, COREDNS, PROVISIONER, NETWORK_POLICY, MULTUS)


def cache_root() -> Path:
    """Where binaries and images are kept; KUBEVIRT_PY_CACHE overrides the default."""
    return Path(os.environ.get("KUBEVIRT_PY_CACHE") or Path.home() / ".cache/kubevirt-py")


def cache_key(inputs: Mapping[str, bytes]) -> str:
    """A short digest of named inputs. Pure."""
    digest = hashlib.sha256()
    for name, content in sorted(inputs.items()):
        digest.update(f"{name}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()[:16]


@contextmanager
def locked(path: Path) -> Iterator[None]:
    """Hold a lock file, so that two commands at once do not make the same thing twice."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def ensure(component: Component) -> Path:
    """The folder with the component's binaries, built first if they are not there yet."""
    if not shutil.which("go"):
        raise ClusterError("go is not on PATH: install Go 1.26 or newer (https://go.dev/dl) and try again")
    sources = {
        path.name: path.read_bytes() for path in component.source.iterdir() if path.suffix in (".go", ".mod", ".sum")
    }
    flags = repr((component.packages, component.links, component.tags, component.ldflags))
    version = run(["go", "env", "GOVERSION", "GOOS", "GOARCH"])
    root = cache_root() / "bin"
    folder = root / f"{component.name}-{cache_key({**sources, 'flags': flags.encode(), 'go': version.encode()})}"
    if folder.is_dir():
        return folder
    with locked(root / f".{component.name}.lock"):
        if not folder.is_dir():
            _build(component, folder)
    return folder


def _build(component: Component, folder: Path) -> None:
    with (
        step(f"build {component.name} (kept in {folder})", heartbeat_s=15),
        tempfile.TemporaryDirectory(dir=folder.parent) as scratch,
    ):
        made = Path(scratch) / "out"
        made.mkdir()
        argv = ["go", "build", "-trimpath", "-buildvcs=false", "-ldflags", component.ldflags, "-o", f"{made}/"]
        argv += ["-tags", component.tags] if component.tags else []
        done = subprocess.run(
            [*argv, *component.packages],
            cwd=component.source,
            env={**os.environ, "CGO_ENABLED": "0", "GOFLAGS": ""},
            stderr=subprocess.PIPE,
            text=True,
        )
        if done.returncode:
            raise ClusterError(f"go build of {component.name} failed:\n{done.stderr[-4000:]}")
        for link in component.links:
            (made / link).symlink_to(component.name)
        made.chmod(0o755)
        made.rename(folder)


def install_link(name: str, target: Path) -> Path:
    """A stable path for a built program, for people and scripts."""
    link = cache_root() / "bin" / name
    fresh = link.with_name(f".{name}.new")
    fresh.unlink(missing_ok=True)
    fresh.symlink_to(target)
    fresh.rename(link)
    return link
