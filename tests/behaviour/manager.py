"""What a process made of a `Manager` does. Runs against the fake API server and against a real one."""

from __future__ import annotations

import importlib.util
import itertools
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import anyio

from kubevirt_py.kube.api import Api
from kubevirt_py.plan import Create, Delete, Document, Failure, Key, MergePatch, Plan
from kubevirt_py.reconcile import LeaseSpec, Manager, Store, owns
from kubevirt_py.reconcile.events import EVENT
from kubevirt_py.reconcile.finalizer import add_finalizer, remove_finalizer
from tests.behaviour.kinds import CONFIG_MAP, NAMESPACE, WIDGET, ConfigMap, Widget, config_map, controlled_by, widget

EXAMPLE = Path(__file__).parents[2] / "examples/operator/team_cards.py"
HOLD = "example.com/hold"


def load_example() -> ModuleType:
    """The example operator, from its file."""
    spec = importlib.util.spec_from_file_location("team_cards", EXAMPLE)
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@asynccontextmanager
async def serving(manager: Manager, lease: LeaseSpec | None = None) -> AsyncIterator[None]:
    """The manager runs, with its stores filled, during the block."""
    async with anyio.create_task_group() as group:
        group.start_soon(partial(manager.serve, lease=lease))
        for store in manager.stores:
            await store.wait_synced()
        yield
        manager.stop()


async def until(store: Store[Any], check: Callable[[], bool], within_s: float = 30.0) -> None:
    """Wait for a change in `store` after which `check` holds."""
    changed = anyio.Event()
    store.subscribe(lambda _old, _new: changed.set())
    with anyio.fail_after(within_s):
        while not check():
            await changed.wait()
            changed = anyio.Event()


def make_two(manager: Manager, namespace: str) -> tuple[Store[Widget], Store[ConfigMap]]:
    """A controller that keeps two ConfigMaps for each widget, says so in its status, and cleans up behind it."""
    widgets = manager.store(WIDGET, namespace=namespace)
    children = manager.store(CONFIG_MAP, namespace=namespace, labels="part-of")

    def snapshot(key: Key, _failure: Failure | None) -> tuple[Widget, dict[Key, ConfigMap]]:
        wanted = (Key(key.namespace, f"{key.name}-{number}") for number in (1, 2))
        return widgets[key], {child: found for child in wanted if (found := children.get(child))}

    def decide(seen: tuple[Widget, dict[Key, ConfigMap]]) -> Plan:
        root, found = seen
        meta = root.metadata
        key = Key(meta.namespace, meta.name)
        if meta.deletion_timestamp:
            if found:
                return Plan(tuple(Delete(CONFIG_MAP, child, view.metadata.uid) for child, view in found.items()))
            return Plan((remove_finalizer(WIDGET, key, meta.finalizers, HOLD),))
        if HOLD not in meta.finalizers:
            return Plan((add_finalizer(WIDGET, key, meta.finalizers, HOLD),), again_s=0)
        actions: list[Create | MergePatch] = []
        for number in (1, 2):
            child = Key(key.namespace, f"{key.name}-{number}")
            if child not in found:
                owner = controlled_by(root)
                body = config_map(child, {"size": str(root.spec.size)}, ownerReferences=owner, labels={"part-of": "x"})
                actions.append(Create(CONFIG_MAP, body, meta.uid))
        if not actions and root.status.phase != "Ready":
            actions.append(MergePatch(WIDGET, key, {"status": {"phase": "Ready"}}, "status"))
        return Plan(tuple(actions))

    manager.add("make-two", root=widgets, decide=decide, snapshot=snapshot, wake=[owns(children)])
    return widgets, children


