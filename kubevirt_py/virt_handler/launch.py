"""Starts one guest: what the stub opened, the network and the sockets become a machine, and the stub its QEMU."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

import anyio
import anyio.to_thread
import msgspec

from kubevirt_py.api import names
from kubevirt_py.api.views import HostedInstance
from kubevirt_py.decide.clock import rfc3339
from kubevirt_py.plan import Document
from kubevirt_py.render.config import ClusterConfig
from kubevirt_py.render.credentials import agent_credentials
from kubevirt_py.render.downwardmetrics import DISK_BYTES, disk_volume
from kubevirt_py.render.hotplug_volumes import boot_spec
from kubevirt_py.render.isos import IsoImage, iso_images, with_devices
from kubevirt_py.render.launcher_pod import guest_grace_s
from kubevirt_py.render.machine import Attachments, Facts, Machine, NicWire, argv, machine_from_vmi
from kubevirt_py.render.machine.cpu import cpu_from_domain
from kubevirt_py.render.machine.disks import is_read_only
from kubevirt_py.render.machine.firmware import acpi_volumes
from kubevirt_py.render.machine.tags import has_tags, tagged_devices
from kubevirt_py.render.network.annotations import in_mesh
from kubevirt_py.render.network.binding import plan_links
from kubevirt_py.render.network.model import NetworkPlan
from kubevirt_py.render.network.resolv import parse_resolv
from kubevirt_py.render.pod_files import pod_files
from kubevirt_py.render.preallocation import preallocated_volumes
from kubevirt_py.render.resources import is_pinned
from kubevirt_py.render.shares import socket_path
from kubevirt_py.render.start import starts_paused
from kubevirt_py.render.tuning import has_pci_hole64, permits_free_page_reporting
from kubevirt_py.virt_handler.descriptors import Descriptors, descriptors, listening
from kubevirt_py.virt_handler.downwardmetrics import make_disk
from kubevirt_py.virt_handler.hostcpus import allow_locking, own_cells
from kubevirt_py.virt_handler.iso import make_iso
from kubevirt_py.virt_handler.links import plumb, read_links
from kubevirt_py.virt_handler.opened import (
    PLACEHOLDER,
    OpenedFile,
    disk_files,
    receive_opened,
    secret_folders,
    storage_identities,
)
from kubevirt_py.virt_handler.peers import Peer
from kubevirt_py.virt_handler.records import Folder, Record
from kubevirt_py.virt_handler.seqpacket import ERROR_CHARACTERS, Connection, PeerGone, ProtocolError
from kubevirt_py.virt_handler.wiring import nic_wires

EXEC_S = 60.0
MONITOR = "qmp"
_VHOST = "/dev/vhost-net"
_VHOST_VSOCK = "/dev/vhost-vsock"


class LaunchRefused(Exception):
    """This VMI cannot run here; trying again is no use. The text is for its user."""


class Hello(msgspec.Struct, frozen=True):
    """The stub's first words: its pod's resolv.conf, and whether it was given a KVM that it may open."""

    resolv: str = ""
    kvm: bool = False


async def launch(
    connection: Connection,
    peer: Peer,
    hello: Hello,
    vmi: HostedInstance,
    folder: Folder,
    now: datetime,
    config: ClusterConfig,
    take_disks: Callable[[Machine], None],
) -> Record:
    """Returns when QEMU has replaced the stub (or the stub died: its pidfd tells).

    `take_disks` is told of the machine before it is made, and raises LaunchRefused for disks that it may not have.

    Raises LaunchRefused for what another attempt cannot mend; OSError and others are worth another attempt, which
    finds the network plan of this one in the folder.
    """
    spec = boot_spec(msgspec.json.decode(vmi.spec))
    try:
        steps = pod_files(spec, tuple(vmi.status.get("volumeStatus") or ()))
        vcpus = cpu_from_domain(spec.get("domain") or {}, Facts(kvm=hello.kvm)).count
        await connection.send({"open": [msgspec.to_builtins(step) for step in steps]})
        record = await _wired_record(peer, hello, vmi, spec, folder, vcpus, config.network_bindings)
        with descriptors() as held:
            wires = await _wire(peer, record.network, held, vhost=hello.kvm)
            files, secrets = await receive_opened(connection, [step.name for step in steps if step.do == "secret"])
            record.credentials = agent_credentials(spec)
            record.secrets = secret_folders(peer, files)
            images = iso_images(vmi.metadata.namespace, vmi.metadata.name, vmi.metadata.uid, spec, secrets)
            _add_acpi_tables(spec, secrets, held)
            others: dict[str, Any] = {"ignition": _add_ignition(vmi, held), "vsock_cid": _add_vsock(vmi, spec, held)}
            others["identities"] = storage_identities(peer, files)
            facts = await _facts(vmi, spec, peer, hello, config, now)
            _add_metrics(spec, folder, files, held)
            if has_tags(spec):
                drives = files | {f"disk.{image.volume}": PLACEHOLDER for image in images}
                planned = _machine(vmi, spec, facts, drives, wires, **others)
                images = with_devices(images, tagged_devices(spec, planned))
            copies = await _add_images(images, spec, files, held)
            machine = _machine(vmi, spec, facts, files, wires, **others)
            take_disks(machine)
            _add_sockets(folder, machine, held)
            if machine.memory.locked:
                allow_locking(peer.pid)
            record.machine = machine
            folder.save(record)
            await _hand_over(connection, machine, copies, held)
    except ValueError as error:
        raise LaunchRefused(str(error)) from error
    except (OSError, PeerGone) as error:
        if words := connection.last_words():
            raise LaunchRefused(words) from error
        raise
    return record


async def _wired_record(
    peer: Peer,
    hello: Hello,
    vmi: HostedInstance,
    spec: Document,
    folder: Folder,
    vcpus: int,
    plugins: Mapping[str, Document],
) -> Record:
    """The record with its network plan. The plan is saved before the first change, and kept for a second attempt."""
    meta = vmi.metadata
    record = folder.load()
    if record is None or record.pod_uid != peer.pod_uid or record.pid != peer.pid:
        wanted = ((spec.get("domain") or {}).get("devices") or {}).get("interfaces")
        links = await read_links(peer.pidfd) if wanted else ()
        network = plan_links(
            spec,
            links,
            parse_resolv(hello.resolv),
            namespace=meta.namespace,
            name=meta.name,
            uid=meta.uid,
            vcpus=vcpus,
            mesh=in_mesh(meta.annotations),
            plugins=plugins,
        )
        record = Record(
            namespace=meta.namespace,
            name=meta.name,
            uid=meta.uid,
            pod_uid=peer.pod_uid,
            pid=peer.pid,
            started=peer.started,
            device_id=peer.device_id,
            network=network,
            grace_s=float(guest_grace_s(spec)),
            start_paused=starts_paused(spec),
        )
        folder.save(record)
    return record


async def _wire(peer: Peer, plan: NetworkPlan | None, held: Descriptors, *, vhost: bool) -> tuple[NicWire, ...]:
    """Plumb the pod's network; its taps, and vhost descriptors where the host has them, join the others."""
    if plan is None or not plan.interfaces:
        return ()
    taps = await plumb(peer.pidfd, plan)
    for tap in taps:
        for queue, fd in enumerate(tap.fds):
            held.add(f"tap.{tap.name}.{queue}", fd)
    accelerate = vhost and os.access(_VHOST, os.R_OK | os.W_OK)
    if accelerate:
        for tap in taps:
            for queue in range(len(tap.fds)):
                held.add(f"vhost.{tap.name}.{queue}", os.open(_VHOST, os.O_RDWR | os.O_CLOEXEC))
    return nic_wires(plan, vhost=accelerate)


