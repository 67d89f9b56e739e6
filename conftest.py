"""How every test run treats the interpreter, so that its time goes into tests."""

from __future__ import annotations

import gc
import os
import sys

import pytest

# Tests start hundreds of processes; without bytecode each would compile all it imports.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
sys.dont_write_bytecode = False

# Nothing that a collection of tests makes is garbage.
gc.disable()


@pytest.hookimpl(trylast=True)
def pytest_collection_finish() -> None:
    gc.freeze()
    gc.enable()
