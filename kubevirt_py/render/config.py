"""The cluster-wide configuration that every component reads from the KubeVirt CR, with upstream's defaults."""

from __future__ import annotations

import re
from collections.abc import Callable
from fnmatch import fnmatchcase
from typing import Any, NamedTuple

import msgspec

from kubevirt_py.api.quantity import is_quantity, parse_quantity
from kubevirt_py.plan import Document
from kubevirt_py.render import featuregates, support_resources, tls


class RateLimit(NamedTuple):
    """Requests per second in the long run, and at once."""

    qps: float
    burst: int


def _is_amount(value: Any) -> bool:
    return is_quantity(value) and parse_quantity(value) > 0


def _is_factor(value: Any) -> bool:
    return re.fullmatch(r"[1-9][0-9]{0,5}(\.[0-9]{1,9})?", str(value), re.ASCII) is not None


class Check(NamedTuple):
    """`field` of ClusterConfig fits when its value in the CR does; `rule` is what to say where it does not."""

    field: str
    fits: Callable[[Any], bool]
    rule: str


CHECKS = {
    "additionalGuestMemoryOverheadRatio": Check(
        "additional_guest_memory_overhead_ratio", _is_factor, "must be a factor of at least 1, such as 1.2"
    ),
    "cpuRequest": Check("cpu_request", _is_amount, "must be a quantity above 0, such as 100m"),
    "developerConfiguration.cpuAllocationRatio": Check(
        "cpu_allocation_ratio",
        lambda value: isinstance(value, int) and value >= 1,
        "must be greater than or equal to 1",
    ),
    "developerConfiguration.memoryOvercommit": Check(
        "memory_overcommit",
        lambda value: isinstance(value, int) and value >= 10,
        "must be greater than or equal to 10",
    ),
    "liveUpdateConfiguration.maxGuest": Check("max_guest", _is_amount, "must be a quantity above 0, such as 16Gi"),
}
"""Settings that are reckoned with for each VMI, by their place in the CR's configuration."""


def unusable(configuration: Document) -> dict[str, str]:
    """Settings of `spec.configuration` that cannot be followed: place -> value and rule, in words."""
    found = support_resources.misfits(configuration)
    for path, check in CHECKS.items():
        value: Any = configuration
        for key in path.split("."):
            value = (value or {}).get(key)
        if value not in (None, "") and not check.fits(value):
            found[path] = f"{value!r} {check.rule}"
    return found


