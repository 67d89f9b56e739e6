"""Each field of a VMI has an effect that docs/vmi-fields.yaml names, or is refused in its words."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from functools import cache, partial
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import yaml

from hack.vmi_fields import PAGE, Rule, page, rows, rule_of, rules, schema
from kubevirt_py.plan import Document
from kubevirt_py.render.causes import REQUIRED, Cause
from kubevirt_py.render.defaults import default_vmi
from kubevirt_py.render.launcher_pod import launcher_pod
from kubevirt_py.render.validate import validate_vmi_create
from tests.behaviour.filled import filled
from tests.contract.decisions import DECISIONS
from tests.contract.places import values, with_another, with_the_opposite, without
from tests.unit.decide.test_status import STATIONS
from tests.unit.render import test_guest_files, test_hotplug_pod, test_launcher_pod
from tests.unit.render.machine import test_machine
from tests.unit.render.network import test_binding
from tests.unit.render.validate.machines import CONFIG, NOW, REMOVE, UUID, edited, vmi

ROOT = Path(__file__).parents[2]
GOLDEN = ROOT / "tests" / "golden"
FIELDS = dict(rows(schema()))
RULES = rules()


def _of(verb: str) -> list[str]:
    return [path for path in FIELDS if (rule := rule_of(path, RULES)) and rule.verb == verb]


def _rule(path: str) -> Rule:
    rule = rule_of(path, RULES)
    assert rule is not None
    return rule


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
    area, _, case = name.partition("/")
    if area == "network":
        return {"spec": test_binding.GIVEN[case].spec}
    document: Document = yaml.safe_load((GOLDEN / name / "vmi.yaml").read_text())
    return document


def _output(name: str, document: Document) -> Any:
    area, _, case = name.partition("/")
    match area:
        case "machine":
            return test_machine.line(document)
        case "network":
            return test_binding.case_plan(case, document["spec"])
        case "guest_files":
            return test_guest_files.files(document)
        case "hotplug_pod":
            return test_hotplug_pod.pod(document, case)
    return test_launcher_pod.pod(document, case)


@cache
def _as_reviewed(name: str) -> Any:
    return _output(name, _case(name))


def _differs(ask: Callable[[Document], Any], document: Document, before: Any, *, whole: bool) -> bool:
    """Whether the answer is another one. What cannot be answered at all depends on a `whole` object that is gone."""
    try:
        return bool(ask(document) != before)
    except (ValueError, KeyError, TypeError):
        return whole


def _matters(ask: Callable[[Document], Any], document: Document, before: Any, path: str) -> bool:
    """Whether the field is set, and the answer would be another one without it, or with another value, somewhere."""
    whole = FIELDS[path].get("type") in ("object", "array")
    others = [*without(document, path), *with_another(document, path)]
    return any(_differs(ask, other, before, whole=whole) for other in others)


@pytest.mark.parametrize("path", _of("rendered"))
def test_a_rendered_field_changes_a_golden_case(path: str) -> None:
    cases = _rule(path).targets
    found = (_matters(partial(_output, case), _case(case), _as_reviewed(case), path) for case in cases)
    assert any(found), f"no difference without it in {', '.join(cases)}"


@pytest.mark.parametrize("path", _of("moot"))
def test_a_golden_case_is_the_same_whatever_a_moot_field_says(path: str) -> None:
    (name,) = _rule(path).targets
    others = [*without(_case(name), path), *with_the_opposite(_case(name), path)]
    assert others
    assert all(_output(name, other) == _as_reviewed(name) for other in others)


# Decided


@cache
def _function(target: str) -> Any:
    module, _, name = target.rpartition(".")
    return getattr(import_module(f"kubevirt_py.{module.replace('/', '.')}"), name)


def _decides(target: str, path: str) -> bool:
    """Whether the function answers otherwise about its VMI without the field, or with another value."""
    decision = DECISIONS[target]
    ask = partial(decision.ask, _function(target))
    return _matters(ask, decision.about, ask(decision.about), path)


@pytest.mark.parametrize("path", _of("decided"))
def test_a_function_answers_otherwise_for_a_field_it_decides_by(path: str) -> None:
    assert any(_decides(target, path) for target in _rule(path).targets)


def test_every_decision_is_in_the_table() -> None:
    assert {target for rule in RULES.values() if rule.verb == "decided" for target in rule.targets} == set(DECISIONS)


# Copied


COPYING = vmi({"volumes[0]": {"name": "files", "downwardAPI": {}}, "livenessProbe": {}, "readinessProbe": {}})


@cache
def _copy(root: str) -> tuple[Document, Document]:
    """A VMI with the field and all below set, as far as they are copied, and its pod."""
    fields = {path: field for path, field in FIELDS.items() if path.startswith(root) and _rule(path).path == root}
    document = edited(COPYING, {root.replace("[]", "[0]"): _kept(filled(FIELDS[root]), root, fields)})
    document["metadata"]["uid"] = UUID
    return document, launcher_pod(document, CONFIG, "launcher")


def _kept(value: Any, path: str, fields: Collection[str]) -> Any:
    """The value without what the table says something else of."""
    if isinstance(value, dict) and f"{path}{{}}" not in fields:
        return {key: _kept(item, f"{path}.{key}", fields) for key, item in value.items() if f"{path}.{key}" in fields}
    return [_kept(item, f"{path}[]", fields) for item in value] if isinstance(value, list) else value


@pytest.mark.parametrize("path", _of("copied"))
def test_a_copied_field_stands_in_the_pod(path: str) -> None:
    rule = _rule(path)
    document, pod = _copy(rule.path)
    given, there = values(document, path), values(pod, rule.targets[0] + path.removeprefix(rule.path))
    assert given and all(any(_within(value, found) for found in there) for value in given), there


def _within(value: Any, found: Any) -> bool:
    """Whether what was found is the value; objects may have more fields."""
    if isinstance(value, dict) and isinstance(found, dict):
        return all(key in found and _within(item, found[key]) for key, item in value.items())
    return bool(value == found)


# Filled


@cache
def _written(file: str) -> Document:
    document: Document = yaml.safe_load((GOLDEN / file).read_text())
    return document


@pytest.mark.parametrize("path", _of("filled"))
def test_a_filled_field_is_in_a_golden_file(path: str) -> None:
    files = _rule(path).targets
    found = [value for file in files for value in values(_written(file), path)]
    assert any(value not in ("", [], {}, None) for value in found), f"not in {', '.join(files)}"


def _set(value: Any, path: str) -> Iterator[str]:
    """Paths of all that is set, entries of lists and maps apart."""
    yield path
    if isinstance(value, dict) and f"{path}{{}}" not in FIELDS:
        for key, inner in value.items():
            yield from _set(inner, f"{path}.{key}")
    for inner in value if isinstance(value, list) else ():
        yield from _set(inner, f"{path}[]")


@pytest.mark.parametrize("station", STATIONS)
def test_a_status_has_only_fields_that_the_table_calls_filled(station: str) -> None:
    found = set(_set(_written(f"status/{station}.yaml")["status"], "status"))
    assert {path for path in found if path not in FIELDS or _rule(path).verb != "filled"} == set()


# Names


@pytest.mark.parametrize("path", _of("names"))
def test_a_vmi_without_a_name_is_refused(path: str) -> None:
    place = path.replace("[]", "[0]")
    holder = place.rpartition(".")[0]
    named = edited(vmi(), {holder: _sample(FIELDS[path.rpartition(".")[0]])})
    assert place not in [cause.field for cause in _refused(named)]
    assert (place, REQUIRED) in [(cause.field, cause.reason) for cause in _refused(edited(named, {place: REMOVE}))]


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


def _refused(document: Document) -> list[Cause]:
    return validate_vmi_create(default_vmi(document, CONFIG, NOW, lambda: UUID), CONFIG)


@pytest.mark.parametrize(
    "rule", [rule for rule in RULES.values() if rule.verb == "refused"], ids=lambda rule: rule.path
)
def test_a_refusal_is_issued_in_these_words(rule: Rule) -> None:
    path, _, value = (rule.by or rule.path).partition("=")
    assert path.startswith("spec."), f"{path} is nothing that a user sets"
    sample = yaml.safe_load(value) if value else _sample(FIELDS[path])
    place = path.replace("[]", "[0]")
    found = _refused(edited(vmi(), {place: sample}))
    assert any(cause.field.startswith(place) and rule.words in cause.message for cause in found), found


@pytest.mark.parametrize("rule", [rule for rule in RULES.values() if rule.verb == "absent"], ids=lambda rule: rule.path)
def test_what_is_absent_is_a_field_of_the_status_and_decided(rule: Rule) -> None:
    assert rule.path.startswith("status.")
    assert f"**{rule.words}.**" in (ROOT / "docs" / "decisions.md").read_text()
