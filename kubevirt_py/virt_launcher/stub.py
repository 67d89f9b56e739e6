"""The first process of a VM pod: it opens this pod's files as uid 107, then becomes QEMU.

It speaks JSON with descriptors over SOCK_SEQPACKET to the node agent, whose socket is mounted into the pod:

    stub   {"hello": 1, "resolv": text, "kvm": bool}
    agent  {"open": [step, ...]}              what to open or make, by name (render/pod_files.py)
    stub   {"opened": {name: facts}}          with the descriptors of the "secret" steps, in order
    agent  {"take": [name, ...]}              descriptors, as often as needed
    agent  {"exec": argv, ...}                tokens @fd:name@ stand for descriptors; with "copies" to put in place,
                                              "shares" to connect, "networks" to wait for, and whether to
                                              start a "tpm"
    either {"error": text}                    the end of this pod

End of file on the socket tells the agent that exec succeeded; should the agent restart, the stub begins again.
`virt-launcher shutdown` is the pod's preStop hook: it returns when the guest is off. `virt-launcher probe NAME
SECONDS` asks the agent for the outcome of one of the VMI's probes: {"probe": NAME}, answered by {"code": 0, "output":
text}.
`virt-launcher attach` is an attachment pod: {"attach": 1}, then it answers "open" with all descriptors, and "dump"
with that of a new file for the guest's memory. `virt-launcher share SOCKET FOLDER` serves a shared file system.
Only the standard library is imported, and little of it, since this runs before each guest.
"""

from __future__ import annotations

import errno
import fcntl
import json
import os
import re
import signal
import socket
import sys
import time

from kubevirt_py.virt_launcher.companions import call, start_tpm, wait_for
from kubevirt_py.virt_launcher.files import Refused, copy_out, perform
from kubevirt_py.virt_launcher.locks import check_unused
from kubevirt_py.virt_launcher.memorydump import dump

AGENT_SOCKET = os.environ.get("VIRT_LAUNCHER_AGENT_SOCKET", "/run/kubevirt-agent/launcher.sock")
MESSAGE_BYTES = 1 << 20
RETRY_S = (0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
AWAY = (errno.ECONNREFUSED, errno.ENOENT, errno.EAGAIN)


def say(text: str) -> None:
    sys.stderr.write(f"virt-launcher: {text}\n")
    sys.stderr.flush()


def connect() -> socket.socket:
    """A connection to the agent; waits while the agent restarts."""
    for attempt in range(sys.maxsize):
        conn = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_CLOEXEC)
        try:
            conn.connect(AGENT_SOCKET)
            break
        except OSError as error:
            conn.close()
            if error.errno not in AWAY:
                raise
        if attempt == len(RETRY_S):
            say("waiting for virt-handler on this node")
        time.sleep(RETRY_S[min(attempt, len(RETRY_S) - 1)])
    return conn


def receive(conn: socket.socket) -> tuple[dict, list[int]]:  # type: ignore[type-arg]
    """The next message and its descriptors. Raises ConnectionError when the agent has gone."""
    data, fds, flags, _ = socket.recv_fds(conn, MESSAGE_BYTES, 253)
    if not data:
        raise ConnectionResetError
    if flags & (socket.MSG_TRUNC | socket.MSG_CTRUNC):
        raise Refused("a message of virt-handler was cut off")
    return json.loads(data), fds


def number(token: re.Match, table: dict[str, int]) -> str:  # type: ignore[type-arg]
    """What stands for a token: its descriptor's number; QEMU wants O_DIRECT on those it uses so."""
    fd = table.get(token[2])
    if fd is None:
        return str(token[0])
    if token[1] == "direct":
        fcntl.fcntl(fd, fcntl.F_SETFL, fcntl.fcntl(fd, fcntl.F_GETFL) | os.O_DIRECT)
    return str(fd)


