"""VirtualMachineInstance: one run of a guest, and the template a VirtualMachine makes it from."""

from __future__ import annotations

from typing import Annotated

from kubevirt_py.api.base import AnyObject, AtomicList, Int64, MaxLen, Model, NullOr, Resource, map_keys
from kubevirt_py.api.k8s import Affinity, PodDNSConfig, ResourceClaim, Toleration, TopologySpreadConstraint
from kubevirt_py.api.v1.access import AccessCredential
from kubevirt_py.api.v1.domain import DomainSpec
from kubevirt_py.api.v1.networks import Network
from kubevirt_py.api.v1.probes import Probe
from kubevirt_py.api.v1.vmi_status import VirtualMachineInstanceStatus
from kubevirt_py.api.v1.volumes import UtilityVolume, Volume


class VirtualMachineInstanceSpec(Model):
    """A machine, where its pod may run, and what its volumes and networks are."""

    domain: DomainSpec
    """The machine as the guest sees it."""
    access_credentials: Annotated[AtomicList[AccessCredential], MaxLen(256)] | None = None
    """Keys and passwords put into the guest from secrets."""
    affinity: Affinity | None = None
    """Which nodes and neighbours the pod prefers or needs."""
    architecture: str | None = None
    """CPU architecture of the guest: amd64, arm64 or s390x."""
    dns_config: PodDNSConfig | None = None
    """Name servers, search domains and options, in addition to dnsPolicy."""
    dns_policy: str | None = None
    """Which name servers the guest is given, as for pods."""
    eviction_strategy: str | None = None
    """What a node drain does to the guest: None, LiveMigrate, LiveMigrateIfPossible or External."""
    hostname: str | None = None
    """Host name of the guest; the instance's name unless set."""
    liveness_probe: Probe | None = None
    """A probe whose failure restarts the guest."""
    networks: Annotated[list[Network], MaxLen(256)] | None = None
    """Networks the interfaces join, matched by name."""
    node_selector: dict[str, str] | None = None
    """Labels a node must have."""
    priority_class_name: str | None = None
    """Priority class of the pod."""
    readiness_probe: Probe | None = None
    """A probe whose failure takes the guest out of Services."""
    resource_claims: Annotated[list[ResourceClaim], map_keys("name")] | None = None
    """Resource claims of dynamic resource allocation that devices refer to."""
    scheduler_name: str | None = None
    """Scheduler that places the pod."""
    service_account_name: str | None = None
    """Service account a serviceAccount volume shows to the guest."""
    start_strategy: str | None = None
    """Paused starts the guest stopped at its first instruction."""
    subdomain: str | None = None
    """With hostname, gives the guest a DNS name through a headless Service of this name."""
    termination_grace_period_seconds: Int64 | None = None
    """Seconds the guest gets to shut down before it is cut off."""
    tolerations: list[Toleration] | None = None
    """Node taints the pod tolerates."""
    topology_spread_constraints: (
        Annotated[list[TopologySpreadConstraint], map_keys("topologyKey", "whenUnsatisfiable")] | None
    ) = None
    """How pods of a group spread over zones and nodes."""
    utility_volumes: Annotated[list[UtilityVolume], map_keys("name"), MaxLen(256)] | None = None
    """Claims attached for a task such as a backup; the guest does not see them."""
    volumes: Annotated[list[Volume], MaxLen(256)] | None = None
    """Where the content of disks and filesystems comes from, matched by name."""


class VirtualMachineInstanceTemplate(Model):
    """What instances are made from."""

    metadata: NullOr[AnyObject] = None
    """Labels and annotations given to each instance and its pod."""
    spec: VirtualMachineInstanceSpec | None = None
    """The machine, its volumes and networks."""


class VirtualMachineInstance(Resource):
    """One run of a guest."""

    spec: VirtualMachineInstanceSpec
    """The machine, its volumes and networks. Fixed once created."""
    status: VirtualMachineInstanceStatus | None = None
    """What is known of the run."""
