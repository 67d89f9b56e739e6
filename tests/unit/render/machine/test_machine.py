"""VMI specs against the command lines a human reviewed: tests/golden/machine/<case>/{vmi.yaml,machine.args}."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from kubevirt_py.render.machine import Attachments, DiskFile, Facts, Machine, NicWire, argv, machine_from_vmi
from kubevirt_py.render.machine.disknumbers import letters

CASES = Path(__file__).parents[3] / "golden" / "machine"
UID = "0a1b2c3d-0000-4000-8000-000000000001"
NOW = "2026-01-02T03:04:05Z"


def machine_of(case: dict[str, Any]) -> Machine:
    """`files`, `facts`, `queues` and `initrd` of a case stand for what the host gives."""
    facts = msgspec.convert({"kvm": False, "now": NOW, **case.get("facts", {})}, Facts)
    interfaces = case["spec"]["domain"].get("devices", {}).get("interfaces", ())
    wires = tuple(
        NicWire(
            name=item["name"],
            mac=f"02:00:00:00:00:{index:02x}",
            mtu=0 if "passtBinding" in item else 1450,
            queues=case.get("queues", 1),
            vhost=facts.kvm,
            socket="/run/passt.sock" if "passtBinding" in item else "",
        )
        for index, item in enumerate(interfaces)
    )
    disks = msgspec.convert(case.get("files", {}), dict[str, DiskFile])
    files = Attachments(
        disks=disks, nics=wires, **{key: case[key] for key in ("initrd", "ignition", "vsock_cid") if key in case}
    )
    return machine_from_vmi("default_testvm", UID, case["spec"], facts, files)


def line(case: dict[str, Any]) -> str:
    """The command line of a case, a word a line."""
    return "\n".join(argv(machine_of(case))) + "\n"


@pytest.mark.parametrize("case", sorted(path.name for path in CASES.iterdir() if path.is_dir()))
def test_command_line(case: str, golden: Any) -> None:
    machine = machine_of(yaml.safe_load((CASES / case / "vmi.yaml").read_text()))
    golden.check(f"machine/{case}/machine.args", "\n".join(argv(machine)) + "\n")
    assert msgspec.json.decode(msgspec.json.encode(machine), type=Machine) == machine


def _spec(**devices: Any) -> dict[str, Any]:
    return {"spec": {"domain": {"resources": {"requests": {"memory": "64Mi"}}, "devices": devices}}}


@pytest.mark.parametrize(
    ("devices", "words"),
    [
        (
            {"disks": [{"name": "a", "disk": {"bus": "ide"}}]},
            "disk a: bus 'ide' is unknown; choose one of virtio, sata",
        ),
        ({"disks": [{"name": "a", "disk": {}}]}, "disk a: no volume of this name was opened"),
        (
            {"disks": [{"name": "a", "disk": {"bus": "sata", "readonly": True}}]},
            "disk a: a disk on sata cannot be read",
        ),
        ({"interfaces": [{"name": "n", "model": "ne2000"}]}, "interface n: model 'ne2000' is unknown"),
        ({"video": {"type": "qxl"}}, "video type 'qxl' is unknown"),
        ({"watchdog": {"i6300esb": {"action": "bark"}}}, "watchdog action 'bark' is unknown"),
        ({"inputs": [{"name": "i", "type": "pen", "bus": "usb"}]}, "input i: pen on usb is unknown"),
        ({"sound": {"model": "sb16"}}, "sound model 'sb16' is unknown"),
    ],
)
def test_what_cannot_be_built_names_the_field(devices: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        machine_of(_spec(**devices))


def test_a_spec_without_memory_is_refused() -> None:
    with pytest.raises(ValueError, match=r"spec.domain.memory.guest is not set"):
        machine_of({"spec": {"domain": {"devices": {}}}})


def test_another_disk_moves_no_device() -> None:
    """PCI addresses of one kind depend on nothing of another kind, so a guest finds its devices again."""
    one = machine_of(
        {**_spec(disks=[{"name": "a", "disk": {"bus": "virtio"}}], interfaces=[{"name": "n"}]), "files": {"a": {}}}
    )
    two = machine_of(
        {
            **_spec(
                disks=[{"name": "a", "disk": {"bus": "virtio"}}, {"name": "b", "disk": {"bus": "virtio"}}],
                interfaces=[{"name": "n"}, {"name": "m"}],
            ),
            "files": {"a": {}, "b": {}},
        }
    )
    assert two.disks[0].place == one.disks[0].place
    assert two.nics[0].place == one.nics[0].place
    assert two.devices == one.devices


def test_targets_go_on_after_z() -> None:
    assert [letters(index) for index in (0, 25, 26, 701, 702)] == ["a", "z", "aa", "zz", "aaa"]


def test_without_boot_order_disks_boot_as_listed_and_with_it_only_the_named() -> None:
    disks = [{"name": "a", "disk": {}}, {"name": "b", "disk": {}}]
    files = {"files": {"a": {}, "b": {}}}
    assert [disk.bootindex for disk in machine_of({**_spec(disks=disks), **files}).disks] == [1, 2]
    disks[1]["bootOrder"] = 1
    assert [disk.bootindex for disk in machine_of({**_spec(disks=disks), **files}).disks] == [None, 1]
