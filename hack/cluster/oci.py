"""Write and read OCI image archives: a tar file with an image layout, as containerd imports it.

    files = {"usr/bin/pause": File(Path("pause"), mode=0o755)}
    write_image(Path("pause.tar"), "localhost/example/pause:1", files, {"Entrypoint": ["/usr/bin/pause"]})

The same input gives the same bytes: no clock, no user names, sorted entries.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import stat
import tarfile
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO

_MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_INDEX = "application/vnd.oci.image.index.v1+json"
_CONFIG = "application/vnd.oci.image.config.v1+json"
_LAYER = "application/vnd.oci.image.layer.v1.tar"
_NAME = "io.containerd.image.name"


@dataclass(frozen=True)
class File:
    """One regular file of an image: its bytes, or the host file that has them."""

    content: bytes | Path
    mode: int = 0o644
    uid: int = 0
    gid: int = 0


def write_image(
    path: Path, name: str, rootfs: Path | Mapping[str, File], config: Mapping[str, Any], *, architecture: str = "amd64"
) -> str:
    """Write a one-layer image archive and return its manifest digest.

    `rootfs` is a folder (owners, modes, links and device nodes are kept) or a mapping from path in the image to File.
    `config` is the image's runtime configuration in OCI words (Entrypoint, Cmd, Env, User, WorkingDir, Labels).
    The layer is not compressed: the archive is loaded on this machine, where disk is cheaper than time.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent) as scratch:
        layer = Path(scratch) / "layer"
        with tarfile.open(layer, "w", format=tarfile.PAX_FORMAT) as archive:
            _write_layer(archive, rootfs)
        layer_digest = _file_digest(layer)
        image = {
            "architecture": architecture,
            "os": "linux",
            "config": dict(config),
            "rootfs": {"type": "layers", "diff_ids": [layer_digest]},
            "history": [{"created_by": "kubevirt-py"}],
        }
        image_blob = _json(image)
        manifest = {
            "schemaVersion": 2,
            "mediaType": _MANIFEST,
            "config": _descriptor(_CONFIG, image_blob),
            "layers": [{"mediaType": _LAYER, "digest": layer_digest, "size": layer.stat().st_size}],
        }
        manifest_blob = _json(manifest)
        entry = _descriptor(_MANIFEST, manifest_blob)
        entry["annotations"] = {_NAME: name, "org.opencontainers.image.ref.name": name.rpartition(":")[2]}
        index = {"schemaVersion": 2, "mediaType": _INDEX, "manifests": [entry]}
        fresh = Path(scratch) / "archive"
        with tarfile.open(fresh, "w", format=tarfile.PAX_FORMAT) as archive:
            _add_bytes(archive, "oci-layout", _json({"imageLayoutVersion": "1.0.0"}))
            _add_bytes(archive, "index.json", _json(index))
            for blob in (image_blob, manifest_blob):
                _add_bytes(archive, _blob_path(_digest(blob)), blob)
            _add_file(archive, _blob_path(layer_digest), layer, mode=0o644)
        fresh.rename(path)
    return str(entry["digest"])


def images_in(path: Path) -> dict[str, str]:
    """Image names in an archive with their manifest digests; the digest is "" where the format has none to compare."""
    with tarfile.open(path) as archive:
        names = {member.name.removeprefix("./"): member for member in archive}
        if "index.json" in names:
            index = _read_json(archive, names["index.json"])
            found = {_image_name(entry): str(entry["digest"]) for entry in index["manifests"]}
            if any(found):
                return {name: digest for name, digest in found.items() if name}
        if "manifest.json" in names:
            tags = [tag for image in _read_json(archive, names["manifest.json"]) for tag in image.get("RepoTags") or ()]
            return dict.fromkeys(tags, "")
    raise ValueError(f"{path}: names no image; write it with a full name such as localhost/example:1")


def _image_name(entry: Mapping[str, Any]) -> str:
    notes = entry.get("annotations") or {}
    reference = str(notes.get("org.opencontainers.image.ref.name", ""))
    return str(notes.get(_NAME) or (reference if "/" in reference else ""))


def _read_json(archive: tarfile.TarFile, member: tarfile.TarInfo) -> Any:
    stream = archive.extractfile(member)
    if stream is None:
        raise ValueError(f"{member.name}: not a regular file")
    return json.load(stream)


def _write_layer(archive: tarfile.TarFile, rootfs: Path | Mapping[str, File]) -> None:
    if isinstance(rootfs, Path):
        seen: dict[tuple[int, int], str] = {}
        for relative in _walk(rootfs):
            _add_path(archive, relative, rootfs / relative, seen)
        return
    folders: set[str] = set()
    for name, file in sorted((name.lstrip("/"), file) for name, file in rootfs.items()):
        for parent in reversed(Path(name).parents[:-1]):
            if str(parent) not in folders:
                folders.add(str(parent))
                _add_folder(archive, str(parent))
        if isinstance(file.content, Path):
            _add_file(archive, name, file.content, file.mode, file.uid, file.gid)
        else:
            _add_bytes(archive, name, file.content, file.mode, file.uid, file.gid)


def _walk(root: Path) -> Iterator[str]:
    for folder, folders, files in os.walk(root):
        folders.sort()
        for name in sorted([*folders, *files]):
            yield os.path.relpath(os.path.join(folder, name), root)


def _add_path(archive: tarfile.TarFile, name: str, path: Path, seen: dict[tuple[int, int], str]) -> None:
    status = path.lstat()
    if stat.S_ISSOCK(status.st_mode):
        return
    info = archive.gettarinfo(str(path), name)
    info.mtime, info.uname, info.gname = 0, "", ""
    identity = (status.st_dev, status.st_ino)
    if stat.S_ISREG(status.st_mode):
        if status.st_nlink > 1 and identity in seen:
            info.type, info.linkname, info.size = tarfile.LNKTYPE, seen[identity], 0
            archive.addfile(info)
            return
        seen[identity] = name
        info.type, info.linkname, info.size = tarfile.REGTYPE, "", status.st_size
        with path.open("rb") as stream:
            archive.addfile(info, stream)
        return
    archive.addfile(info)


def _add_folder(archive: tarfile.TarFile, name: str) -> None:
    info = tarfile.TarInfo(name)
    info.type, info.mode = tarfile.DIRTYPE, 0o755
    archive.addfile(info)


def _add_bytes(
    archive: tarfile.TarFile, name: str, content: bytes, mode: int = 0o644, uid: int = 0, gid: int = 0
) -> None:
    _add_stream(archive, name, io.BytesIO(content), len(content), mode, uid, gid)


def _add_file(archive: tarfile.TarFile, name: str, path: Path, mode: int, uid: int = 0, gid: int = 0) -> None:
    with path.open("rb") as stream:
        _add_stream(archive, name, stream, path.stat().st_size, mode, uid, gid)


def _add_stream(
    archive: tarfile.TarFile, name: str, stream: BinaryIO, size: int, mode: int, uid: int, gid: int
) -> None:
    info = tarfile.TarInfo(name)
    info.size, info.mode, info.uid, info.gid = size, mode, uid, gid
    archive.addfile(info, stream)


def _json(content: Any) -> bytes:
    return json.dumps(content, sort_keys=True, separators=(",", ":")).encode()


def _digest(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def _file_digest(path: Path) -> str:
    with path.open("rb") as stream:
        return f"sha256:{hashlib.file_digest(stream, 'sha256').hexdigest()}"


def _descriptor(media_type: str, content: bytes) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": _digest(content), "size": len(content)}


def _blob_path(digest: str) -> str:
    return f"blobs/sha256/{digest.removeprefix('sha256:')}"
