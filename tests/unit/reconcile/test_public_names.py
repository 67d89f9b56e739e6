"""What the framework promises to its users."""

from __future__ import annotations

import inspect

from kubevirt_py import reconcile


def test_every_public_name_is_listed_and_documented() -> None:
    names = {
        name for name, value in vars(reconcile).items() if not name.startswith("_") and not inspect.ismodule(value)
    }
    assert names == set(reconcile.__all__)
    for name in reconcile.__all__:
        value = getattr(reconcile, name)
        assert not callable(value) or inspect.getdoc(value), f"{name} has no docstring"
