#!/usr/bin/python3
"""Copy chosen files of this system, and the shared libraries they need, into an empty root directory.

Run inside a build stage: what is not named in the list (package manager, documentation, set-uid programs, …)
never reaches the final image.

A list has one absolute glob a line, `!` excludes, `#` comments; a directory stands for all below it. A glob
that matches nothing is an error, so a package that moves a file is noticed at build time.
"""

import argparse
import glob
import os
import re
import shutil
import subprocess
from collections.abc import Iterable, Iterator
from fnmatch import fnmatch
from pathlib import Path

MERGED = ("bin", "sbin", "lib", "lib64")  # since Debian 12 these are links into /usr
EMPTY = ("proc", "sys", "dev", "run", "root", "etc", "var/lib", "var/log", "var/cache", "home", "mnt", "opt")


def parse(text: str) -> tuple[list[str], list[str]]:
    """Return (wanted globs, excluded globs) of a list."""
    lines = [line.split("#")[0].strip() for line in text.splitlines()]
    return [line for line in lines if line and line[0] != "!"], [line[1:] for line in lines if line[:1] == "!"]


def expand(wanted: Iterable[str], excluded: list[str]) -> Iterator[Path]:
    """Yield every file and link the globs stand for. Raises SystemExit for a glob without a match."""
    for pattern in wanted:
        matches = glob.glob(pattern)
        if not matches:
            raise SystemExit(f"rootfs: nothing matches {pattern}")
        for match in matches:
            below = [os.path.join(top, name) for top, _, names in os.walk(match) for name in names]
            for path in below or [match]:
                if not any(fnmatch(path, glob_) for glob_ in excluded):
                    yield Path(path)


def libraries(binaries: list[Path]) -> Iterator[Path]:
    """Yield the shared libraries, with the program interpreter, that the ELF files among `binaries` load."""
    elf = [str(path) for path in binaries if path.is_file() and path.open("rb").read(4) == b"\x7fELF"]
    if not elf:
        return
    listing = subprocess.run(["ldd", *elf], capture_output=True, text=True, check=False).stdout
    if missing := re.findall(r"(\S+) => not found", listing):
        raise SystemExit(f"rootfs: libraries not installed: {sorted(set(missing))}")
    for path in sorted(set(re.findall(r"(/\S+) \(0x", listing))):
        yield Path(path)


def real_parent(path: Path) -> Path:
    """The path with links in its directory part followed (/lib/x -> /usr/lib/x); the file itself may be a link."""
    return path.parent.resolve() / path.name


def copy(paths: Iterable[Path], root: Path) -> None:
    """Copy files into `root`; a link brings what it points to."""
    queue = list(paths)
    while queue:
        path = real_parent(queue.pop())
        target = root / path.relative_to("/")
        if os.path.lexists(target):
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        if path.is_symlink():
            target.symlink_to(os.readlink(path))
            destination = path.parent / os.readlink(path)
            if not destination.exists():
                raise SystemExit(f"rootfs: {path} points to {destination}, which is not installed")
            inside = destination.rglob("*") if destination.is_dir() else [destination]
            queue.extend(item for item in inside if item.is_symlink() or item.is_file())
        else:
            shutil.copyfile(path, target)
            target.chmod(path.stat().st_mode & 0o777)  # no set-uid or set-gid bit gets through


def skeleton(root: Path, user: str, uid: int) -> None:
    """Lay the directories, links and account files every container needs."""
    for name in EMPTY:
        (root / name).mkdir(parents=True, exist_ok=True)
    for name in MERGED:
        if Path("/", name).is_symlink() and (root / "usr" / name).is_dir():
            (root / name).symlink_to(f"usr/{name}")
    (root / "var/run").symlink_to("/run")
    (root / "tmp").mkdir(exist_ok=True)
    (root / "tmp").chmod(0o1777)
    (root / "etc/passwd").write_text(f"root:x:0:0:root:/root:/bin/sh\n{user}:x:{uid}:{uid}:{user}:/:/bin/sh\n")
    (root / "etc/group").write_text(f"root:x:0:\n{user}:x:{uid}:\n")
    (root / "etc/nsswitch.conf").write_text("passwd: files\ngroup: files\nhosts: files dns\n")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("list", type=Path)
    parser.add_argument("root", type=Path)
    parser.add_argument("--user", required=True, help="name of the unprivileged account")
    parser.add_argument("--uid", type=int, required=True, help="its uid and gid")
    args = parser.parse_args()
    wanted, excluded = parse(args.list.read_text())
    chosen = list(expand(wanted, excluded))
    copy([*chosen, *libraries(chosen)], args.root)
    skeleton(args.root, args.user, args.uid)


if __name__ == "__main__":
    main()
