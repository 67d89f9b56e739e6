"""Where and how the pod runs: host name, DNS, node selection, eviction."""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

from kubevirt_py.plan import Document
from kubevirt_py.render.causes import INVALID, REQUIRED, Cause, at_least, one_of
from kubevirt_py.render.config import ClusterConfig
from kubevirt_py.render.selectors import label_key, labels_causes, selector_causes
from kubevirt_py.render.start import PAUSED
from kubevirt_py.render.validate.affinity import topology_key
from kubevirt_py.render.validate.text import dns_label, dns_subdomain, search_domain

DNS_POLICIES = ("ClusterFirst", "ClusterFirstWithHostNet", "Default", "None")
EVICTION_STRATEGIES = ("None", "LiveMigrate", "LiveMigrateIfPossible", "External")
MAX_NAMESERVERS = 3
UNSATISFIABLE = ("DoNotSchedule", "ScheduleAnyway")
EFFECTS = ("NoSchedule", "PreferNoSchedule", "NoExecute")
OPERATORS = ("Exists", "Equal", "Lt", "Gt")


def check(spec: Document, path: str, config: ClusterConfig) -> Iterator[Cause]:
    yield from dns_label(f"{path}.hostname", spec.get("hostname") or None)
    yield from dns_label(f"{path}.subdomain", spec.get("subdomain") or None)
    yield from dns_subdomain(f"{path}.priorityClassName", spec.get("priorityClassName") or None)
    yield from one_of(f"{path}.evictionStrategy", spec.get("evictionStrategy"), EVICTION_STRATEGIES)
    yield from one_of(f"{path}.startStrategy", spec.get("startStrategy"), (PAUSED,))
    yield from at_least(f"{path}.terminationGracePeriodSeconds", spec.get("terminationGracePeriodSeconds"), 0)
    yield from _dns(spec, path)
    yield from dns_subdomain(f"{path}.schedulerName", spec.get("schedulerName") or None)
    yield from labels_causes(spec.get("nodeSelector") or {}, f"{path}.nodeSelector")
    for index, toleration in enumerate(spec.get("tolerations") or ()):
        yield from _toleration(toleration, f"{path}.tolerations[{index}]")
    for index, spread in enumerate(spec.get("topologySpreadConstraints") or ()):
        field = f"{path}.topologySpreadConstraints[{index}]"
        yield from at_least(f"{field}.maxSkew", spread["maxSkew"], 1)
        yield from one_of(f"{field}.whenUnsatisfiable", spread["whenUnsatisfiable"], UNSATISFIABLE)
        yield from topology_key(f"{field}.topologyKey", spread["topologyKey"])
        yield from selector_causes(spread.get("labelSelector") or {}, f"{field}.labelSelector")


def _dns(spec: Document, path: str) -> Iterator[Cause]:
    policy, servers = spec.get("dnsPolicy"), (spec.get("dnsConfig") or {}).get("nameservers") or []
    yield from one_of(f"{path}.dnsPolicy", policy, DNS_POLICIES)
    if policy == "None" and not servers:
        yield Cause(f"{path}.dnsConfig.nameservers", REQUIRED, "dnsPolicy None needs at least one name server")
    if len(servers) > MAX_NAMESERVERS:
        yield Cause(f"{path}.dnsConfig.nameservers", INVALID, f"at most {MAX_NAMESERVERS} name servers are possible")
    for index, server in enumerate(servers):
        try:
            ipaddress.ip_address(server)
        except ValueError:
            yield Cause(f"{path}.dnsConfig.nameservers[{index}]", INVALID, f"{server!r} is not an IP address")
    for index, domain in enumerate((spec.get("dnsConfig") or {}).get("searches") or ()):
        yield from search_domain(f"{path}.dnsConfig.searches[{index}]", domain)


def _toleration(toleration: Document, field: str) -> Iterator[Cause]:
    operator = toleration.get("operator")
    yield from one_of(f"{field}.operator", operator, OPERATORS)
    yield from one_of(f"{field}.effect", toleration.get("effect"), EFFECTS)
    if not toleration.get("key") and operator != "Exists":
        yield Cause(f"{field}.operator", INVALID, "a toleration without key needs operator Exists")
    if toleration.get("key"):
        yield from label_key(f"{field}.key", toleration["key"])
    if toleration.get("tolerationSeconds") is not None and toleration.get("effect") != "NoExecute":
        yield Cause(f"{field}.effect", INVALID, "must be NoExecute when tolerationSeconds is set")
    if operator == "Exists" and toleration.get("value"):
        yield Cause(f"{field}.value", INVALID, "operator Exists takes no value")
