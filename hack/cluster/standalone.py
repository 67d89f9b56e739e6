"""An API server with an etcd of its own and nothing else, for tests.

It lives no longer than the thread that started the command: the kernel ends it when that one is gone.
"""

from __future__ import annotations

import ctypes
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from hack.cluster import build
from hack.cluster.api import Api
from hack.cluster.controlplane import etcd, security_flags
from hack.cluster.pki import Leaf, Pki
from hack.cluster.progress import ClusterError, elapsed_s, say

_PR_SET_PDEATHSIG = 1
_LIBC = ctypes.CDLL(None)
READY_WITHIN_S = 60


def serve(folder: Path, port: int) -> int:
    """Run until SIGTERM, SIGINT or the death of the parent, then remove `folder`.

    When the server is ready, prints one line to standard output: the path of its kubeconfig. Port 0 means any free one.
    """
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, lambda *_: sys.exit(0))
    _signal_on_parent_death(signal.SIGTERM)
    folder = folder.resolve()
    if folder.exists() and any(folder.iterdir()):
        raise ClusterError(f"{folder} is not empty: give a folder that may be filled and removed")
    folder.mkdir(parents=True, exist_ok=True)
    children: list[subprocess.Popen[bytes]] = []
    try:
        kube = build.ensure(build.KUBE)
        port = port or _free_port()
        pki = _certificates(folder / "pki", f"https://127.0.0.1:{port}")
        children = _start(kube, folder, pki, port)
        api = Api(f"https://127.0.0.1:{port}", pki.crt("ca"), pki.crt("admin"), pki.key("admin"))
        deadline = time.monotonic() + READY_WITHIN_S
        while not api.ready():
            _check(children, folder)
            if time.monotonic() > deadline:
                raise ClusterError(f"kube-apiserver is not ready after {READY_WITHIN_S} s:\n{_complaint(folder)}")
            time.sleep(0.05)
        say(f"API server is ready on port {port} after {elapsed_s():.1f} s")
        print(folder / "pki/admin.kubeconfig", flush=True)
        while True:
            _check(children, folder)
            time.sleep(0.5)
    finally:
        for child in children:
            child.kill()
            child.wait()
        shutil.rmtree(folder, ignore_errors=True)


def _certificates(folder: Path, url: str) -> Pki:
    pki = Pki(folder)
    pki.authority("ca")
    pki.authority("front-proxy-ca")
    leaves = (
        Leaf("apiserver", "ca", "/CN=kube-apiserver", ("IP:127.0.0.1", "DNS:localhost")),
        Leaf("front-proxy", "front-proxy-ca", "/CN=front-proxy-client"),
        Leaf("admin", "ca", "/O=system:masters/CN=admin"),
    )
    with ThreadPoolExecutor() as pool:
        list(pool.map(pki.issue, leaves))
        pki.token_key()
    pki.kubeconfig("admin", url, embed=True)
    return pki


def _start(kube: Path, folder: Path, pki: Pki, port: int) -> list[subprocess.Popen[bytes]]:
    """No ServiceAccount admission, because without a controller manager there are no ServiceAccounts to find."""
    client, peer = (f"127.0.0.1:{_free_port()}" for _ in range(2))
    commands = {
        "etcd": etcd(kube, folder / "etcd", client, peer).argv,
        "kube-apiserver": (
            f"{kube}/kube-apiserver",
            f"--etcd-servers=http://{client}",
            "--bind-address=127.0.0.1",
            f"--secure-port={port}",
            "--endpoint-reconciler-type=none",
            "--service-cluster-ip-range=10.96.0.0/16",
            "--disable-admission-plugins=ServiceAccount",
            *security_flags(pki.folder),
        ),
    }
    us = os.getpid()

    def die_with_us() -> None:
        _signal_on_parent_death(signal.SIGKILL)
        if os.getppid() != us:
            os._exit(1)

    # Garbage is collected late, as a quarter of their time went into it.
    environment = os.environ | {"GOGC": "400", "GOMEMLIMIT": "1GiB"}
    children = []
    for name, argv in commands.items():
        with (folder / f"{name}.log").open("wb") as log:
            child = subprocess.Popen(
                argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment, preexec_fn=die_with_us
            )
            children.append(child)
    return children


def _check(children: list[subprocess.Popen[bytes]], folder: Path) -> None:
    for child in children:
        if child.poll() is not None:
            raise ClusterError(f"{Path(str(child.args[0])).name} ended by itself:\n{_complaint(folder)}")  # type: ignore[index]


def _complaint(folder: Path) -> str:
    logs = [path.read_text(errors="replace").splitlines()[-15:] for path in sorted(folder.glob("*.log"))]
    return "\n".join(line for lines in logs for line in lines)


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _signal_on_parent_death(number: signal.Signals) -> None:
    """Have the kernel send this process a signal when the thread that started it ends."""
    _LIBC.prctl(_PR_SET_PDEATHSIG, number)
