"""What the launcher image must hold for every machine that admission lets through."""

from __future__ import annotations

from pathlib import Path

import pytest

from kubevirt_py.render.validate.devices import VIDEOS
from kubevirt_py.render.validate.interfaces import MODELS

FILES = Path(__file__).parents[3] / "hack" / "rootfs" / "launcher.files"
WITHOUT_ROM = ("igb",)
"""QEMU knows no ROM for these."""
VIDEO_ROMS = {"vga": "stdvga", "bochs": "bochs-display"}
"""Those that are not called as their type of video."""


@pytest.mark.parametrize("model", [model for model in MODELS if model not in WITHOUT_ROM])
def test_a_card_that_may_be_booted_from_has_its_rom(model: str) -> None:
    """QEMU does not start without it."""
    assert f"/usr/share/qemu/efi-{model}.rom" in FILES.read_text().splitlines()


@pytest.mark.parametrize("video", VIDEOS)
def test_a_screen_has_its_rom(video: str) -> None:
    """Without it a BIOS shows nothing."""
    assert f"/usr/share/seabios/vgabios-{VIDEO_ROMS.get(video, video)}.bin" in FILES.read_text().splitlines()
