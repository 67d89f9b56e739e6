"""The cluster configuration as it is right now."""

from __future__ import annotations

import logging

import msgspec

from kubevirt_py.api.views import KubeVirt
from kubevirt_py.reconcile import Store
from kubevirt_py.render.config import ClusterConfig

log = logging.getLogger(__name__)


class LiveConfig:
    """Follows the KubeVirt CR; there is at most one, and without it the defaults hold."""

    def __init__(self, kubevirts: Store[KubeVirt]) -> None:
        self._kubevirts = kubevirts
        self._current = ClusterConfig()

    def __call__(self) -> ClusterConfig:
        """The configuration of the CR as last seen; decoded once per version of it."""
        cr = next(iter(self._kubevirts.all()), None)
        if cr is not None and cr.metadata.resource_version != self._current.resource_version:
            spec = msgspec.json.decode(cr.spec)
            self._current = ClusterConfig.from_kubevirt(spec, cr.metadata.resource_version)
            for problem in self._current.problems:
                log.warning("a setting of the KubeVirt CR is ignored, its default holds", extra={"problem": problem})
        return self._current
