"""A shared folder whose owner set traps in it, and a guest that speaks to the folder's server by itself."""

from __future__ import annotations

import base64
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from e2e.console import Console
from e2e.kubectl import Namespace

FOLDER = "/claim"
"""Where the tenant's pod has the shared claim."""
CANARY = "/tmp/canary"
"""A file that the server of the share has, its guest too, with other words, and the share not."""
NOTE = "of-the-share"
LINKS = {
    "absolute": CANARY,
    "process": f"/proc/1/root{CANARY}",
    "upwards": f"{'../' * 8}{CANARY[1:]}",
}
"""Links in the share to the canary of whoever follows them."""
HARMLESS = "harmless"
PREPARE = f"""
import os, stat
os.chdir("{FOLDER}")
with open("note", "w") as file: file.write("{NOTE}\\n")
os.link("note", "again")
os.mkdir("race")
with open("race/canary", "w") as file: file.write("{HARMLESS}\\n")
os.symlink("/tmp", "evil")
os.symlink("/", "root")
os.symlink("race/../note", "inner")
for name, target in {LINKS!r}.items(): os.symlink(target, name)
os.mkfifo("fifo")
os.mknod("socket", stat.S_IFSOCK | 0o666)
try: os.mknod("null", stat.S_IFCHR | 0o666, os.makedev(1, 3))
except PermissionError: print("no device")
print(os.stat(".").st_ino, os.stat("race").st_ino)
"""
SWAP = f"""
import ctypes, os, select
os.chdir("{FOLDER}")
rename, count = ctypes.CDLL(None).renameat2, 0
while not select.select([0], [], [], 0)[0]:
    assert not rename(-100, b"race", -100, b"evil", 2)
    count += 1
if count % 2: rename(-100, b"race", -100, b"evil", 2)
print(count)
"""
"""Exchange a folder with a link, until somebody says that it is enough."""
SAVE = f"""
import base64, os, sys
with open("{FOLDER}/fuse", "wb") as file: file.write(base64.b64decode(sys.stdin.read()))
os.chmod("{FOLDER}/fuse", 0o755)
"""
Attempt = tuple[str, str]


class Tenant:
    """The owner of a share, in the pod `tenant`; `inodes` are the numbers of the shared folder and of the one in it."""

    def __init__(self, space: Namespace) -> None:
        self.space = space
        device, inodes = self.run(PREPARE).split("\n")[:2]
        assert device == "no device", "the tenant can make what no tenant can"
        self.inodes = {*inodes.split()}

    def run(self, script: str, **options: str) -> str:
        return self.space.kubectl("exec", "-i", "tenant", "--", "python3", "-c", script, **options)

    def give_fuse(self, folder: Path) -> None:
        """Lay fuse.c, compiled, into the share."""
        program = folder / "fuse"
        source = Path(__file__).with_name("fuse.c")
        command = ("cc", "-O2", "-s", "-static", "-Wall", "-Wextra", "-Werror", "-o", str(program), str(source))
        subprocess.run(command, check=True)
        self.run(SAVE, stdin=base64.b64encode(program.read_bytes()).decode())

    @contextmanager
    def swapping(self) -> Iterator[None]:
        """Meanwhile `race` is a folder of the share at times, and at times a link to a folder of whoever follows it."""
        command = ("kubectl", "-n", self.space.name, "exec", "-i", "tenant", "--", "python3", "-c", SWAP)
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
            try:
                yield
            finally:
                swaps, _ = process.communicate("enough\n", timeout=60)
            assert int(swaps) > 1000, "there was no race"


def ask(guest: Console, *attempts: Attempt, times: int = 1) -> list[str]:
    """What the server of the share `files` answers to each attempt of fuse.c, which the guest has as /tmp/fuse."""
    words = " ".join(f"'{word}'" for attempt in attempts for word in attempt)
    repeated = f'set --; for i in $(seq {times}); do set -- "$@" {words}; done'
    lines = guest.run(f'{repeated}; /tmp/fuse files "$@"', 120).splitlines()
    heads = [f"{verb} {path}: " for verb, path in attempts] * times
    assert len(lines) == len(heads), lines
    assert all(line.startswith(head) for line, head in zip(lines, heads, strict=True)), lines
    return [line.removeprefix(head) for line, head in zip(lines, heads, strict=True)]
