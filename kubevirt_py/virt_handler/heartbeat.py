"""The one object this agent renews while nothing happens: its Lease, which also carries the facts of its host."""

from __future__ import annotations

import logging
from collections.abc import Callable
from datetime import datetime

import anyio
import msgspec

from kubevirt_py.api import kinds, names
from kubevirt_py.kube.api import Api
from kubevirt_py.kube.errors import ApiError
from kubevirt_py.plan import Document, Key
from kubevirt_py.render.nodelabels import NodeFacts

PERIOD_S = 30.0
RETRY_S = 2.0
WRITE_S = 10.0
DURATION_S = 300
"""After which silence virt-controller gives up on the node's guests."""

log = logging.getLogger(__name__)


def lease_of(node: str, namespace: str, facts: NodeFacts, now: datetime) -> Document:
    """The Lease as it is applied."""
    return {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {
            "name": f"{names.VIRT_HANDLER}-{node}",
            "namespace": namespace,
            "annotations": {names.NODE_FACTS_ANNOTATION: msgspec.json.encode(facts).decode()},
        },
        "spec": {
            "holderIdentity": node,
            "leaseDurationSeconds": DURATION_S,
            "renewTime": now.strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        },
    }


async def beat(api: Api, node: str, namespace: str, facts: NodeFacts, clock: Callable[[], datetime]) -> None:
    """Renew the Lease until cancelled."""
    key = Key(namespace, f"{names.VIRT_HANDLER}-{node}")
    while True:
        pause_s = PERIOD_S
        try:
            with anyio.fail_after(WRITE_S):
                lease = lease_of(node, namespace, facts, clock())
                await api.apply(kinds.LEASE, key, lease, manager=names.VIRT_HANDLER)
        except (ApiError, TimeoutError) as error:
            log.warning("the node's lease was not renewed", extra={"error": str(error)})
            pause_s = RETRY_S
        await anyio.sleep(pause_s)
