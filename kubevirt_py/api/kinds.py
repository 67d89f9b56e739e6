"""The kinds this project reads and writes, each with the view its readers decode."""

from __future__ import annotations

from kubevirt_py.api import views
from kubevirt_py.plan import Document, Kind

VM = Kind("kubevirt.io", "v1", "VirtualMachine", "virtualmachines", views.VirtualMachine)
VMI = Kind("kubevirt.io", "v1", "VirtualMachineInstance", "virtualmachineinstances", views.VirtualMachineInstance)
HOSTED_VMI = Kind("kubevirt.io", "v1", "VirtualMachineInstance", "virtualmachineinstances", views.HostedInstance)
PRESET = Kind(
    "kubevirt.io",
    "v1",
    "VirtualMachineInstancePreset",
    "virtualmachineinstancepresets",
    views.VirtualMachineInstancePreset,
)
DATA_VOLUME = Kind("cdi.kubevirt.io", "v1beta1", "DataVolume", "datavolumes", views.Held)
KUBEVIRT = Kind("kubevirt.io", "v1", "KubeVirt", "kubevirts", views.KubeVirt)
POD = Kind("", "v1", "Pod", "pods", views.Pod)
NODE = Kind("", "v1", "Node", "nodes", views.Node, namespaced=False)
PVC = Kind("", "v1", "PersistentVolumeClaim", "persistentvolumeclaims", views.PersistentVolumeClaim)
NAMESPACE = Kind("", "v1", "Namespace", "namespaces", views.Held, namespaced=False)
STORAGE_CLASS = Kind("storage.k8s.io", "v1", "StorageClass", "storageclasses", views.StorageClass, namespaced=False)
LEASE = Kind("coordination.k8s.io", "v1", "Lease", "leases", views.Lease)
DEPLOYMENT = Kind("apps", "v1", "Deployment", "deployments", views.Workload)
DAEMON_SET = Kind("apps", "v1", "DaemonSet", "daemonsets", views.Workload)
SECRET = Kind("", "v1", "Secret", "secrets", dict[str, object])
CONFIG_MAP = Kind("", "v1", "ConfigMap", "configmaps", dict[str, object])
API_SERVICE = Kind("apiregistration.k8s.io", "v1", "APIService", "apiservices", views.ApiService, namespaced=False)
NETWORK_DEFINITION = Kind(
    "k8s.cni.cncf.io", "v1", "NetworkAttachmentDefinition", "network-attachment-definitions", views.Held
)
MUTATING_WEBHOOKS = Kind(
    "admissionregistration.k8s.io",
    "v1",
    "MutatingWebhookConfiguration",
    "mutatingwebhookconfigurations",
    views.Held,
    namespaced=False,
)
VALIDATING_WEBHOOKS = Kind(
    "admissionregistration.k8s.io",
    "v1",
    "ValidatingWebhookConfiguration",
    "validatingwebhookconfigurations",
    views.Held,
    namespaced=False,
)

__all__ = [
    "API_SERVICE",
    "CONFIG_MAP",
    "DAEMON_SET",
    "DEPLOYMENT",
    "HOSTED_VMI",
    "KUBEVIRT",
    "LEASE",
    "MUTATING_WEBHOOKS",
    "NAMESPACE",
    "NETWORK_DEFINITION",
    "NODE",
    "POD",
    "PRESET",
    "PVC",
    "SECRET",
    "STORAGE_CLASS",
    "VALIDATING_WEBHOOKS",
    "VM",
    "VMI",
    "Document",
]
