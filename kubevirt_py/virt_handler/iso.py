"""Images of small files as ISO 9660 with Joliet and Rock Ridge, in memory. The only importer of pycdlib."""

from __future__ import annotations

import io
import os
from collections.abc import Mapping

from pycdlib import PyCdlib
from pycdlib.pycdlibexception import PyCdlibException

BLOCK_BYTES = 4096
MAX_JOLIET_LABEL = 16
MAX_JOLIET_NAME = 64
PVD_LABEL_BYTES = 32


def make_iso(label: str, files: Mapping[str, bytes]) -> int:
    """A memfd with the image, its size a multiple of 4096 bytes. Keys of `files` are paths with "/".

    Joliet has shorter names: a longer label is cut there, and a file of a longer name has only its Rock Ridge name.
    Raises ValueError for names that no image can hold.
    """
    try:
        return _memfd(label, _image(label, files))
    except PyCdlibException as error:
        raise ValueError(f"an image {label!r} of {', '.join(sorted(files))} cannot be made: {error}") from error


def _image(label: str, files: Mapping[str, bytes]) -> bytes:
    image = PyCdlib()
    image.new(interchange_level=3, joliet=3, rock_ridge="1.09", vol_ident=label[:MAX_JOLIET_LABEL])
    image.pvd.volume_identifier = label.encode("ascii", "replace").ljust(PVD_LABEL_BYTES)
    made: dict[str, str] = {}
    for index, (path, content) in enumerate(sorted(files.items())):
        *parents, name = path.split("/")
        iso_parent = _directories(image, parents, made)
        image.add_fp(
            io.BytesIO(content),
            len(content),
            f"{iso_parent}/F{index}.;1",
            rr_name=name,
            joliet_path=f"/{path}" if len(name) <= MAX_JOLIET_NAME else None,
        )
    written = io.BytesIO()
    image.write_fp(written)
    image.close()
    return written.getvalue()


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
