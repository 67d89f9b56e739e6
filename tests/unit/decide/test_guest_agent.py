"""Conditions about the guest's agent: is it good enough, and were keys and passwords set."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from kubevirt_py.api.views import HostedInstance
from kubevirt_py.decide.guest_agent import BASIC, agent_conditions, propagation_events
from kubevirt_py.decide.guest_state import GuestInfo, GuestState, Propagation

KEYS = {
    "accessCredentials": [
        {"sshPublicKey": {"source": {"secret": {"secretName": "k"}}, "propagationMethod": {"qemuGuestAgent": {}}}}
    ]
}
PASSWORDS = {
    "accessCredentials": [
        {"userPassword": {"source": {"secret": {"secretName": "p"}}, "propagationMethod": {"qemuGuestAgent": {}}}}
    ]
}


def _guest(commands: set[str], **changes: Any) -> GuestState:
    info = GuestInfo(commands=tuple(sorted(commands)))
    fields = {"pod_uid": "p", "machine": None, "machine_type": "q35", "network": None, "agent_connected": True}
    return GuestState(**{**fields, "info": info, **changes})


@pytest.mark.parametrize(
    ("spec", "commands", "reason"),
    [
        ({}, set(BASIC), None),
        ({}, set(BASIC) - {"guest-ping"}, "basic"),
        (KEYS, set(BASIC), "public key"),
        (KEYS, BASIC | {"guest-ssh-add-authorized-keys"}, None),
        (KEYS, BASIC | {"guest-exec", "guest-exec-status"}, None),
        (PASSWORDS, set(BASIC), "password"),
        ({"readinessProbe": {"exec": {"command": ["true"]}}}, set(BASIC), "exec probe"),
        ({"livenessProbe": {"exec": {"command": ["true"]}}}, BASIC | {"guest-exec", "guest-exec-status"}, None),
        ({"livenessProbe": {"guestAgentPing": {}}}, set(BASIC), None),
        (PASSWORDS, BASIC | {"guest-set-user-password"}, None),
    ],
)
def test_an_agent_that_lacks_commands_is_named(spec: dict[str, Any], commands: set[str], reason: str | None) -> None:
    found = agent_conditions(spec, _guest(commands))
    lacking = found["AgentVersionNotSupported"]
    assert (lacking is None) == (reason is None)
    if lacking is not None and reason is not None:
        assert (lacking.status, reason in lacking.reason) == ("True", True)


def test_a_guest_without_agent_has_no_conditions_of_one() -> None:
    found = agent_conditions(KEYS, _guest(set(), agent_connected=False, info=None))
    assert found == {"AgentConnected": None, "AgentVersionNotSupported": None}


def test_what_came_of_credentials_is_told_once() -> None:
    failed = _guest(set(BASIC), credentials=Propagation(done=False, message="Secret k: no such user"))
    condition = agent_conditions(KEYS, failed)["AccessCredentialsSynchronized"]
    assert condition is not None
    assert (condition.status, condition.message) == ("False", "Secret k: no such user")
    vmi = HostedInstance()
    assert [event.reason for event in propagation_events(vmi, failed)] == ["AccessCredentialsSyncFailed"]
    knowing = HostedInstance(status={"conditions": [msgspec.to_builtins(condition)]})
    assert propagation_events(knowing, failed) == ()
    done = _guest(set(BASIC), credentials=Propagation(done=True))
    assert [event.reason for event in propagation_events(knowing, done)] == ["AccessCredentialsSyncSuccess"]
