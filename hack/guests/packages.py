"""Debian packages as material: their files without running anything of theirs, and pieces chosen from them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterable
from pathlib import Path

TOOLS = {
    "as": "binutils",
    "cc": "gcc",
    "depmod": "kmod",
    "grub-mkimage": "grub-common",
    "lz4": "lz4",
    "mcopy": "mtools",
    "mke2fs": "e2fsprogs",
    "mkfs.vfat": "dosfstools",
    "mmdebstrap": "mmdebstrap",
    "qemu-img": "qemu-utils",
    "sfdisk": "fdisk",
}
PATH = "/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin"
LIBRARIES = ("usr/lib/x86_64-linux-gnu", "lib/x86_64-linux-gnu")


def run(*command: str | Path, **environment: str) -> str:
    """Run a command, return its output; on failure it has said why on standard error."""
    done = subprocess.run(
        command, check=True, text=True, stdout=subprocess.PIPE, env={**os.environ, "PATH": PATH, **environment}
    )
    return done.stdout


def install_tools() -> None:
    """Install the Debian packages of the commands that are missing on this machine."""
    missing = sorted({package for tool, package in TOOLS.items() if not shutil.which(tool, path=PATH)})
    if not missing:
        return
    install = ("apt-get", "install", "-qq", "--no-install-recommends", *missing)
    if subprocess.run(install, stdout=subprocess.DEVNULL).returncode:
        run("apt-get", "update", "-qq")
        run(*install)


def extract(suite: str, packages: Iterable[str], target: Path) -> None:
    """Unpack packages of a Debian release, with all they depend on, below `target`; no script of theirs runs."""
    run("mmdebstrap", "--quiet", "--variant=extract", f"--include={','.join(packages)}", suite, target)


def find(tree: Path, name: str) -> Path:
    """The program `name` of a tree of packages."""
    for folder in ("usr/bin", "usr/sbin", "bin", "sbin"):
        if (found := tree / folder / name).is_file():
            return found
    raise FileNotFoundError(f"no program {name} in the packages")


def copy_programs(tree: Path, names: Iterable[str], root: Path) -> None:
    """Copy programs and the shared libraries they load into `root`, all below /usr."""
    loader = tree / LIBRARIES[0] / "ld-linux-x86-64.so.2"
    if not loader.exists():
        loader = tree / LIBRARIES[1] / "ld-linux-x86-64.so.2"
    path = ":".join(str(tree / folder) for folder in LIBRARIES)
    for name in names:
        program = find(tree, name)
        place(program, root / "usr" / program.parent.name / name, 0o755)
        if program.read_bytes()[:4] != b"\x7fELF":
            continue
        listing = subprocess.run(
            [loader.resolve(), "--library-path", path, "--list", program], capture_output=True, text=True
        ).stdout
        for library in re.findall(r"=> (/\S+) ", listing):
            place(Path(library), root / LIBRARIES[0] / Path(library).name, 0o644)
    place(loader, root / "usr/lib64" / loader.name, 0o755)


def place(source: Path, target: Path, mode: int) -> None:
    """Copy one file, with the folders above it."""
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)
    target.chmod(mode)


def kernel_version(tree: Path, cloud: bool) -> str:
    """The release of the kernel in a tree of packages: the one built for clouds, or the one with all drivers."""
    (version,) = (
        path.name.removeprefix("vmlinuz-")
        for path in (tree / "boot").glob("vmlinuz-*")
        if ("cloud" in path.name) == cloud
    )
    return version


def module_files(tree: Path, version: str, names: Iterable[str]) -> list[Path]:
    """Files of kernel modules and of those they need, in the order to load them; a name not there is passed over."""
    source = tree / "lib/modules" / version
    if not (source / "modules.dep").exists():
        run("depmod", "-b", tree, version)
    needs = dict(line.split(":") for line in (source / "modules.dep").read_text().splitlines())
    by_name = {Path(path).stem.replace("-", "_"): path for path in needs}
    files: dict[Path, None] = {}
    for name in names:
        if path := by_name.get(name.replace("-", "_")):
            files |= dict.fromkeys(source / item for item in (*reversed(needs[path].split()), path))
    return list(files)


def copy_modules(tree: Path, version: str, names: Iterable[str], root: Path) -> None:
    """Copy kernel modules and those they need into `root`, with the indexes that modprobe reads."""
    source, target = tree / "lib/modules" / version, root / "usr/lib/modules" / version
    indexes = [source / index for index in ("modules.order", "modules.builtin", "modules.builtin.modinfo")]
    for item in (*module_files(tree, version, names), *indexes):
        place(item, target / item.relative_to(source), 0o644)
    run("depmod", "-b", root, version)
