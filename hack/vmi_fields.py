"""What becomes of each field of a VMI: reads docs/vmi-fields.yaml, writes docs/vmi-fields.md.

A line of the table stands for its path and all below, unless a longer path says otherwise:

    rendered AREA/CASE, ...       the field is in this golden case, and without it the case's output differs
    used MODULE, ...              one of these modules of the package reads or writes the field
    copied MODULE                 this module reads the path and hands on all below as it is
    refused WORDS                 admission refuses the field, with these words
    refused by PATH=VALUE WORDS   nothing fills the field, since admission refuses what would
    absent TITLE                  nothing fills this field of the status, by the decision with this title
"""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import yaml

from kubevirt_py.api.crd import root_schema
from kubevirt_py.api.v1.vmi import VirtualMachineInstance
from kubevirt_py.plan import Document

ROOT = Path(__file__).resolve().parents[1]
TABLE = ROOT / "docs" / "vmi-fields.yaml"
PAGE = ROOT / "docs" / "vmi-fields.md"
VERBS = ("rendered", "used", "copied", "refused", "absent")
HEAD = """# What becomes of each field of a VirtualMachineInstance

Made by `hack/generate` from [vmi-fields.yaml](vmi-fields.yaml) and the models; `tests/contract/test_vmi_fields.py`
holds it to the code.

*Rendered*: the field changes the output of the named case in [tests/golden](../tests/golden).
*Used*: the named module reads or writes it.
*Copied*: the module hands it on with all below. *Refused*: admission says so, in these words.
*Absent*: nothing fills this field of the status, by a decision.
"""


class Rule(NamedTuple):
    """One line of the table."""

    path: str
    verb: str
    targets: tuple[str, ...]
    words: str
    by: str


def schema() -> Document:
    return root_schema(VirtualMachineInstance)


def rows(field: Document, path: str = "") -> Iterator[tuple[str, Document]]:
    """Each path of a schema with its own schema. `[]` stands for entries of lists, `{}` for values of maps."""
    if path:
        yield path, field
    for name, inner in field.get("properties", {}).items():
        yield from rows(inner, f"{path}.{name}" if path else name)
    for key, mark in (("items", "[]"), ("additionalProperties", "{}")):
        if isinstance(field.get(key), dict):
            yield from rows(field[key], path + mark)


def rules() -> dict[str, Rule]:
    """The table. Raises ValueError for a line that makes no sense."""
    found = {}
    for path, text in yaml.safe_load(TABLE.read_text()).items():
        verb, _, rest = str(text).partition(" ")
        if verb not in VERBS or not rest:
            raise ValueError(f"{TABLE.name}: {path}: {text!r} does not start with one of {', '.join(VERBS)}")
        by = ""
        if verb == "refused" and (parts := re.fullmatch(r"by (\S+) (.+)", rest)):
            by, rest = parts.groups()
        in_words = verb in ("refused", "absent")
        targets = () if in_words else tuple(re.split(r",\s*", rest))
        found[path] = Rule(path, verb, targets, rest if in_words else "", by)
    return found


def rule_of(path: str, table: dict[str, Rule]) -> Rule | None:
    """The line with the longest path that covers this one."""
    here = path
    while here:
        if here in table:
            return table[here]
        here = here[:-2] if here.endswith(("[]", "{}")) else here.rpartition(".")[0]
    return None


def page() -> str:
    table = rules()
    lines = [HEAD, f"| field | {len(list(rows(schema())))} rows |", "|---|---|"]
    for path, _field in rows(schema()):
        rule = rule_of(path, table)
        what = "" if rule is None else _effect(rule)
        lines.append(f"| `{path}` | {what} |")
    return "\n".join(lines) + "\n"


def _effect(rule: Rule) -> str:
    if rule.verb == "refused":
        return f"refused: {rule.words}" + (f" (`{rule.by}`)" if rule.by else "")
    if rule.verb == "absent":
        return f"absent: [{rule.words}](decisions.md)"
    if rule.verb == "rendered":
        return "rendered: " + ", ".join(f"[{case}](../tests/golden/{case})" for case in rule.targets)
    return f"{rule.verb}: " + ", ".join(f"[{name}](../kubevirt_py/{name}.py)" for name in rule.targets)


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("--check", action="store_true", help="only compare; fail when the page is stale")
    options = parser.parse_args()
    text = page()
    if PAGE.exists() and PAGE.read_text() == text:
        return 0
    if options.check:
        sys.stderr.write(f"{PAGE} is not what the table says: run hack/generate\n")
        return 1
    PAGE.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
