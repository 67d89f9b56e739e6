"""Disks and discs that come and go, as steps over QMP."""

from __future__ import annotations

from collections.abc import Iterator

from kubevirt_py.render.machine.blocknodes import images, node_name, with_medium
from kubevirt_py.render.machine.diskdevices import front_device
from kubevirt_py.render.machine.disks import Disk, device_id, iothread_id
from kubevirt_py.render.machine.plugsteps import Change, Step


def disk_changes(current: tuple[Disk, ...], wanted: tuple[Disk, ...]) -> tuple[list[Change], list[Change]]:
    """What goes and what comes, a drive with another disc among the latter."""
    going, coming = [], []
    before, after = {disk.name: disk for disk in current}, {disk.name: disk for disk in wanted}
    for disk in current:
        other = after.get(disk.name)
        if other is not None and disk.kind == other.kind == "cdrom":
            if disk.index != other.index or disk.leftovers:
                coming.append(Change("disk", disk.name, tuple(_change_medium(disk, other))))
        elif other is None or disk.index != other.index:  # another volume of that name comes when this one has gone
            going.append(Change("disk", disk.name, tuple(_unplug_disk(disk)), leaves=True))
    coming += [Change("disk", disk.name, tuple(_plug_disk(disk))) for disk in wanted if disk.name not in before]
    return going, coming


def _plug_disk(disk: Disk) -> Iterator[Step]:
    device = f"device:{device_id(disk.name)}"
    if disk.iothread:
        thread = iothread_id(disk)
        yield Step(
            command="object-add",
            arguments={"qom-type": "iothread", "id": thread},
            needless=(f"object:{thread}", device),
        )
    yield from _open_medium(disk, device)
    yield Step(command="device_add", arguments=front_device(disk), needless=(device,))


def _open_medium(disk: Disk, through: str) -> Iterator[Step]:
    """Descriptors and block nodes of a disk's images; `through` is the fact that says that all is done."""
    for image in images(disk) if not disk.empty else ():
        yield Step(
            command="add-fd",
            arguments={"fdset-id": image.fdset, "opaque": image.name},
            fds=(image.name,),
            direct=image.direct,
            needless=(f"fdset:{image.fdset}={image.name}", through),
        )
        for node in image.nodes:
            yield Step(command="blockdev-add", arguments=node, needless=(f"node:{node['node-name']}", through))


def _unplug_disk(disk: Disk) -> Iterator[Step]:
    device = device_id(disk.name)
    yield Step(command="device_del", arguments={"id": device}, needless=(f"!device:{device}",), guest=True)
    yield from _close_medium(disk)
    if disk.iothread:
        thread = iothread_id(disk)
        yield Step(command="object-del", arguments={"id": thread}, needless=(f"!object:{thread}",))


def _close_medium(disk: Disk) -> Iterator[Step]:
    """The reverse of _open_medium: the guest's node first, the file below it next."""
    for image in reversed(images(disk)) if not disk.empty else ():
        for node in reversed(image.nodes):
            name = node["node-name"]
            yield Step(command="blockdev-del", arguments={"node-name": name}, needless=(f"!node:{name}",))
        yield Step(
            command="remove-fd",
            arguments={"fdset-id": image.fdset},
            needless=(f"!fdset:{image.fdset}={image.name}",),
        )


def _change_medium(old: Disk, new: Disk) -> Iterator[Step]:
    """Another disc, or none, in a drive that stays. A guest that uses the old one keeps the tray closed for as long."""
    device = device_id(new.name)
    in_place = f"medium:{device}={node_name(new)}"
    media = (old.medium, *old.leftovers)
    # A drive with one of several media has none of the others: each is taken out by steps of its own.
    for each in (with_medium(old, one) for one in media if one.source is not None and one.index != new.index):
        gone = f"!medium:{device}={node_name(each)}"
        yield Step(
            command="blockdev-open-tray", arguments={"id": device}, needless=(f"tray:{device}", gone), guest=True
        )
        yield Step(command="blockdev-remove-medium", arguments={"id": device}, needless=(gone,))
        yield from _close_medium(each)
    if not new.empty:
        yield Step(
            command="blockdev-open-tray", arguments={"id": device}, needless=(f"tray:{device}", in_place), guest=True
        )
        yield from _open_medium(new, in_place)
        yield Step(
            command="blockdev-insert-medium",
            arguments={"id": device, "node-name": node_name(new)},
            needless=(in_place,),
        )
    yield Step(command="blockdev-close-tray", arguments={"id": device}, needless=(f"!tray:{device}",))
