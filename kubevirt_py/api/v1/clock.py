"""The guest's clock and timers."""

from __future__ import annotations

from kubevirt_py.api.base import Model, OpenModel


class GuestTickTimer(Model):
    """"""

    present: bool | None = None
    tick_policy: str | None = None


class SwitchTimer(Model):
    """"""

    present: bool | None = None


class RTCTimer(Model):
    """"""

    present: bool | None = None
    tick_policy: str | None = None
    track: str | None = None


class Timer(Model):
    """"""

    hpet: GuestTickTimer | None = None
    hyperv: SwitchTimer | None = None
    kvm: SwitchTimer | None = None
    pit: GuestTickTimer | None = None
    rtc: RTCTimer | None = None


class ClockOffsetUTC(Model):
    """"""

    offset_seconds: int | None = None


class Clock(OpenModel):
    """"""

    timer: Timer | None = None
    timezone: str | None = None
    utc: ClockOffsetUTC | None = None
