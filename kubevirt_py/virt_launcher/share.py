"""The server of a shared file system, locked into its folder: `virt-launcher share SOCKET FOLDER` becomes virtiofsd.

A guest's kernel can be made to send names with `../` in them. virtiofsd looks none of these up, but it makes, renames
and removes what they name. Its own sandboxes need privileges; Landlock does not. On a kernel without Landlock such a
guest is bounded by the container alone.
"""

from __future__ import annotations

import ctypes
import os
import socket
import struct
import sys

VIRTIOFSD = "/usr/libexec/virtiofsd"
SYSTEM = ("/usr", "/lib", "/lib64", "/proc")
"""What virtiofsd itself reads: its libraries, and its own descriptors."""

_CREATE_RULESET, _ADD_RULE, _RESTRICT_SELF = 444, 445, 446
_VERSION, _PATH_BENEATH = 1, 1
_READ = 0b1101  # execute, read a file, list a folder
_MOVE_ABI, _MOVE_RIGHTS = 2, (1 << 14) - 1  # all rights of that version; earlier ones forbid moves between folders
_TRUNCATE_ABI, _TRUNCATE = 3, 1 << 14
_SET_NO_NEW_PRIVS = 38


def become_virtiofsd(path: str, folder: str) -> None:
    """Listen at a path and become the server of a folder."""
    if os.path.lexists(path):
        os.unlink(path)
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(path)
    listener.listen(1)
    try:
        confine(folder, *SYSTEM)
    except OSError as error:
        sys.stderr.write(f"virt-launcher: no Landlock on this node: {error.strerror}\n")
    os.set_inheritable(listener.fileno(), True)
    os.chdir(folder)  # virtiofsd reads `.` to see whether there is openat2, by which it stays below the folder
    arguments = (f"--fd={listener.fileno()}", f"--shared-dir={folder}", "--sandbox=none", "--cache=auto")
    os.execv(VIRTIOFSD, (VIRTIOFSD, *arguments))


def confine(folder: str, *readable: str) -> None:
    """From now on this process, and what it becomes, reads below `readable` and does all else below `folder` alone.

    What is open stays open. Raises OSError where the kernel cannot do that.
    """
    kernel = ctypes.CDLL(None, use_errno=True)

    def call(number: int, *arguments: object) -> int:
        result: int = kernel.syscall(number, *arguments)
        if result < 0:
            raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))
        return result

    abi = call(_CREATE_RULESET, None, ctypes.c_size_t(0), _VERSION)
    if abi < _MOVE_ABI:
        raise OSError(0, f"version {abi} is too old")
    rights = _MOVE_RIGHTS | (_TRUNCATE if abi >= _TRUNCATE_ABI else 0)
    handled = struct.pack("=Q", rights)
    ruleset = call(_CREATE_RULESET, handled, ctypes.c_size_t(len(handled)), 0)
    for place, allowed in ((folder, rights), *((one, _READ) for one in readable if os.path.isdir(one))):
        beneath = os.open(place, os.O_PATH | os.O_CLOEXEC)
        call(_ADD_RULE, ruleset, _PATH_BENEATH, struct.pack("=Qi", allowed, beneath), 0)
        os.close(beneath)
    if kernel.prctl(_SET_NO_NEW_PRIVS, 1, 0, 0, 0):
        raise OSError(ctypes.get_errno(), "no_new_privs")
    call(_RESTRICT_SELF, ruleset, 0)
    os.close(ruleset)
