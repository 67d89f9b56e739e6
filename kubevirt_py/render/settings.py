"""Every setting of the KubeVirt CR: what it does, or why it is refused.

One row stands for a path below `spec` and all that is below it, unless a longer path has a row of its own. `[]` and
`{}` stand for every entry of a list or map. Nothing is silently ignored: admission refuses what has a `Refused` row,
and a test holds the rows to the schema of the CRD. Remove a `Refused` row when its feature arrives.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, NamedTuple

from kubevirt_py.plan import Document

AT_ONCE = "at once"
ADMITTED = "for objects admitted from then on"
STARTED = "for guests started from then on"
ROLLED = "by rolling the components out"


class Effect(NamedTuple):
    """What the setting does, and when a change of it takes effect."""

    what: str
    when: str


class Refused(NamedTuple):
    """Admission refuses the setting, except for the values `but`, which ask for nothing."""

    what: str
    but: tuple[Any, ...] = (None, "", False)


class Ignored(NamedTuple):
    """Accepted and without effect, because of its nature."""

    why: str


Row = Effect | Refused | Ignored

_LAST_PART = re.compile(r"(?:^|\.)[^.\[\]{}]+$|\[\]$|\{\}$")
_LIMITS = "restClient.rateLimiter.tokenBucketRateLimiter"
_PLACEMENT = "node selector, affinity and tolerations of"
_SPEC: dict[str, Row] = {
    "certificateRotateStrategy.selfSigned.ca": Effect(
        "life of the certificate authority and when it is renewed", AT_ONCE
    ),
    "certificateRotateStrategy.selfSigned.server": Effect(
        "life of the components' certificates and when they are renewed", AT_ONCE
    ),
    "certificateRotateStrategy.selfSigned.caRotateInterval": Effect("as ca.duration", AT_ONCE),
    "certificateRotateStrategy.selfSigned.caOverlapInterval": Effect("as ca.renewBefore", AT_ONCE),
    "certificateRotateStrategy.selfSigned.certRotateInterval": Effect("as server.duration", AT_ONCE),
    "customizeComponents.flags": Effect("flags of virt-api, virt-controller and virt-handler", ROLLED),
    "customizeComponents.patches": Effect("patches of the manifests that the operator applies", ROLLED),
    "imagePullPolicy": Effect("pull policy of the components", ROLLED),
    "imagePullSecrets": Effect("pull secrets of components and launcher pods", ROLLED),
    "imageRegistry": Effect("registry of all images", ROLLED),
    "imageTag": Effect("tag of all images", ROLLED),
    "infra.nodePlacement": Effect(f"{_PLACEMENT} virt-api and virt-controller", ROLLED),
    "infra.replicas": Effect("replicas of virt-api and virt-controller", ROLLED),
    "monitorAccount": Refused("monitoring by Prometheus rules; scrape the Service kubevirt-prometheus-metrics"),
    "monitorNamespace": Refused("monitoring by Prometheus rules; scrape the Service kubevirt-prometheus-metrics"),
    "productComponent": Effect("label app.kubernetes.io/component of all that is installed", ROLLED),
    "productName": Effect("label app.kubernetes.io/part-of of all that is installed", ROLLED),
    "productVersion": Effect("label app.kubernetes.io/version of all that is installed", ROLLED),
    "serviceMonitorNamespace": Refused(
        "monitoring by Prometheus rules; scrape the Service kubevirt-prometheus-metrics"
    ),
    "synchronizationPort": Refused("migration between clusters"),
    "uninstallStrategy": Effect("whether the CR may be deleted while virtual machines exist", AT_ONCE),
    "workloadUpdateStrategy.batchEvictionInterval": Effect("pause between two batches of outdated guests", AT_ONCE),
    "workloadUpdateStrategy.batchEvictionSize": Effect("how many outdated guests are ended at once", AT_ONCE),
    "workloadUpdateStrategy.workloadUpdateMethods": Effect(
        "Evict ends guests of an older launcher image; LiveMigrate is refused", AT_ONCE
    ),
    "workloads.nodePlacement": Effect(f"{_PLACEMENT} virt-handler and of launcher pods", ROLLED),
    "workloads.replicas": Refused("a number of node agents; each node has one", (None, 0)),
}
_CONFIGURATION: dict[str, Row] = {
    "additionalGuestMemoryOverheadRatio": Effect(
        "factor on the memory a launcher pod asks for beside the guest's", STARTED
    ),
    f"apiConfiguration.{_LIMITS}": Effect("requests per second of virt-api to the API server", AT_ONCE),
    "architectureConfiguration.amd64.emulatedMachines": Effect("machine types that VMIs may ask for", ADMITTED),
    "architectureConfiguration.amd64.machineType": Effect("machine type of a VMI that names none", ADMITTED),
    "architectureConfiguration.amd64.ovmfPath": Refused("a firmware path; the launcher image brings its firmware"),
    "architectureConfiguration.arm64": Refused("guests of architecture arm64", (None, {})),
    "architectureConfiguration.ppc64le": Refused("guests of architecture ppc64le", (None, {})),
    "architectureConfiguration.s390x": Refused("guests of architecture s390x", (None, {})),
    "architectureConfiguration.defaultArchitecture": Refused(
        "guests of another architecture than amd64", (None, "", "amd64")
    ),
    "autoCPULimitNamespaceLabelSelector": Effect(
        "namespaces in which a VMI that names no CPU limit gets one of a CPU for each virtual CPU", STARTED
    ),
    "changedBlockTrackingLabelSelectors": Refused("changed block tracking", (None, {})),
    "commonInstancetypesDeployment.enabled": Refused("a set of instance types to begin with", (None, False)),
    "confidentialCompute": Refused("confidential guests", (None, {})),
    f"controllerConfiguration.{_LIMITS}": Effect("requests per second of virt-controller to the API server", AT_ONCE),
    "cpuModel": Effect("CPU model of a VMI that names none", ADMITTED),
    "cpuRequest": Effect("CPU request of a VMI that names none", ADMITTED),
    "defaultRuntimeClass": Effect("runtime class of launcher pods", STARTED),
    "developerConfiguration.clusterProfiler": Refused("the cluster profiler"),
    "developerConfiguration.cpuAllocationRatio": Effect("virtual CPUs for each CPU a launcher pod asks for", STARTED),
    "developerConfiguration.disabledFeatureGates": Effect("turns Beta features off", ADMITTED),
    "developerConfiguration.diskVerification": Ignored("disks are looked at without a process that could need a limit"),
    "developerConfiguration.featureGates": Effect("turns Alpha features on", ADMITTED),
    "developerConfiguration.logVerbosity.nodeVerbosity": Effect(
        "log verbosity of virt-handler on a node, by its name", AT_ONCE
    ),
    "developerConfiguration.logVerbosity.virtAPI": Effect("log verbosity of virt-api", AT_ONCE),
    "developerConfiguration.logVerbosity.virtController": Effect("log verbosity of virt-controller", AT_ONCE),
    "developerConfiguration.logVerbosity.virtHandler": Effect("log verbosity of virt-handler", AT_ONCE),
    "developerConfiguration.logVerbosity.virtLauncher": Effect(
        "from 3 on virt-handler logs what it tells QEMU and hears from it", AT_ONCE
    ),
    "developerConfiguration.logVerbosity.virtOperator": Effect("log verbosity of virt-operator", AT_ONCE),
    "developerConfiguration.logVerbosity.virtSynchronizationController": Refused("migration between clusters", (None,)),
    "developerConfiguration.memoryOvercommit": Effect(
        "guest memory in percent of what a launcher pod asks for", STARTED
    ),
    "developerConfiguration.minimumClusterTSCFrequency": Refused("a common TSC frequency", (None, 0)),
    "developerConfiguration.minimumReservePVCBytes": Refused(
        "space that a new disk.img leaves in its claim; it is sparse, and as large as the claim says", (None, 0)
    ),
    "developerConfiguration.nodeSelectors": Effect("node selector of launcher pods", STARTED),
    "developerConfiguration.pvcTolerateLessSpaceUpToPercent": Refused(
        "a smaller disk.img where the storage has less than the claim says; it is sparse, and as large as that says",
        (None, 0),
    ),
    "developerConfiguration.useEmulation": Effect("guests run translated, without KVM", STARTED),
    "emulatedMachines": Effect("as architectureConfiguration.amd64.emulatedMachines", ADMITTED),
    "evictionStrategy": Effect("eviction strategy of a VMI that names none", ADMITTED),
    f"handlerConfiguration.{_LIMITS}": Effect("requests per second of virt-handler to the API server", AT_ONCE),
    "hypervisors[].name": Refused("a hypervisor other than kvm", (None, "", "kvm")),
    "imagePullPolicy": Effect("pull policy of launcher pods", STARTED),
    "instancetype.referencePolicy": Refused("policies for instance types", (None, "", "reference")),
    "ksmConfiguration": Refused("kernel same-page merging", (None,)),
    "liveUpdateConfiguration.maxCpuSockets": Effect("sockets a running guest can have", STARTED),
    "liveUpdateConfiguration.maxGuest": Effect("memory a running guest can have", STARTED),
    "liveUpdateConfiguration.maxHotplugRatio": Effect("sockets and memory a guest can grow to, as a factor", STARTED),
    "machineType": Effect("as architectureConfiguration.amd64.machineType", ADMITTED),
    "mediatedDevicesConfiguration": Refused("mediated devices", (None, {})),
    "memBalloonStatsPeriod": Effect("seconds between two looks at the guest's memory statistics; 0 for none", STARTED),
    "migrations": Refused("live migration", (None, {})),
    "minCPUModel": Effect("nodes offer no CPU model that is older", AT_ONCE),
    "network.binding": Effect("plugins that bind networks, attached by tap or managedTap", STARTED),
    "network.binding{}.computeResourceOverhead": Refused("resources for network binding plugins", (None, {})),
    "network.binding{}.downwardAPI": Refused("device information for network binding plugins"),
    "network.binding{}.migration": Refused("migration of guests with network binding plugins", (None, {})),
    "network.binding{}.sidecarImage": Refused(
        "helper containers of network binding plugins, which change libvirt's XML; leave it out and let the plugin's "
        "CNI make the link (domainAttachmentType tap or managedTap), or use passtBinding instead of a plugin for passt"
    ),
    "network.defaultNetworkInterface": Effect("binding of a VMI that names no network", ADMITTED),
    "network.permitBridgeInterfaceOnPodNetwork": Effect("whether the pod network may be bridged", ADMITTED),
    "network.permitSlirpInterface": Refused("slirp, which is no more; use masquerade"),
    "obsoleteCPUModels": Effect("CPU models that nodes do not offer and VMIs may not name", AT_ONCE),
    "ovmfPath": Refused("a firmware path; the launcher image brings its firmware"),
    "permittedHostDevices": Refused("host devices", (None, {})),
    "persistentReservationConfiguration.enabled": Effect(
        "guests may reserve SCSI LUNs; each node agent then has qemu-pr-helper beside it", ROLLED
    ),
    "roleAggregationStrategy": Effect("whether admin, edit and view include our roles", ROLLED),
    "seccompConfiguration": Effect("seccomp profile of launcher pods", STARTED),
    "selinuxLauncherType": Effect("SELinux type of launcher pods", STARTED),
    "smbios": Effect("what the guest's SMBIOS says of maker and product", STARTED),
    "supportContainerResources": Effect(
        "CPU and memory of the containers beside QEMU's, by type: `virtiofs`, `guest-console-log`, `sidecar` (passt), "
        "`hotplug-disk` (pods that bring volumes); `container-disk` has no container here, `vmexport` is refused",
        STARTED,
    ),
    "supportedGuestAgentVersions": Ignored("deprecated: guest agents are asked which commands they know"),
    "tlsConfiguration": Effect("TLS version and ciphers of all that the components serve", AT_ONCE),
    "virtTemplateDeployment.enabled": Refused("virtual machine templates", (None, False)),
    "virtualMachineInstancesPerNode": Effect("how many guests a node may have", AT_ONCE),
    "virtualMachineOptions.disableFreePageReporting": Effect("free pages stay the guest's", STARTED),
    "virtualMachineOptions.disableSerialConsoleLog": Ignored("serial consoles are logged only where a VMI asks for it"),
    "vmRolloutStrategy": Effect("Stage: changes of a running VM wait for its restart", AT_ONCE),
    "vmStateStorageClass": Effect("storage class, shared by nodes, of persistent firmware and TPM state", STARTED),
    f"webhookConfiguration.{_LIMITS}": Effect("requests per second of admission to the API server", AT_ONCE),
}
ROWS: dict[str, Row] = _SPEC | {f"configuration.{path}": row for path, row in _CONFIGURATION.items()}
STATUS = {
    "conditions": "Available, Progressing, Degraded, Created and Synchronized, with reason and message",
    "defaultArchitecture": "amd64",
    "generations": "not filled: what was applied is kept by the API server's field managers",
    "observedDeploymentConfig": "the deployment that is rolled out, as JSON",
    "observedDeploymentID": "its digest; equal to targetDeploymentID when the roll-out is complete",
    "observedGeneration": "generation of the CR that is rolled out",
    "observedKubeVirtRegistry": "registry of the images that run",
    "observedKubeVirtVersion": "version that runs",
    "operatorVersion": "version of virt-operator",
    "outdatedVirtualMachineInstanceWorkloads": "guests that run in an older launcher image",
    "phase": "Deploying, Deployed, Deleting or Deleted",
    "synchronizationAddresses": "not filled: there is no migration between clusters",
    "targetDeploymentConfig": "the deployment that is wanted, as JSON",
    "targetDeploymentID": "its digest",
    "targetKubeVirtRegistry": "registry of the wanted images",
    "targetKubeVirtVersion": "version that is wanted",
}
"""What each field of the CR's status says."""


