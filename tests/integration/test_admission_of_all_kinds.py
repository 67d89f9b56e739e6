"""Every kind's webhooks as the API server calls them: dry runs, odd objects, evictions, specs that stay."""

from __future__ import annotations

import base64
import copy
import os
import random
import ssl
import uuid
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import anyio
import msgspec
import pytest
import trustme
from aiohttp import web

from kubevirt_py.api import names
from kubevirt_py.api.crd import crd
from kubevirt_py.api.crd_kinds import KINDS, CustomKind
from kubevirt_py.api.kinds import POD, VM, VMI
from kubevirt_py.kube.client import Client
from kubevirt_py.kube.connect import kubeconfig_client
from kubevirt_py.kube.errors import ApiError, Invalid, NotFound, Throttled
from kubevirt_py.plan import Document, Key, Kind
from kubevirt_py.reconcile.http import Listen, serving
from kubevirt_py.render.config import ClusterConfig
from kubevirt_py.render.featuregates import ALPHA
from kubevirt_py.render.install.documents import kind_of
from kubevirt_py.render.install.fixed_specs import POLICY, fixed_specs_policy
from kubevirt_py.render.presets import Preset
from kubevirt_py.render.webhooks import component_users, webhook_configurations
from kubevirt_py.virt_api.webhooks import Admission, add_webhooks
from tests.behaviour.admission import objects
from tests.integration.definitions import install_crd
from tests.unit.render.validate.examples import EXAMPLES
from tests.unit.render.validate.machines import edited, vm, vmi

EFFECTIVE_S = 30.0
SAMPLE = int(os.environ.get("FUZZ_SAMPLE", "200"))
TESTED = tuple(kind for kind in KINDS if kind.kind != "KubeVirt")
PRESET = Preset("four", {"matchLabels": {"size": "four"}}, {"cpu": {"cores": 4}})
CONFIG = ClusterConfig(feature_gates=ALPHA)


def served(kind: CustomKind) -> Kind[Any]:
    return Kind(kind.group, kind.versions[0].name, kind.kind, kind.plural, dict, namespaced=kind.namespaced)


@asynccontextmanager
async def admitting(client: Client, kubeconfig: Path, namespace: str) -> AsyncIterator[None]:
    """All webhooks of virt-api, for objects of this namespace, or labelled with it where they are in none."""
    for kind in TESTED:
        await install_crd(client, crd(kind))
    authority = trustme.CA()
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    authority.issue_cert("127.0.0.1").configure_cert(tls)
    app = web.Application()
    users = component_users(names.NAMESPACE)
    admission = Admission(
        lambda: CONFIG, users, lambda: str(uuid.uuid4()), lambda: datetime.now(UTC), lambda _: (PRESET,)
    )
    configurations = []
    async with AsyncExitStack() as stack:
        virt_api = await stack.enter_async_context(acting(kubeconfig, users[0]))
        add_webhooks(app, admission.rules, admission.live_rules(virt_api))
        port = await stack.enter_async_context(serving(app, Listen("127.0.0.1", 0, tls)))
        bundle = base64.b64encode(authority.cert_pem.bytes()).decode()
        for document in webhook_configurations(bundle, names.NAMESPACE):
            document["metadata"]["name"] += f"-all-{namespace}"
            document["webhooks"] = [_redirected(each, namespace, port, bundle) for each in document["webhooks"]]
            configurations.append((kind_of(document), Key("", document["metadata"]["name"])))
            await client.apply(*configurations[-1], document, manager="tests")
        try:
            with anyio.fail_after(EFFECTIVE_S):
                while not await _in_effect(client, namespace):
                    pass
            yield
        finally:
            for place in configurations:
                await client.delete(*place)


def acting(kubeconfig: Path, user: str) -> AbstractAsyncContextManager[Client]:
    """A client that may do everything, under the name of one of our components."""
    return kubeconfig_client(str(kubeconfig), user=user, groups=("system:masters",))


def _redirected(webhook: Document, namespace: str, port: int, bundle: str) -> Document:
    webhook = copy.deepcopy(webhook)
    path = webhook["clientConfig"]["service"]["path"]
    webhook["clientConfig"] = {"url": f"https://127.0.0.1:{port}{path}", "caBundle": bundle}
    plural = webhook["rules"][0]["resources"][0].partition("/")[0]
    if any(kind.plural == plural and not kind.namespaced for kind in KINDS):
        webhook["objectSelector"] = {"matchLabels": {"test": namespace}}
    else:
        webhook["namespaceSelector"] = {"matchLabels": {"kubernetes.io/metadata.name": namespace}}
    return webhook


