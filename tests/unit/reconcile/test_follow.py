"""Each row of the watcher's table."""

from __future__ import annotations

import pytest

from kubevirt_py.plan import Key
from kubevirt_py.reconcile.follow import (
    AskList,
    AskWatch,
    Bookmark,
    Changed,
    Cold,
    Drop,
    Ended,
    Expired,
    Garbled,
    Heard,
    Listing,
    Live,
    Mark,
    Object,
    PageRead,
    Put,
    Replaced,
    Start,
    Streaming,
    Unreadable,
    Unsupported,
    step,
)

A, B = Key("ns", "a"), Key("ns", "b")
ONE, TWO = Object(A, "view of a", 11), Object(B, "view of b", 12)
BAD = Object(A, Unreadable("size is not a number"), 13)


def test_start_asks_for_initial_events() -> None:
    assert step(Cold(), Start()) == (Streaming(), (), AskWatch(initial=True))


def test_initial_events_fill_a_buffer_until_their_end() -> None:
    state, outs, ask = step(Streaming(), Changed(ONE, deleted=False))
    assert (state, outs, ask) == (Streaming({A: ONE}), (), None)
    assert step(state, Bookmark("15")) == (Streaming({A: ONE}), (), None)
    live = Live("20", streaming=True)
    assert step(state, Bookmark("20", initial_end=True)) == (live, (Replaced({A: ONE}, "20"),), None)


def test_an_object_deleted_during_initial_events_is_not_in_the_result() -> None:
    state, _, _ = step(Streaming({A: ONE, B: TWO}), Changed(ONE, deleted=True))
    assert state == Streaming({B: TWO})


def test_a_server_without_initial_events_is_listed_from_then_on() -> None:
    state, outs, ask = step(Streaming(), Unsupported())
    assert (state, outs, ask) == (Listing(paged=True, streaming=False), (), AskList())
    state, _, _ = step(state, PageRead((), "9", more=False))
    assert step(state, Expired())[0] == Listing(paged=True, streaming=False)


def test_pages_fill_a_buffer_until_the_last() -> None:
    state, outs, ask = step(Listing(paged=True, streaming=False), PageRead((ONE,), "20", more=True))
    assert (outs, ask) == ((), None)
    live = Live("20", streaming=False)
    done = step(state, PageRead((TWO,), "20", more=False))
    assert done == (live, (Replaced({A: ONE, B: TWO}, "20"),), AskWatch(since="20"))


def test_an_expired_page_starts_again_without_pages() -> None:
    half = Listing(True, True, {A: ONE})
    assert step(half, Expired()) == (Listing(paged=False, streaming=True), (), AskList(paged=False))


def test_live_events_reach_the_store() -> None:
    live = Live("20", True)
    assert step(live, Changed(ONE, deleted=False)) == (Live("11", True), (Put(ONE),), None)
    assert step(live, Changed(TWO, deleted=True)) == (Live("12", True), (Drop(B, 12),), None)


def test_a_bookmark_moves_the_version_only() -> None:
    assert step(Live("20", True), Bookmark("30")) == (Live("30", True), (Mark("30"),), None)


def test_the_end_of_a_watch_resumes_at_the_last_version() -> None:
    assert step(Live("20", True), Ended()) == (Live("20", True), (), AskWatch(since="20"))


@pytest.mark.parametrize("heard", [Expired(), Garbled()])
def test_gone_or_garbled_forgets_the_version(heard: Heard) -> None:
    assert step(Live("20", True), heard) == (Streaming(), (), AskWatch(initial=True))
    assert step(Live("20", False), heard) == (Listing(paged=True, streaming=False), (), AskList())


@pytest.mark.parametrize("heard", [Ended(), Expired(), Garbled()])
def test_initial_events_that_break_off_start_over(heard: Heard) -> None:
    assert step(Streaming({A: ONE}), heard) == (Streaming(), (), AskWatch(initial=True))


def test_an_unreadable_object_makes_us_read_all_again() -> None:
    assert step(Live("20", True), Changed(BAD, deleted=False)) == (Streaming(), (), AskWatch(initial=True))


def test_an_object_that_stays_unreadable_is_kept_as_such_and_does_not_relist_again() -> None:
    live, (replaced,), _ = step(Streaming({A: BAD}), Bookmark("20", initial_end=True))
    assert replaced == Replaced({A: BAD}, "20")
    assert live == Live("20", True, frozenset({A}))
    assert step(live, Changed(BAD, deleted=False)) == (Live("13", True, frozenset({A})), (Put(BAD),), None)
    assert step(live, Changed(ONE, deleted=False))[0] == Live("11", True, frozenset())
    assert step(live, Changed(BAD, deleted=True))[0] == Live("13", True, frozenset())


def test_versions_that_are_no_numbers_do_not_overwrite_the_last_good_one() -> None:
    opaque = Object(A, "view", 0)
    assert step(Live("20", True), Changed(opaque, deleted=False))[0] == Live("20", True)


def test_what_cannot_happen_is_a_bug() -> None:
    with pytest.raises(TypeError, match="PageRead in state Live"):
        step(Live("1", True), PageRead((), "2", more=False))
