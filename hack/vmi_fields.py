"""What becomes of each field of a VMI: reads docs/vmi-fields.yaml, writes docs/vmi-fields.md.

A line of the table stands for its path and all below, unless a longer path says otherwise:

    rendered AREA/CASE, ...       one of these golden cases comes out otherwise without the field, or with another value
    decided MODULE.FUNCTION, ...  one of these functions answers otherwise, of a VMI in tests/contract/decisions.py
    copied PLACE                  the field stands, with all below, at this place of the VMI's pod
    filled AREA/FILE, ...         the field is in one of these golden files of what the components write
    names WORDS                   the field only says which this is, or of which kind; without it the VMI is refused
    moot AREA/CASE WORDS          the case is the same with any value of the field, for the reason that the words give
    refused WORDS                 admission refuses the field, with these words
    refused by PATH=VALUE WORDS   nothing fills the field, or it has no other value, since admission refuses this
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
VERBS = ("rendered", "decided", "copied", "filled", "names", "moot", "refused", "absent")
IN_WORDS = ("names", "refused", "absent")
HEAD = """# What becomes of each field of a VirtualMachineInstance

Made by `hack/generate` from [vmi-fields.yaml](vmi-fields.yaml) and the models; `tests/contract/test_vmi_fields.py`
holds it to the code.

*Rendered*: a named case in [tests/golden](../tests/golden) comes out otherwise without the field or with another value.
*Decided*: the named function answers otherwise.
*Copied*: it stands, with all below, at the named place of the VMI's pod.
*Filled*: the components write it, as in the named file there.
*Names*: it only says which this is, or of which kind; a VMI without it is refused.
*Moot*: nothing depends on its value, for the reason given. *Refused*: admission says so, in these words.
*Absent*: nothing fills this field of the status, by a decision.
"""


class Rule(NamedTuple):
    """One line of the table. `targets` are cases, functions or a place; `by` is what admission refuses instead."""

    path: str
    verb: str
    targets: tuple[str, ...] = ()
    words: str = ""
    by: str = ""


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
        found[path] = _rule(path, verb, rest)
    return found


def _rule(path: str, verb: str, rest: str) -> Rule:
    if verb == "refused" and (parts := re.fullmatch(r"by (\S+) (.+)", rest)):
        return Rule(path, verb, words=parts[2], by=parts[1])
    if verb == "moot":
        case, _, words = rest.partition(" ")
        return Rule(path, verb, (case,), words)
    if verb in IN_WORDS:
        return Rule(path, verb, words=rest)
    return Rule(path, verb, tuple(re.split(r",\s*", rest)))


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
    match rule.verb:
        case "refused":
            return f"refused: {rule.words}" + (f" (`{rule.by}`)" if rule.by else "")
        case "absent":
            return f"absent: [{rule.words}](decisions.md)"
        case "names":
            return f"names: {rule.words}"
        case "moot":
            return f"moot: {rule.words} ({_case(rule.targets[0])})"
        case "copied":
            return f"copied: `{rule.targets[0]}`"
        case "decided":
            return "decided: " + ", ".join(_function(target) for target in rule.targets)
        case verb:
            return f"{verb}: " + ", ".join(map(_case, rule.targets))


def _case(name: str) -> str:
    return f"[{name}](../tests/golden/{name})"


def _function(target: str) -> str:
    module, _, name = target.rpartition(".")
    return f"[{module}](../kubevirt_py/{module}.py)`.{name}`"


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