def row_of(path: str) -> Row | None:
    """The row that stands for a path below `spec` in schema notation: its own, or that of its nearest parent."""
    while path:
        if path in ROWS:
            return ROWS[path]
        path = _LAST_PART.sub("", path)
    return None


def refusals(spec: Document) -> Iterator[tuple[str, str]]:
    """What a CR's spec asks for that this release does not do: field path and what it is."""
    for path, row in ROWS.items():
        if not isinstance(row, Refused):
            continue
        for place, value in _places(spec, path.split("."), "spec"):
            if value not in row.but:
                yield place, row.what


def _places(value: Any, parts: list[str], path: str) -> Iterator[tuple[str, Any]]:
    if not parts:
        yield path, value
        return
    key = parts[0].removesuffix("[]").removesuffix("{}")
    if not isinstance(value, dict) or value.get(key) is None:
        return
    if parts[0].endswith("{}"):
        for name, item in value[key].items():
            yield from _places(item, parts[1:], f"{path}.{key}[{name}]")
        return
    if key == parts[0]:
        yield from _places(value[key], parts[1:], f"{path}.{key}")
        return
    for index, item in enumerate(value[key]):
        yield from _places(item, parts[1:], f"{path}.{key}[{index}]")


INTRODUCTION = """\
Paths are below `spec`; a row stands for everything below it. No change needs a restart unless the row says that the
components are rolled out, and guests run on in any case. Each component tells at HTTPS `:8443/healthz`, as
`config-resource-version`, which version of the CR it follows."""


