"""Conditions and events about the agent inside a guest and what it was given to do."""

from __future__ import annotations

from collections.abc import Collection

from kubevirt_py.api import kinds, names
from kubevirt_py.api.views import Condition, HostedInstance
from kubevirt_py.decide.guest_state import GuestState, Propagation
from kubevirt_py.decide.references import event, warning
from kubevirt_py.plan import Document, Event
from kubevirt_py.render.credentials import agent_credentials

BASIC = frozenset(
    {
        *("guest-ping", "guest-info", "guest-shutdown", "guest-network-get-interfaces", "guest-get-fsinfo"),
        *("guest-get-host-name", "guest-get-users", "guest-get-time", "guest-get-timezone", "guest-get-osinfo"),
    }
)
"""What KubeVirt asks of every agent; frozen guests' agents are not judged."""
EXEC = frozenset({"guest-exec", "guest-exec-status"})
OWN_KEYS = "guest-ssh-add-authorized-keys"
PASSWORDS = "guest-set-user-password"


def agent_conditions(spec: Document, guest: GuestState) -> dict[str, Condition | None]:
    """None drops a condition. What an agent can do is not judged before it has told this process."""
    given = guest.credentials
    changes: dict[str, Condition | None] = {
        names.AGENT_CONNECTED: Condition(type=names.AGENT_CONNECTED, status="True") if guest.agent_connected else None
    }
    if guest.info is not None or not guest.agent_connected:
        lacking = _lacking(spec, guest.info.commands) if guest.info and guest.agent_connected else ""
        old = Condition(type=names.AGENT_VERSION_NOT_SUPPORTED, status="True", reason=lacking) if lacking else None
        changes[names.AGENT_VERSION_NOT_SUPPORTED] = old
    if given is not None:
        changes[names.ACCESS_CREDENTIALS_SYNCHRONIZED] = _propagated(given)
    return changes


def propagation_events(vmi: HostedInstance, guest: GuestState) -> tuple[Event, ...]:
    """An event when what came of setting credentials differs from what the VMI says."""
    given = guest.credentials
    if given is None:
        return ()
    wanted = _propagated(given)
    for condition in vmi.status.get("conditions") or ():
        if condition.get("type") == wanted.type:
            if (condition.get("status"), condition.get("message") or "") == (wanted.status, wanted.message):
                return ()
    if given.done:
        text = "Access credentials sync successful."
        return (event(kinds.HOSTED_VMI, vmi, names.ACCESS_CREDENTIALS_SYNC_SUCCESS, text),)
    text = f"Access credentials sync failed: {given.message}"
    return (warning(kinds.HOSTED_VMI, vmi, names.ACCESS_CREDENTIALS_SYNC_FAILED, text),)


def _propagated(given: Propagation) -> Condition:
    return Condition(
        type=names.ACCESS_CREDENTIALS_SYNCHRONIZED, status="True" if given.done else "False", message=given.message
    )


def _lacking(spec: Document, commands: Collection[str]) -> str:
    """Why an agent is too old for its VMI, empty for one that is not. An agent lists only what is enabled."""
    known = frozenset(commands)
    if BASIC - known:
        return "This guest agent doesn't support required basic commands"
    kinds_wanted = {credential.kind for credential in agent_credentials(spec)}
    if "keys" in kinds_wanted and OWN_KEYS not in known and EXEC - known:
        return "This guest agent doesn't support required public key commands"
    if "passwords" in kinds_wanted and PASSWORDS not in known:
        return "This guest agent doesn't support required password commands"
    if EXEC - known and any("exec" in (spec.get(name) or {}) for name in ("livenessProbe", "readinessProbe")):
        return "This guest agent doesn't support required exec probe commands"
    return ""
