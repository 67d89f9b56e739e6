"""What an end of QEMU means."""

from __future__ import annotations

import pytest

from kubevirt_py.decide.guest_state import POWERED_OFF, WATCHED_OFF, outcome_of_shutdown, outcome_of_state


def test_a_watchdog_that_powers_off_is_a_failure_that_says_so() -> None:
    assert outcome_of_state("watchdog") is WATCHED_OFF
    assert not WATCHED_OFF.clean


@pytest.mark.parametrize(("reason", "guest"), [("guest-reset", True), ("host-qmp-system-reset", False)])
def test_a_reset_that_ends_the_run_is_a_clean_end(reason: str, guest: bool) -> None:
    """Only a machine that is to end at a reboot shuts down for these reasons."""
    assert outcome_of_shutdown({"reason": reason, "guest": guest}, None) is POWERED_OFF
