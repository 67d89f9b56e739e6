"""Webhooks as the API server calls them: what is stored, what is refused and with which words."""

from __future__ import annotations

import base64
import copy
import random
import ssl
import uuid
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import anyio
import msgspec
import pytest
import trustme
from aiohttp import web

from kubevirt_py.api import names
from kubevirt_py.api.crd import crd, root_schema
from kubevirt_py.api.crd_kinds import KINDS
from kubevirt_py.api.kinds import VM, VMI
from kubevirt_py.api.v1.vm import VirtualMachine
from kubevirt_py.kube.client import Client
from kubevirt_py.kube.errors import ApiError, Invalid
from kubevirt_py.plan import Document, Key
from kubevirt_py.reconcile.http import Listen, serving
from kubevirt_py.render.config import ClusterConfig
from kubevirt_py.render.install.documents import kind_of
from kubevirt_py.render.webhooks import component_users, webhook_configurations
from kubevirt_py.virt_api.webhooks import Admission, add_webhooks
from tests.behaviour.fuzzed import fuzzed, spoiled
from tests.integration.definitions import install_crd
from tests.unit.render.validate.machines import REMOVE, edited, vm, vmi

EFFECTIVE_S = 30.0
SAMPLE = 300
SPEC = "spec.template.spec"


@asynccontextmanager
async def admitting(client: Client, namespace: str) -> AsyncIterator[None]:
    """virt-api's webhooks at work in this namespace only: other tests share the server."""
    for kind in KINDS:
        if kind.kind in ("VirtualMachine", "VirtualMachineInstance"):
            await install_crd(client, crd(kind))
    authority = trustme.CA()
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(tls)
    app = web.Application()
    admission = Admission(
        ClusterConfig, component_users(names.NAMESPACE), lambda: str(uuid.uuid4()), lambda: datetime.now(UTC)
    )
    add_webhooks(app, admission.rules)
    async with serving(app, Listen("127.0.0.1", 0, tls)) as port:
        await register(client, namespace, port, authority.cert_pem.bytes())
        yield


async def register(client: Client, namespace: str, port: int, ca: bytes) -> None:
    bundle = base64.b64encode(ca).decode()
    for document in webhook_configurations(bundle, names.NAMESPACE):
        document = copy.deepcopy(document)
        document["metadata"]["name"] += f"-{namespace}"
        document["webhooks"] = [webhook for webhook in document["webhooks"] if _of_machines(webhook)]
        for webhook in document["webhooks"]:
            path = webhook["clientConfig"]["service"]["path"]
            webhook["clientConfig"] = {"url": f"https://127.0.0.1:{port}{path}", "caBundle": bundle}
            webhook["namespaceSelector"] = {"matchLabels": {"kubernetes.io/metadata.name": namespace}}
        await client.apply(kind_of(document), Key("", document["metadata"]["name"]), document, manager="tests")
    with anyio.fail_after(EFFECTIVE_S):
        while not await in_effect(client, namespace):
            pass


def _of_machines(webhook: Document) -> bool:
    return webhook["rules"][0]["resources"][0].partition("/")[0] in ("virtualmachines", "virtualmachineinstances")


async def in_effect(client: Client, namespace: str) -> bool:
    """Whether both configurations are used: defaults appear, and what only virt-api refuses is refused."""
    good, bad = placed(vm(), namespace), placed(vm({"spec.runStrategy": "Sometimes"}), namespace)
    stored = msgspec.json.decode(await client.create(VM, namespace, good, dry_run=True))
    try:
        await client.create(VM, namespace, bad, dry_run=True)
    except Invalid:
        return names.VM_FINALIZER in stored["metadata"].get("finalizers", ())
    return False


def placed(document: Document, namespace: str, name: str = "tiny") -> Document:
    return edited(document, {"metadata.namespace": namespace, "metadata.name": name})


async def test_a_machine_is_stored_with_its_defaults(admin_client: Client, namespace: str) -> None:
    async with admitting(admin_client, namespace):
        stored = msgspec.json.decode(await admin_client.create(VM, namespace, placed(vm(), namespace)))
        domain = stored["spec"]["template"]["spec"]["domain"]
        assert stored["metadata"]["finalizers"] == [names.VM_FINALIZER]
        assert uuid.UUID(domain["firmware"]["uuid"])
        assert domain["machine"] == {"type": "q35"}

        started = msgspec.json.decode(await admin_client.create(VMI, namespace, placed(vmi(), namespace)))
        assert started["status"]["phase"] == "Pending"
        assert started["metadata"]["finalizers"] == [names.VMI_FINALIZER]
        assert started["spec"]["domain"]["memory"] == {"guest": "64M"}


