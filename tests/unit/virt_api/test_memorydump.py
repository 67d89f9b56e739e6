"""memorydump and removememorydump: what is refused, in which words, and what is written of the rest."""

from __future__ import annotations

from typing import Any

import pytest

from kubevirt_py.virt_api.answers import Refused
from kubevirt_py.virt_api.memorydump import check_claim, check_place, removal, request_ops, wanted_claim

Document = dict[str, Any]
VMI: Document = {"spec": {"domain": {"memory": {"guest": "1Gi"}}}}


def vm(request: Document | None = None, *volumes: Document) -> Document:
    status = {"memoryDumpRequest": request} if request else {"ready": True}
    return {"metadata": {"name": "vm"}, "spec": {"template": {"spec": {"volumes": list(volumes)}}}, "status": status}


def asked(phase: str, claim: str = "core", **more: Any) -> Document:
    return {"claimName": claim, "phase": phase, **more}


def claim(size: str = "2Gi", *, mode: str = "Filesystem", access: str = "ReadWriteOnce") -> Document:
    spec = {"volumeMode": mode, "accessModes": [access], "resources": {"requests": {"storage": size}}}
    return {"metadata": {"name": "core"}, "spec": spec}


@pytest.mark.parametrize(
    ("known", "options", "code", "words"),
    [
        (None, {}, 400, "Memory dump requires claim name to be set"),
        (None, {"claimName": 7}, 400, "claimName must be a string, not 7"),
        (
            asked("Completed", "old"),
            {"claimName": "core"},
            409,
            "can't request memory dump for pvc [core] while pvc [old] is still associated as the memory dump pvc",
        ),
    ],
)
def test_a_request_names_one_claim(known: Document | None, options: Document, code: int, words: str) -> None:
    with pytest.raises(Refused) as found:
        wanted_claim(vm(known), options)
    assert found.value.code == code
    assert words in found.value.message


def test_the_claim_of_the_last_dump_need_not_be_named() -> None:
    assert wanted_claim(vm(asked("Completed")), {}) == "core"
    assert wanted_claim(vm(asked("Completed")), {"claimName": "core"}) == "core"
    assert wanted_claim(vm(), {"claimName": "core"}) == "core"


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (claim(mode="Block"), "pvc should be filesystem pvc"),
        (claim(access="ReadOnlyMany"), "pvc access mode can't be read only"),
        (claim("1Gi"), "pvc size [1Gi] should be bigger then [1186Mi]"),
        (claim("1185Mi"), "pvc size [1185Mi] should be bigger then [1186Mi]"),
    ],
)
def test_a_claim_that_takes_no_dump_is_a_conflict(given: Document, words: str) -> None:
    with pytest.raises(Refused) as found:
        check_claim(given, VMI)
    assert (found.value.code, found.value.message) == (
        409,
        f'Operation cannot be fulfilled on persistentvolumeclaim "core": {words}',
    )


def test_a_claim_may_turn_out_larger_than_asked_for() -> None:
    check_claim(claim("1186Mi"), VMI)
    check_claim(claim("1Mi") | {"status": {"capacity": {"storage": "2Gi"}}}, VMI)


@pytest.mark.parametrize(
    ("machine", "words"),
    [
        *(
            (vm(asked(phase)), "memory dump request for pvc [core] already in progress")
            for phase in ("Associating", "InProgress", "Unmounting")
        ),
        (vm(asked("Dissociating", remove=True)), "a remove memory dump request is in progress"),
        (vm(None, {"name": "core", "persistentVolumeClaim": {"claimName": "core"}}), "a volume [core] exists"),
    ],
)
def test_one_dump_is_made_at_a_time_in_a_place_of_its_own(machine: Document, words: str) -> None:
    with pytest.raises(Refused) as found:
        check_place(machine, "core")
    assert found.value.code == 409
    assert words in found.value.message


def test_a_dump_follows_a_dump() -> None:
    volume = {"name": "core", "memoryDump": {"claimName": "core", "hotpluggable": True}}
    for phase in ("Completed", "Failed"):
        check_place(vm(asked(phase), volume), "core")
    check_place(vm(), "core")


def test_a_dump_is_removed_once() -> None:
    assert removal(vm(asked("InProgress"))) == asked("Dissociating", remove=True)
    for machine, words in ((vm(), "no association found"), (vm(asked("Dissociating", remove=True)), "already exists")):
        with pytest.raises(Refused, match=words) as found:
            removal(machine)
        assert found.value.code == 409


def test_the_patch_is_guarded_by_the_request_it_was_decided_on() -> None:
    new, place = asked("Associating"), "/status/memoryDumpRequest"
    assert request_ops(vm(asked("Completed")), new) == (
        {"op": "test", "path": place, "value": asked("Completed")},
        {"op": "add", "path": place, "value": new},
    )
    assert request_ops(vm(), new)[0] == {"op": "test", "path": place, "value": None}
    assert request_ops({"status": {}}, new) == ({"op": "add", "path": "/status", "value": {"memoryDumpRequest": new}},)
