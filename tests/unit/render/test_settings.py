"""No setting of the KubeVirt CR is silently ignored: each has an effect, is refused, or says why it has none."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest

from kubevirt_py.api import crd
from kubevirt_py.plan import Document
from kubevirt_py.render.settings import ROWS, STATUS, Refused, row_of
from kubevirt_py.render.validate import validate_kubevirt
from tests.behaviour.filled import filled


@cache
def schema() -> Document:
    (found,) = [one for one in crd.crds() if one["spec"]["names"]["kind"] == "KubeVirt"]
    parts: Document = found["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]
    return parts


def leaves(part: Document, path: str) -> Iterator[str]:
    """Paths of what carries a value, in the notation of the rows."""
    if part.get("properties"):
        for name, field in part["properties"].items():
            yield from leaves(field, f"{path}.{name}" if path else name)
    elif "items" in part:
        yield from leaves(part["items"], f"{path}[]")
    elif isinstance(part.get("additionalProperties"), dict):
        yield from leaves(part["additionalProperties"], f"{path}{{}}")
    else:
        yield path


def below(part: Document, path: str) -> Document:
    """The schema at a path of the rows."""
    steps = {"[]": "items", "{}": "additionalProperties"}
    for name in path.replace("[]", ".[]").replace("{}", ".{}").split("."):
        part = part[steps[name]] if name in steps else part["properties"][name]
    return part


LEAVES = sorted(leaves(schema()["spec"], ""))


def test_the_schema_has_many_settings() -> None:
    assert len(LEAVES) > 300


@pytest.mark.parametrize("path", LEAVES)
def test_every_setting_has_a_row(path: str) -> None:
    assert row_of(path) is not None, f"spec.{path} has neither an effect nor a refusal in render/settings.py"


@pytest.mark.parametrize("path", ROWS)
def test_every_row_is_a_setting(path: str) -> None:
    assert below(schema()["spec"], path)


def test_every_field_of_the_status_is_told_of() -> None:
    assert STATUS.keys() == schema()["status"]["properties"].keys()


@pytest.mark.parametrize("path", [path for path, row in ROWS.items() if isinstance(row, Refused)])
def test_what_is_refused_is_refused_by_its_name(path: str) -> None:
    part, row = below(schema()["spec"], path), ROWS[path]
    assert isinstance(row, Refused)
    value: Any = next((value for value in part.get("enum", ()) if value not in row.but), None) or filled(part)
    for name in reversed(path.split(".")):
        held = [value] if name.endswith("[]") else {"one": value} if name.endswith("{}") else value
        value = {name.removesuffix("[]").removesuffix("{}"): held}
    causes = validate_kubevirt({"metadata": {"name": "kubevirt", "namespace": "kubevirt"}, "spec": value})
    place = "spec." + path.replace("[]", "[0]").replace("{}", "[one]")
    assert any(cause.field == place and "not supported yet" in cause.message for cause in causes), causes
