"""What reconcilers rely on an API server to do. Runs against the fake one and against a real one."""

from __future__ import annotations

from collections.abc import AsyncGenerator
from contextlib import aclosing

import anyio
import msgspec
import pytest

from kubevirt_py.kube.api import Api
from kubevirt_py.kube.errors import (
    AlreadyExists,
    Conflict,
    Gone,
    Invalid,
    NotFound,
    PatchTestFailed,
    error_from_status,
)
from kubevirt_py.plan import Document, Key
from tests.behaviour.kinds import CONFIG_MAP, GADGET, POD, WIDGET, config_map, pod, widget


def decode(answer: bytes) -> Document:
    document: Document = msgspec.json.decode(answer)
    return document


async def read_events(lines: AsyncGenerator[bytes, None], count: int) -> list[tuple[str, Document]]:
    """The next `count` events that are not mere bookmarks of progress."""
    events: list[tuple[str, Document]] = []
    with anyio.fail_after(20):
        while len(events) < count:
            event = decode(await anext(lines))
            annotations = event["object"].get("metadata", {}).get("annotations", {})
            if event["type"] != "BOOKMARK" or annotations:
                events.append((event["type"], event["object"]))
    return events


class ApiBehaviour:
    """Subclasses provide the fixtures `api` and `namespace`."""

    async def test_create_and_get(self, api: Api, namespace: str) -> None:
        key = Key(namespace, "a")
        made = decode(await api.create(WIDGET, namespace, widget(key)))
        assert made["metadata"]["uid"] and int(made["metadata"]["resourceVersion"]) > 0
        assert made["metadata"]["generation"] == 1 and made["metadata"]["creationTimestamp"]
        assert decode(await api.get(WIDGET, key)) == made
        with pytest.raises(AlreadyExists):
            await api.create(WIDGET, namespace, widget(key))
        with pytest.raises(NotFound):
            await api.get(WIDGET, Key(namespace, "b"))

    async def test_a_dry_run_stores_nothing(self, api: Api, namespace: str) -> None:
        await api.create(WIDGET, namespace, widget(Key(namespace, "a")), dry_run=True)
        with pytest.raises(NotFound):
            await api.get(WIDGET, Key(namespace, "a"))

    async def test_a_patch_that_changes_nothing_makes_no_version(self, api: Api, namespace: str) -> None:
        key = Key(namespace, "a")
        made = decode(await api.create(WIDGET, namespace, widget(key, size=3)))
        same = decode(await api.merge_patch(WIDGET, key, {"spec": {"size": 3}}))
        assert same["metadata"]["resourceVersion"] == made["metadata"]["resourceVersion"]

    async def test_status_is_written_by_its_own_path(self, api: Api, namespace: str) -> None:
        key = Key(namespace, "a")
        await api.create(WIDGET, namespace, widget(key) | {"status": {"phase": "Lost"}})
        assert "status" not in decode(await api.get(WIDGET, key))
        patch = {"spec": {"size": 9}, "status": {"phase": "Ready"}}
        new = decode(await api.merge_patch(WIDGET, key, patch, subresource="status"))
        assert (new["spec"], new["status"], new["metadata"]["generation"]) == ({"size": 1}, {"phase": "Ready"}, 1)
        new = decode(await api.merge_patch(WIDGET, key, {"spec": {"size": 2}, "status": {"phase": "Lost"}}))
        assert (new["spec"], new["status"], new["metadata"]["generation"]) == ({"size": 2}, {"phase": "Ready"}, 2)

    async def test_without_status_path_everything_counts_as_a_generation(self, api: Api, namespace: str) -> None:
        key = Key(namespace, "a")
        await api.create(GADGET, namespace, widget(key, kind=GADGET) | {"status": {"phase": "Pending"}})
        new = decode(await api.merge_patch(GADGET, key, {"status": {"phase": "Ready"}}))
        assert (new["status"], new["metadata"]["generation"]) == ({"phase": "Ready"}, 2)
        new = decode(await api.merge_patch(GADGET, key, {"metadata": {"labels": {"a": "b"}}}))
        assert new["metadata"]["generation"] == 2
        with pytest.raises(NotFound):
            await api.merge_patch(GADGET, key, {"status": {}}, subresource="status")

    async def test_json_patch_tests_before_it_writes(self, api: Api, namespace: str) -> None:
        key = Key(namespace, "a")
        await api.create(GADGET, namespace, widget(key, kind=GADGET))
        ops: list[Document] = [
            {"op": "test", "path": "/status", "value": None},
            {"op": "add", "path": "/status", "value": {"phase": "Ready"}},
        ]
        assert decode(await api.json_patch(GADGET, key, ops))["status"] == {"phase": "Ready"}
        for bad in (ops, [{"op": "remove", "path": "/metadata/labels/none"}]):
            with pytest.raises(PatchTestFailed):
                await api.json_patch(GADGET, key, bad)

    async def test_a_stale_version_is_a_conflict(self, api: Api, namespace: str) -> None:
        key = Key(namespace, "a")
        made = decode(await api.create(WIDGET, namespace, widget(key)))
        await api.merge_patch(WIDGET, key, {"spec": {"size": 2}})
        stale = {"metadata": {"resourceVersion": made["metadata"]["resourceVersion"]}, "spec": {"size": 3}}
        with pytest.raises(Conflict):
            await api.merge_patch(WIDGET, key, stale)

    async def test_put_replaces(self, api: Api, namespace: str) -> None:
        key = Key(namespace, "a")
        made = decode(await api.create(CONFIG_MAP, namespace, config_map(key, {"a": "1", "b": "2"})))
        path = f"/api/v1/namespaces/{namespace}/configmaps/a"
        put = decode(await api.request("PUT", path, body=made | {"data": {"c": "3"}}))
        assert put["data"] == {"c": "3"} and decode(await api.request("GET", path)) == put

    async def test_delete_wants_the_right_uid(self, api: Api, namespace: str) -> None:
        key = Key(namespace, "a")
        made = decode(await api.create(WIDGET, namespace, widget(key)))
        with pytest.raises(Conflict):
            await api.delete(WIDGET, key, uid="11111111-2222-3333-4444-555555555555")
        answer = decode(await api.delete(WIDGET, key, uid=made["metadata"]["uid"]))
        assert (answer["kind"], answer["details"]["uid"]) == ("Status", made["metadata"]["uid"])
        with pytest.raises(NotFound):
            await api.delete(WIDGET, key)

    async def test_finalizers_hold_an_object(self, api: Api, namespace: str) -> None:
        key = Key(namespace, "a")
        made = decode(await api.create(WIDGET, namespace, widget(key, finalizers=["example.com/hold"])))
        lingering = decode(await api.delete(WIDGET, key))
        assert lingering["kind"] == "Widget" and lingering["metadata"]["deletionTimestamp"]
        with pytest.raises(Invalid):
            more = {"metadata": {"finalizers": ["example.com/hold", "example.com/more"]}}
            await api.merge_patch(WIDGET, key, more)
        async with aclosing(api.watch(WIDGET, namespace=namespace, since=made["metadata"]["resourceVersion"])) as lines:
            last = decode(await api.merge_patch(WIDGET, key, {"metadata": {"finalizers": None}}))
            (_, _), (event, gone) = await read_events(lines, 2)
        assert event == "DELETED"
        # What the framework's floors rely on: the answer's version is reached when the deletion is seen.
        assert int(last["metadata"]["resourceVersion"]) <= int(gone["metadata"]["resourceVersion"])
        with pytest.raises(NotFound):
            await api.get(WIDGET, key)

    async def test_a_bound_pod_lingers(self, api: Api, namespace: str) -> None:
        bound, free = Key(namespace, "bound"), Key(namespace, "free")
        await api.create(POD, namespace, pod(bound, node="node1"))
        await api.create(POD, namespace, pod(free))
        lingering = decode(await api.delete(POD, bound, grace_s=12))
        assert lingering["metadata"]["deletionGracePeriodSeconds"] == 12
        await api.delete(POD, free)
        await api.delete(POD, bound, grace_s=0)
        for key in (bound, free):
            with pytest.raises(NotFound):
                await api.get(POD, key)

    async def test_list_comes_in_pages_of_one_version(self, api: Api, namespace: str) -> None:
        for number in range(5):
            await api.create(CONFIG_MAP, namespace, config_map(Key(namespace, f"n{number}"), {}))
        pages = [page async for page in api.list_pages(CONFIG_MAP, namespace=namespace, limit=2, labels="!managed")]
        assert [len(page.items) for page in pages] == [2, 2, 1]
        assert [page.more for page in pages] == [True, True, False]
        assert len({page.rv for page in pages}) == 1
        whole = [page async for page in api.list_pages(CONFIG_MAP, namespace=namespace, limit=0)]
        assert [len(page.items) for page in whole] == [5]

    @pytest.mark.parametrize(
        ("labels", "fields", "names"),
        [
            ("color=red", "", ["a"]),
            ("color!=red", "", ["b", "c"]),
            ("color in (red, blue)", "", ["a", "b"]),
            ("color notin (red)", "", ["b", "c"]),
            ("color", "", ["a", "b"]),
            ("!color", "", ["c"]),
            ("color,color!=red", "", ["b"]),
            ("", "metadata.name=b", ["b"]),
            ("", "metadata.name!=b", ["a", "c"]),
            ("", "spec.size=2", ["b"]),
        ],
    )
    async def test_selectors(self, api: Api, namespace: str, labels: str, fields: str, names: list[str]) -> None:
        colors = {"a": {"color": "red"}, "b": {"color": "blue"}, "c": {}}
        for size, (name, given) in enumerate(colors.items(), start=1):
            await api.create(WIDGET, namespace, widget(Key(namespace, name), size, labels=given))
        pages = api.list_pages(WIDGET, namespace=namespace, labels=labels, fields=fields)
        found = [decode(bytes(item))["metadata"]["name"] async for page in pages for item in page.items]
        assert found == names

    async def test_watch_tells_every_change(self, api: Api, namespace: str) -> None:
        first = decode(await api.create(WIDGET, namespace, widget(Key(namespace, "first"))))
        since = first["metadata"]["resourceVersion"]
        async with aclosing(api.watch(WIDGET, namespace=namespace, labels="on=yes", since=since)) as lines:
            key = Key(namespace, "a")
            await api.create(WIDGET, namespace, widget(key, labels={"on": "yes"}))
            await api.merge_patch(WIDGET, key, {"spec": {"size": 2}})
            left = decode(await api.merge_patch(WIDGET, key, {"metadata": {"labels": {"on": "no"}}}))
            await api.merge_patch(WIDGET, key, {"metadata": {"labels": {"on": "yes"}}})
            await api.delete(WIDGET, key)
            events = await read_events(lines, 5)
        assert [event for event, _ in events] == ["ADDED", "MODIFIED", "DELETED", "ADDED", "DELETED"]
        assert events[2][1]["metadata"]["resourceVersion"] == left["metadata"]["resourceVersion"]
        versions = [int(thing["metadata"]["resourceVersion"]) for _, thing in events]
        assert versions == sorted(set(versions))

    async def test_watch_with_initial_events(self, api: Api, namespace: str) -> None:
        for name in ("a", "b"):
            await api.create(WIDGET, namespace, widget(Key(namespace, name)))
        async with aclosing(api.watch(WIDGET, namespace=namespace, initial=True)) as lines:
            events = await read_events(lines, 3)
            assert {thing["metadata"]["name"] for event, thing in events[:2] if event == "ADDED"} == {"a", "b"}
            event, mark = events[2]
            assert event == "BOOKMARK"
            assert mark["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}
            made = decode(await api.create(WIDGET, namespace, widget(Key(namespace, "c"))))
            assert await read_events(lines, 1) == [("ADDED", made)]

    async def test_watch_from_a_forgotten_version_is_gone(self, api: Api, namespace: str) -> None:
        await api.create(WIDGET, namespace, widget(Key(namespace, "a")))
        with pytest.raises(Gone):
            async with aclosing(api.watch(WIDGET, namespace=namespace, since="1")) as lines:
                ((event, thing),) = await read_events(lines, 1)
                assert event == "ERROR"
                raise error_from_status(0, msgspec.json.encode(thing))

    async def test_watch_ends_when_asked(self, api: Api, namespace: str) -> None:
        made = decode(await api.create(WIDGET, namespace, widget(Key(namespace, "a"))))
        since = made["metadata"]["resourceVersion"]
        lines = [line async for line in api.watch(WIDGET, namespace=namespace, since=since, timeout_s=1)]
        assert all(decode(line)["type"] == "BOOKMARK" for line in lines)

    async def test_apply_makes_keeps_and_removes(self, api: Api, namespace: str) -> None:
        key = Key(namespace, "a")
        wanted = config_map(key, {"a": "1", "b": "2"}, labels={"l": "1"})
        made = decode(await api.apply(CONFIG_MAP, key, wanted, manager="us"))
        same = decode(await api.apply(CONFIG_MAP, key, wanted, manager="us"))
        assert same["metadata"]["resourceVersion"] == made["metadata"]["resourceVersion"]
        await api.merge_patch(CONFIG_MAP, key, {"data": {"c": "3"}})
        less = decode(await api.apply(CONFIG_MAP, key, config_map(key, {"a": "1"}), manager="us"))
        assert less["data"] == {"a": "1", "c": "3"} and "labels" not in less["metadata"]

    async def test_apply_disputes_fields_of_others(self, api: Api, namespace: str) -> None:
        key = Key(namespace, "a")
        await api.apply(CONFIG_MAP, key, config_map(key, {"a": "1"}), manager="us")
        with pytest.raises(Conflict):
            await api.apply(CONFIG_MAP, key, config_map(key, {"a": "2"}), manager="them", force=False)
        taken = decode(await api.apply(CONFIG_MAP, key, config_map(key, {"a": "2"}), manager="them"))
        assert taken["data"] == {"a": "2"}
        with pytest.raises(Conflict):
            await api.apply(CONFIG_MAP, key, config_map(key, {"a": "1"}), manager="us", force=False)

    async def test_apply_merges_keyed_lists(self, api: Api, namespace: str) -> None:
        key = Key(namespace, "a")
        env = [{"name": "A", "value": "1"}, {"name": "B", "value": "2"}]
        with_env: Document = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "a", "namespace": namespace},
            "spec": {"containers": [{"name": "main", "image": "localhost/none", "env": env}]},
        }
        await api.apply(POD, key, with_env, manager="us")
        owners = [{"apiVersion": "v1", "kind": "ConfigMap", "name": "o", "uid": "u-1"}]
        labelled: Document = {"apiVersion": "v1", "kind": "Pod", "metadata": {"ownerReferences": owners}}
        new = decode(await api.apply(POD, key, labelled, manager="them"))
        assert new["spec"]["containers"][0]["env"] == env
        assert [owner["uid"] for owner in new["metadata"]["ownerReferences"]] == ["u-1"]
