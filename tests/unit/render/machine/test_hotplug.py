"""Changes of machines against QMP commands a human reviewed: tests/golden/hotplug/<case>/{change.yaml,steps.txt}."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from kubevirt_py.render.machine import Attachments, DiskFile, Facts, Machine, NicWire, hotplug, machine_from_vmi
from kubevirt_py.render.machine.blocknodes import images
from kubevirt_py.render.machine.cpu import Cpu, following, worn_out
from kubevirt_py.render.machine.hotplug import applied, changes, steps, underway
from kubevirt_py.render.machine.plugsteps import Change, Step, remaining

CASES = Path(__file__).parents[3] / "golden" / "hotplug"
UID = "0a1b2c3d-0000-4000-8000-000000000001"


def _machine(side: dict[str, Any], running: Machine | None = None) -> Machine:
    interfaces = side["spec"]["domain"]["devices"].get("interfaces", ())
    wires = tuple(
        NicWire(name=item["name"], mac=f"02:00:00:00:00:{index:02x}", queues=side.get("queues", 1))
        for index, item in enumerate(interfaces)
    )
    files = Attachments(disks=msgspec.convert(side.get("files", {}), dict[str, DiskFile]), nics=wires)
    machine = machine_from_vmi("default_testvm", UID, side["spec"], Facts(kvm=False), files, running)
    boot_sockets = side.get("boot_sockets", machine.cpu.boot_sockets)
    return msgspec.structs.replace(machine, cpu=msgspec.structs.replace(machine.cpu, boot_sockets=boot_sockets))


def _case(name: str) -> tuple[Machine, Machine]:
    case = yaml.safe_load((CASES / name / "change.yaml").read_text())
    before = _machine(case["before"])
    return before, _machine(case["after"], before)


def _disks(*entries: tuple[str, str, str], running: Machine | None = None) -> Machine:
    """A machine with disks given as name, bus and claim."""
    side = {
        "spec": {
            "domain": {
                "memory": {"guest": "64Mi"},
                "devices": {"disks": [{"name": name, "disk": {"bus": bus}} for name, bus, _ in entries]},
            }
        },
        "files": {name: {"source": claim} for name, _, claim in entries},
    }
    return _machine(side, running)


def _line(step: Step) -> str:
    words = [step.command, json.dumps(step.arguments)]
    words += [f"fd={name}{' (O_DIRECT)' if step.direct else ''}" for name in step.fds]
    words += ["guest" if step.guest else "", f"harmless={step.harmless}" if step.harmless else ""]
    words += [f"unless {' or '.join(step.needless)}" if step.needless else ""]
    return "  " + " ".join(word for word in words if word)


@pytest.mark.parametrize("case", sorted(path.name for path in CASES.iterdir() if path.is_dir()))
def test_commands(case: str, golden: Any) -> None:
    before, after = _case(case)
    found = changes(before, after)
    text = "".join(
        f"{change.part} {change.name}{' leaves' if change.leaves else ''}\n"
        + "".join(f"{_line(step)}\n" for step in change.steps)
        for change in found
    )
    golden.check(f"hotplug/{case}/steps.txt", text)
    assert steps(before, after) == tuple(step for change in found for step in change.steps)


@pytest.mark.parametrize("case", sorted(path.name for path in CASES.iterdir() if path.is_dir()))
def test_every_change_done_leaves_nothing_to_do(case: str) -> None:
    before, after = _case(case)
    now = before
    for change in changes(before, after):
        now = applied(now, change, after)
    assert changes(now, after) == ()
    assert steps(after, after) == ()


def test_what_runs_keeps_its_place_and_numbers() -> None:
    one = _disks(("a", "virtio", "x"), ("b", "virtio", "y"), ("c", "scsi", "z"))
    two = _disks(("c", "scsi", "z"), ("d", "scsi", "w"), ("b", "virtio", "y"), ("e", "virtio", "v"), running=one)
    before, after = {disk.name: disk for disk in one.disks}, {disk.name: disk for disk in two.disks}
    assert {name: after[name] for name in "bc"} == {name: before[name] for name in "bc"}
    taken = {disk.place for disk in one.disks}
    assert after["e"].place not in taken
    assert (after["d"].unit, after["e"].target) == (1, "vdc")
    assert not {after["d"].index, after["e"].index} & {disk.index for disk in one.disks}


def _play(machine: Machine, wanted: Machine, world: set[str], stop_after: int) -> tuple[Machine, bool]:
    """Take steps as an agent would until it is killed; QEMU's state is the set of facts `world`."""
    taken = 0
    for change in changes(machine, wanted):
        for step in remaining(change, frozenset(world)):
            if taken == stop_after:
                return machine, False
            taken += 1
            _do(step, world)
        machine = applied(machine, change, wanted)
    return machine, True


def _do(step: Step, world: set[str]) -> None:
    """What a step brings about; QEMU refuses what is there already, or is not there to be taken away."""
    arguments = step.arguments
    match step.command:
        case "add-fd":
            world.add(f"fdset:{arguments['fdset-id']}={arguments['opaque']}")
        case "remove-fd":
            gone = {fact for fact in world if fact.startswith(f"fdset:{arguments['fdset-id']}=")}
            assert gone
            world -= gone
        case "blockdev-add" | "device_add" | "object-add":
            kind = {"blockdev-add": "node", "device_add": "device", "object-add": "object"}[step.command]
            fact = f"{kind}:{arguments.get('node-name') or arguments['id']}"
            assert fact not in world
            world.add(fact)
        case "blockdev-del" | "device_del" | "object-del":
            kind = {"blockdev-del": "node", "device_del": "device", "object-del": "object"}[step.command]
            world.remove(f"{kind}:{arguments.get('node-name') or arguments['id']}")
        case _:
            raise AssertionError(step.command)


