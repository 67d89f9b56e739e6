"""The KubeVirt CR takes effect as it changes; absence counts only after a while."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec

from kubevirt_py.api.kinds import KUBEVIRT
from kubevirt_py.api.views import KubeVirt, ObjectMeta
from kubevirt_py.live_config import LiveConfig
from kubevirt_py.plan import Key
from kubevirt_py.reconcile import Store
from kubevirt_py.virt_controller.settling import SETTLE_S, Settling


def cr(version: int, emulation: bool) -> KubeVirt:
    spec = {"configuration": {"developerConfiguration": {"useEmulation": emulation}}}
    return KubeVirt(ObjectMeta(resource_version=str(version)), spec=msgspec.Raw(msgspec.json.encode(spec)))


async def test_configuration_follows_the_cr_and_outlives_it() -> None:
    store, key = Store(KUBEVIRT), Key("kubevirt", "kubevirt")
    config = LiveConfig(store)
    assert not config().use_emulation
    store.put(key, cr(7, True), 7)
    assert config().use_emulation and config().resource_version == "7"
    assert config() is config()
    store.put(key, cr(8, False), 8)
    assert not config().use_emulation and config().resource_version == "8"
    store.drop(key, 9)
    assert config().resource_version == "8"


async def test_health_tells_the_version_of_the_cr_in_force() -> None:
    store = Store(KUBEVIRT)
    config = LiveConfig(store)
    assert config.health() == {"config-resource-version": "0"}
    store.put(Key("kubevirt", "kubevirt"), cr(7, True), 7)
    assert config.health() == {"config-resource-version": "7"}


def test_doubt_begins_with_the_first_question() -> None:
    now = datetime(2026, 1, 1, tzinfo=UTC)
    settling = Settling(lambda: now)
    assert settling.left_s() == SETTLE_S
    now += timedelta(seconds=2)
    assert settling.left_s() == SETTLE_S - 2
    now += timedelta(seconds=60)
    assert settling.left_s() == 0
