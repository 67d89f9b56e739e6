"""What the launcher image must hold for every machine that admission lets through."""

from __future__ import annotations

from pathlib import Path

import pytest

from kubevirt_py.render.validate.interfaces import MODELS

FILES = Path(__file__).parents[3] / "hack" / "rootfs" / "launcher.files"
WITHOUT_ROM = ("igb",)
"""QEMU knows no ROM for these."""


@pytest.mark.parametrize("model", [model for model in MODELS if model not in WITHOUT_ROM])
def test_a_card_that_may_be_booted_from_has_its_rom(model: str) -> None:
    """QEMU does not start without it."""
    assert f"/usr/share/qemu/efi-{model}.rom" in FILES.read_text().splitlines()
