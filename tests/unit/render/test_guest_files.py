"""Where a guest's files come from, case by case: what the stub opens, which images are made, who gets which keys."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
import yaml

from kubevirt_py.plan import Document
from kubevirt_py.render.credentials import agent_credentials
from kubevirt_py.render.isos import IsoImage, iso_images
from kubevirt_py.render.pod_files import Step, pod_files

AREA = Path(__file__).parents[2] / "golden" / "guest_files"
CASES = sorted(case.name for case in AREA.iterdir())
CLAIMS = ({"name": "files", "persistentVolumeClaimInfo": {"capacity": {"storage": "1Gi"}}},)


def files(vmi: Document) -> Document:
    """What a VMI's guest reads: the stub's steps, the images made of what it read, the agent's credentials."""
    meta, spec = vmi["metadata"], vmi["spec"]
    steps = pod_files(spec, CLAIMS)
    read = {step.name: _secret(step) for step in steps if step.do == "secret"}
    images = iso_images(meta["namespace"], meta["name"], meta["uid"], spec, read)
    return {
        "steps": msgspec.to_builtins(steps),
        "images": [_shown(image) for image in images],
        "credentials": msgspec.to_builtins(agent_credentials(spec)),
    }


def _secret(step: Step) -> dict[str, bytes]:
    """Under the keys that cloud-init takes; all of them are files elsewhere, and SSH keys for access credentials."""
    keys = ("autounattend.xml",) if step.name == "answers" else ("networkdata", "userdata")
    return {key: f"{key} of {step.name}".encode() for key in keys}


def _shown(image: IsoImage) -> Document:
    shown: Document = msgspec.to_builtins(image, builtin_types=(bytes,))
    return shown | {"files": {path: data.decode() for path, data in image.files.items()}}


@pytest.mark.parametrize("case", CASES)
def test_files_are_as_reviewed(case: str, golden: Any) -> None:
    found = files(yaml.safe_load((AREA / case / "vmi.yaml").read_text()))
    golden.check(f"guest_files/{case}/files.yaml", yaml.safe_dump(found, sort_keys=False, width=110))