async def _in_effect(client: Client, namespace: str) -> bool:
    bad = placed(vm({"spec.runStrategy": "Sometimes"}), namespace)
    wrong = placed(EXAMPLES["Plugin"], namespace) | {"spec": {"failureStrategy": "Sometimes"}}
    for kind, document in ((VM, bad), (served(kind_named("Plugin")), wrong)):
        try:
            await client.create(kind, document["metadata"].get("namespace", ""), document, dry_run=True)
        except Invalid:
            continue
        return False
    return True


def kind_named(name: str) -> CustomKind:
    return next(kind for kind in KINDS if kind.kind == name)


def placed(document: Document, namespace: str, name: str = "tiny") -> Document:
    """In the namespace; objects that are in none carry its name as a label."""
    kind = kind_named(document["kind"])
    where: Document = {"namespace": namespace} if kind.namespaced else {}
    labels = (document.get("metadata") or {}).get("labels") or {}
    return document | {"metadata": {**where, "name": name, "labels": labels | {"test": namespace}}}


async def test_dry_runs_of_every_kind_store_nothing(admin_client: Client, kubeconfig: Path, namespace: str) -> None:
    async with admitting(admin_client, kubeconfig, namespace):
        await admin_client.create(VMI, namespace, edited(vmi(), {"metadata.namespace": namespace}))
        for kind in TESTED:
            document = placed(EXAMPLES[kind.kind], namespace, f"dry-{namespace}")
            where = namespace if kind.namespaced else ""
            key = Key(where, f"dry-{namespace}")
            made = msgspec.json.decode(await admin_client.create(served(kind), where, document, dry_run=True))
            assert made["metadata"]["uid"], kind.kind
            with pytest.raises(NotFound):
                await admin_client.get(served(kind), key)
            await admin_client.create(served(kind), where, document)
            change = {"metadata": {"annotations": {"changed": "true"}}}
            changed = msgspec.json.decode(await admin_client.merge_patch(served(kind), key, change, dry_run=True))
            assert changed["metadata"]["annotations"]["changed"] == "true"
            stored = msgspec.json.decode(await admin_client.get(served(kind), key))
            assert "changed" not in stored["metadata"].get("annotations", {}), kind.kind


async def test_nothing_odd_of_any_kind_ends_in_an_internal_error(
    admin_client: Client, kubeconfig: Path, namespace: str
) -> None:
    async with admitting(admin_client, kubeconfig, namespace):
        for number in range(SAMPLE):
            kind = TESTED[number % len(TESTED)]
            document = objects(kind, number)[random.Random(number).random() < 0.3]
            document = placed(document | {"kind": kind.kind}, namespace, f"fuzz-{number}")
            where = namespace if kind.namespaced else ""
            try:
                await admin_client.create(served(kind), where, document, dry_run=True)
            except ApiError as error:
                assert error.status in (400, 422), (kind.kind, number, error)


async def test_specs_that_stay_stay_without_virt_api(admin_client: Client, namespace: str) -> None:
    policy, binding = fixed_specs_policy()
    binding["metadata"]["name"] = f"{POLICY}-{namespace}"
    binding["spec"]["matchResources"] = {
        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": namespace}}
    }
    for document in (policy, binding):
        await admin_client.apply(kind_of(document), Key("", document["metadata"]["name"]), document, manager="tests")
    changes: dict[str, Document] = {
        "VirtualMachineInstanceMigration": {"vmiName": "other"},
        "VirtualMachineSnapshot": {"deletionPolicy": "Retain"},
        "VirtualMachineRestore": {"virtualMachineSnapshotName": "other"},
        "VirtualMachineExport": {"ttlDuration": "3h"},
        "VirtualMachineClone": {"newSMBiosSerial": "other"},
        "VirtualMachinePool": {"selector": {"matchLabels": {"app": "other"}}},
    }
    for name, change in changes.items():
        kind = kind_named(name)
        await install_crd(admin_client, crd(kind))
        await admin_client.create(served(kind), namespace, placed(EXAMPLES[name], namespace))
        key = Key(namespace, "tiny")
        with anyio.fail_after(EFFECTIVE_S):
            refusal = await _first_refusal(admin_client, served(kind), key, {"spec": change})
        assert POLICY in refusal.message
        await admin_client.merge_patch(served(kind), key, {"metadata": {"labels": {"still": "possible"}}})
    await admin_client.merge_patch(served(kind_named("VirtualMachinePool")), key, {"spec": {"replicas": 3}})


async def _first_refusal(client: Client, kind: Kind[Any], key: Key, change: Document) -> ApiError:
    """A policy takes effect some time after it was stored; a dry run asks without storing."""
    while True:
        try:
            await client.merge_patch(kind, key, change, dry_run=True)
        except ApiError as error:
            return error


