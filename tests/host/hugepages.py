"""Huge pages for a test, set aside for as long as it runs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

POOL = Path("/sys/kernel/mm/hugepages/hugepages-2048kB")


@contextmanager
def huge_pages(count: int) -> Iterator[None]:
    """`count` more of 2 MiB. Skips where the kernel has none to give."""
    if not POOL.exists():
        pytest.skip("needs huge pages of 2 MiB")
    reserved = POOL / "nr_hugepages"
    before = int(reserved.read_text())
    reserved.write_text(str(before + count))
    try:
        if (free := int((POOL / "free_hugepages").read_text())) < count:
            pytest.skip(f"needs {count} huge pages, the kernel can give {free}")
        yield
    finally:
        reserved.write_text(str(before))
