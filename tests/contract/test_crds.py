"""The CRDs say exactly what the public API's tables say: every kind, field, type and constraint.

`data/` holds the contract: one table of fields per kind and `kinds.yaml`. A wanted difference is listed, with its
reason, in `data/differences.yaml`.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from kubevirt_py.api.cdi import DataVolumeTemplate
from kubevirt_py.api.crd import crd, root_schema
from kubevirt_py.api.crd_kinds import KINDS, CustomKind
from kubevirt_py.plan import Document

DATA = Path(__file__).parent / "data"
DIFFERENCES = yaml.safe_load((DATA / "differences.yaml").read_text()) or {}
OF_OWN_GROUPS = {"VirtualMachineBackup", "VirtualMachineBackupTracker", "Plugin"}

Row = tuple[str, str]


def contract_rows(table: str) -> dict[str, Row]:
    with (DATA / f"{table}.tsv").open() as file:
        reader = csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
        assert next(reader) == ["path", "type", "constraints"]
        return {path: (kind, constraints) for path, kind, constraints in reader}


def schema_rows(schema: Document, path: str = "") -> Iterator[tuple[str, Row]]:
    required = schema.get("required", ())
    for name, field in schema.get("properties", {}).items():
        yield from field_rows(field, f"{path}.{name}" if path else name, required=name in required)


def field_rows(field: Document, path: str, *, required: bool = False) -> Iterator[tuple[str, Row]]:
    kind = "int-or-string" if field.get("x-kubernetes-int-or-string") else field["type"]
    yield path, (kind, "; ".join(constraints(field, required)))
    if "items" in field:
        yield from field_rows(field["items"], f"{path}[]")
    if "additionalProperties" in field:
        yield from field_rows(field["additionalProperties"], f"{path}{{}}")
    yield from schema_rows(field, path)


def constraints(field: Document, required: bool) -> Iterator[str]:
    if required:
        yield "required"
    for label, key in (
        ("format", "format"),
        ("enum", "enum"),
        ("pattern", "pattern"),
        ("minLength", "minLength"),
        ("maxLength", "maxLength"),
        ("minItems", "minItems"),
        ("maxItems", "maxItems"),
        ("minimum", "minimum"),
        ("maximum", "maximum"),
        ("default", "default"),
        ("nullable", "nullable"),
        ("listType", "x-kubernetes-list-type"),
        ("listMapKeys", "x-kubernetes-list-map-keys"),
        ("mapType", "x-kubernetes-map-type"),
        ("preserveUnknown", "x-kubernetes-preserve-unknown-fields"),
        ("intOrString", "x-kubernetes-int-or-string"),
    ):
        if key in field:
            yield f"{label}={field[key]!r}"
    for rule in field.get("x-kubernetes-validations", ()):
        yield f"cel={rule['rule']}"


def compare(table: str, ours: dict[str, Row]) -> None:
    theirs = contract_rows(table)
    found = {
        path: {"ours": ours.get(path), "contract": theirs.get(path)}
        for path in sorted(ours.keys() | theirs.keys())
        if ours.get(path) != theirs.get(path)
    }
    excused = DIFFERENCES.get(table, {})
    assert found.keys() == excused.keys(), {path: found[path] for path in found.keys() - excused.keys()}


@pytest.mark.parametrize("kind", KINDS, ids=lambda kind: kind.kind)
def test_every_field_is_as_the_contract_says(kind: CustomKind) -> None:
    for version in crd(kind)["spec"]["versions"]:
        schema = version["schema"]["openAPIV3Schema"]
        rows = {
            path: row
            for path, row in schema_rows(schema)
            if path.split(".")[0] not in ("apiVersion", "kind", "metadata")
        }
        compare(kind.kind.lower(), rows)


def test_data_volume_templates_are_as_the_contract_says() -> None:
    compare(
        "datavolumetemplatespec",
        {
            path: row
            for path, row in schema_rows(root_schema(DataVolumeTemplate))
            if path.split(".")[0] in ("spec", "status")
        },
    )


def test_names_versions_columns_and_subresources_are_as_the_contract_says() -> None:
    theirs = yaml.safe_load((DATA / "kinds.yaml").read_text())
    ours = [as_contract(crd(kind)["spec"]) for kind in KINDS if kind.kind not in OF_OWN_GROUPS]
    by_kind = {kind["kind"]: kind for kind in ours}
    assert by_kind.keys() == {kind["kind"] for kind in theirs}
    for kind in theirs:
        kind["versions"].sort(key=lambda version: version["name"])
        assert by_kind[kind["kind"]] == kind


def as_contract(spec: Document) -> Document:
    names = {
        key: spec["names"][key] for key in ("plural", "singular", "shortNames", "categories") if key in spec["names"]
    }
    versions = [version_as_contract(version) for version in spec["versions"]]
    return {
        "kind": spec["names"]["kind"],
        "group": spec["group"],
        "scope": spec["scope"],
        "names": names,
        "versions": sorted(versions, key=lambda version: version["name"]),
    }


def version_as_contract(version: Document) -> Document:
    out = {key: version[key] for key in ("name", "served", "storage", "deprecated", "subresources") if key in version}
    out["columns"] = [
        " | ".join(
            str(part) for part in (c["name"], c["type"], c["jsonPath"], *([c["priority"]] if "priority" in c else []))
        )
        for c in version.get("additionalPrinterColumns", [])
    ]
    return out


def test_exactly_one_version_is_stored() -> None:
    for kind in KINDS:
        assert sum(version["storage"] for version in crd(kind)["spec"]["versions"]) == 1, kind.kind


def test_every_field_is_described_in_the_version_that_clients_prefer() -> None:
    """Other versions go without: definitions must stay well below etcd's size limit of 1.5 MiB."""
    for kind in KINDS:
        first, *others = crd(kind)["spec"]["versions"]
        schema = first["schema"]["openAPIV3Schema"]
        assert [path for path in undescribed(schema) if path not in ("apiVersion", "kind", "metadata")] == [], kind.kind
        for other in others:
            assert "description" not in other["schema"]["openAPIV3Schema"]["properties"]["spec"]
        assert len(json.dumps(crd(kind))) < 1_000_000, kind.kind


def undescribed(schema: Document, path: str = "") -> Iterator[str]:
    for name, field in schema.get("properties", {}).items():
        where = f"{path}.{name}".lstrip(".")
        if not field.get("description"):
            yield where
        yield from undescribed(field.get("items", field), where)
