"""Image archives: the same input gives the same bytes, and what goes in comes out."""

from __future__ import annotations

import hashlib
import io
import json
import os
import tarfile
from pathlib import Path
from typing import Any

import pytest

from hack.cluster.oci import File, images_in, write_image

NAME = "localhost/example/tool:1"


def _blob(archive: Path, digest: str) -> bytes:
    with tarfile.open(archive) as tar:
        stream = tar.extractfile(f"blobs/sha256/{digest.removeprefix('sha256:')}")
        assert stream is not None
        return stream.read()


def _layer(archive: Path) -> dict[str, tarfile.TarInfo]:
    manifest = json.loads(_blob(archive, images_in(archive)[NAME]))
    with tarfile.open(fileobj=io.BytesIO(_blob(archive, manifest["layers"][0]["digest"]))) as layer:
        return {member.name: member for member in layer}


def test_the_same_files_give_the_same_bytes(tmp_path: Path) -> None:
    one = write_image(tmp_path / "1.tar", NAME, {"b": File(b"2"), "a": File(b"1")}, {"Cmd": ["a"]})
    two = write_image(tmp_path / "2.tar", NAME, {"a": File(b"1"), "b": File(b"2")}, {"Cmd": ["a"]})
    assert one == two
    assert (tmp_path / "1.tar").read_bytes() == (tmp_path / "2.tar").read_bytes()


def test_every_digest_is_the_digest_of_its_blob(tmp_path: Path) -> None:
    path = tmp_path / "i.tar"
    digest = write_image(path, NAME, {"disk/d.img": File(b"disk", uid=107, gid=107)}, {"User": "107"})
    assert images_in(path) == {NAME: digest}
    manifest: dict[str, Any] = json.loads(_blob(path, digest))
    for descriptor in (manifest["config"], *manifest["layers"]):
        blob = _blob(path, descriptor["digest"])
        assert descriptor["digest"] == f"sha256:{hashlib.sha256(blob).hexdigest()}"
        assert descriptor["size"] == len(blob)
    assert json.loads(_blob(path, manifest["config"]["digest"]))["config"] == {"User": "107"}


def test_owners_and_modes_of_files_are_kept_and_folders_appear(tmp_path: Path) -> None:
    path = tmp_path / "i.tar"
    write_image(path, NAME, {"disk/d.img": File(b"x", mode=0o640, uid=107, gid=108)}, {})
    members = _layer(path)
    assert members["disk"].isdir()
    disk = members["disk/d.img"]
    assert (disk.mode, disk.uid, disk.gid, disk.mtime) == (0o640, 107, 108, 0)


def test_a_folder_keeps_links_and_is_written_without_clock(tmp_path: Path) -> None:
    rootfs = tmp_path / "rootfs"
    rootfs.mkdir()
    (rootfs / "a").write_bytes(b"content")
    os.link(rootfs / "a", rootfs / "b")
    (rootfs / "c").symlink_to("a")
    write_image(tmp_path / "1.tar", NAME, rootfs, {})
    os.utime(rootfs / "a", (1, 1))
    write_image(tmp_path / "2.tar", NAME, rootfs, {})
    assert (tmp_path / "1.tar").read_bytes() == (tmp_path / "2.tar").read_bytes()
    members = _layer(tmp_path / "1.tar")
    assert members["a"].isreg()
    assert (members["b"].islnk(), members["b"].linkname) == (True, "a")
    assert (members["c"].issym(), members["c"].linkname) == (True, "a")


def test_an_archive_without_a_name_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "nameless.tar"
    with tarfile.open(path, "w") as archive:
        index = json.dumps({"manifests": [{"digest": "sha256:0"}]}).encode()
        info = tarfile.TarInfo("index.json")
        info.size = len(index)
        archive.addfile(info, io.BytesIO(index))
    with pytest.raises(ValueError, match="names no image"):
        images_in(path)


def test_a_docker_archive_is_known_by_its_tags(tmp_path: Path) -> None:
    path = tmp_path / "docker.tar"
    with tarfile.open(path, "w") as archive:
        manifest = json.dumps([{"RepoTags": [NAME]}]).encode()
        info = tarfile.TarInfo("manifest.json")
        info.size = len(manifest)
        archive.addfile(info, io.BytesIO(manifest))
    assert images_in(path) == {NAME: ""}
