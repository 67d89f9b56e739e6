"""cloud-init images as ISO 9660 with Joliet and Rock Ridge, in memory. The only importer of pycdlib."""

from __future__ import annotations

import io
import os
from collections.abc import Mapping

from pycdlib import PyCdlib

BLOCK_BYTES = 4096


def make_iso(label: str, files: Mapping[str, bytes]) -> int:
    """A memfd with the image, its size a multiple of 4096 bytes. Keys of `files` are paths with "/"."""
    image = PyCdlib()
    image.new(interchange_level=3, joliet=3, rock_ridge="1.09", vol_ident=label)
    made: dict[str, str] = {}
    for index, (path, content) in enumerate(sorted(files.items())):
        *parents, name = path.split("/")
        iso_parent = _directories(image, parents, made)
        image.add_fp(
            io.BytesIO(content),
            len(content),
            f"{iso_parent}/F{index}.;1",
            rr_name=name,
            joliet_path=f"/{path}",
        )
    written = io.BytesIO()
    image.write_fp(written)
    image.close()
    return _memfd(label, written.getvalue())


def _directories(image: PyCdlib, parents: list[str], made: dict[str, str]) -> str:
    """Make the directories of a path; returns their place in the plain ISO tree, whose names are bare numbers."""
    iso_path = ""
    for depth, name in enumerate(parents):
        joliet = "/" + "/".join(parents[: depth + 1])
        if joliet not in made:
            made[joliet] = f"{iso_path}/D{len(made)}"
            image.add_directory(made[joliet], rr_name=name, joliet_path=joliet)
        iso_path = made[joliet]
    return iso_path


def _memfd(label: str, data: bytes) -> int:
    fd = os.memfd_create(label)
    os.write(fd, data.ljust(-(-len(data) // BLOCK_BYTES) * BLOCK_BYTES, b"\0"))
    os.lseek(fd, 0, os.SEEK_SET)
    return fd
