"""A Secret's directory that a process of a pod names: read no further than that process itself could."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from kubevirt_py.virt_handler import secretfolder

QEMU = 107


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """As the kubelet makes it: root's, and everybody's to read."""
    version = tmp_path / "..2030"
    version.mkdir(mode=0o755)
    (version / "key").write_bytes(b"ours")
    (version / "key").chmod(0o644)
    (tmp_path / "..data").symlink_to("..2030")
    return tmp_path


def _read(folder: Path) -> dict[str, bytes]:
    fd = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        return secretfolder.read(fd)
    finally:
        os.close(fd)


@pytest.mark.parametrize(
    ("owner", "group", "mode"), [(0, 0, 0o644), (0, QEMU, 0o640), (QEMU, QEMU, 0o400), (1001, 1001, 0o604)]
)
def test_what_the_pods_user_may_read_is_read(folder: Path, owner: int, group: int, mode: int) -> None:
    os.chown(folder / "..2030/key", owner, group)
    (folder / "..2030/key").chmod(mode)
    assert _read(folder) == {"key": b"ours"}


@pytest.mark.parametrize(
    ("owner", "group", "mode"), [(0, 0, 0o640), (1001, 1001, 0o600), (1001, QEMU, 0o604), (QEMU, 0, 0o044)]
)
@pytest.mark.parametrize("what", ["..2030", "..2030/key"])
def test_what_is_for_others_is_not(folder: Path, what: str, owner: int, group: int, mode: int) -> None:
    """The agent is root, and could."""
    os.chown(folder / what, owner, group)
    (folder / what).chmod(mode)
    with pytest.raises(OSError, match="is not for user 107"):
        _read(folder)


@pytest.mark.parametrize("version", ["..", ".", "../elsewhere", "/etc", "link"])
def test_what_leads_away_is_not_followed(folder: Path, version: str) -> None:
    (folder / "link").symlink_to("/etc")
    (folder / "..data").unlink()
    (folder / "..data").symlink_to(version)
    with pytest.raises(OSError, match=r"strange version|symbolic links|Not a directory"):
        _read(folder)


def _link(place: Path) -> None:
    place.symlink_to("key")


@pytest.mark.parametrize("make", [_link, os.mkfifo, os.mkdir])
def test_only_files_are_values(folder: Path, make: Callable[[Path], None]) -> None:
    make(folder / "..2030/another")
    with pytest.raises(OSError, match=r"symbolic links|not a file"):
        _read(folder)