class ClusterConfig(msgspec.Struct, frozen=True, kw_only=True):
    """`spec.configuration` of the KubeVirt CR, flattened. Ratios are per unit, sizes Kubernetes quantities.

    `cpu_limit_namespaces` selects those whose VMIs get a CPU limit; None: no namespace.
    `support_resources` are amounts by type of container, `requests` or `limits`, and resource.
    `problems` names settings that cannot be followed, each with why; their defaults hold instead. Admission refuses
    them, but a CR may be older than the webhook.
    """

    resource_version: str = "0"
    problems: tuple[str, ...] = ()
    use_emulation: bool = False
    cpu_allocation_ratio: int = 10
    memory_overcommit: int = 100
    cpu_request: str = "100m"
    cpu_model: str = ""
    machine_type: str = ""
    emulated_machines: tuple[str, ...] = ("q35*", "pc-q35*", "pc", "pc-i440fx*")
    default_architecture: str = "amd64"
    image_pull_policy: str = "IfNotPresent"
    image_pull_secrets: tuple[str, ...] = ()
    default_network_interface: str = "bridge"
    permit_bridge_on_pod_network: bool = True
    network_bindings: dict[str, Document] = {}
    eviction_strategy: str = ""
    rollout_strategy: str = "LiveUpdate"
    max_cpu_sockets: int = 0
    max_guest: str = ""
    max_hotplug_ratio: int = 4
    default_runtime_class: str = ""
    node_selectors: dict[str, str] = {}
    workloads_node_placement: Document = {}
    obsolete_cpu_models: tuple[str, ...] = ()
    min_cpu_model: str = ""
    additional_guest_memory_overhead_ratio: str = ""
    disable_serial_console_log: bool = False
    disable_free_page_reporting: bool = False
    memballoon_stats_period_s: int = 10
    smbios: dict[str, str] = {}
    vm_state_storage_class: str = ""
    feature_gates: frozenset[str] = frozenset()
    disabled_feature_gates: frozenset[str] = frozenset()
    seccomp_profile: str = ""
    selinux_type: str = ""
    vms_per_node: int = 0
    log_verbosity: dict[str, int] = {}
    node_verbosity: dict[str, int] = {}
    rate_limits: dict[str, RateLimit] = {}
    tls_min_version: str = tls.LEAST_VERSION
    tls_ciphers: tuple[str, ...] = ()
    role_aggregation: bool = True
    persistent_reservations: bool = False
    cpu_limit_namespaces: Document | None = None
    support_resources: dict[str, dict[str, dict[str, str]]] = {}

    def gate(self, name: str) -> bool:
        """Whether the feature gate is on."""
        return featuregates.enabled(name, self.feature_gates, self.disabled_feature_gates)

    def permits_machine(self, machine: str) -> bool:
        """Whether VMIs may ask for this machine type."""
        return any(fnmatchcase(machine, pattern) for pattern in self.emulated_machines)

    def verbosity(self, component: str, default: int, node: str = "") -> int:
        """Log verbosity 0-9 of a component as the CR spells it; that of a node, if given, comes first."""
        return self.node_verbosity.get(node, self.log_verbosity.get(component, default))

    @classmethod
    def from_kubevirt(cls, spec: Document, resource_version: str = "0") -> ClusterConfig:
        """Read the CR's spec; what it leaves out keeps the default."""
        conf = _part(spec, "configuration")
        dev = _part(conf, "developerConfiguration")
        net = _part(conf, "network")
        live = _part(conf, "liveUpdateConfiguration")
        arch = _part(conf, "architectureConfiguration")
        amd64 = _part(arch, "amd64")
        options = _part(conf, "virtualMachineOptions")
        verbosity, seccomp = _part(dev, "logVerbosity"), _part(conf, "seccompConfiguration")
        wanted: dict[str, Any] = {
            "use_emulation": dev.get("useEmulation"),
            "cpu_allocation_ratio": dev.get("cpuAllocationRatio"),
            "memory_overcommit": dev.get("memoryOvercommit"),
            "node_selectors": dev.get("nodeSelectors"),
            "cpu_request": _text(conf.get("cpuRequest")),
            "cpu_model": conf.get("cpuModel"),
            "machine_type": amd64.get("machineType") or conf.get("machineType"),
            "emulated_machines": _words(amd64.get("emulatedMachines") or conf.get("emulatedMachines")),
            "default_architecture": arch.get("defaultArchitecture"),
            "image_pull_policy": conf.get("imagePullPolicy") or spec.get("imagePullPolicy"),
            "image_pull_secrets": tuple(
                item["name"] for item in spec.get("imagePullSecrets") or () if item.get("name")
            ),
            "default_network_interface": net.get("defaultNetworkInterface"),
            "permit_bridge_on_pod_network": net.get("permitBridgeInterfaceOnPodNetwork"),
            "network_bindings": net.get("binding"),
            "eviction_strategy": conf.get("evictionStrategy"),
            "rollout_strategy": conf.get("vmRolloutStrategy"),
            "max_cpu_sockets": live.get("maxCpuSockets"),
            "max_guest": _text(live.get("maxGuest")),
            "max_hotplug_ratio": live.get("maxHotplugRatio"),
            "default_runtime_class": conf.get("defaultRuntimeClass"),
            "workloads_node_placement": _part(spec, "workloads").get("nodePlacement"),
            "obsolete_cpu_models": _words([n for n, on in _part(conf, "obsoleteCPUModels").items() if on]),
            "min_cpu_model": conf.get("minCPUModel"),
            "additional_guest_memory_overhead_ratio": conf.get("additionalGuestMemoryOverheadRatio"),
            "disable_serial_console_log": "disableSerialConsoleLog" in options,
            "disable_free_page_reporting": "disableFreePageReporting" in options,
            "memballoon_stats_period_s": conf.get("memBalloonStatsPeriod"),
            "smbios": conf.get("smbios"),
            "vm_state_storage_class": conf.get("vmStateStorageClass"),
            "feature_gates": frozenset(dev.get("featureGates") or ()),
            "disabled_feature_gates": frozenset(dev.get("disabledFeatureGates") or ()),
            "seccomp_profile": _part(_part(seccomp, "virtualMachineInstanceProfile"), "customProfile").get(
                "localhostProfile"
            ),
            "selinux_type": conf.get("selinuxLauncherType"),
            "vms_per_node": conf.get("virtualMachineInstancesPerNode"),
            "log_verbosity": {name: level for name, level in verbosity.items() if isinstance(level, int)},
            "node_verbosity": verbosity.get("nodeVerbosity"),
            "rate_limits": _rate_limits(conf),
            "tls_min_version": tls.least_version(_part(conf, "tlsConfiguration")),
            "tls_ciphers": tls.ciphers(_part(conf, "tlsConfiguration")),
            "role_aggregation": conf.get("roleAggregationStrategy") != "Manual",
            "persistent_reservations": _part(conf, "persistentReservationConfiguration").get("enabled"),
            "cpu_limit_namespaces": conf.get("autoCPULimitNamespaceLabelSelector"),
            "support_resources": support_resources.given_amounts(conf),
        }
        given = {name: value for name, value in wanted.items() if value not in (None, "")}
        bad = unusable(conf)
        for path in bad.keys() & CHECKS.keys():
            given.pop(CHECKS[path].field)
        problems = tuple(f"spec.configuration.{path}: {words}" for path, words in bad.items())
        return cls(resource_version=resource_version, problems=problems, **given)


def _part(document: Document, name: str) -> Document:
    return document.get(name) or {}


def _rate_limits(conf: Document) -> dict[str, RateLimit]:
    """By component; a limit that would stop a component altogether counts as none."""
    found = {}
    for component in ("api", "webhook", "controller", "handler"):
        limiter = _part(_part(_part(conf, f"{component}Configuration"), "restClient"), "rateLimiter")
        given = _part(limiter, "tokenBucketRateLimiter")
        qps, burst = given.get("qps"), given.get("burst")
        if isinstance(qps, int | float) and isinstance(burst, int) and qps > 0 and burst > 0:
            found[component] = RateLimit(float(qps), burst)
    return found


def _text(value: int | str | None) -> str:
    return "" if value is None else str(value)


def _words(values: list[str] | None) -> tuple[str, ...] | None:
    return tuple(values) if values else None
