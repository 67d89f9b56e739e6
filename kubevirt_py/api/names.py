"""Every name that appears in the cluster, spelled once: labels, annotations, finalizers, conditions, reasons.

Source: KubeVirt's API constants and behaviour map; clients and dashboards look these up literally.
"""

# Components and their namespace
NAMESPACE = "kubevirt"
VIRT_API = "virt-api"
VIRT_CONTROLLER = "virt-controller"
VIRT_HANDLER = "virt-handler"
VIRT_LAUNCHER = "virt-launcher"
VIRT_OPERATOR = "virt-operator"

# Service accounts
API_ACCOUNT = "kubevirt-apiserver"
CONTROLLER_ACCOUNT = "kubevirt-controller"
HANDLER_ACCOUNT = "kubevirt-handler"
OPERATOR_ACCOUNT = "kubevirt-operator"
COMPONENT_ACCOUNTS = (API_ACCOUNT, CONTROLLER_ACCOUNT, HANDLER_ACCOUNT, OPERATOR_ACCOUNT)

# Labels
APP_LABEL = "kubevirt.io"
ARCH_LABEL = "kubernetes.io/arch"
CREATED_BY_LABEL = "kubevirt.io/created-by"
DOMAIN_ANNOTATION = "kubevirt.io/domain"
HEARTBEAT_ANNOTATION = "kubevirt.io/heartbeat"
INSTALL_STRATEGY_LABEL = "kubevirt.io/install-strategy"
MIGRATION_JOB_UID_LABEL = "kubevirt.io/migrationJobUID"
MIGRATION_TARGET_NODE_LABEL = "kubevirt.io/migrationTargetNodeName"
NODE_NAME_LABEL = "kubevirt.io/nodeName"
OUTDATED_LAUNCHER_LABEL = "kubevirt.io/outdatedLauncherImage"
PROMETHEUS_LABEL = "prometheus.kubevirt.io"
SCHEDULABLE_LABEL = "kubevirt.io/schedulable"
VM_NAME_LABEL = "vm.kubevirt.io/name"
VMI_ID_LABEL = "vmi.kubevirt.io/id"

# Node labels
CPU_FEATURE_PREFIX = "cpu-feature.node.kubevirt.io/"
CPU_MODEL_MIGRATION_PREFIX = "cpu-model-migration.node.kubevirt.io/"
CPU_MODEL_PREFIX = "cpu-model.node.kubevirt.io/"
CPU_VENDOR_PREFIX = "cpu-vendor.node.kubevirt.io/"
HOST_MODEL_FEATURE_PREFIX = "host-model-required-features.node.kubevirt.io/"
HOST_MODEL_PREFIX = "host-model-cpu.node.kubevirt.io/"
HYPERV_PREFIX = "hyperv.node.kubevirt.io/"
MACHINE_TYPE_PREFIX = "machine-type.node.kubevirt.io/"
OBSOLETE_HOST_MODEL_LABEL = "node-labeller.kubevirt.io/obsolete-host-model"

# Annotations
DEFAULT_CONTAINER_ANNOTATION = "kubectl.kubernetes.io/default-container"
INSTALL_IDENTIFIER_ANNOTATION = "kubevirt.io/install-strategy-identifier"
INSTALL_REGISTRY_ANNOTATION = "kubevirt.io/install-strategy-registry"
INSTALL_VERSION_ANNOTATION = "kubevirt.io/install-strategy-version"
LATEST_API_VERSION_ANNOTATION = "kubevirt.io/latest-observed-api-version"
LAUNCH_ATTEMPT_ANNOTATION = "kubevirt.io/launch-attempt"
MEMORY_OVERHEAD_ANNOTATION = "kubevirt.io/memory-overhead-bytes"
MIGRATION_TRANSPORT_ANNOTATION = "kubevirt.io/migrationTransportUnix"
NODE_FACTS_ANNOTATION = "kubevirt.io/node-facts"
PCI_TOPOLOGY_ANNOTATION = "kubevirt.io/pci-topology-version"
REQUEST_EVICT_ONLY_ANNOTATION = "descheduler.alpha.kubernetes.io/request-evict-only"
SKIP_NODE_ANNOTATION = "node-labeller.kubevirt.io/skip-node"
STORAGE_API_VERSION_ANNOTATION = "kubevirt.io/storage-observed-api-version"
TEMPLATE_HASH_ANNOTATION = "kubevirt.io/vm-template-hash"
VM_GENERATION_ANNOTATION = "kubevirt.io/vm-generation"

