"""Events: one object for a series, bounded in number and size."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import anyio
import pytest

from kubevirt_py.kube.errors import Unreachable
from kubevirt_py.plan import Event
from kubevirt_py.reconcile.events import BURST, EVENT, ROOM, Aggregator, Recorder
from kubevirt_py.reconcile.testing import FakeApi, Fault, virtual_now

START = datetime(2026, 1, 1, tzinfo=UTC)
ABOUT = {"apiVersion": "v1", "kind": "Pod", "namespace": "ns", "name": "a", "uid": "u"}


def aggregator() -> Aggregator:
    return Aggregator("virt-x", "virt-x-host")


def wall(now: float) -> datetime:
    return START + timedelta(seconds=now)


def test_the_first_is_an_object() -> None:
    send = aggregator().add(Event(ABOUT, "Started", "It runs.", "Normal"), 0.0, START)
    assert send is not None
    assert send.key.namespace == "ns" and send.key.name.startswith("a.")
    body = {name: value for name, value in send.body.items() if name != "metadata"}
    assert body == {
        "apiVersion": "events.k8s.io/v1",
        "kind": "Event",
        "eventTime": "2026-01-01T00:00:00.000000Z",
        "reportingController": "virt-x",
        "reportingInstance": "virt-x-host",
        "action": "Started",
        "reason": "Started",
        "regarding": ABOUT,
        "note": "It runs.",
        "type": "Normal",
    }


def test_repeats_are_counted_and_told_every_thirty_seconds() -> None:
    events = aggregator()
    event = Event(ABOUT, "Failed", "again", "Warning")
    first = events.add(event, 0.0, wall(0))
    told = [events.add(event, now, wall(now)) for now in (1.0, 29.0, 31.0, 40.0)]
    assert first is not None
    assert told[0] is told[1] is told[3] is None
    assert told[2] is not None and told[2].key == first.key
    assert told[2].body == {"series": {"count": 4, "lastObservedTime": "2026-01-01T00:00:31.000000Z"}}


def test_a_series_ends_when_nobody_adds_to_it() -> None:
    events = aggregator()
    event = Event(ABOUT, "Failed", "again", "Warning")
    first, second = events.add(event, 0.0, wall(0)), events.add(event, 400.0, wall(400))
    assert first is not None and second is not None
    assert "metadata" in second.body and second.key != first.key


def test_one_object_cannot_flood() -> None:
    events = aggregator()
    sent = [events.add(Event(ABOUT, "R", f"note {n}"), n * 0.01, wall(0)) for n in range(100)]
    assert sum(send is not None for send in sent) == BURST
    other = {**ABOUT, "uid": "other"}
    assert events.add(Event(other, "R", "note"), 1.0, wall(1)) is not None
    assert events.add(Event(ABOUT, "R", "after a while"), 400.0, wall(400)) is not None


def test_what_is_remembered_is_bounded() -> None:
    events = aggregator()
    lasting = Event({**ABOUT, "uid": "lasting"}, "R", "note")
    for number in range(5000):
        events.add(Event({**ABOUT, "uid": str(number)}, "R", "note"), number * 10.0, wall(0))
        events.add(lasting, number * 10.0, wall(0))
    assert len(events._series) < 50
    assert len(events._buckets) <= ROOM + 1


def test_notes_are_cut_to_what_the_api_takes() -> None:
    send = aggregator().add(Event(ABOUT, "R", "ä" * 2000), 0.0, START)
    assert send is not None and len(send.body["note"].encode()) <= 1024


def test_events_about_cluster_scoped_objects_live_in_default() -> None:
    about = {"apiVersion": "v1", "kind": "Node", "name": "node1", "uid": "n"}
    send = aggregator().add(Event(about, "R", "note"), 0.0, START)
    assert send is not None and send.key.namespace == "default"


@pytest.mark.looptime
async def test_the_recorder_sends_in_the_background_and_survives_refusals() -> None:
    api, dropped = FakeApi(), []
    api.fail(Fault("create", EVENT, error=Unreachable("gone")))
    recorder = Recorder(api, aggregator(), wall=virtual_now, dropped=lambda: dropped.append(1))
    async with anyio.create_task_group() as group:
        group.start_soon(recorder.run)
        for note in ("lost", "kept", "kept", "last"):
            recorder.emit(Event(ABOUT, "R", note))
        recorder.close()
    notes = [document["note"] for document in api.server.shelf(EVENT).objects.values()]
    assert (sorted(notes), len(dropped)) == (["kept", "last"], 1)


def test_a_full_recorder_drops_and_never_waits() -> None:
    dropped: list[int] = []
    recorder = Recorder(FakeApi(), aggregator(), wall=virtual_now, dropped=lambda: dropped.append(1))
    for number in range(ROOM + 5):
        recorder.emit(Event(ABOUT, "R", str(number)))
    recorder.close()
    recorder.emit(Event(ABOUT, "R", "too late"))
    assert (recorder.pending, len(dropped)) == (ROOM, 6)
