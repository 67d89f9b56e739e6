"""Debian packages the cluster stands on."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

from hack.cluster.progress import ClusterError, step

# A command (or file) of each package tells whether it is there, on whatever distribution this is.
NEEDED = {
    "runc": ("runc",),
    "/usr/lib/cni/bridge": ("containernetworking-plugins",),
    "ip": ("iproute2",),
    "nft": ("nftables",),
    "iptables": ("iptables",),
    "ipset": ("ipset",),
    "openssl": ("openssl",),
    "losetup": ("mount", "util-linux"),
    "modprobe": ("kmod",),
    "cc": ("gcc", "libc6-dev"),
}


def missing() -> tuple[str, ...]:
    """Packages whose command is not here."""
    path = "/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin"
    absent = [
        packages
        for probe, packages in NEEDED.items()
        if not (Path(probe).exists() if probe.startswith("/") else shutil.which(probe, path=path))
    ]
    return tuple(package for packages in absent for package in packages)


def ensure() -> None:
    """Install what is missing; package lists are fetched only when the install fails without."""
    wanted = missing()
    if not wanted:
        return
    if not shutil.which("apt-get"):
        raise ClusterError(f"install these packages (names as in Debian) and try again: {' '.join(wanted)}")
    with step(f"install {' '.join(wanted)}", heartbeat_s=15):
        if _apt("install", "-y", "--no-install-recommends", *wanted).returncode:
            _apt("update")
            done = _apt("install", "-y", "--no-install-recommends", *wanted)
            if done.returncode:
                raise ClusterError(f"apt-get cannot install {' '.join(wanted)}:\n{done.stderr[-2000:]}")


def _apt(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(["apt-get", "-q", *arguments], capture_output=True, text=True, env=None)
