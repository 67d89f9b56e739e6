"""The guest's clock and timers."""

from __future__ import annotations

from kubevirt_py.api.base import Model, OpenModel


class GuestTickTimer(Model):
    """A timer whose lost ticks can be made up for."""

    present: bool | None = None
    """Whether the timer exists; true unless false."""
    tick_policy: str | None = None
    """What happens to lost ticks: delay, catchup, merge or discard."""


class SwitchTimer(Model):
    """A timer that is there or not."""

    present: bool | None = None
    """Whether the timer exists; true unless false."""


class RTCTimer(Model):
    """The real-time clock."""

    present: bool | None = None
    """Whether the timer exists; true unless false."""
    tick_policy: str | None = None
    """What happens to lost ticks: delay or catchup."""
    track: str | None = None
    """What the clock follows: guest or wall."""


class Timer(Model):
    """Timer devices of the machine."""

    hpet: GuestTickTimer | None = None
    """High precision event timer."""
    hyperv: SwitchTimer | None = None
    """Hyper-V reference counter."""
    kvm: SwitchTimer | None = None
    """KVM clock."""
    pit: GuestTickTimer | None = None
    """Programmable interval timer."""
    rtc: RTCTimer | None = None
    """Real-time clock."""


class ClockOffsetUTC(Model):
    """Offset from UTC."""

    offset_seconds: int | None = None
    """Seconds added to UTC."""


class Clock(OpenModel):
    """The guest's clock. Timers that QEMU knows and this schema does not are kept."""

    timer: Timer | None = None
    """Timer devices."""
    timezone: str | None = None
    """Zone the clock shows, such as Europe/Berlin."""
    utc: ClockOffsetUTC | None = None
    """The clock shows UTC, perhaps with an offset."""
