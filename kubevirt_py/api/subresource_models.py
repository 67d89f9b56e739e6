"""What goes over `subresources.kubevirt.io` and is no object of its own: options in, answers out.

`MODELS` names them as the route table does. Source: KubeVirt's types of the same names.
"""

from __future__ import annotations

from pydantic import Field

from kubevirt_py.api.backup_v1alpha1 import BackupCheckpoint
from kubevirt_py.api.base import AnyObject, AtomicList, Int32, Int64, Model, Resource, Time
from kubevirt_py.api.meta import LabelSelector
from kubevirt_py.api.v1.vm import AddVolumeOptions, RemoveVolumeOptions
from kubevirt_py.api.v1.vmi_status import GuestOSInfo


class Options(Model):
    """What every request may say."""

    api_version: str | None = None
    """Version of this object; it may be left out."""
    kind: str | None = None
    """Kind of this object; it may be left out."""
    dry_run: AtomicList[str] | None = None
    """Only check, when it is All; nothing is changed."""


class StartOptions(Options):
    """How to start a VirtualMachine."""

    paused: bool | None = None
    """Leave the guest paused before its first instruction."""


class StopOptions(Options):
    """How to stop a VirtualMachine."""

    grace_period: Int64 | None = None
    """Seconds the guest has to shut down, in place of its own grace period."""


class RestartOptions(Options):
    """How to restart a VirtualMachine."""

    grace_period_seconds: Int64 | None = None
    """Only 0 may be given: it ends the guest at once."""


class MigrateOptions(Options):
    """How to migrate a VirtualMachine."""

    added_node_selector: dict[str, str] | None = None
    """Labels that the target node must have, beside those the machine asks for."""


class PauseOptions(Options):
    """How to pause a guest."""


class UnpauseOptions(Options):
    """How to continue a guest."""


class EvacuateCancelOptions(Options):
    """Which evacuation to call off."""

    evacuation_node_name: str | None = None
    """The node that was to be left; any, where it is not given."""


class VirtualMachineMemoryDumpRequest(Model):
    """Where to dump the guest's memory."""

    claim_name: str
    """Claim that receives the dump."""


class FreezeUnfreezeTimeout(Model):
    """How long file systems stay frozen."""

    unfreeze_timeout: str
    """They thaw by themselves after this time, such as 5m0s; 0s means never."""


class ObjectGraphOptions(Model):
    """Which nodes of the graph to show."""

    include_optional_nodes: bool | None = None
    """Also what the machine could run without; it is shown unless this is false."""
    label_selector: LabelSelector | None = None
    """Only nodes with these labels."""


class ObjectReference(Model):
    """An object, by group, kind and name."""

    api_group: str | None = None
    """API group; empty for Kubernetes' core."""
    kind: str
    """Kind of the object."""
    name: str
    """Name of the object."""
    namespace: str | None = None
    """Namespace of the object; empty for objects of the cluster."""


class ObjectGraphNode(Model):
    """An object that a machine consists of or depends on."""

    object_reference: ObjectReference
    """The object."""
    labels: dict[str, str] | None = None
    """What the object is to the machine: its type, and whether it depends on it."""
    optional: bool | None = None
    """The machine can do without."""
    children: AtomicList[AnyObject] | None = None
    """Nodes of the same form that this object depends on."""


class GuestAgentCommand(Model):
    """A command of the guest agent."""

    name: str
    """Name of the command."""
    enabled: bool | None = None
    """It may be used."""


class VirtualMachineInstanceGuestOSUser(Model):
    """A user who is logged in to the guest."""

    user_name: str
    """Name of the user."""
    domain: str | None = None
    """Domain of the user, for Windows guests."""
    login_time: float | None = None
    """Time of the login, in seconds since 1970."""


class VirtualMachineInstanceFileSystemDisk(Model):
    """A disk that a file system is on."""

    serial: str | None = None
    """Serial number of the disk."""
    bus_type: str
    """Bus of the disk."""


class VirtualMachineInstanceFileSystem(Model):
    """A file system that is mounted in the guest."""

    disk_name: str
    """Name of the guest's block device."""
    mount_point: str
    """Where it is mounted."""
    file_system_type: str
    """Its type, such as ext4."""
    used_bytes: Int64
    """How much of it is used."""
    total_bytes: Int64
    """How large it is."""
    disk: AtomicList[VirtualMachineInstanceFileSystemDisk] | None = None
    """Disks it is on."""


class VirtualMachineInstanceFileSystemInfo(Model):
    """File systems of the guest."""

    disks: AtomicList[VirtualMachineInstanceFileSystem] | None = None
    """One entry per file system."""


class VirtualMachineInstanceGuestOSLoad(Model):
    """Load averages of the guest."""

    load1m: float | None = None
    """Over one minute."""
    load5m: float | None = None
    """Over five minutes."""
    load15m: float | None = None
    """Over fifteen minutes."""