# Finalizers
KUBEVIRT_FINALIZER = "kubevirt.io/foregroundDeleteKubeVirt"
LEGACY_VMI_FINALIZER = "foregroundDeleteVirtualMachine"
VM_FINALIZER = "kubevirt.io/virtualMachineControllerFinalize"
VMI_FINALIZER = "kubevirt.io/foregroundDeleteVirtualMachine"

# Devices of the kubelet plugin
DEVICE_NAMESPACE = "devices.kubevirt.io"
KVM_DEVICE = "devices.kubevirt.io/kvm"
TUN_DEVICE = "devices.kubevirt.io/tun"
VHOST_NET_DEVICE = "devices.kubevirt.io/vhost-net"

# Condition types
AGENT_CONNECTED = "AgentConnected"
AVAILABLE = "Available"
DEGRADED = "Degraded"
FAILURE = "Failure"
LIVE_MIGRATABLE = "LiveMigratable"
MANUAL_RECOVERY_REQUIRED = "ManualRecoveryRequired"
PAUSED = "Paused"
POD_SCHEDULED = "PodScheduled"
PROGRESSING = "Progressing"
PROVISIONING = "Provisioning"
READY = "Ready"
RESTART_REQUIRED = "RestartRequired"
STORAGE_LIVE_MIGRATABLE = "StorageLiveMigratable"
SYNCHRONIZED = "Synchronized"
VOLUMES_CHANGE = "VolumesChange"

# Condition and event reasons
CREATED = "Created"
DELETED = "Deleted"
DISKS_NOT_LIVE_MIGRATABLE = "DisksNotLiveMigratable"
ERR_IMAGE_PULL = "ErrImagePull"
FAILED_CREATE = "FailedCreate"
FAILED_DELETE = "FailedDelete"
FAILED_PVC_NOT_FOUND = "FailedPvcNotFound"
GUEST_NOT_RUNNING = "GuestNotRunning"
IMAGE_PULL_BACKOFF = "ImagePullBackOff"
INTERFACE_NOT_LIVE_MIGRATABLE = "InterfaceNotLiveMigratable"
NODE_UNRESPONSIVE = "NodeUnresponsive"
PAUSED_BY_USER = "PausedByUser"
PAUSED_IO_ERROR = "PausedIOError"
POD_CONDITION_MISSING = "PodConditionMissing"
POD_NOT_EXISTS = "PodNotExists"
POD_TERMINATING = "PodTerminating"
SHUTTING_DOWN = "ShuttingDown"
STARTED = "Started"
STOPPED = "Stopped"
SUCCESSFUL_CREATE = "SuccessfulCreate"
SUCCESSFUL_DELETE = "SuccessfulDelete"
SYNC_FAILED = "SyncFailed"
UNSCHEDULABLE = "Unschedulable"
VMI_CONDITION_MISSING = "VMIConditionMissing"
VMI_NOT_EXISTS = "VMINotExists"

# The way from virt-api to virt-handler, and of streams to clients
HANDLER_CLIENT = "kubevirt.io:system:client:virt-handler"
"""Common name of virt-api's client certificate; virt-handler accepts no other."""
HANDLER_PORT = 8186
STREAM_PROTOCOL = "plain.kubevirt.io"
"""WebSocket subprotocol: binary messages of raw bytes."""

# Where things stand inside a VM pod
AGENT_DIR = "/run/kubevirt-agent"
CLOUD_INIT_DIR = "/var/run/kubevirt-ephemeral-disks/cloud-init-data"
EPHEMERAL_DIR = "/var/run/kubevirt-ephemeral-disks"
CONTAINER_DISK_DIR = "/var/run/kubevirt-private/container-disks"
PRIVATE_DIR = "/var/run/kubevirt-private"
SECRET_DIR = "/var/run/kubevirt-private/secret"
SERIAL_LOG_DIR = "/var/run/kubevirt-serial-log"
VMI_DISK_DIR = "/var/run/kubevirt-private/vmi-disks"
QEMU_ID = 107
