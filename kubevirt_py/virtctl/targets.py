"""How a user names a machine: `vm/name`, `vmi/name/namespace`, `user@vm/name`."""

from __future__ import annotations

from dataclasses import dataclass

import click

VM_PLURAL = "virtualmachines"
VMI_PLURAL = "virtualmachineinstances"
VM_WORDS = ("vm", "vms", "virtualmachine", "virtualmachines")
VMIRS_WORDS = ("vmirs", "vmirss", "virtualmachineinstancereplicaset", "virtualmachineinstancereplicasets")
VMI_WORDS = ("vmi", "vmis", "virtualmachineinstance", "virtualmachineinstances")


@dataclass(frozen=True)
class Target:
    """A machine; `namespace` is empty for the session's own."""

    kind: str
    name: str
    namespace: str = ""

    @property
    def plural(self) -> str:
        return VM_PLURAL if self.kind == "vm" else VMI_PLURAL

    def __str__(self) -> str:
        return "/".join(part for part in (self.kind, self.name, self.namespace) if part)


def parse(text: str) -> Target:
    """Read `type/name[/namespace]`. UsageError says what is wrong."""
    kind, *rest = text.split("/")
    if len(rest) not in (1, 2) or not all(rest):
        raise click.UsageError(f"target {text!r} must have the form type/name or type/name/namespace, like vm/testvm")
    if kind.lower() in VM_WORDS:
        return Target("vm", *rest)
    if kind.lower() in VMI_WORDS:
        return Target("vmi", *rest)
    raise click.UsageError(f"unsupported resource type {kind!r} in {text!r}: use vm or vmi")


def parse_with_user(text: str) -> tuple[str, Target]:
    """Read `[user@]type/name[/namespace]`."""
    user, at, rest = text.rpartition("@")
    if at and not user:
        raise click.UsageError(f"expected a user name before the @ in {text!r}")
    return user, parse(rest)