class VirtualMachineInstanceGuestAgentInfo(Resource):
    """What the guest agent tells of the guest."""

    guest_agent_version: str | None = None
    """Version of the guest agent."""
    supported_commands: AtomicList[GuestAgentCommand] | None = None
    """Commands the guest agent knows."""
    hostname: str | None = None
    """Name the guest gives itself."""
    os: GuestOSInfo | None = None
    """Operating system of the guest."""
    timezone: str | None = None
    """Time zone of the guest."""
    user_list: AtomicList[VirtualMachineInstanceGuestOSUser] | None = None
    """Users who are logged in."""
    fs_info: VirtualMachineInstanceFileSystemInfo | None = None
    """File systems that are mounted."""
    fs_freeze_status: str | None = Field(None, alias="fsFreezeStatus")
    """Whether file systems are frozen."""
    load: VirtualMachineInstanceGuestOSLoad | None = None
    """Load averages, where the guest agent tells them."""


class VirtualMachineInstanceGuestOSUserList(Resource):
    """Users who are logged in to the guest."""

    items: AtomicList[VirtualMachineInstanceGuestOSUser]
    """One entry per user."""


class VirtualMachineInstanceFileSystemList(Resource):
    """File systems that are mounted in the guest."""

    items: AtomicList[VirtualMachineInstanceFileSystem]
    """One entry per file system."""


class BackupOptions(Model):
    """What to do with a backup of the guest's disks."""

    backup_name: str | None = None
    """Name of the backup."""
    cmd: str | None = None
    """Start or Abort."""
    mode: str | None = None
    """Push writes into a claim, Pull lets a client read."""
    backup_start_time: Time | None = None
    """When the backup began."""
    incremental: str | None = None
    """Checkpoint since which changes are wanted."""
    push_path: str | None = None
    """Where a backup of mode Push is written to."""
    skip_quiesce: bool | None = None
    """Do not freeze the guest's file systems."""


class SEVPlatformInfo(Resource):
    """Certificates of the platform, Base64."""

    pdh: str | None = None
    """The platform's Diffie-Hellman key."""
    cert_chain: str | None = None
    """The chain of certificates that signed it."""


class SEVMeasurementInfo(Resource):
    """What was measured when the guest was loaded."""

    measurement: str | None = None
    """The measurement, Base64."""
    api_major: int | None = None
    """Major version of the firmware's interface."""
    api_minor: int | None = None
    """Minor version of the firmware's interface."""
    build_id: int | None = Field(None, alias="buildID")
    """Build of the firmware."""
    policy: int | None = None
    """Policy of the guest."""
    loader_sha: str | None = Field(None, alias="loaderSHA")
    """Hash of the guest's firmware."""


class SEVSessionOptions(Model):
    """Session of the guest's owner with the platform, Base64."""

    session: str | None = None
    """Session blob."""
    dh_cert: str | None = Field(None, alias="dhCert")
    """Certificate of the owner."""


class SEVSecretOptions(Model):
    """A secret for the guest, encrypted for the platform, Base64."""

    header: str | None = None
    """Header of the secret."""
    secret: str | None = None
    """The secret."""


class ClusterProfilerRequest(Model):
    """Whose profiles to fetch."""

    label_selector: str | None = None
    """Only of components with these labels."""
    continue_: str | None = Field(None, alias="continue")
    """Where the last answer ended."""
    page_size: Int64 | None = None
    """How many profiles at most."""


class GuestfsInfo(Model):
    """Where the image with libguestfs is."""

    registry: str
    """Registry of the image."""
    tag: str
    """Tag of the image."""
    digest: str | None = None
    """Digest of the image; it replaces the tag."""
    image_prefix: str
    """What precedes the name of each image."""
    gs_image: str
    """The whole name, where the image has one of its own."""


class Version(Model):
    """Version of virt-api."""

    git_version: str
    """The release."""
    git_commit: str
    """The commit it was made of."""
    git_tree_state: str
    """Whether it had changes of its own."""
    build_date: str
    """When it was made."""
    go_version: str
    """The language, as clients expect it in this place."""
    compiler: str
    """The compiler or interpreter."""
    platform: str
    """Operating system and processor."""


class Status(Model):
    """Why a request was refused."""

    api_version: str
    """v1"""
    kind: str
    """Status"""
    status: str
    """Failure"""
    message: str
    """For people."""
    reason: str
    """For programs."""
    details: AnyObject | None = None
    """Causes, by field."""
    code: Int32
    """HTTP status."""


MODELS: dict[str, type[Model]] = {
    model.__name__: model
    for model in (
        AddVolumeOptions, BackupCheckpoint, BackupOptions, ClusterProfilerRequest, EvacuateCancelOptions,
        FreezeUnfreezeTimeout, GuestfsInfo, MigrateOptions, ObjectGraphNode, ObjectGraphOptions, PauseOptions,
        RemoveVolumeOptions, RestartOptions, SEVMeasurementInfo, SEVPlatformInfo, SEVSecretOptions, SEVSessionOptions,
        StartOptions, Status, StopOptions, UnpauseOptions, Version, VirtualMachineInstanceFileSystemList,
        VirtualMachineInstanceGuestAgentInfo, VirtualMachineInstanceGuestOSUserList, VirtualMachineMemoryDumpRequest,
    )
}  # fmt: skip