def reference() -> str:
    """docs/configuration.md."""
    effects = [f"| `{path}` | {row.what} | {row.when} |" for path, row in ROWS.items() if isinstance(row, Effect)]
    refused = [f"| `{path}` | {row.what}{_but(row)} |" for path, row in ROWS.items() if isinstance(row, Refused)]
    ignored = [f"| `{path}` | {row.why} |" for path, row in ROWS.items() if isinstance(row, Ignored)]
    status = [f"| `{path}` | {what} |" for path, what in STATUS.items()]
    return "\n".join(
        [
            "<!-- Generated by hack/generate from kubevirt_py/render/settings.py. -->",
            "# Settings of the KubeVirt resource",
            "",
            INTRODUCTION,
            "",
            "## What has an effect",
            "",
            "| setting | effect | a change takes effect |",
            "|---|---|---|",
            *effects,
            "",
            "## What is refused",
            "",
            "Admission answers with the field and `not supported yet by this release`.",
            "",
            "| setting | what it would be |",
            "|---|---|",
            *refused,
            "",
            "## What is accepted without effect",
            "",
            "| setting | why |",
            "|---|---|",
            *ignored,
            "",
            "## Status",
            "",
            "| field | |",
            "|---|---|",
            *status,
            "",
        ]
    )


def _but(row: Refused) -> str:
    """The values that are accepted, where a user may want to write one."""
    named = [str(value).lower() for value in row.but if value not in (None, "", {}, [], 0)]
    return f" (`{'`, `'.join(named)}` is accepted)" if named else ""
