"""For tests: an API server in the process, and managers on virtual time."""

from kubevirt_py.reconcile.testing.fake_api import FakeApi
from kubevirt_py.reconcile.testing.faults import Crashed, Fault, Write
from kubevirt_py.reconcile.testing.harness import Process, contents, crash_sweep, running, settle
from kubevirt_py.reconcile.testing.server import Hook, Server, virtual_now

__all__ = [
    "Crashed",
    "FakeApi",
    "Fault",
    "Hook",
    "Process",
    "Server",
    "Write",
    "contents",
    "crash_sweep",
    "running",
    "settle",
    "virtual_now",
]
