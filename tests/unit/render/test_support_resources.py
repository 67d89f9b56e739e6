"""Amounts of the containers beside QEMU's: whatever a cluster sets, a pod can be made of them."""

from __future__ import annotations

import pytest

from kubevirt_py.plan import Document
from kubevirt_py.render.config import ClusterConfig
from kubevirt_py.render.support_resources import given_amounts, misfits, support_resources

USUAL = {"requests": {"cpu": "10m", "memory": "16M"}, "limits": {"cpu": "100m", "memory": "80M"}}


@pytest.mark.parametrize(
    ("given", "requests", "limits"),
    [
        ({}, {"cpu": "10m", "memory": "16M"}, {"cpu": "100m", "memory": "80M"}),
        ({"requests": {"cpu": "20m"}}, {"cpu": "20m", "memory": "16M"}, {"cpu": "100m", "memory": "80M"}),
        ({"requests": {"cpu": "1"}}, {"cpu": "1", "memory": "16M"}, {"cpu": "1", "memory": "80M"}),
        ({"limits": {"memory": "8M"}}, {"cpu": "10m", "memory": "8M"}, {"cpu": "100m", "memory": "8M"}),
    ],
)
def test_a_request_never_exceeds_its_limit(given: Document, requests: Document, limits: Document) -> None:
    assert support_resources(given, USUAL) == {"requests": requests, "limits": limits}


def test_a_container_has_no_limit_unless_somebody_wants_one() -> None:
    unlimited = {"requests": USUAL["requests"]}
    assert support_resources(None, unlimited) == unlimited
    assert support_resources({"limits": {"cpu": "1"}}, unlimited)["limits"] == {"cpu": "1"}


def test_the_limit_is_the_request_of_a_guaranteed_pod() -> None:
    made = support_resources({"requests": {"cpu": "200m"}, "limits": {"memory": "1G"}}, USUAL, guaranteed=True)
    assert made["requests"] == made["limits"] == {"cpu": "200m", "memory": "1G"}
    assert USUAL["requests"] == {"cpu": "10m", "memory": "16M"}


def test_what_cannot_be_followed_is_said_and_left_out() -> None:
    conf = {
        "supportContainerResources": [
            {
                "type": "virtiofs",
                "resources": {
                    "requests": {"cpu": "2", "memory": "0", "ephemeral-storage": "1G"},
                    "limits": {"cpu": 1, "memory": "1e999"},
                },
            },
            {"type": "sidecar", "resources": {}},
        ]
    }
    base = "supportContainerResources[0].resources"
    assert misfits(conf) == {
        f"{base}.requests[cpu]": "'2' must be at most the limit, which is 1",
        f"{base}.requests[memory]": "'0' must be a quantity above 0, such as 100m",
        f"{base}.requests[ephemeral-storage]": "must be cpu or memory; other resources are not for these containers",
        f"{base}.limits[memory]": "'1e999' must be a quantity above 0, such as 100m",
    }
    assert given_amounts(conf) == {"virtiofs": {"limits": {"cpu": "1"}}}
    config = ClusterConfig.from_kubevirt({"configuration": conf})
    assert config.support_resources == given_amounts(conf)
    assert f"spec.configuration.{base}.requests[cpu]: '2' must be at most the limit, which is 1" in config.problems
