"""Everything the operator applies is taken by a real API server: rules in CEL, roles, webhooks, workloads."""

from __future__ import annotations

import json
from base64 import b64encode
from datetime import UTC, datetime, timedelta
from typing import Any

from kubevirt_py.kube.client import Client
from kubevirt_py.plan import Key
from kubevirt_py.render.install import Installation, documents, kind_of, render_base
from kubevirt_py.render.install.documents import admission, aggregation
from kubevirt_py.virt_operator.certificates import new_ca

PATCH: dict[str, Any] = {"spec": {"template": {"spec": {"containers": [{"name": "virt-controller", "tty": True}]}}}}


async def test_all_documents_are_valid(admin_client: Client, namespace: str) -> None:
    bundle = new_ca(datetime.now(UTC), timedelta(days=1)).certificate
    wanted = {"patch": json.dumps(PATCH), "resourceType": "Deployment", "resourceName": "virt-controller"}
    inst = Installation(
        namespace=namespace,
        version="1",
        image="r/control-plane:a",
        launcher_image="r/launcher:a",
        ca_bundle=b64encode(bundle).decode(),
        spec={"customizeComponents": {"patches": [{**wanted, "type": "strategic"}], "flags": {"api": {"v": "4"}}}},
    )
    found = (*documents(inst), *admission(inst), *aggregation(inst), *render_base(inst)[1:])
    for document in found:
        meta = document["metadata"]
        key = Key(meta.get("namespace", ""), meta["name"])
        await admin_client.apply(kind_of(document), key, document, manager="tests", dry_run=True)
