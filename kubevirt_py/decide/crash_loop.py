"""Back-off between VMIs that end before their guest ever ran.

Source: KubeVirt: 10 s times the square of the count, plus up to half of it at
random, 300 s at most. The random part comes from the VMI's UID, so a decision
made twice is the same decision.
"""

from __future__ import annotations

import hashlib

from kubevirt_py.api.views import StartFailure
from kubevirt_py.decide import phases
from kubevirt_py.decide.clock import after, age_s, parse
from kubevirt_py.decide.run_strategy import ALWAYS, ONCE, RERUN_ON_FAILURE
from kubevirt_py.decide.vm_snapshot import VmSnapshot

UNIT_S = 10
MAX_S = 300
STRATEGIES = frozenset({ALWAYS, RERUN_ON_FAILURE, ONCE})


def start_failure(s: VmSnapshot) -> StartFailure | None:
    """`status.startFailure` as it should be: counted once per failed VMI, gone after a success."""
    known = s.vm.status.start_failure
    if s.strategy not in STRATEGIES:
        return None
    if s.vmi is None:
        return known
    if phases.reached(s.vmi.status.phase_transition_timestamps, phases.RUNNING) or s.vmi.status.phase == phases.RUNNING:
        return None
    uid = s.vmi.metadata.uid
    if not s.final or (known is not None and known.last_failed_vmi_uid == uid):
        return known
    count = (known.consecutive_fail_count if known else 0) + 1
    return StartFailure(
        consecutive_fail_count=count,
        last_failed_vmi_uid=uid,
        retry_after_timestamp=after(s.now, delay_s(count, uid)),
    )


def wait_s(s: VmSnapshot) -> float:
    """Seconds until a new VMI may be made; 0 when nothing holds it back."""
    known = s.vm.status.start_failure
    if known is None or not known.retry_after_timestamp or s.strategy not in STRATEGIES:
        return 0.0
    if age_s(known.retry_after_timestamp, s.now) > 0:
        return 0.0
    return (parse(known.retry_after_timestamp) - s.now).total_seconds()


def delay_s(count: int, vmi_uid: str) -> float:
    """Seconds after the `count`-th failure in a row."""
    base = UNIT_S * count**2
    share = hashlib.sha256(vmi_uid.encode()).digest()[0] / 255
    return min(MAX_S, base + base / 2 * share)