async def test_a_preset_is_applied_as_the_machine_is_created(
    admin_client: Client, kubeconfig: Path, namespace: str
) -> None:
    async with admitting(admin_client, kubeconfig, namespace):
        document = edited(vmi(), {"metadata.namespace": namespace, "metadata.labels": {"size": "four"}})
        stored = msgspec.json.decode(await admin_client.create(VMI, namespace, document, dry_run=True))
        assert stored["spec"]["domain"]["cpu"]["cores"] == 4
        assert stored["metadata"]["annotations"] == {f"{names.PRESET_ANNOTATION_PREFIX}four": "kubevirt.io/v1"}


async def test_a_migration_needs_a_guest_that_runs_and_no_other_migration(
    admin_client: Client, kubeconfig: Path, namespace: str
) -> None:
    kind = served(kind_named("VirtualMachineInstanceMigration"))
    migration = placed(EXAMPLES[kind.kind], namespace)
    async with admitting(admin_client, kubeconfig, namespace):
        with pytest.raises(Invalid, match="does not exist"):
            await admin_client.create(kind, namespace, migration)
        await admin_client.create(VMI, namespace, edited(vmi(), {"metadata.namespace": namespace}))
        stored = msgspec.json.decode(await admin_client.create(kind, namespace, migration))
        assert stored["metadata"]["labels"][names.MIGRATED_VMI_LABEL] == "tiny"
        assert stored["metadata"]["finalizers"] == [names.MIGRATION_FINALIZER]
        with pytest.raises(Invalid, match=r"in-flight migration detected. Active migration job \(tiny\)"):
            await admin_client.create(kind, namespace, placed(EXAMPLES[kind.kind], namespace, "second"))


async def test_an_evicted_guest_that_can_move_is_told_to_move(
    admin_client: Client, kubeconfig: Path, namespace: str
) -> None:
    key = Key(namespace, "tiny")
    async with admitting(admin_client, kubeconfig, namespace):
        document = edited(vmi({"evictionStrategy": "LiveMigrateIfPossible"}), {"metadata.namespace": namespace})
        made = msgspec.json.decode(await admin_client.create(VMI, namespace, document))
        await admin_client.create(POD, namespace, _launcher(namespace, made["metadata"]["uid"]))
        async with acting(kubeconfig, component_users(names.NAMESPACE)[1]) as controller:
            live = [{"type": names.LIVE_MIGRATABLE, "status": "True"}]
            await controller.merge_patch(VMI, key, {"status": {"phase": "Running", "conditions": live}})

        with pytest.raises(Throttled, match="Eviction triggered evacuation of VMI"):
            await _evict(admin_client, namespace, dry_run=True)
        assert "evacuationNodeName" not in (await _status(admin_client, key))
        with pytest.raises(Throttled, match=f'Eviction triggered evacuation of VMI "{namespace}/tiny"'):
            await _evict(admin_client, namespace)
        assert (await _status(admin_client, key))["evacuationNodeName"] == "node1"
        with pytest.raises(Throttled, match="Evacuation in progress: "):
            await _evict(admin_client, namespace)


async def test_a_guest_that_cannot_move_is_let_go_where_its_strategy_allows(
    admin_client: Client, kubeconfig: Path, namespace: str
) -> None:
    async with admitting(admin_client, kubeconfig, namespace):
        for strategy in ("LiveMigrateIfPossible", "None"):
            name = strategy.lower()
            place = {"metadata.namespace": namespace, "metadata.name": name}
            document = edited(vmi({"evictionStrategy": strategy}), place)
            made = msgspec.json.decode(await admin_client.create(VMI, namespace, document))
            await admin_client.create(POD, namespace, _launcher(namespace, made["metadata"]["uid"], name))
            await _evict(admin_client, namespace, name)


def _launcher(namespace: str, uid: str, vmi_name: str = "tiny") -> Document:
    owner = {
        "apiVersion": "kubevirt.io/v1",
        "kind": "VirtualMachineInstance",
        "name": vmi_name,
        "uid": uid,
        "controller": True,
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "namespace": namespace,
            "name": f"virt-launcher-{vmi_name}",
            "labels": {names.APP_LABEL: names.VIRT_LAUNCHER},
            "ownerReferences": [owner],
        },
        "spec": {
            "nodeName": "node1",
            "containers": [{"name": "compute", "image": "localhost/none"}],
            "automountServiceAccountToken": False,
        },
    }


async def _evict(client: Client, namespace: str, vmi_name: str = "tiny", *, dry_run: bool = False) -> None:
    pod = f"virt-launcher-{vmi_name}"
    eviction = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"namespace": namespace, "name": pod}}
    params = {"dryRun": "All"} if dry_run else {}
    await client.request("POST", f"/api/v1/namespaces/{namespace}/pods/{pod}/eviction", body=eviction, params=params)


async def _status(client: Client, key: Key) -> Document:
    status: Document = msgspec.json.decode(await client.get(VMI, key))["status"]
    return status