@pytest.mark.parametrize("killed_after", range(12))
def test_an_agent_killed_between_any_two_steps_goes_on(killed_after: int) -> None:
    empty = _disks()
    wanted = _disks(("a", "virtio", "x"), ("b", "scsi", "y"), running=empty)
    world: set[str] = set()
    machine, _ = _play(empty, wanted, world, killed_after)
    machine, done = _play(machine, wanted, world, 99)
    assert done
    assert changes(machine, wanted) == ()
    whole: set[str] = set()
    _play(empty, wanted, whole, 99)
    assert world == whole


@pytest.mark.parametrize("killed_after", range(8))
def test_what_was_half_plugged_and_is_wanted_no_more_is_taken_out(killed_after: int) -> None:
    """Also when another claim is wanted under the same name: it must never meet the descriptor of the first."""
    empty = _disks()
    goal = _disks(("a", "virtio", "x"), running=empty)
    world: set[str] = set()
    machine, _ = _play(empty, goal, world, killed_after)
    wanted = _disks(("a", "virtio", "other"), running=goal)
    start = underway(machine, goal, wanted)
    for _ in range(2):  # the first look takes out, the second plugs
        start, done = _play(start, wanted, world, 99)
        assert done
    fdset = images(wanted.disks[0])[0].fdset
    assert {fact for fact in world if fact.startswith("fdset:")} == {f"fdset:{fdset}=disk.a"}
    assert changes(start, wanted) == ()
    assert images(goal.disks[0])[0].fdset != fdset


def _cpus(sockets: int) -> Machine:
    """A machine that started with one socket of two cores and has room for six."""
    cpu = {"sockets": 1, "cores": 2, "threads": 1, "maxSockets": 6}
    machine = _machine({"spec": {"domain": {"cpu": cpu, "memory": {"guest": "64Mi"}, "devices": {}}}})
    return _at(machine, following(machine.cpu, machine.cpu, sockets))


def _at(machine: Machine, cpu: Cpu) -> Machine:
    return msgspec.structs.replace(machine, cpu=cpu)


def _present(sockets: int) -> set[str]:
    return {f"device:vcpu-{socket}-{core}-0" for socket in range(1, sockets) for core in range(2)}


@pytest.mark.parametrize("wish", [1, 2, 3, 4])
@pytest.mark.parametrize("killed_after", range(5))
@pytest.mark.parametrize(("has", "goal"), [(1, 3), (3, 1), (2, 4), (4, 2)])
def test_cpus_of_a_wish_that_was_cut_off_come_or_go(has: int, goal: int, killed_after: int, wish: int) -> None:
    running = _cpus(has)
    on_its_way = _at(running, following(running.cpu, running.cpu, goal))
    world = _present(has)
    running, done = _play(running, on_its_way, world, killed_after)
    wanted = _at(running, following(running.cpu, on_its_way.cpu, wish))
    start = underway(running, None if done else on_its_way, wanted)
    start, _ = _play(start, wanted, world, 99)
    assert start.cpu.sockets == wish
    assert world == _present(wish)


def test_a_cpu_that_left_against_all_wishes_is_plugged_again() -> None:
    """A guest that was asked while it was paused lets go when it runs on, whatever is wanted by then."""
    running, world = _cpus(3), _present(3) - {"device:vcpu-2-1-0"}
    assert hotplug.with_cpus_to_check(running, _present(3)) is None
    goal = hotplug.with_cpus_to_check(running, world)
    assert goal is not None
    wanted = _at(running, following(running.cpu, goal.cpu, 3))
    _play(underway(running, goal, wanted), wanted, world, 99)
    assert world == _present(3)


def test_an_emulating_qemu_is_never_asked_for_more_cpus_than_it_can_start() -> None:
    """Six sockets of two cores: ten CPUs can be plugged in its life, those that came again counted again."""
    cpu = _cpus(1).cpu
    for _ in range(5):
        cpu = following(cpu, cpu, 2)
        assert not worn_out(cpu, kvm=False)
        cpu = following(cpu, cpu, 1)
    again = following(cpu, cpu, 2)
    assert (again.plugs, worn_out(again, kvm=False), worn_out(again, kvm=True)) == (12, True, False)


def test_sockets_of_the_start_stay() -> None:
    cpu = _cpus(3).cpu
    assert following(cpu, cpu, 0).sockets == 1
    old = msgspec.structs.replace(cpu, boot_sockets=0)  # the record of an agent that did not know
    assert following(old, old, 1).sockets == 3


def test_facts_of_hostile_answers_do_no_harm() -> None:
    found = hotplug.facts([{}], [{"name": 7}], [{"node-name": None}], [{"fds": [{}]}], [{"inserted": None}])
    assert "device:disk-a" not in found


def test_facts_are_read_from_qemus_words() -> None:
    found = hotplug.facts(
        [{"name": "disk-a", "type": "child<virtio-blk-pci>"}, {"name": "type", "type": "string"}],
        [{"name": "iothread1", "type": "child<iothread>"}],
        [{"node-name": "disk1"}],
        [{"fdset-id": 3, "fds": [{"fd": 20, "opaque": "disk.a"}]}],
        [{"qdev": "disk-cd", "tray_open": True, "inserted": {"node-name": "disk2"}}],
    )
    assert found == {
        "device:disk-a",
        "object:iothread1",
        "node:disk1",
        "fdset:3=disk.a",
        "tray:disk-cd",
        "medium:disk-cd=disk2",
    }


def test_a_change_of_nothing_that_can_be_plugged_is_no_step() -> None:
    before = _disks(("a", "virtio", "x"))
    assert changes(before, before) == ()
    assert Change("disk", "a", ()).leaves is False
