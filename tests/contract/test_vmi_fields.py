"""Each field of a VMI has an effect that docs/vmi-fields.yaml names, or is refused in its words."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from hack.vmi_fields import PAGE, Rule, page, rows, rule_of, rules, schema
from kubevirt_py.plan import Document
from kubevirt_py.render.defaults import default_vmi
from kubevirt_py.render.validate import validate_vmi_create
from tests.unit.render import test_launcher_pod
from tests.unit.render.machine import test_machine
from tests.unit.render.validate.machines import CONFIG, NOW, UUID, vmi

ROOT = Path(__file__).parents[2]
GOLDEN = ROOT / "tests" / "golden"
FIELDS = dict(rows(schema()))
RULES = rules()


def _of(verb: str) -> list[str]:
    return [path for path in FIELDS if (rule := rule_of(path, RULES)) and rule.verb == verb]


def test_every_field_has_a_line() -> None:
    assert [path for path in FIELDS if rule_of(path, RULES) is None] == []


def test_every_line_is_of_a_field_and_decides_one() -> None:
    used = {rule.path for path in FIELDS if (rule := rule_of(path, RULES))}
    assert [path for path in RULES if path not in used] == []


def test_the_page_is_made_from_the_table() -> None:
    assert PAGE.read_text() == page()


# Rendered


@cache
def _case(name: str) -> Document:
    document: Document = yaml.safe_load((GOLDEN / name / "vmi.yaml").read_text())
    return document


def _output(name: str, document: Document) -> Any:
    area, _, case = name.partition("/")
    if area == "machine":
        return test_machine.line(document)
    return test_launcher_pod.pod(document, case)


def _places(value: Any, parts: list[str]) -> Iterator[tuple[Any, Any]]:
    """(container, key) of each place where a path is set."""
    head, *rest = parts
    for key in _keys(value, head):
        if rest:
            yield from _places(value[key], rest)
        else:
            yield value, key


def _keys(value: Any, part: str) -> list[Any]:
    if part == "[]":
        return list(range(len(value))) if isinstance(value, list) else []
    if part == "{}":
        return list(value) if isinstance(value, dict) else []
    return [part] if isinstance(value, dict) and part in value else []


def _parts(path: str) -> list[str]:
    return re.findall(r"\[\]|\{\}|[^.\[\]{}]+", path)


def _matters(name: str, path: str) -> bool:
    """Whether the case sets the field, and would come out differently without it somewhere."""
    places = len(list(_places(_case(name), _parts(path))))
    for index in range(places):
        without = copy.deepcopy(_case(name))
        container, key = list(_places(without, _parts(path)))[index]
        if isinstance(container, list):
            container.pop(key)
        else:
            del container[key]
        try:
            if _output(name, without) != _output(name, _case(name)):
                return True
        except (ValueError, KeyError, TypeError):
            return True
    return False


@pytest.mark.parametrize("path", _of("rendered"))
def test_a_rendered_field_changes_a_golden_case(path: str) -> None:
    rule = rule_of(path, RULES)
    assert rule is not None
    assert any(_matters(case, path) for case in rule.targets), f"no difference without it in {', '.join(rule.targets)}"


# Used and copied


@cache
def _source(module: str) -> str:
    return (ROOT / "kubevirt_py" / f"{module}.py").read_text()


def _mentions(module: str, key: str) -> bool:
    snake = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", key).lower()
    return re.search(rf"""["']{key}["']|\b{snake}\b""", _source(module)) is not None


@pytest.mark.parametrize("path", _of("used"))
def test_a_used_field_is_named_by_a_module(path: str) -> None:
    rule = rule_of(path, RULES)
    assert rule is not None
    key = _parts(path.rstrip("[]{}"))[-1]
    assert any(_mentions(module, key) for module in rule.targets), f"{key} is not in {', '.join(rule.targets)}"


@pytest.mark.parametrize("rule", [rule for rule in RULES.values() if rule.verb == "copied"], ids=lambda rule: rule.path)
def test_what_is_copied_is_named_by_a_module(rule: Rule) -> None:
    key = _parts(rule.path.rstrip("[]{}"))[-1]
    assert any(_mentions(module, key) for module in rule.targets), f"{key} is not in {', '.join(rule.targets)}"


# Refused


def _sample(field: Document) -> Any:
    if "enum" in field:
        return field["enum"][0]
    kind = "string" if field.get("x-kubernetes-int-or-string") else field.get("type")
    if kind == "object":
        required = field.get("required", ())
        return {name: _sample(inner) for name, inner in field.get("properties", {}).items() if name in required}
    samples = {"array": lambda: [_sample(field["items"])], "boolean": lambda: True, "integer": lambda: 1}
    return samples.get(str(kind), lambda: "x")()


def _causes(path: str, value: Any) -> list[tuple[str, str]]:
    place = path.removeprefix("spec.").replace("[]", "[0]")
    document = default_vmi(vmi({place: value}), CONFIG, NOW, lambda: UUID)
    return [(cause.field, cause.message) for cause in validate_vmi_create(document, CONFIG)]


@pytest.mark.parametrize(
    "rule", [rule for rule in RULES.values() if rule.verb == "refused"], ids=lambda rule: rule.path
)
def test_a_refusal_is_issued_in_these_words(rule: Rule) -> None:
    path, _, value = (rule.by or rule.path).partition("=")
    assert path.startswith("spec."), f"{path} is nothing that a user sets"
    sample = yaml.safe_load(value) if value else _sample(FIELDS[path])
    found = _causes(path, sample)
    place = path.replace("[]", "[0]")
    assert any(field.startswith(place) and rule.words in message for field, message in found), found


@pytest.mark.parametrize("rule", [rule for rule in RULES.values() if rule.verb == "absent"], ids=lambda rule: rule.path)
def test_what_is_absent_is_a_field_of_the_status_and_decided(rule: Rule) -> None:
    assert rule.path.startswith("status.")
    assert f"**{rule.words}.**" in (ROOT / "docs" / "decisions.md").read_text()
