"""The token bucket."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from kubevirt_py.kube.throttle import TokenBucket


def test_a_burst_is_free_and_then_the_rate_holds() -> None:
    bucket = TokenBucket(rate=10, burst=3)
    waits = [bucket.reserve(100.0) for _ in range(6)]
    assert [round(wait, 3) for wait in waits] == [0, 0, 0, 0.1, 0.2, 0.3]
    assert bucket.reserve(200.0) == 0


def test_take_refuses_on_empty() -> None:
    bucket = TokenBucket(rate=1, burst=2)
    assert [bucket.take(5.0) for _ in range(3)] == [True, True, False]
    assert bucket.take(6.0) and not bucket.full(6.0)
    assert bucket.full(8.0)


@given(st.lists(st.floats(0, 1), max_size=60))
def test_never_more_than_burst_and_rate_allow(pauses: list[float]) -> None:
    bucket = TokenBucket(rate=5, burst=4)
    now, sent = 1000.0, []
    for pause in pauses:
        now += pause
        sent.append(now + bucket.reserve(now))
    for index, first in enumerate(sent):
        for count, last in enumerate(sent[index:], start=1):
            assert count <= 4 + 5 * (last - first) + 1e-6
