"""What stands in the way of devices, and when a user hears of it."""

from __future__ import annotations

from kubevirt_py.virt_handler.troubles import PATIENCE_S, Troubles


def test_what_lasts_is_told_once_and_again_only_after_it_had_gone() -> None:
    now = 0.0
    troubles = Troubles(lambda: now)
    assert troubles.note("sockets", "waiting")
    assert not troubles.note("sockets", "waiting")
    now = PATIENCE_S - 1
    assert troubles.lasting() == ()
    assert troubles.note("sockets", "refused"), "another word for the same trouble does not start its time anew"
    now = PATIENCE_S
    assert troubles.lasting() == ("refused",)
    assert troubles.lasting() == ()
    assert troubles.note("sockets", "")
    assert troubles.texts == {}
    assert troubles.note("sockets", "waiting")
    now += PATIENCE_S
    assert troubles.lasting() == ("waiting",)


def test_each_device_has_its_own_time() -> None:
    now = 0.0
    troubles = Troubles(lambda: now)
    troubles.note("data", "no room")
    now = 10.0
    troubles.note("red", "no link")
    now = PATIENCE_S
    assert troubles.lasting() == ("no room",)
    assert troubles.texts == {"data": "no room", "red": "no link"}
    assert not troubles.note("blue", ""), "nothing was known of it"