class ManagerBehaviour:
    """Subclasses provide the fixtures `api`, `namespace` and `new_manager` (name -> Manager)."""

    async def test_from_edit_to_status_and_back(
        self, api: Api, namespace: str, new_manager: Callable[[str], Manager]
    ) -> None:
        manager = new_manager("make-two")
        widgets, children = make_two(manager, namespace)
        key = Key(namespace, "w")
        async with serving(manager):
            await api.create(WIDGET, namespace, widget(key, size=7))
            await until(widgets, lambda: (w := widgets.get(key)) is not None and w.status.phase == "Ready")
            assert {child.data["size"] for child in children.all()} == {"7"} and len(children) == 2
            await api.delete(CONFIG_MAP, Key(namespace, "w-1"))
            gone = children.get(Key(namespace, "w-1"))
            await until(children, lambda: children.get(Key(namespace, "w-1")) not in (None, gone))
            await api.delete(WIDGET, key)
            await until(widgets, lambda: widgets.get(key) is None)
            assert len(children) == 0

    async def test_a_controller_sees_what_it_wrote(
        self, api: Api, namespace: str, new_manager: Callable[[str], Manager]
    ) -> None:
        """Children get a fresh name each time, so acting on an old cache would make more than one."""
        manager = new_manager("one-each")
        widgets = manager.store(WIDGET, namespace=namespace)
        children = manager.store(
            CONFIG_MAP,
            namespace=namespace,
            labels="part-of",
            indexes={"owner": lambda child: [owner.uid for owner in child.metadata.owner_references]},
        )
        numbers = itertools.count()

        def decide(root: Widget) -> Plan:
            if children.by("owner", root.metadata.uid):
                return Plan()
            child = Key(namespace, f"{root.metadata.name}-{next(numbers)}")
            body = config_map(child, {}, ownerReferences=controlled_by(root), labels={"part-of": "x"})
            return Plan((Create(CONFIG_MAP, body, root.metadata.uid),), again_s=0)

        manager.add(
            "one-each", root=widgets, decide=decide, snapshot=lambda key, _: widgets[key], wake=[owns(children)]
        )
        async with serving(manager):
            for number in range(30):
                await api.create(WIDGET, namespace, widget(Key(namespace, f"w{number}")))
            await until(children, lambda: len(children) >= 30)
        assert len(children) == 30

    async def test_a_standby_takes_over(self, api: Api, namespace: str, new_manager: Callable[[str], Manager]) -> None:
        first, second = new_manager("ha"), new_manager("ha")
        widgets, _ = make_two(first, namespace)
        others, _ = make_two(second, namespace)
        async with serving(second, LeaseSpec(namespace, "ha", "placeholder")):
            pass  # makes the lease and gives it back, so that `first` surely gets it next
        second = new_manager("ha")
        others, _ = make_two(second, namespace)
        one, two = Key(namespace, "one"), Key(namespace, "two")
        async with anyio.create_task_group() as group:
            async with serving(first, LeaseSpec(namespace, "ha", "first")):
                await api.create(WIDGET, namespace, widget(one))
                await until(widgets, lambda: (w := widgets.get(one)) is not None and w.status.phase == "Ready")
                group.start_soon(partial(second.serve, lease=LeaseSpec(namespace, "ha", "second")))
                await others.wait_synced()
                assert first.leading and not second.leading
            await api.create(WIDGET, namespace, widget(two))
            await until(others, lambda: (w := others.get(two)) is not None and w.status.phase == "Ready")
            assert second.leading and not first.leading
            second.stop()

    async def test_the_example_operator(self, api: Api, namespace: str, new_manager: Callable[[str], Manager]) -> None:
        example = load_example()
        manager = new_manager("team-cards")
        example.wire(manager)
        cards = next(store for store in manager.stores if store.kind == CONFIG_MAP)
        events = manager.store(EVENT, namespace="default")
        key = Key(namespace, "team")
        team = {"metadata": {"labels": {"team": "red"}}}
        async with serving(manager):
            await api.merge_patch(NAMESPACE, Key("", namespace), team)
            await until(cards, lambda: (card := cards.get(key)) is not None and card.data == {"team": "red"})
            await api.merge_patch(CONFIG_MAP, key, {"data": {"team": "blue", "more": "x"}})
            await until(cards, lambda: cards[key].data["team"] == "blue")
            await until(cards, lambda: cards[key].data["team"] == "red")
            await api.merge_patch(NAMESPACE, Key("", namespace), {"metadata": {"labels": {"team": None}}})
            await until(cards, lambda: cards.get(key) is None)
            await until(events, lambda: any(mine(event, namespace) for event in events.all()))


def look_up(widgets: Store[Widget], key: Key, _failure: Failure | None) -> Widget:
    return widgets[key]


def mine(event: Document, namespace: str) -> bool:
    return bool(event["reason"] == "CardWritten" and event["regarding"]["name"] == namespace)
