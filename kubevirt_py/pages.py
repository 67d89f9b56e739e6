"""Writes the pages of docs/ that are made from tables in the code."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from kubevirt_py.render import admission_reference, reference, settings
from kubevirt_py.virtctl import reference as virtctl

PAGES: dict[str, Callable[[], str]] = {
    "admission.md": admission_reference.admission_page,
    "configuration.md": settings.reference,
    "roles.md": reference.roles_page,
    "subresources.md": reference.subresources_page,
    "virtctl.md": virtctl.page,
}


def main(argv: list[str]) -> int:
    """Write the pages into `directory`, or with --check say which are stale (exit code 1)."""
    parser = argparse.ArgumentParser(prog="pages")
    parser.add_argument("directory", type=Path)
    parser.add_argument("--check", action="store_true", help="only compare; fail when a page is stale")
    options = parser.parse_args(argv)
    made = {options.directory / name: page() for name, page in PAGES.items()}
    stale = [path for path, text in made.items() if not path.exists() or path.read_text() != text]
    if options.check:
        for path in stale:
            sys.stderr.write(f"{path} is not what the tables say: run hack/generate\n")
        return 1 if stale else 0
    for path in stale:
        path.write_text(made[path])
    return 0
