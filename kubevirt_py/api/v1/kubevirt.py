"""The KubeVirt resource: one object that describes an installation."""

from __future__ import annotations

from pydantic import Field

from kubevirt_py.api.base import AtomicList, Int64, Model, NonEmpty, Resource
from kubevirt_py.api.k8s import Affinity, Toleration
from kubevirt_py.api.meta import Condition, LocalObjectReference
from kubevirt_py.api.v1.configuration import KubeVirtConfiguration


class CertConfig(Model):
    """Life of a certificate."""

    duration: str | None = None
    """How long it is valid, such as 168h."""
    renew_before: str | None = None
    """How long before the end it is renewed."""


class SelfSignedConfiguration(Model):
    """Lives of self-signed certificates."""

    ca: CertConfig | None = None
    """The certificate authority's."""
    ca_overlap_interval: str | None = None
    """Deprecated: how long an old authority stays trusted."""
    ca_rotate_interval: str | None = None
    """Deprecated form of ca.duration."""
    cert_rotate_interval: str | None = None
    """Deprecated form of server.duration."""
    server: CertConfig | None = None
    """The components'."""


class CertificateRotateStrategy(Model):
    """How certificates are made."""

    self_signed: SelfSignedConfiguration | None = None
    """By a certificate authority of our own."""


class ComponentFlags(Model):
    """Command-line flags by component."""

    api: dict[str, str] | None = None
    """Flags of virt-api."""
    controller: dict[str, str] | None = None
    """Flags of virt-controller."""
    handler: dict[str, str] | None = None
    """Flags of virt-handler."""


class ComponentPatch(Model):
    """A patch of one manifest."""

    patch: str
    """The patch as JSON."""
    resource_name: NonEmpty
    """Name of the object to patch; * for all of the kind."""
    resource_type: NonEmpty
    """Kind of the object to patch."""
    type: str
    """json, merge or strategic."""


class CustomizeComponents(Model):
    """Changes to the components' manifests."""

    flags: ComponentFlags | None = None
    """Command-line flags added to components."""
    patches: AtomicList[ComponentPatch] | None = None
    """Patches of manifests."""


class NodePlacement(Model):
    """Which nodes pods may run on."""

    affinity: Affinity | None = None
    """Which nodes and neighbours are preferred or needed."""
    node_selector: dict[str, str] | None = None
    """Labels a node must have."""
    tolerations: list[Toleration] | None = None
    """Taints tolerated."""


class ComponentConfig(Model):
    """Where pods run, and how many."""

    node_placement: NodePlacement | None = None
    """Which nodes."""
    replicas: int | None = None
    """How many; 2 unless set, 1 on a single node."""


class WorkloadUpdateStrategy(Model):
    """How running guests get new launcher pods after an upgrade."""

    batch_eviction_interval: str | None = None
    """Time between batches; 1m unless set."""
    batch_eviction_size: int | None = None
    """Guests evicted at once; 10 unless set."""
    workload_update_methods: AtomicList[str] | None = None
    """LiveMigrate, Evict, or both; none unless set."""


class KubeVirtSpec(Model):
    """How KubeVirt is installed and configured."""

    certificate_rotate_strategy: CertificateRotateStrategy | None = None
    """How long certificates live."""
    configuration: KubeVirtConfiguration | None = None
    """Settings that take effect without a restart."""
    customize_components: CustomizeComponents | None = None
    """Changes to the components' manifests."""
    image_pull_policy: str | None = None
    """Pull policy of our own images."""
    image_pull_secrets: AtomicList[LocalObjectReference] | None = None
    """Secrets with registry credentials for our own images."""
    image_registry: str | None = None
    """Registry of our own images; the operator's unless set."""
    image_tag: str | None = None
    """Tag of our own images; the operator's unless set."""
    infra: ComponentConfig | None = None
    """Where control plane pods run, and how many."""
    monitor_account: str | None = None
    """Service account of Prometheus, which may then read our metrics."""
    monitor_namespace: str | None = None
    """Namespace of Prometheus."""
    product_component: str | None = None
    """Value of label app.kubernetes.io/component."""
    product_name: str | None = None
    """Value of label app.kubernetes.io/part-of."""
    product_version: str | None = None
    """Value of label app.kubernetes.io/version."""
    service_monitor_namespace: str | None = None
    """Namespace the ServiceMonitor is made in."""
    synchronization_port: str | None = None
    """Port for migrations between clusters."""
    uninstall_strategy: str | None = None
    """Whether removing this object removes guests: RemoveWorkloads or BlockUninstallIfWorkloadsExist."""
    workload_update_strategy: WorkloadUpdateStrategy | None = None
    """How running guests get new launcher pods after an upgrade."""
    workloads: ComponentConfig | None = None
    """Where node agents and guests run."""


class GenerationStatus(Model):
    """The generation of one object as last applied."""

    group: str
    """API group."""
    last_generation: Int64
    """Generation as last applied."""
    name: str
    """Name of the object."""
    resource: str
    """Resource, in the plural."""
    hash: str | None = None
    """Hash of an object without generation."""
    namespace: str | None = None
    """Its namespace."""


class KubeVirtStatus(Model):
    """How far the installation is."""

    conditions: list[Condition] | None = None
    """Available, Progressing, Degraded and others."""
    default_architecture: str | None = None
    """Architecture guests get that name none."""
    generations: AtomicList[GenerationStatus] | None = None
    """Generations of objects as last applied."""
    observed_deployment_config: str | None = None
    """Deployment settings in effect."""
    observed_deployment_id: str | None = Field(None, alias="observedDeploymentID")
    """Hash of the deployment in effect."""
    observed_generation: Int64 | None = None
    """Generation last acted upon."""
    observed_kube_virt_registry: str | None = None
    """Registry of the images in effect."""
    observed_kube_virt_version: str | None = None
    """Version in effect."""
    operator_version: str | None = None
    """Version of the operator."""
    outdated_virtual_machine_instance_workloads: int | None = None
    """Guests that still run in launcher pods of an older version."""
    phase: str | None = None
    """Deploying, Deployed, Deleting and others."""
    synchronization_addresses: AtomicList[str] | None = None
    """Addresses for migrations between clusters."""
    target_deployment_config: str | None = None
    """Deployment settings wanted."""
    target_deployment_id: str | None = Field(None, alias="targetDeploymentID")
    """Hash of the deployment wanted."""
    target_kube_virt_registry: str | None = None
    """Registry of the images wanted."""
    target_kube_virt_version: str | None = None
    """Version wanted."""


class KubeVirt(Resource):
    """An installation of KubeVirt, one per cluster."""

    spec: KubeVirtSpec
    """How it is installed and configured."""
    status: KubeVirtStatus | None = None
    """How far the installation is."""
