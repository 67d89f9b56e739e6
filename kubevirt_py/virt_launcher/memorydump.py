"""The file for a guest's memory in a claim that its tenant can write to elsewhere."""

from __future__ import annotations

import os
import stat

from kubevirt_py.virt_launcher.files import DIRECTORY, Refused


def dump(step: dict) -> int:  # type: ignore[type-arg]
    """A new file, which takes the place of the machine's dumps before it. No name in the claim is followed."""
    name, (prefix, suffix) = step["file"], step["older"]
    if not os.path.isdir(step["root"]):
        raise Refused("a memory dump needs a claim with a file system (volumeMode Filesystem)")
    root = os.open(step["root"], DIRECTORY)
    try:
        with os.scandir(root) as entries:
            old = [each.name for each in entries if len(each.name) == len(name) and each.name.startswith(prefix)]
        for each in old:
            if each.endswith(suffix) and not stat.S_ISDIR(os.lstat(each, dir_fd=root).st_mode):
                os.unlink(each, dir_fd=root)
        space = os.fstatvfs(root)
        if (free := space.f_bavail * space.f_frsize) < step["size"]:
            raise Refused(f"the claim has {free >> 20} MiB left, a dump needs {step['size'] >> 20} MiB")
        return os.open(name, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o640, dir_fd=root)
    except OSError as error:
        raise Refused(f"{name}: {error.strerror}") from error
    finally:
        os.close(root)
