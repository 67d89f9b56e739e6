"""Volumes of small files as images: labels, places in the pod, and what is left to file systems."""

from __future__ import annotations

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
    assert _images(volumes, {name: {"x": name.encode()} for name in "abcde"}) == [
        ("a", "cfgdata", f"{private}/secret-disks/a.iso", b"a"),
        ("b", "MINE", f"{private}/config-map-disks/b.iso", b"b"),
        ("c", "unattendCD", f"{private}/sysprep-disks/c.iso", b"c"),
        ("d", "cfgdata", f"{private}/service-account-disk/d.iso", b"d"),
        ("e", "cfgdata", f"{private}/downwardapi-disks/e.iso", b"e"),
    ]


def test_what_the_stub_did_not_read_is_no_image() -> None:
    assert _images([{"name": "shared", "configMap": {"name": "c"}}], {}) == []


def test_cloud_init_comes_along() -> None:
    (image,) = _images([{"name": "ci", "cloudInitNoCloud": {"userData": "hello"}}], {})
    assert image[:3] == ("ci", "cidata", "/var/run/kubevirt-ephemeral-disks/cloud-init-data/ns/vm/noCloud.iso")
