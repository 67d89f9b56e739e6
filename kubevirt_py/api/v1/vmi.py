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
    """"""

    domain: DomainSpec
    access_credentials: Annotated[AtomicList[AccessCredential], MaxLen(256)] | None = None
    affinity: Affinity | None = None
    architecture: str | None = None
    dns_config: PodDNSConfig | None = None
    dns_policy: str | None = None
    eviction_strategy: str | None = None
    hostname: str | None = None
    liveness_probe: Probe | None = None
    networks: Annotated[list[Network], MaxLen(256)] | None = None
    node_selector: dict[str, str] | None = None
    priority_class_name: str | None = None
    readiness_probe: Probe | None = None
    resource_claims: Annotated[list[ResourceClaim], map_keys("name")] | None = None
    scheduler_name: str | None = None
    service_account_name: str | None = None
    start_strategy: str | None = None
    subdomain: str | None = None
    termination_grace_period_seconds: Int64 | None = None
    tolerations: list[Toleration] | None = None
    topology_spread_constraints: (
        Annotated[list[TopologySpreadConstraint], map_keys("topologyKey", "whenUnsatisfiable")] | None
    ) = None
    utility_volumes: Annotated[list[UtilityVolume], map_keys("name"), MaxLen(256)] | None = None
    volumes: Annotated[list[Volume], MaxLen(256)] | None = None


class VirtualMachineInstanceTemplate(Model):
    """"""

    metadata: NullOr[AnyObject] = None
    spec: VirtualMachineInstanceSpec | None = None


class VirtualMachineInstance(Resource):
    """"""

    spec: VirtualMachineInstanceSpec
    status: VirtualMachineInstanceStatus | None = None
