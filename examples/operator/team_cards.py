"""An operator in one file: every namespace with a label `team` has a ConfigMap `team` that says so."""

import anyio
import msgspec

from kubevirt_py.kube.connect import kubeconfig_client
from kubevirt_py.reconcile import Apply, Delete, Event, Key, Kind, Manager, Meta, Plan, owns


class Namespace(msgspec.Struct, frozen=True):  # a view: the fields we read, nothing else is kept
    metadata: Meta = Meta()


class ConfigMap(msgspec.Struct, frozen=True):
    metadata: Meta = Meta()
    data: dict[str, str] = {}


NAMESPACE = Kind("", "v1", "Namespace", "namespaces", Namespace, namespaced=False)
CONFIG_MAP = Kind("", "v1", "ConfigMap", "configmaps", ConfigMap)

Snapshot = tuple[Meta, ConfigMap | None]  # what one decision is made from


def decide(seen: Snapshot) -> Plan:
    """Pure: what is there -> what to do about it."""
    meta, card = seen
    team = meta.labels.get("team")
    if team is None:
        return Plan((Delete(CONFIG_MAP, Key(meta.name, "team"), card.metadata.uid),) if card else ())
    if meta.deletion_timestamp or (card and card.data.get("team") == team):
        return Plan()
    about = {"apiVersion": "v1", "kind": "Namespace", "name": meta.name, "uid": meta.uid}
    labels = {"example.com/card": "team"}
    head = {"name": "team", "namespace": meta.name, "labels": labels, "ownerReferences": [about | {"controller": True}]}
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": head, "data": {"team": team}}
    return Plan((Apply(CONFIG_MAP, body),), events=(Event(about, "CardWritten", f"belongs to team {team}"),))


def wire(manager: Manager) -> None:
    namespaces, cards = manager.store(NAMESPACE), manager.store(CONFIG_MAP, labels="example.com/card=team")

    def snapshot(key: Key, _failure: object) -> Snapshot:
        return namespaces[key].metadata, cards.get(Key(key.name, "team"))

    manager.add("cards", root=namespaces, decide=decide, snapshot=snapshot, wake=[owns(cards)])


async def main() -> None:
    async with kubeconfig_client() as api:
        manager = Manager(api, name="team-cards", metrics_prefix="team_cards_")
        wire(manager)
        await manager.run(http=("127.0.0.1", 8080, None))


if __name__ == "__main__":
    anyio.run(main)
