"""Disks that two machines of a node have at once, by their owner's will or against it."""

from __future__ import annotations

from e2e import machines
from e2e.console import console
from e2e.kubectl import Document, Namespace, condition, eventually

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
        assert "volume common is in use by another machine on this node" in said
        assert "set shareable: true" in said
        assert eventually(lambda: any(said in event["note"] for event in own.events("third")), 10)
        assert reader.run(f"dd if={DISK} bs=512 count=1 iflag=direct 2>/dev/null | head -n 1") == "again"