def become(argv: list[str], table: dict[str, int]) -> None:
    """Replace this process by QEMU. SIGTERM stays blocked: the agent, not the kubelet, ends a guest."""
    for fd in table.values():
        os.set_inheritable(fd, True)
    line = [re.sub(r"@(fd|direct):([\w.-]+)@", lambda m: number(m, table), arg) for arg in argv]
    signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})
    if signal.SIGTERM in signal.sigpending():
        sys.exit(143)
    os.execv(line[0], line)


def serve(conn: socket.socket) -> None:
    """One conversation with the agent; it ends in exec, or in ConnectionError when the agent goes away."""
    table: dict[str, int] = {}
    steps: list[dict] = []  # type: ignore[type-arg]
    with open("/etc/resolv.conf", encoding="utf-8", errors="replace") as resolv:
        hello = {"hello": 1, "resolv": resolv.read(16384), "kvm": os.access("/dev/kvm", os.R_OK | os.W_OK)}
    conn.send(json.dumps(hello).encode())
    try:
        while True:
            message, fds = receive(conn)
            if "error" in message:
                raise Refused(message["error"])
            if "open" in message:
                steps = message["open"]
                known, secrets = perform(steps, table)
                socket.send_fds(conn, [json.dumps({"opened": known}).encode()], secrets)
                for fd in secrets:
                    os.close(fd)
            if "take" in message:
                table.update(zip(message["take"], fds, strict=True))
            if "exec" in message:
                check_unused(steps, table)
                copy_out(message["copies"], table)
                call(message["shares"], table)
                wait_for(message.get("networks", []))
                if message["tpm"]:
                    start_tpm(table)
                become(message["exec"], table)
    finally:
        for fd in table.values():
            os.close(fd)


def attach(conn: socket.socket) -> None:
    """An attachment pod: open volumes as the agent asks, and live for as long as they are in use."""
    conn.send(b'{"attach": 1}')
    while True:
        message, _ = receive(conn)
        table: dict[str, int] = {}
        try:
            if "dump" in message:
                table["dump"] = dump(message["dump"])
            known = {"dump": {}} if table else perform(message["open"], table)[0]
            socket.send_fds(conn, [json.dumps({"opened": known}).encode()], list(table.values()))
        except (Refused, OSError) as error:
            say(str(error))
            conn.send(json.dumps({"error": str(error)}).encode())
        finally:
            for fd in table.values():
                os.close(fd)


def probe(name: str, patience_s: float) -> int:
    """A probe of the kubelet. An agent that is away or stuck proves nothing: then a guest that lives stays alive."""
    try:
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET | socket.SOCK_CLOEXEC) as conn:
            conn.settimeout(patience_s)
            conn.connect(AGENT_SOCKET)
            conn.send(json.dumps({"probe": name}).encode())
            answer, _ = receive(conn)
    except OSError as error:
        say(f"virt-handler does not answer: {error}")
        return 0 if name == "livenessProbe" else 1
    sys.stdout.write(str(answer["output"]))
    return int(answer["code"])


def main() -> int:
    if sys.argv[1:2] == ["probe"]:
        return probe(sys.argv[2], float(sys.argv[3]))
    if sys.argv[1:] == ["console-log"]:
        from kubevirt_py.virt_launcher.consolelog import follow

        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
        follow()
    if sys.argv[1:2] == ["share"]:
        from kubevirt_py.virt_launcher.share import become_virtiofsd

        become_virtiofsd(*sys.argv[2:])
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    while True:
        conn = connect()
        try:
            if sys.argv[1:] == ["shutdown"]:
                conn.send(b'{"shutdown": 1}')
                receive(conn)
                return 0
            attach(conn) if sys.argv[1:] == ["attach"] else serve(conn)
        except ConnectionError:
            say("the connection to virt-handler was lost")
            time.sleep(RETRY_S[-2])
        except (Refused, OSError, KeyError) as error:
            say(str(error))
            conn.send(json.dumps({"error": str(error)}).encode())
            return 1
        conn.close()
