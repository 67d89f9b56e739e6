"""Whether a guest could move: each obstacle by its reason."""

from __future__ import annotations

from typing import Any

import pytest

from kubevirt_py.decide.migratable import copies_disks, migration_conditions

CLAIM = {"name": "data", "persistentVolumeClaim": {"claimName": "data"}}
SHARED = [{"name": "data", "persistentVolumeClaimInfo": {"accessModes": ["ReadWriteMany"]}}]
POD = [{"name": "default", "pod": {}}]


def _spec(devices: Any = None, **more: Any) -> dict[str, Any]:
    domain = {"devices": devices or {}, **more.pop("domain", {})}
    return {"domain": domain, "networks": POD, **more}


@pytest.mark.parametrize(
    ("spec", "live", "storage"),
    [
        (_spec(), "", ""),
        (_spec(volumes=[CLAIM]), "DisksNotLiveMigratable", ""),
        (_spec(volumes=[{"name": "h", "hostDisk": {"path": "/x"}}]), "DisksNotLiveMigratable", ""),
        (_spec(volumes=[{"name": "h", "hostDisk": {"path": "/x", "shared": True}}]), "", ""),
        (_spec({"interfaces": [{"name": "default", "bridge": {}}]}), "InterfaceNotLiveMigratable", "NotMigratable"),
        (_spec({"interfaces": [{"name": "default", "masquerade": {}}]}), "", ""),
        (_spec(domain={"cpu": {"model": "host-passthrough"}}), "CPUModeNotLiveMigratable", "NotMigratable"),
        (_spec({"gpus": [{"name": "g"}]}), "HostDeviceNotLiveMigratable", "NotMigratable"),
        (_spec(domain={"launchSecurity": {"sev": {}}}), "SEVNotLiveMigratable", "NotMigratable"),
    ],
)
def test_obstacles(spec: dict[str, Any], live: str, storage: str) -> None:
    found = migration_conditions(spec, [])
    for kind, reason in (("LiveMigratable", live), ("StorageLiveMigratable", storage)):
        condition = found[kind]
        assert (condition.status, condition.reason) == ("False" if reason else "True", reason)


BRIDGE = _spec({"interfaces": [{"name": "default", "bridge": {}}]}, volumes=[CLAIM])
PLUGIN = _spec({"interfaces": [{"name": "default", "binding": {"name": "plugin"}}]})
ALLOWED = {"kubevirt.io/allow-pod-bridge-network-live-migration": ""}


@pytest.mark.parametrize(
    ("spec", "annotations", "bindings", "reason"),
    [
        (BRIDGE, {}, {}, "InterfaceNotLiveMigratable"),
        (BRIDGE, ALLOWED, {}, "DisksNotLiveMigratable"),
        (PLUGIN, {}, {"plugin": {}}, "InterfaceNotLiveMigratable"),
        (PLUGIN, {}, {"plugin": {"migration": {}}}, "InterfaceNotLiveMigratable"),
        (PLUGIN, {}, {"plugin": {"migration": {"method": "link-refresh"}}}, ""),
    ],
    ids=["first obstacle", "allowed", "plugin", "plugin without method", "plugin that migrates"],
)
def test_interfaces_come_first(spec: Any, annotations: Any, bindings: Any, reason: str) -> None:
    condition = migration_conditions(spec, [], annotations, bindings)["LiveMigratable"]
    assert condition.reason == reason


def test_a_shared_claim_is_no_obstacle() -> None:
    condition = migration_conditions(_spec(volumes=[CLAIM]), SHARED)["LiveMigratable"]
    assert condition.status == "True"


def test_local_disks_are_copied() -> None:
    assert copies_disks(_spec(volumes=[{"name": "root", "containerDisk": {"image": "x"}}]))
    assert not copies_disks(_spec(volumes=[CLAIM]))
