"""Disks that two machines of a node have at once, by their owner's will or against it."""

from __future__ import annotations

import pytest

from e2e import machines
from e2e.console import console
from e2e.kubectl import Document, Namespace, condition, eventually, status

DISK = "/dev/$(basename $(dirname $(grep -l '^common$' /sys/block/*/serial)))"


def _machine(name: str, node: str, *, shareable: bool) -> Document:
    claim = {"persistentVolumeClaim": {"claimName": "common"}}
    disk = {"disk": {"bus": "virtio"}, "serial": "common", "cache": "none", "shareable": shareable}
    return machines.with_disk(machines.vmi(name, node=node), "common", claim, **disk)


def test_a_shareable_disk_is_written_by_one_and_read_by_another_and_had_by_no_third(
    own: Namespace, nodes: tuple[str, ...]
) -> None:
    both = [_machine(name, nodes[0], shareable=True) for name in ("writer", "reader")]
    own.apply(machines.claim("common", "16Mi"), *both)
    for name in ("writer", "reader"):
        own.until_phase(name, "Running")
    with console(own.name, "writer") as writer, console(own.name, "reader") as reader:
        writer.login()
        reader.login()
        for word in ("first", "again"):
            writer.run(f"echo {word} | dd of={DISK} bs=512 count=1 conv=sync oflag=direct 2>/dev/null")
            assert reader.run(f"dd if={DISK} bs=512 count=1 iflag=direct 2>/dev/null | head -n 1") == word
        own.apply(_machine("third", nodes[0], shareable=False))
        vmi = own.until_phase("third", "Failed")
        said = condition(vmi, "Synchronized").get("message", "")
        assert "volume common is in use by machine writer;" in said or "by machine reader;" in said
        assert "set shareable: true" in said
        assert eventually(lambda: any(said in event["note"] for event in own.events("third")), 10)
        assert reader.run(f"dd if={DISK} bs=512 count=1 iflag=direct 2>/dev/null | head -n 1") == "again"


@pytest.mark.parametrize("kind", [{}, {"storageClassName": "block", "volumeMode": "Block"}], ids=["file", "device"])
def test_a_disk_comes_to_a_running_guest_when_the_machine_that_has_it_is_gone(
    own: Namespace, nodes: tuple[str, ...], kind: Document
) -> None:
    """By a claim of either kind; so does one that starts with it, which is refused at once."""
    own.apply(
        machines.claim("common", "16Mi", **kind),
        _machine("holder", nodes[0], shareable=False),
        machines.vm("waiter", node=nodes[0]),
    )
    for name in ("holder", "waiter"):
        own.until_phase(name, "Running")
    own.apply(_machine("second", nodes[0], shareable=False))
    vmi = own.until_phase("second", "Failed")
    assert "volume common is in use by machine holder;" in condition(vmi, "Synchronized").get("message", "")
    own.virtctl("addvolume", "waiter", "--volume-name", "common", "--bus", "virtio", "--serial", "common")
    words = "the disk of volume common is in use by machine holder;"
    vmi = own.until("vmi", "waiter", lambda found: words in _plugged(found).get("message", ""), "refused its disk", 60)
    assert _plugged(vmi)["phase"] == "MountedToPod"
    assert eventually(lambda: any(words in event["note"] for event in own.events("waiter")), 10)
    with console(own.name, "waiter") as waiter:
        waiter.login()
        assert waiter.run("cat /sys/block/*/serial | grep -c '^common$' || true") == "0"
        own.kubectl("delete", "vmi", "holder")
        own.until("vmi", "waiter", lambda found: _plugged(found).get("phase") == "Ready", "with its disk", 60)
        waiter.until(f"test -b {DISK} && echo there", "there")


def _plugged(vmi: Document) -> Document:
    found = status(vmi, "volumeStatus") or []
    return next((one for one in found if one["name"] == "common"), {})
