"""Runs an object of any kind past every admission rule that its writes would meet."""

from __future__ import annotations

import random
import uuid
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from functools import cache

from kubevirt_py.api.crd import model_of, root_schema
from kubevirt_py.api.crd_kinds import CustomKind
from kubevirt_py.jsonpatch import apply_patch
from kubevirt_py.plan import Document
from kubevirt_py.render.causes import Cause
from kubevirt_py.render.config import ClusterConfig
from kubevirt_py.render.featuregates import ALPHA
from kubevirt_py.render.presets import Preset
from kubevirt_py.render.review import Request, Verdict, response
from kubevirt_py.render.validate import validate_kubevirt, validate_migration_create, validate_migration_update
from kubevirt_py.render.validate.migration import Guest
from kubevirt_py.render.webhooks import MUTATING, VALIDATING, Hook
from kubevirt_py.virt_api.webhooks import Admission, Rule
from tests.behaviour.fuzzed import altered, fuzzed, spoiled
from tests.unit.render.validate.machines import vm, vmi

NOW = datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)
CONFIGS = (ClusterConfig(), ClusterConfig(feature_gates=ALPHA, use_emulation=True))
GUESTS = (None, Guest("Running"), Guest("Failed"), Guest("Running", "it has a local disk", "Local", "other"))
LABELS = {"app": "a", "root": ""}
RIGHT = {"VirtualMachineInstance": vmi(), "VirtualMachine": vm()}
DENSITIES = (0.02, 0.05, 0.2, 0.5)


@cache
def schema_of(kind: CustomKind) -> Document:
    return root_schema(model_of(kind), described=False)


def objects(kind: CustomKind, seed: int) -> tuple[Document, Document]:
    """An object that fits the schema, and the same with one part spoiled.

    Machines are every other time one that is right but for a few fields, which gets further than mere noise.
    """
    chance = random.Random(seed)
    document: Document = fuzzed(schema_of(kind), chance, chance.choice(DENSITIES))
    if kind.kind in RIGHT and chance.random() < 0.5:
        document = RIGHT[kind.kind]
        for _ in range(chance.choice((1, 1, 2, 4, 8))):
            spec = altered(document["spec"], schema_of(kind)["properties"]["spec"], chance)
            document = document | {"spec": spec}
    document |= {
        "apiVersion": f"{kind.group}/{kind.versions[0].name}",
        "kind": kind.kind,
        "metadata": {"name": "fuzz", "namespace": "default", "labels": LABELS},
    }
    document.setdefault("spec", {})
    return document, document | {"spec": spoiled(document["spec"], chance)}


def admission(config: ClusterConfig, presets: tuple[Preset, ...] = ()) -> Admission:
    return Admission(lambda: config, ("system:ours",), lambda: str(uuid.UUID(int=1)), lambda: NOW, lambda _: presets)


RULES = tuple(admission(config).rules for config in CONFIGS)


def judge(kind: CustomKind, seed: int) -> int:
    """Every rule for both objects of a seed, created and as updates of each other. Returns the number of verdicts.

    Whatever a rule raises passes through.
    """
    good, bad = objects(kind, seed)
    chance = random.Random(seed)
    config, rules = chance.choice(tuple(zip(CONFIGS, RULES, strict=True)))
    count = 0
    for new, old in ((good, bad), (bad, good)):
        stored = new
        for rule in _rules(kind, MUTATING, "CREATE", rules):
            verdict = rule(Request("1", "CREATE", stored, namespace="default"))
            stored = apply_patch(stored, list(verdict.patch))
            count += _sound(verdict)
        for rule in _rules(kind, VALIDATING, "CREATE", rules):
            count += _sound(rule(Request("1", "CREATE", stored)))
        for table in (MUTATING, VALIDATING):
            for rule in _rules(kind, table, "UPDATE", rules):
                count += _sound(rule(Request("1", "UPDATE", stored, old)))
        for causes in _others(kind, stored, old, config, chance.choice(GUESTS)):
            count += _sound(Verdict(causes=tuple(causes)))
    return count


def _rules(kind: CustomKind, table: tuple[Hook, ...], operation: str, rules: Mapping[str, Rule]) -> Iterator[Rule]:
    for hook in table:
        if kind.plural in {each.partition("/")[0] for each in hook.resources} and operation in hook.operations:
            if hook.path in rules:
                yield rules[hook.path]


def _others(
    kind: CustomKind, new: Document, old: Document, config: ClusterConfig, guest: Guest | None
) -> Iterator[list[Cause]]:
    """Rules that are not asked by review alone."""
    match kind.kind:
        case "KubeVirt":
            yield validate_kubevirt(new)
            yield validate_kubevirt(new, old)
        case "VirtualMachineInstanceMigration":
            yield validate_migration_create(new, config, guest)
            yield validate_migration_update(new, old)
        case "VirtualMachineInstancePreset" if isinstance(new["spec"], dict):
            yield list(_applied(new))


def _applied(preset: Document) -> Iterator[Cause]:
    """A preset that is stored was judged; then it may not trip up the creation of a VMI."""
    if RULES[0]["/vmipreset-validate"](Request("1", "CREATE", preset)).causes:
        return
    stored = Preset.of("fuzz", preset["spec"])
    if stored is None:
        return
    vmi: Document = {"metadata": {"name": "v", "labels": LABELS}, "spec": {"domain": {"devices": {}}}}
    rules = admission(CONFIGS[0], (stored,)).rules
    verdict = rules["/virtualmachineinstances-mutate"](Request("1", "CREATE", vmi, namespace="default"))
    yield from verdict.causes
    made = apply_patch(vmi, list(verdict.patch))
    yield from rules["/virtualmachineinstances-validate-create"](Request("1", "CREATE", made)).causes


def _sound(verdict: Verdict) -> int:
    """Says what is wrong in words, at a place, and can be sent."""
    assert all(cause.field and cause.message for cause in verdict.causes), verdict
    assert response("1", verdict)["response"]["allowed"] is (not verdict.causes and not verdict.later)
    return 1
