"""A user's own changes to the installation."""

from __future__ import annotations

import json
from typing import Any

import pytest

from kubevirt_py.api import names
from kubevirt_py.plan import Document
from kubevirt_py.render.install import Installation, documents
from kubevirt_py.render.validate import validate_kubevirt


def installed(kind: str, name: str, **wanted: Any) -> Document:
    spec = {"customizeComponents": wanted}
    inst = Installation(namespace="kubevirt", version="1", image="r/c:t", launcher_image="r/l:t", spec=spec)
    (found,) = [one for one in documents(inst) if (one["kind"], one["metadata"]["name"]) == (kind, name)]
    return found


def patch(body: Any, *, kind: str = "Deployment", name: str = "virt-controller", how: str = "strategic") -> Document:
    return {"resourceType": kind, "resourceName": name, "type": how, "patch": json.dumps(body)}


def causes(**wanted: Any) -> list[tuple[str, str]]:
    document = {"metadata": {"name": "kubevirt"}, "spec": {"customizeComponents": wanted}}
    return [(cause.field, cause.message) for cause in validate_kubevirt(document)]


CONTAINER = {"spec": {"template": {"spec": {"containers": [{"name": "virt-controller", "tty": True}]}}}}
PATCHES = {
    "strategic": CONTAINER,
    "json": [{"op": "add", "path": "/spec/template/spec/containers/0/tty", "value": True}],
}


@pytest.mark.parametrize("how", PATCHES)
def test_a_patch_changes_what_it_names_and_leaves_a_mark(how: str) -> None:
    found = installed("Deployment", "virt-controller", patches=[patch(PATCHES[how], how=how)])
    (container,) = found["spec"]["template"]["spec"]["containers"]
    assert container["tty"] and container["image"] == "r/c:t"
    assert names.CUSTOMIZER_ANNOTATION in found["metadata"]["annotations"]
    other = installed("Deployment", "virt-api", patches=[patch(PATCHES[how], how=how)])
    assert names.CUSTOMIZER_ANNOTATION not in other["metadata"]["annotations"]


def test_a_patch_may_mean_all_of_a_kind() -> None:
    labels = patch({"metadata": {"labels": {"team": "a"}}}, name="*", how="merge")
    for name in ("virt-api", "virt-controller"):
        assert installed("Deployment", name, patches=[labels])["metadata"]["labels"]["team"] == "a"


def test_flags_come_last_on_the_command_line() -> None:
    found = installed("DaemonSet", "virt-handler", flags={"handler": {"max-devices": "5"}})
    assert found["spec"]["template"]["spec"]["containers"][0]["command"][-2:] == ["--max-devices", "5"]


def test_a_change_rolls_the_components_out() -> None:
    def mark(**wanted: Any) -> str:
        template = installed("Deployment", "virt-api", **wanted)["spec"]["template"]
        return str(template["metadata"]["annotations"][names.INSTALL_IDENTIFIER_ANNOTATION])

    assert mark() != mark(flags={"api": {"v": "5"}})


REFUSED: dict[str, tuple[dict[str, Any], str, str]] = {
    "nothing of that name": (
        {"patches": [patch({}, name="virt-nothing")]},
        "spec.customizeComponents.patches[0].resourceName",
        "nothing is installed as Deployment 'virt-nothing'",
    ),
    "a path that leads nowhere": (
        {"patches": [patch([{"op": "remove", "path": "/spec/no"}], how="json")]},
        "spec.customizeComponents.patches[0].patch",
        "does not fit Deployment virt-controller: /spec/no: no such field",
    ),
    "another name": (
        {"patches": [patch({"metadata": {"name": "x"}}, how="merge")]},
        "spec.customizeComponents.patches[0].patch",
        "may not change apiVersion, kind or name",
    ),
    "an unknown flag": (
        {"flags": {"api": {"port": "1"}}},
        "spec.customizeComponents.flags.api.port",
        "virt-api has no such flag to set; it has: v, verbosity",
    ),
}


@pytest.mark.parametrize(("wanted", "field", "words"), REFUSED.values(), ids=REFUSED)
def test_what_does_not_fit_is_refused(wanted: dict[str, Any], field: str, words: str) -> None:
    (found,) = causes(**wanted)
    assert found[0] == field and words in found[1]


def test_what_fits_is_taken() -> None:
    assert causes(patches=[patch(CONTAINER)], flags={"api": {"v": "4"}}) == []
