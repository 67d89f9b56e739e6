"""The processes beside QEMU in its pod: the TPM, which the stub starts, servers of shared file systems, and passt."""

from __future__ import annotations

import os
import socket
import subprocess
import time

from kubevirt_py.virt_launcher.files import Refused

SWTPM = "/usr/bin/swtpm"
CONNECT_S = 30.0
PAUSE_S = 0.05


def start_tpm(table: dict[str, int]) -> subprocess.Popen:  # type: ignore[type-arg]
    """A TPM on the state file `tpm.state`; QEMU's end of its control channel becomes `tpm`.

    The file was opened before and is named by its descriptor: a link that a tenant put in its place is never followed.
    The TPM ends when QEMU closes the channel.
    """
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
    state = table.pop("tpm.state")
    command = [
        *(SWTPM, "socket", "--tpm2", "--terminate"),
        *("--tpmstate", f"backend-uri=file:///proc/self/fd/{state}"),
        *("--ctrl", f"type=unixio,clientfd={theirs.fileno()}"),
    ]
    with theirs:
        process = subprocess.Popen(command, pass_fds=(theirs.fileno(), state), stdin=subprocess.DEVNULL)
    os.close(state)
    table["tpm"] = ours.detach()
    return process


def call(shares: list[dict[str, str]], table: dict[str, int]) -> None:
    """Connect to the servers of shared file systems, which may still be starting."""
    deadline = time.monotonic() + CONNECT_S
    for share in shares:
        table[share["name"]] = _connected(share["socket"], f"{share['name']}: virtiofsd", deadline).detach()


def wait_for(networks: list[dict[str, str]]) -> None:
    """Let passt be there before QEMU, which would wait for it without an end. QEMU itself connects to the path."""
    deadline = time.monotonic() + CONNECT_S
    for network in networks:
        who = f"interface {network['name']}: passt (see the log of the pod's container passt)"
        _connected(network["socket"], who, deadline).close()


def _connected(path: str, who: str, deadline: float) -> socket.socket:
    while True:
        conn = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        try:
            conn.connect(path)
            return conn
        except OSError as error:
            conn.close()
            if time.monotonic() > deadline:
                raise Refused(f"{who} does not answer: {error.strerror}") from error
        time.sleep(PAUSE_S)