async def _add_images(
    images: tuple[IsoImage, ...], spec: Document, files: dict[str, OpenedFile], held: Descriptors
) -> list[Document]:
    """Make the ISO images and say where the stub puts them."""
    disks = {disk["name"]: disk for disk in ((spec.get("domain") or {}).get("devices") or {}).get("disks") or ()}
    copies = []
    for image in images:
        if image.volume not in disks:
            continue
        fd = await anyio.to_thread.run_sync(make_iso, image.label, image.files)
        held.add(f"iso.{image.volume}", fd)
        files[f"disk.{image.volume}"] = OpenedFile(format="raw", size=os.fstat(fd).st_size, made=True)
        copies.append(
            {
                "source": f"iso.{image.volume}",
                "name": f"disk.{image.volume}",
                "root": image.root,
                "path": image.path,
                "read_only": is_read_only(disks[image.volume]),
            }
        )
    return copies


def _add_metrics(spec: Document, folder: Folder, files: dict[str, OpenedFile], held: Descriptors) -> None:
    """The disk that tells of the host lies with us; QEMU gets a descriptor that can only read."""
    if volume := disk_volume(spec):
        held.add(f"disk.{volume}", make_disk(folder))
        files[f"disk.{volume}"] = OpenedFile(format="raw", size=DISK_BYTES, read_only=True)


