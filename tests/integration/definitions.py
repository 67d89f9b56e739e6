"""Installing CustomResourceDefinitions, and knowing when they are served."""

from __future__ import annotations

from contextlib import aclosing

import anyio
import msgspec

from kubevirt_py.kube.client import Client
from kubevirt_py.plan import Document, Key
from tests.behaviour.kinds import CRD

SERVED_S = 30.0


async def install_crd(client: Client, document: Document) -> None:
    """Apply the definition and wait until its objects can be listed."""
    name = document["metadata"]["name"]
    key = Key("", name)
    await client.apply(CRD, key, document, manager="tests")
    async with aclosing(client.watch(CRD, fields=f"metadata.name={name}", initial=True)) as lines:
        with anyio.fail_after(SERVED_S):
            async for line in lines:
                status = msgspec.json.decode(line)["object"].get("status", {})
                conditions = {c["type"]: c["status"] for c in status.get("conditions") or ()}
                if conditions.get("Established") == "True":
                    return
