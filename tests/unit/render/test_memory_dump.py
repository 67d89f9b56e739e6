"""Names and sizes of memory dumps, and the volume that takes one."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest

from kubevirt_py.plan import Document
from kubevirt_py.render.memory_dump import (
    allowed_s,
    claim_bytes,
    dump_file,
    file_name,
    guest_memory,
    has_dump_volume,
    with_dump_volume,
    without_dump_volume,
)

MOMENT = datetime(2026, 5, 1, 1, 2, 3, tzinfo=timezone(timedelta(hours=2)))


def test_the_file_names_machine_volume_and_moment() -> None:
    name = file_name("vm", "core", MOMENT)
    assert name == "vm-core-20260430-230203.memory.dump"
    prefix, suffix = dump_file("vm", "core", name, 1).older
    assert name.startswith(prefix)
    assert name.endswith(suffix)


@pytest.mark.parametrize(
    ("memory", "claim"), [(0, 106 << 20), (1 << 30, 1186 << 20), (64 << 20, 174 << 20), ((1 << 30) + 1, 1186 << 20)]
)
def test_a_claim_has_room_for_the_dump_and_its_file_system(memory: int, claim: int) -> None:
    assert claim_bytes(memory) == claim


def test_a_dump_of_more_memory_may_take_longer() -> None:
    assert allowed_s(1 << 30) == 60 + 128


@pytest.mark.parametrize(
    ("domain", "size"),
    [
        ({"memory": {"guest": "1Gi"}, "resources": {"requests": {"memory": "2Gi"}}}, 1 << 30),
        ({"resources": {"requests": {"memory": "2Gi"}}}, 2 << 30),
        ({"resources": {"limits": {"memory": "64Mi"}}}, 64 << 20),
        ({}, 0),
    ],
)
def test_memory_is_the_guests(domain: Document, size: int) -> None:
    assert guest_memory({"domain": domain}) == size


def test_the_volume_comes_once_and_nothing_else_goes_with_it() -> None:
    disk = {"name": "core", "persistentVolumeClaim": {"claimName": "core"}}
    assert has_dump_volume(with_dump_volume({}, "core"), "core")
    assert with_dump_volume(with_dump_volume({}, "core"), "core") == with_dump_volume({}, "core")
    assert without_dump_volume(with_dump_volume({"volumes": [disk | {"name": "a"}]}, "core"), "core") == {
        "volumes": [disk | {"name": "a"}]
    }
    assert without_dump_volume({"volumes": [disk]}, "core") == {"volumes": [disk]}
