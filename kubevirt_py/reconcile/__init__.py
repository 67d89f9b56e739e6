"""A framework for controllers: observe (stores) -> decide (a pure function) -> apply (a plan).

It knows Kubernetes and nothing else. `docs/reconcile.md` is the guide.
"""

from kubevirt_py.plan import (
    Apply,
    Create,
    Delete,
    Event,
    Failure,
    JsonPatch,
    Key,
    Kind,
    MergePatch,
    Plan,
    Require,
)
from kubevirt_py.reconcile.controller import Controller, Terminal
from kubevirt_py.reconcile.lease import LeaseLost, LeaseSpec
from kubevirt_py.reconcile.manager import Manager
from kubevirt_py.reconcile.meta import Meta
from kubevirt_py.reconcile.source import EVERYTHING, Source, Ticker, mapped, owns, ticker
from kubevirt_py.reconcile.store import Store

__all__ = [
    "EVERYTHING",
    "Apply",
    "Controller",
    "Create",
    "Delete",
    "Event",
    "Failure",
    "JsonPatch",
    "Key",
    "Kind",
    "LeaseLost",
    "LeaseSpec",
    "Manager",
    "MergePatch",
    "Meta",
    "Plan",
    "Require",
    "Source",
    "Store",
    "Terminal",
    "Ticker",
    "mapped",
    "owns",
    "ticker",
]
