"""Volumes of small files as images: labels, places in the pod, and what is left to file systems."""

from __future__ import annotations

import pytest

from kubevirt_py.render.isos import iso_images


def _images(volumes: list[dict[str, object]], files: dict[str, dict[str, bytes]]) -> list[tuple[str, str, str, bytes]]:
    images = iso_images("ns", "vm", "uid", {"volumes": volumes}, files)
    return [(one.volume, one.label, f"{one.root}/{one.path}", b"".join(one.files.values())) for one in images]


def test_labels_are_upstreams_unless_named() -> None:
    volumes: list[dict[str, object]] = [
        {"name": "a", "secret": {"secretName": "s"}},
        {"name": "b", "configMap": {"name": "c", "volumeLabel": "MINE"}},
        {"name": "c", "sysprep": {"configMap": {"name": "c"}}},
        {"name": "d", "serviceAccount": {"serviceAccountName": "robot"}},
        {"name": "e", "downwardAPI": {"fields": []}},
    ]
    private = "/var/run/kubevirt-private"
    read = {name: {"x": name.encode()} for name in "abde"} | {"c": {"Unattend.xml": b"c"}}
    assert _images(volumes, read) == [
        ("a", "cfgdata", f"{private}/secret-disks/a.iso", b"a"),
        ("b", "MINE", f"{private}/config-map-disks/b.iso", b"b"),
        ("c", "unattendCD", f"{private}/sysprep-disks/c.iso", b"c"),
        ("d", "cfgdata", f"{private}/service-account-disk/d.iso", b"d"),
        ("e", "cfgdata", f"{private}/downwardapi-disks/e.iso", b"e"),
    ]


@pytest.mark.parametrize("file", ["autounattend.xml", "unattend.xml", "Autounattend.XML"])
def test_sysprep_has_answers(file: str) -> None:
    ((_, label, _, content),) = _images([{"name": "v", "sysprep": {"configMap": {"name": "c"}}}], {"v": {file: b"x"}})
    assert (label, content) == ("unattendCD", b"x")


@pytest.mark.parametrize(
    ("source", "named"), [({"configMap": {"name": "mine"}}, "ConfigMap mine"), ({"secret": {"name": "s"}}, "Secret s")]
)
@pytest.mark.parametrize("files", [{}, {"answers.xml": b"x"}])
def test_sysprep_without_answers_names_what_lacks_them(
    source: dict[str, object], named: str, files: dict[str, bytes]
) -> None:
    with pytest.raises(
        ValueError, match=rf"volume v: sysprep: {named} has neither autounattend\.xml nor unattend\.xml"
    ):
        _images([{"name": "v", "sysprep": source}], {"v": files})


def test_what_the_stub_did_not_read_is_no_image() -> None:
    assert _images([{"name": "shared", "configMap": {"name": "c"}}], {}) == []


def test_cloud_init_comes_along() -> None:
    (image,) = _images([{"name": "ci", "cloudInitNoCloud": {"userData": "hello"}}], {})
    assert image[:3] == ("ci", "cidata", "/var/run/kubevirt-ephemeral-disks/cloud-init-data/ns/vm/noCloud.iso")
