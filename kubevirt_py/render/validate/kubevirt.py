"""Whether the KubeVirt resource may be created or changed."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from datetime import timedelta

from kubevirt_py.api import names
from kubevirt_py.api.durations import parse_duration
from kubevirt_py.api.v1.kubevirt import KubeVirt
from kubevirt_py.plan import Document
from kubevirt_py.render import support_resources
from kubevirt_py.render.causes import DUPLICATE, INVALID, NOT_SUPPORTED, REQUIRED, Cause, at_least, between, one_of
from kubevirt_py.render.config import unusable
from kubevirt_py.render.cpumodels import NEEDS
from kubevirt_py.render.featuregates import remarks
from kubevirt_py.render.install import Installation, documents
from kubevirt_py.render.install.customize import misfits
from kubevirt_py.render.install.documents import admission, aggregation
from kubevirt_py.render.parse import parse_causes, without_nulls
from kubevirt_py.render.selectors import selector_causes
from kubevirt_py.render.settings import refusals
from kubevirt_py.render.tls import CIPHERS
from kubevirt_py.render.tls import VERSIONS as TLS_VERSIONS
from kubevirt_py.render.validate.scheduling import EVICTION_STRATEGIES
from kubevirt_py.render.validate.volumes import PULL_POLICIES

DEFAULTS_S = {"ca": (604800, 120960), "server": (86400, 17280)}
"""Life and renewal margin of certificates where the CR does not say: 7 days and 24 hours, renewed after 80 %."""
INTERFACES = ("bridge", "masquerade", "passt")
MAX_VERBOSITY = 9
PATCH_TYPES = ("strategic", "merge", "json")
ATTACHMENTS = ("tap", "managedTap")
UNINSTALL_STRATEGIES = ("RemoveWorkloads", "BlockUninstallIfWorkloadsExist")
LATER_METHODS = ("LiveMigrate",)
UPDATE_METHODS = ("LiveMigrate", "Evict")


def validate_kubevirt(new: Document, old: Document | None = None) -> list[Cause]:
    """Causes against creating (`old` None) or changing the KubeVirt resource."""
    if new.get("metadata", {}).get("deletionTimestamp"):
        return []
    if causes := parse_causes(KubeVirt, new):
        return causes
    spec = without_nulls(new).get("spec") or {}
    if old is not None and spec == (without_nulls(old).get("spec") or {}):
        return []
    return [
        *(Cause(place, NOT_SUPPORTED, f"not supported yet by this release: {what}") for place, what in refusals(spec)),
        *_spec(spec),
        *_configuration(spec.get("configuration") or {}, "spec.configuration"),
    ]


def kubevirt_warnings(new: Document) -> tuple[str, ...]:
    """What of a KubeVirt resource that is fine has no effect."""
    if parse_causes(KubeVirt, new):
        return ()
    conf = (new.get("spec") or {}).get("configuration") or {}
    developer = conf.get("developerConfiguration") or {}
    lists = (developer.get(key) or () for key in ("featureGates", "disabledFeatureGates"))
    base = "spec.configuration"
    return (
        *(f"{base}.developerConfiguration.{place}: {text}" for place, text in remarks(*lists)),
        *(
            f"{base}.supportContainerResources[{index}]: has no effect: images of container disks need no container"
            for index, entry in enumerate(conf.get("supportContainerResources") or ())
            if entry["type"] == support_resources.CONTAINER_DISK
        ),
    )


def _spec(spec: Document) -> Iterator[Cause]:
    yield from one_of("spec.imagePullPolicy", spec.get("imagePullPolicy"), PULL_POLICIES)
    yield from one_of("spec.uninstallStrategy", spec.get("uninstallStrategy"), UNINSTALL_STRATEGIES)
    update = spec.get("workloadUpdateStrategy") or {}
    for index, method in enumerate(update.get("workloadUpdateMethods") or ()):
        yield from one_of(f"spec.workloadUpdateStrategy.workloadUpdateMethods[{index}]", method, UPDATE_METHODS)
        if method in LATER_METHODS:
            field = f"spec.workloadUpdateStrategy.workloadUpdateMethods[{index}]"
            yield Cause(field, NOT_SUPPORTED, "not supported yet by this release: live migration; use Evict")
    yield from at_least("spec.workloadUpdateStrategy.batchEvictionSize", update.get("batchEvictionSize"), 1)
    yield from _duration(update, "batchEvictionInterval", "spec.workloadUpdateStrategy")
    for part in ("infra", "workloads"):
        yield from at_least(f"spec.{part}.replicas", (spec.get(part) or {}).get("replicas"), 1)
    yield from _certificates((spec.get("certificateRotateStrategy") or {}).get("selfSigned") or {})
    for index, patch in enumerate((spec.get("customizeComponents") or {}).get("patches") or ()):
        field = f"spec.customizeComponents.patches[{index}]"
        yield from one_of(f"{field}.type", patch["type"], PATCH_TYPES)
        try:
            json.loads(patch["patch"])
        except (ValueError, RecursionError) as error:
            yield Cause(f"{field}.patch", INVALID, f"is not JSON: {error}")
            return
    yield from _customized(spec)


def _customized(spec: Document) -> Iterator[Cause]:
    """Changes to manifests are tried on those of a plain installation."""
    if spec.get("customizeComponents"):
        plain = Installation(namespace=names.NAMESPACE, version="", image="", launcher_image="")
        for field, words in misfits((*documents(plain), *admission(plain), *aggregation(plain)), spec):
            yield Cause(field, INVALID, words)


def _duration(parent: Document, key: str, field: str) -> Iterator[Cause]:
    if (given := parent.get(key)) is None:
        return
    try:
        parse_duration(given)
    except ValueError as error:
        yield Cause(f"{field}.{key}", INVALID, str(error))


def _certificates(signed: Document) -> Iterator[Cause]:
    base = "spec.certificateRotateStrategy.selfSigned"
    causes = [
        cause
        for part in ("ca", "server")
        for key in ("duration", "renewBefore")
        for cause in _duration(signed.get(part) or {}, key, f"{base}.{part}")
    ]
    for key in ("caRotateInterval", "certRotateInterval", "caOverlapInterval"):
        causes += _duration(signed, key, base)
        if key in signed and (signed.get("ca") or signed.get("server")):
            causes.append(Cause(f"{base}.{key}", INVALID, f"is deprecated and excludes {base}.ca and {base}.server"))
    yield from causes
    if causes:
        return
    lives: dict[str, timedelta] = {}
    for part, (life_s, margin_s) in DEFAULTS_S.items():
        given = signed.get(part) or {}
        life = parse_duration(given["duration"]) if "duration" in given else timedelta(seconds=life_s)
        margin = parse_duration(given["renewBefore"]) if "renewBefore" in given else timedelta(seconds=margin_s)
        lives[part] = life
        if part in signed and margin >= life:
            yield Cause(f"{base}.{part}.renewBefore", INVALID, f"must be less than {part}.duration, which is {life}")
    if signed and lives["server"] > lives["ca"]:
        yield Cause(f"{base}.server.duration", INVALID, "must not be longer than ca.duration")


def _configuration(conf: Document, base: str) -> Iterator[Cause]:
    yield from one_of(f"{base}.imagePullPolicy", conf.get("imagePullPolicy"), PULL_POLICIES)
    yield from one_of(f"{base}.evictionStrategy", conf.get("evictionStrategy"), EVICTION_STRATEGIES)
    interface = (conf.get("network") or {}).get("defaultNetworkInterface")
    yield from one_of(f"{base}.network.defaultNetworkInterface", interface, INTERFACES)
    for name, plugin in ((conf.get("network") or {}).get("binding") or {}).items():
        field = f"{base}.network.binding[{name}].domainAttachmentType"
        if not plugin.get("domainAttachmentType"):
            yield Cause(field, REQUIRED, f"must say how guests are attached: {', '.join(ATTACHMENTS)}")
        yield from one_of(field, plugin.get("domainAttachmentType"), ATTACHMENTS)
    limited = "autoCPULimitNamespaceLabelSelector"
    yield from selector_causes(conf.get(limited) or {}, f"{base}.{limited}")
    yield from _support_containers(conf.get("supportContainerResources") or (), f"{base}.supportContainerResources")
    yield from at_least(f"{base}.virtualMachineInstancesPerNode", conf.get("virtualMachineInstancesPerNode"), 1)
    live = conf.get("liveUpdateConfiguration") or {}
    for key in ("maxHotplugRatio", "maxCpuSockets"):
        yield from at_least(f"{base}.liveUpdateConfiguration.{key}", live.get(key), 1)
    for path, words in unusable(conf).items():
        yield Cause(f"{base}.{path}", INVALID, words)
    tls = conf.get("tlsConfiguration") or {}
    if tls.get("ciphers") and tls.get("minTLSVersion") == "VersionTLS13":
        yield Cause(f"{base}.tlsConfiguration.ciphers", INVALID, "TLS 1.3 has no ciphers to choose; remove the list")
    for index, cipher in enumerate(tls.get("ciphers") or ()):
        yield from one_of(f"{base}.tlsConfiguration.ciphers[{index}]", cipher, CIPHERS)
    yield from one_of(f"{base}.tlsConfiguration.minTLSVersion", tls.get("minTLSVersion"), TLS_VERSIONS)
    yield from one_of(f"{base}.minCPUModel", conf.get("minCPUModel"), tuple(NEEDS))
    for part in ("api", "webhook", "controller", "handler"):
        yield from _rate_limit(conf.get(f"{part}Configuration") or {}, f"{base}.{part}Configuration")
    yield from _seccomp(conf.get("seccompConfiguration") or {}, f"{base}.seccompConfiguration")
    yield from _developer(conf.get("developerConfiguration") or {}, f"{base}.developerConfiguration")


def _support_containers(entries: Iterable[Document], base: str) -> Iterator[Cause]:
    for index, entry in enumerate(entries):
        yield from one_of(f"{base}[{index}].type", entry["type"], support_resources.TYPES)
        if entry["type"] == support_resources.VM_EXPORT:
            yield Cause(f"{base}[{index}].type", NOT_SUPPORTED, "not supported yet by this release: exports")


def _rate_limit(component: Document, base: str) -> Iterator[Cause]:
    limiter = (component.get("restClient") or {}).get("rateLimiter") or {}
    place = f"{base}.restClient.rateLimiter.tokenBucketRateLimiter"
    given = limiter.get("tokenBucketRateLimiter") or {}
    for key in ("qps", "burst"):
        if key in given and given[key] <= 0:
            yield Cause(f"{place}.{key}", INVALID, f"must be above 0, not {given[key]}")


def _seccomp(seccomp: Document, base: str) -> Iterator[Cause]:
    profile = (seccomp.get("virtualMachineInstanceProfile") or {}).get("customProfile") or {}
    if profile.get("localhostProfile") and profile.get("runtimeDefaultProfile"):
        place = f"{base}.virtualMachineInstanceProfile.customProfile"
        yield Cause(place, INVALID, "only one of localhostProfile and runtimeDefaultProfile may be set")


def _developer(dev: Document, base: str) -> Iterator[Cause]:
    for node, level in ((dev.get("logVerbosity") or {}).get("nodeVerbosity") or {}).items():
        yield from between(f"{base}.logVerbosity.nodeVerbosity[{node}]", level, 0, MAX_VERBOSITY)
    for component, level in (dev.get("logVerbosity") or {}).items():
        if isinstance(level, int):
            yield from between(f"{base}.logVerbosity.{component}", level, 0, MAX_VERBOSITY)
    disabled = set(dev.get("disabledFeatureGates") or ())
    for index, gate in enumerate(dev.get("featureGates") or ()):
        if gate in disabled:
            yield Cause(
                f"{base}.featureGates[{index}]", DUPLICATE, f"{gate} is also in disabledFeatureGates; choose one"
            )
