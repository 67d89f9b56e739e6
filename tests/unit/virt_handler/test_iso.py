"""The images are what guests' kernels mount: read back with the names of all three trees."""

from __future__ import annotations

import io
import os

import pytest
from pycdlib import PyCdlib

from kubevirt_py.virt_handler.iso import make_iso


def test_long_labels_and_names_are_kept_where_they_fit() -> None:
    fd = make_iso("L" * 32, {"n" * 100: b"1", "short": b"2"})
    image = PyCdlib()
    image.open_fp(io.BytesIO(os.pread(fd, 1 << 24, 0)))
    os.close(fd)
    assert image.pvd.volume_identifier == b"L" * 32
    image.get_file_from_iso_fp(io.BytesIO(), rr_path="/" + "n" * 100)
    assert [child.file_identifier() for child in image.list_children(joliet_path="/")][2:] == [
        "short".encode("utf-16-be")
    ]
    image.close()


def test_a_name_that_no_image_holds_is_named() -> None:
    with pytest.raises(ValueError, match=f"an image 'x' of {'d' * 70}/a cannot be made"):
        make_iso("x", {"d" * 70 + "/a": b""})


@pytest.mark.parametrize("tree", ["rr_path", "joliet_path"])
def test_files_and_directories(tree: str) -> None:
    files = {
        "openstack/latest/meta_data.json": b"{}",
        "openstack/latest/user_data": b"x" * 5000,
        "openstack/content/0000": b"",
        "top": b"1",
    }
    fd = make_iso("config-2", files)
    data = os.pread(fd, 1 << 24, 0)
    os.close(fd)
    assert len(data) % 4096 == 0
    image = PyCdlib()
    image.open_fp(io.BytesIO(data))
    assert image.pvd.volume_identifier.rstrip() == b"config-2"
    for path, content in files.items():
        out = io.BytesIO()
        image.get_file_from_iso_fp(out, **{tree: f"/{path}"})
        assert out.getvalue() == content
    image.close()