def _machine(
    vmi: HostedInstance,
    spec: Document,
    facts: Facts,
    files: Mapping[str, OpenedFile],
    wires: tuple[NicWire, ...],
    *,
    ignition: bool = False,
    vsock_cid: int = 0,
    identities: Mapping[str, tuple[int, int]],
) -> Machine:
    thick = preallocated_volumes(vmi.status.get("volumeStatus") or ())
    disks = disk_files(files, identities, thick)
    attachments = Attachments(disks=disks, nics=wires, initrd="initrd" in files, ignition=ignition, vsock_cid=vsock_cid)
    meta = vmi.metadata
    return machine_from_vmi(f"{meta.namespace}_{meta.name}", meta.uid, spec, facts, attachments)


async def _facts(
    vmi: HostedInstance, spec: Document, peer: Peer, hello: Hello, config: ClusterConfig, now: datetime
) -> Facts:
    """What the machine depends on beside the spec: this node, the pod's own CPUs, the cluster's settings."""
    return Facts(
        kvm=hello.kvm,
        arch=spec.get("architecture") or "amd64",
        now=rfc3339(now),
        smbios=config.smbios,
        free_page_reporting=permits_free_page_reporting(vmi.metadata.annotations, config),
        pci_hole64=has_pci_hole64(vmi.metadata.annotations),
        balloon_stats_s=config.memballoon_stats_period_s,
        cells=await anyio.to_thread.run_sync(own_cells, peer.pid) if is_pinned(spec) else {},
    )


def _add_acpi_tables(spec: Document, secrets: Mapping[str, Mapping[str, bytes]], held: Descriptors) -> None:
    """Raises ValueError for a Secret without the table it is named for."""
    for table, volume in acpi_volumes(spec.get("domain") or {}).items():
        content = secrets.get(volume, {}).get(f"{table}.bin")
        if content is None:
            raise ValueError(f"firmware.acpi.{table}NameRef: the secret of volume {volume} has no file {table}.bin")
        held.add(f"acpi.{table}", (fd := os.memfd_create(table)))
        os.write(fd, content)


def _add_vsock(vmi: HostedInstance, spec: Document, held: Descriptors) -> int:
    """The guest's address on VSOCK if it has one and the node can; its descriptor is then among the others."""
    wanted = ((spec.get("domain") or {}).get("devices") or {}).get("autoattachVSOCK")
    cid = int(vmi.status.get("VSOCKCID") or 0)
    if not wanted or not cid or not os.access(_VHOST_VSOCK, os.R_OK | os.W_OK):
        return 0
    held.add("vsock", os.open(_VHOST_VSOCK, os.O_RDWR | os.O_CLOEXEC))
    return cid


def _add_ignition(vmi: HostedInstance, held: Descriptors) -> bool:
    """Whether the VMI brings an Ignition file, which then is among the descriptors."""
    text = vmi.metadata.annotations.get(names.IGNITION_ANNOTATION)
    if not text:
        return False
    held.add("ignition", (fd := os.memfd_create("ignition")))
    os.write(fd, text.encode())
    return True


def _add_sockets(folder: Folder, machine: Machine, held: Descriptors) -> None:
    for name in (MONITOR, *machine.devices.sockets):
        held.add(name, listening(folder.socket(name)))


async def _hand_over(connection: Connection, machine: Machine, copies: list[Document], held: Descriptors) -> None:
    for given, fds in held.batches():
        await connection.send({"take": given}, fds)
    shares = [{"name": f"fs.{item.name}", "socket": socket_path(item.name)} for item in machine.filesystems]
    networks = [{"name": nic.name, "socket": nic.socket} for nic in machine.nics if nic.socket]
    recipe = {"exec": list(argv(machine)), "copies": copies, "shares": shares, "networks": networks}
    await connection.send(recipe | {"tpm": bool(machine.devices.tpm)})
    try:
        with anyio.fail_after(EXEC_S):
            await connection.ended()
    except ProtocolError as error:
        raise LaunchRefused(str(error)[:ERROR_CHARACTERS]) from error
