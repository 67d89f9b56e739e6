"""The queue: one entry per key, never twice at once, nothing lost."""

from __future__ import annotations

import anyio
import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from kubevirt_py.reconcile.queue import Queue


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def take(queue: Queue[str]) -> str | None:
    item = queue.get_nowait()
    return item.key if item else None


def test_ten_wakes_cost_one_run() -> None:
    queue: Queue[str] = Queue(Clock())
    for _ in range(10):
        queue.add("a")
    assert (queue.depth, take(queue), take(queue)) == (1, "a", None)


def test_a_wake_during_a_run_counts_after_it() -> None:
    queue: Queue[str] = Queue(Clock())
    queue.add("a")
    take(queue)
    queue.add("a")
    assert take(queue) is None
    queue.done("a")
    assert take(queue) == "a"


def test_the_earliest_time_and_the_highest_priority_win() -> None:
    clock = Clock()
    queue: Queue[str] = Queue(clock)
    queue.add("later", after_s=5, priority=10)
    queue.add("later", after_s=9, priority=0)
    queue.add("low", priority=-100)
    queue.add("user")
    queue.add("low", after_s=3, priority=-50)
    assert (take(queue), take(queue), take(queue)) == ("user", "low", None)
    clock.now = 5
    assert take(queue) == "later"


def test_a_key_is_held_back() -> None:
    clock = Clock()
    queue: Queue[str] = Queue(clock, lambda key: 10.0 if key == "noisy" else 0.0)
    queue.add("noisy")
    queue.add("quiet")
    assert (take(queue), take(queue)) == ("quiet", None)
    clock.now = 10
    assert take(queue) == "noisy"


def test_why_is_that_of_the_first_wake() -> None:
    clock = Clock()
    queue: Queue[str] = Queue(clock)
    queue.add("a", after_s=5, why="retry")
    queue.add("a", why="user")
    queue.add("a", why="late")
    clock.now = 2
    item = queue.get_nowait()
    assert item is not None
    assert (item.why, item.waited_s) == ("user", 2.0)


@pytest.mark.looptime
async def test_a_waiting_worker_wakes_when_a_key_is_due() -> None:
    queue: Queue[str] = Queue(anyio.current_time)
    start = anyio.current_time()
    queue.add("b", after_s=30)
    queue.add("a", after_s=7)
    item = await queue.get()
    assert item is not None
    assert (item.key, anyio.current_time() - start) == ("a", 7)


@pytest.mark.looptime
async def test_an_earlier_key_shortens_the_wait_of_idle_workers() -> None:
    queue: Queue[str] = Queue(anyio.current_time)
    start = anyio.current_time()
    taken: list[tuple[str, float]] = []

    async def worker() -> None:
        while (item := await queue.get()) is not None:
            taken.append((item.key, anyio.current_time() - start))
            await anyio.sleep(1)
            queue.done(item.key)

    async with anyio.create_task_group() as group:
        for _ in range(3):
            group.start_soon(worker)
        queue.add("slow", after_s=50)
        await anyio.sleep(1)
        queue.add("quick", after_s=2)
        queue.add("now")
        await anyio.sleep(60)
        queue.close()
    assert taken == [("now", 1), ("quick", 3), ("slow", 50)]


@pytest.mark.looptime
async def test_a_cancelled_worker_passes_its_wake_up_on() -> None:
    queue: Queue[str] = Queue(anyio.current_time)
    taken: list[str] = []

    async def worker(scope: anyio.CancelScope) -> None:
        with scope:
            item = await queue.get()
            assert item is not None
            taken.append(item.key)

    first, second = anyio.CancelScope(), anyio.CancelScope()
    async with anyio.create_task_group() as group:
        group.start_soon(worker, first)
        await anyio.sleep(0.1)
        group.start_soon(worker, second)
        await anyio.sleep(0.1)
        queue.add("a")
        first.cancel()
        with anyio.move_on_after(5):
            await anyio.sleep(4)
        second.cancel()
    assert taken == ["a"]


@pytest.mark.looptime
async def test_close_sends_all_workers_home() -> None:
    queue: Queue[str] = Queue(anyio.current_time)
    async with anyio.create_task_group() as group:
        for _ in range(3):
            group.start_soon(queue.get)
        await anyio.sleep(1)
        queue.close()
    assert await queue.get() is None


KEYS = st.sampled_from(["a", "b", "c"])


class QueueMachine(RuleBasedStateMachine):
    """Against a model that only knows which keys were woken since their last run began, and for when."""

    def __init__(self) -> None:
        super().__init__()
        self.clock = Clock()
        self.queue: Queue[str] = Queue(self.clock)
        self.wanted: dict[str, float] = {}
        self.active: set[str] = set()

    @rule(key=KEYS, after_s=st.sampled_from([0.0, 1.0, 5.0]), priority=st.integers(-1, 1))
    def wake(self, key: str, after_s: float, priority: int) -> None:
        self.queue.add(key, after_s=after_s, priority=priority)
        self.wanted[key] = min(self.wanted.get(key, 1e9), self.clock.now + after_s)

    @rule(seconds=st.sampled_from([0.5, 2.0]))
    def wait(self, seconds: float) -> None:
        self.clock.now += seconds

    @rule()
    def take(self) -> None:
        key = take(self.queue)
        due = {k for k, at in self.wanted.items() if at <= self.clock.now and k not in self.active}
        assert (key in due) if due else key is None
        if key is not None:
            self.active.add(key)
            del self.wanted[key]

    @rule(key=KEYS)
    def finish(self, key: str) -> None:
        if key in self.active:
            self.active.discard(key)
            self.queue.done(key)

    @invariant()
    def nothing_is_lost(self) -> None:
        idle = {key for key in self.wanted if key not in self.active}
        due = {key for key in idle if self.wanted[key] <= self.clock.now}
        assert self.queue.depth == len(due)
        assert self.queue.next_due() == min(self.wanted.values(), default=None)
        assert self.queue.active == len(self.active)


QueueMachine.TestCase.settings = settings(max_examples=40, stateful_step_count=30, deadline=None)
TestQueue = QueueMachine.TestCase