REFUSED: dict[str, tuple[Document, str, str]] = {
    "an unknown bus": (
        {f"{SPEC}.domain.devices.disks[1].disk.bus": "ide"},
        f"{SPEC}.domain.devices.disks[1].disk.bus",
        "virtio, sata, scsi, usb",
    ),
    "a disk whose volume is missing": (
        {f"{SPEC}.volumes[1]": REMOVE},
        f"{SPEC}.domain.devices.disks[1].name",
        "the volumes are: root",
    ),
    "two boot orders alike": (
        {f"{SPEC}.domain.devices.disks[0].bootOrder": 1, f"{SPEC}.domain.devices.disks[1].bootOrder": 1},
        f"{SPEC}.domain.devices.disks[1].bootOrder",
        "each must be unique",
    ),
    "a bad quantity": ({f"{SPEC}.domain.memory.guest": "64 MB"}, f"{SPEC}.domain.memory.guest", "64 MB"),
    "zero CPUs": ({f"{SPEC}.domain.cpu.cores": 0}, f"{SPEC}.domain.cpu.cores", "at least 1"),
    "a feature of later": (
        {f"{SPEC}.domain.devices.gpus": [{"name": "g", "deviceName": "d"}]},
        f"{SPEC}.domain.devices.gpus",
        "not supported yet",
    ),
}


async def test_what_is_wrong_is_refused_by_field_path(admin_client: Client, namespace: str) -> None:
    async with admitting(admin_client, namespace):
        for edits, field, words in REFUSED.values():
            with pytest.raises(Invalid) as caught:
                await admin_client.create(VM, namespace, placed(vm(edits), namespace))
            assert caught.value.status == 422
            assert field in [cause.field for cause in caught.value.causes], caught.value
            assert any(words in cause.message for cause in caught.value.causes), caught.value


async def test_users_can_write_neither_status_nor_spec_of_an_instance(admin_client: Client, namespace: str) -> None:
    async with admitting(admin_client, namespace):
        await admin_client.create(VMI, namespace, placed(vmi(), namespace))
        key = Key(namespace, "tiny")
        after = msgspec.json.decode(await admin_client.merge_patch(VMI, key, {"status": {"phase": "Running"}}))
        assert after["status"]["phase"] == "Pending"
        with pytest.raises(Invalid) as caught:
            await admin_client.merge_patch(VMI, key, {"spec": {"terminationGracePeriodSeconds": 5}})
        assert "update of VMI object is restricted" in caught.value.message


async def test_machines_can_go_while_virt_api_is_away(admin_client: Client, namespace: str) -> None:
    async with admitting(admin_client, namespace):
        await admin_client.create(VM, namespace, placed(vm(), namespace))
        await admin_client.create(VMI, namespace, placed(vmi(), namespace))
    for kind in (VM, VMI):
        key = Key(namespace, "tiny")
        uid = msgspec.json.decode(await admin_client.get(kind, key))["metadata"]["uid"]
        await admin_client.delete(kind, key, uid=uid)
        await admin_client.merge_patch(kind, key, {"metadata": {"finalizers": None}})
        with pytest.raises(ApiError) as caught:
            await admin_client.get(kind, key)
        assert caught.value.status == 404


async def test_no_object_however_odd_ends_in_an_internal_error(admin_client: Client, namespace: str) -> None:
    chance = random.Random(1)
    schema = root_schema(VirtualMachine, described=False)
    async with admitting(admin_client, namespace):
        for number in range(SAMPLE):
            document = fuzzed(schema, chance, chance.choice((0.05, 0.2)))
            document |= {"apiVersion": VM.api_version, "kind": VM.kind, "metadata": {"name": f"fuzz-{number}"}}
            if chance.random() < 0.5:
                document["spec"] = spoiled(document["spec"], chance)
            try:
                await admin_client.create(VM, namespace, document, dry_run=True)
            except ApiError as error:
                assert error.status in (400, 422), (number, error, document)
