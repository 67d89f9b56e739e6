"""An operator that is gone: virt-controller lets go of what the cluster would wait for."""

from __future__ import annotations

import pytest

from kubevirt_py.api import names
from kubevirt_py.api.kinds import API_SERVICE, KUBEVIRT, VALIDATING_WEBHOOKS, VM
from kubevirt_py.kube.errors import NotFound
from kubevirt_py.plan import Key
from kubevirt_py.reconcile.testing import FakeApi, running, settle
from tests.fake.cluster import VM_KEY, controller, make_server, vm_document

pytestmark = pytest.mark.looptime

CR = Key("kubevirt", "kubevirt")
OURS = {"app.kubernetes.io/managed-by": names.VIRT_OPERATOR}


async def test_a_resource_that_is_deleted_goes_with_its_guests() -> None:
    api = FakeApi(make_server())
    meta = {"name": CR.name, "finalizers": [names.KUBEVIRT_FINALIZER]}
    await api.create(KUBEVIRT, CR.namespace, {"metadata": meta, "spec": {}})
    doors = ((VALIDATING_WEBHOOKS, "virt-api-validator"), (API_SERVICE, "v1.subresources.kubevirt.io"))
    for kind, name in doors:
        await api.create(kind, "", {"metadata": {"name": name, "labels": OURS}})
    await api.create(VM, VM_KEY.namespace, vm_document("Halted"))
    manager = controller(api)
    async with running(manager):
        await settle(manager)
        await api.delete(KUBEVIRT, CR)
        await settle(manager, within_s=60.0)
        for kind, key in ((VM, VM_KEY), (KUBEVIRT, CR), *((kind, Key("", name)) for kind, name in doors)):
            with pytest.raises(NotFound):
                api.server.get(kind, key)
