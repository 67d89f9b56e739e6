"""The cluster configuration as it is right now, and what a process makes of it without a restart."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

import msgspec

from kubevirt_py import telemetry
from kubevirt_py.api.views import KubeVirt
from kubevirt_py.kube.client import Client
from kubevirt_py.kube.tls import ReloadingServerContext
from kubevirt_py.reconcile.store import Store
from kubevirt_py.render.config import ClusterConfig
from kubevirt_py.render.tls import LEAST_VERSION

_log = logging.getLogger(__name__)

Follower = Callable[[ClusterConfig], None]


class LiveConfig:
    """Follows the KubeVirt CR; the oldest rules where there are several, and without one the last is kept."""

    def __init__(self, kubevirts: Store[KubeVirt]) -> None:
        self._kubevirts = kubevirts
        self._current = ClusterConfig()
        self._followers: list[Follower] = []
        kubevirts.subscribe(lambda _old, _new: self._look())
        self._look()

    def __call__(self) -> ClusterConfig:
        """The configuration of the CR as last seen; decoded once per version of it."""
        return self._current

    def follow(self, follower: Follower) -> None:
        """Call `follower` with the configuration now and after each change. It must not block."""
        self._followers.append(follower)
        follower(self._current)

    def health(self) -> Mapping[str, Any]:
        """`config-resource-version`: clients wait for it after a change of the KubeVirt CR."""
        return {"config-resource-version": self._current.resource_version}

    def _look(self) -> None:
        found = self._kubevirts.all()
        ruling = min(found, key=lambda one: (one.metadata.creation_timestamp, one.metadata.uid), default=None)
        if ruling is None or ruling.metadata.resource_version == self._current.resource_version:
            return
        spec = msgspec.json.decode(ruling.spec)
        before, self._current = self._current, ClusterConfig.from_kubevirt(spec, ruling.metadata.resource_version)
        if self._current.problems != before.problems:
            for problem in self._current.problems:
                _log.warning("a setting of the KubeVirt CR is ignored, its default holds", extra={"problem": problem})
        for follower in self._followers:
            follower(self._current)


def log_as_told(component: str, default: int, node: str = "") -> Follower:
    """Log with the verbosity of a component as the CR spells it (virtAPI, virtHandler, ...), or with the default.

    A verbosity of virtLauncher from 3 on shows what the agent and QEMU say to each other.
    """

    def follow(config: ClusterConfig) -> None:
        level = config.verbosity(component, default, node)
        telemetry.set_verbosity(level)
        guests = config.verbosity("virtLauncher", 0, node) if component == "virtHandler" else 0
        telemetry.set_guest_verbosity(max(level, guests))

    return follow


def throttle_as_told(component: str, client: Client) -> Follower:
    """Keep to the request rate of a component as the CR spells it (api, webhook, controller, handler)."""

    def follow(config: ClusterConfig) -> None:
        client.limit(config.rate_limits.get(component))

    return follow


def serve_as_told(*servers: ReloadingServerContext) -> Follower:
    """Serve the TLS versions and ciphers that the CR allows."""

    def follow(config: ClusterConfig) -> None:
        for server in servers:
            server.restrict(newest_only=config.tls_min_version != LEAST_VERSION, ciphers=config.tls_ciphers)

    return follow
