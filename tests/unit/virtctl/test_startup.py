"""Help, completion and usage errors come without the weight of a client."""

from __future__ import annotations

import subprocess
import sys

import pytest

from kubevirt_py.virtctl.main import VERBS, main

HEAVY = ("aiohttp", "anyio", "asyncio", "kubernetes_asyncio", "msgspec", "pydantic", "yaml", "ssl")
PROGRAM = """
import sys
from kubevirt_py.virtctl.main import main
code = main(sys.argv[1:])
heavy = [name for name in {heavy!r} if name in sys.modules]
sys.exit(f"loaded {{heavy}}" if heavy else code)
"""


@pytest.mark.parametrize("line", ["--help", "console --help", "version --client"])
def test_nothing_heavy_is_loaded(line: str) -> None:
    program = PROGRAM.format(heavy=HEAVY)
    done = subprocess.run(
        [sys.executable, "-c", program, *line.split()], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout


@pytest.mark.parametrize("verb", sorted(VERBS))
def test_every_verb_has_help(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([verb, "--help"]) == 0
    help_text = capsys.readouterr().out
    assert help_text.startswith("Usage: virtctl ")
    assert "--namespace" in help_text
