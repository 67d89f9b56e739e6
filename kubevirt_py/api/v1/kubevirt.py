"""The KubeVirt resource: one object that describes an installation."""

from __future__ import annotations

from pydantic import Field

from kubevirt_py.api.base import AtomicList, Int64, Model, NonEmpty, Resource
from kubevirt_py.api.k8s import Affinity, Toleration
from kubevirt_py.api.meta import Condition, LocalObjectReference
from kubevirt_py.api.v1.configuration import KubeVirtConfiguration


class CertConfig(Model):
    """"""

    duration: str | None = None
    renew_before: str | None = None


class SelfSignedConfiguration(Model):
    """"""

    ca: CertConfig | None = None
    ca_overlap_interval: str | None = None
    ca_rotate_interval: str | None = None
    cert_rotate_interval: str | None = None
    server: CertConfig | None = None


class CertificateRotateStrategy(Model):
    """"""

    self_signed: SelfSignedConfiguration | None = None


class ComponentFlags(Model):
    """"""

    api: dict[str, str] | None = None
    controller: dict[str, str] | None = None
    handler: dict[str, str] | None = None


class ComponentPatch(Model):
    """"""

    patch: str
    resource_name: NonEmpty
    resource_type: NonEmpty
    type: str


class CustomizeComponents(Model):
    """"""

    flags: ComponentFlags | None = None
    patches: AtomicList[ComponentPatch] | None = None


class NodePlacement(Model):
    """"""

    affinity: Affinity | None = None
    node_selector: dict[str, str] | None = None
    tolerations: list[Toleration] | None = None


class ComponentConfig(Model):
    """"""

    node_placement: NodePlacement | None = None
    replicas: int | None = None


class WorkloadUpdateStrategy(Model):
    """"""

    batch_eviction_interval: str | None = None
    batch_eviction_size: int | None = None
    workload_update_methods: AtomicList[str] | None = None


class KubeVirtSpec(Model):
    """"""

    certificate_rotate_strategy: CertificateRotateStrategy | None = None
    configuration: KubeVirtConfiguration | None = None
    customize_components: CustomizeComponents | None = None
    image_pull_policy: str | None = None
    image_pull_secrets: AtomicList[LocalObjectReference] | None = None
    image_registry: str | None = None
    image_tag: str | None = None
    infra: ComponentConfig | None = None
    monitor_account: str | None = None
    monitor_namespace: str | None = None
    product_component: str | None = None
    product_name: str | None = None
    product_version: str | None = None
    service_monitor_namespace: str | None = None
    synchronization_port: str | None = None
    uninstall_strategy: str | None = None
    workload_update_strategy: WorkloadUpdateStrategy | None = None
    workloads: ComponentConfig | None = None


class GenerationStatus(Model):
    """"""

    group: str
    last_generation: Int64
    name: str
    resource: str
    hash: str | None = None
    namespace: str | None = None


class KubeVirtStatus(Model):
    """"""

    conditions: list[Condition] | None = None
    default_architecture: str | None = None
    generations: AtomicList[GenerationStatus] | None = None
    observed_deployment_config: str | None = None
    observed_deployment_id: str | None = Field(None, alias="observedDeploymentID")
    observed_generation: Int64 | None = None
    observed_kube_virt_registry: str | None = None
    observed_kube_virt_version: str | None = None
    operator_version: str | None = None
    outdated_virtual_machine_instance_workloads: int | None = None
    phase: str | None = None
    synchronization_addresses: AtomicList[str] | None = None
    target_deployment_config: str | None = None
    target_deployment_id: str | None = Field(None, alias="targetDeploymentID")
    target_kube_virt_registry: str | None = None
    target_kube_virt_version: str | None = None


class KubeVirt(Resource):
    """"""

    spec: KubeVirtSpec
    status: KubeVirtStatus | None = None
