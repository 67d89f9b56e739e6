"""Page of the documentation about admission: which writes are defaulted or judged, by whom, and when not."""

from __future__ import annotations

from collections.abc import Iterator

from kubevirt_py.render.install import fixed_specs, unserved
from kubevirt_py.render.webhooks import MUTATING, VALIDATING, Hook

_TEXT = """\
# Admission

What happens to an object between `kubectl apply` and etcd. virt-api serves the webhooks of the tables below; where one
fails with policy `Fail`, the write is refused, with `Ignore` it goes on. None of them sees a deletion, and none stands
in the way of the removal of finalizers. All of them honour dry runs. Every refusal is a Status whose causes name the
field, the reason and what is allowed.

This page is made by `make generate`.

"""


def admission_page() -> str:
    """The whole page."""
    return _TEXT + "\n".join([*_table("Defaults", MUTATING), *_table("Checks", VALIDATING), *_policies()]) + "\n"


def _table(title: str, hooks: tuple[Hook, ...]) -> Iterator[str]:
    yield f"## {title}"
    yield ""
    yield "| resources | on | path | on failure | not for |"
    yield "|---|---|---|---|---|"
    yield from dict.fromkeys(map(_row, hooks))
    yield ""


def _row(hook: Hook) -> str:
    group = hook.group or "core"
    resources = ", ".join(f"`{each}`" for each in hook.resources)
    operations = ", ".join(each.lower() for each in hook.operations)
    spared = "our own components" if hook.others and "UPDATE" in hook.operations else ""
    place = f"{resources} ({group})"
    return f"| {place} | {operations} | `{hook.path}` | {hook.failure_policy} | {spared} |"


def _policies() -> Iterator[str]:
    yield "## What the API server holds to itself"
    yield ""
    yield "These ValidatingAdmissionPolicies need no virt-api:"
    yield ""
    fixed = ", ".join(fixed_specs.WHOLE)
    yield f"- `{fixed_specs.POLICY}`: the spec of {fixed} stays as it was created, and the selector of "
    yield f"  {', '.join(fixed_specs.SELECTORS)}."
    if unserved.UNSERVED:
        yield f"- `{unserved.POLICY}`: kinds no controller acts on yet are not created: {', '.join(unserved.UNSERVED)}."
    yield "- `kubevirt-node-restriction`: virt-handler writes the status of VMIs of its own node only."
