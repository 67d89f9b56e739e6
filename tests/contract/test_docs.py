"""What the documentation points at exists: linked files, their headings, and the commands it tells people to type."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

from kubevirt_py.pages import PAGES as MADE

ROOT = Path(__file__).parents[2]
LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
FENCE = re.compile(r"^```.*?^```", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"`([^`\n]+)`")
HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
PLACES = ("api", "bench", "decide", "docs", "e2e", "examples", "hack", "kube", "kubevirt_py", "manifests", "reconcile")
PLACES += (
    "render",
    "tests",
    "virt_api",
    "virt_controller",
    "virt_handler",
    "virt_launcher",
    "virt_operator",
    "virtctl",
)
FILE = re.compile(rf"(?<![\w./-])(?:\.\./)*(?:{'|'.join(PLACES)})/[\w./-]*[\w/]")
TARGET = re.compile(r"\bmake ([a-z][a-z0-9-]*)")


def _pages() -> list[Path]:
    listed = subprocess.run(["git", "ls-files", "*.md"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [ROOT / name for name in listed.splitlines()]


def _slug(heading: str) -> str:
    """The anchor that a heading gets."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-")


def _links(page: Path) -> list[str]:
    return [link for link in LINK.findall(FENCE.sub("", page.read_text())) if "://" not in link]


def _files(page: Path) -> list[str]:
    """Names of files and folders in code, whether fenced or within a line."""
    text = page.read_text()
    code = "\n".join([*FENCE.findall(text), *CODE.findall(FENCE.sub("", text))])
    return [name.rstrip("/") for name in FILE.findall(code)]


def _exists(name: str, page: Path) -> bool:
    """As seen from the page, the project or its package; Python modules may be named without their ending."""
    places = (page.parent, ROOT, ROOT / "kubevirt_py")
    return any((place / name).exists() or (place / f"{name}.py").exists() for place in places)


PAGES = {str(page.relative_to(ROOT)): page for page in _pages()}


def test_there_is_something_to_check() -> None:
    assert {"README.md", "CHANGELOG.md", "docs/architecture.md", "docs/user-guide.md"} <= set(PAGES)
    assert sum(len(_links(page)) for page in PAGES.values()) > 20
    assert sum(len(_files(page)) for page in PAGES.values()) > 20


@pytest.mark.parametrize("name", PAGES)
def test_links_lead_somewhere(name: str) -> None:
    page = PAGES[name]
    broken = []
    for link in _links(page):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if not target.exists():
            broken.append(link)
        elif anchor and anchor not in {_slug(heading) for heading in HEADING.findall(target.read_text())}:
            broken.append(link)
    assert not broken


@pytest.mark.parametrize("name", PAGES)
def test_named_files_exist(name: str) -> None:
    page = PAGES[name]
    assert not [file for file in _files(page) if not _exists(file, page)]


@pytest.mark.parametrize("name", PAGES)
def test_named_make_targets_exist(name: str) -> None:
    text = PAGES[name].read_text()
    code = "\n".join([*FENCE.findall(text), *CODE.findall(FENCE.sub("", text))])
    rules = set(re.findall(r"^([a-z][a-z0-9-]*):", (ROOT / "Makefile").read_text(), re.MULTILINE))
    assert not set(TARGET.findall(code)) - rules


@pytest.mark.parametrize("name", MADE)
def test_pages_made_from_tables_are_fresh(name: str) -> None:
    assert (ROOT / "docs" / name).read_text() == MADE[name](), "run hack/generate"
