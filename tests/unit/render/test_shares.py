"""Servers of shared file systems: what they may use, and that a Guaranteed pod stays so."""

from __future__ import annotations

import pytest

from kubevirt_py.plan import Document
from kubevirt_py.render.config import ClusterConfig
from kubevirt_py.render.shares import container_name, server, socket_path

MOUNT = {"name": "data", "mountPath": "/data"}
PINNED = {"cpu": "1", "memory": "1Gi"}


@pytest.mark.parametrize(
    ("compute", "limited"),
    [
        ({"requests": PINNED, "limits": {**PINNED, "devices.kubevirt.io/tun": "1"}}, True),
        ({"requests": {"cpu": "100m", "memory": "1Gi"}, "limits": PINNED}, False),
        ({"requests": PINNED, "limits": {"devices.kubevirt.io/tun": "1"}}, False),
    ],
)
def test_limits_come_with_guaranteed_pods_only(compute: Document, limited: bool) -> None:
    resources = server("data", MOUNT, ClusterConfig(), "launcher", compute)["resources"]
    assert ("limits" in resources) is limited
    assert not limited or resources["limits"] == resources["requests"]


def test_names_fit_whatever_a_volume_is_called() -> None:
    assert len(container_name("v" * 63)) <= 63
    assert len(socket_path("v" * 63)) <= 107
