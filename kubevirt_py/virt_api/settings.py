"""What virt-api follows in the cluster: the KubeVirt CR, presets and the recipe for recognising the front proxy."""

from __future__ import annotations

import logging
import os
from collections.abc import Iterable, Mapping
from typing import Any

from kubevirt_py.api.views import KubeVirt, VirtualMachineInstancePreset
from kubevirt_py.live_config import Follower, LiveConfig
from kubevirt_py.plan import Document
from kubevirt_py.reconcile.store import Store
from kubevirt_py.render.config import ClusterConfig
from kubevirt_py.render.presets import Preset
from kubevirt_py.virt_api.auth import FrontProxy

_log = logging.getLogger(__name__)


class Settings:
    """The newest configuration; the defaults until there is a CR."""

    def __init__(self, proxy: FrontProxy) -> None:
        self.proxy = proxy
        self.live: LiveConfig | None = None
        self._presets: dict[str, dict[str, Preset]] = {}
        # OpenSSL reads authorities from a path, and the container's root is read-only: a file in memory.
        self._ca = os.memfd_create("requestheader-client-ca")
        self.ca_path = f"/proc/self/fd/{self._ca}"
        self._write_ca()

    @property
    def config(self) -> ClusterConfig:
        return self.live() if self.live is not None else ClusterConfig()

    def follow_config(self, store: Store[KubeVirt], followers: Iterable[Follower] = ()) -> None:
        """Take every change of the CR, and tell the followers."""
        self.live = LiveConfig(store)
        for follower in followers:
            self.live.follow(follower)

    def follow_presets(self, store: Store[VirtualMachineInstancePreset]) -> None:
        """Take every change of presets; `presets_of` gives those of a namespace."""
        store.subscribe(self._set_preset)

    def presets_of(self, namespace: str) -> tuple[Preset, ...]:
        """Presets as last seen, in no order."""
        return tuple(self._presets.get(namespace, {}).values())

    def _set_preset(self, old: VirtualMachineInstancePreset | None, new: VirtualMachineInstancePreset | None) -> None:
        if old is not None:
            self._presets.get(old.metadata.namespace, {}).pop(old.metadata.name, None)
        if new is not None and (preset := Preset.of(new.metadata.name, new.spec)) is not None:
            self._presets.setdefault(new.metadata.namespace, {})[preset.name] = preset

    def follow_proxy(self, store: Store[Any]) -> None:
        """Take every change of the ConfigMap."""
        store.subscribe(lambda _old, new: self._set_proxy(new))

    def health(self) -> Mapping[str, str]:
        """For `/healthz`: which version of the CR is in force."""
        return {"config-resource-version": self.config.resource_version}

    def _set_proxy(self, config_map: Document | None) -> None:
        if config_map is None:
            return
        try:
            proxy = FrontProxy.from_config_map(config_map.get("data") or {})
        except ValueError:
            _log.exception("keeping the old front proxy settings")
            return
        changed = proxy.ca != self.proxy.ca
        self.proxy = proxy
        if changed:
            self._write_ca()

    def _write_ca(self) -> None:
        data = self.proxy.ca.encode()
        os.pwrite(self._ca, data, 0)
        os.ftruncate(self._ca, len(data))
