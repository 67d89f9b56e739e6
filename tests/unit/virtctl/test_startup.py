"""Help, completion and usage errors come without the weight of a client."""

from __future__ import annotations

import os
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


@pytest.mark.parametrize(
    "line", ["--help", "console --help", "version --client", "create --help", "create vm --help", "options"]
)
def test_nothing_heavy_is_loaded(line: str) -> None:
    program = PROGRAM.format(heavy=HEAVY)
    done = subprocess.run(
        [sys.executable, "-c", program, *line.split()], capture_output=True, text=True, timeout=60, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout


@pytest.mark.parametrize(
    ("words", "offered"),
    [("virtctl cr", ["create", "credentials"]), ("virtctl create ", ["clone", "instancetype", "preference", "vm"])],
)
def test_completion_is_light_too(words: str, offered: list[str]) -> None:
    environment = os.environ | {
        "_VIRTCTL_COMPLETE": "bash_complete",
        "COMP_WORDS": words,
        "COMP_CWORD": str(words.count(" ")),
    }
    program = f"""
import sys
from kubevirt_py.virtctl.main import main
try:
    main([])
finally:
    assert not [name for name in {HEAVY!r} if name in sys.modules]
"""
    done = subprocess.run(
        [sys.executable, "-c", "import sys; sys.argv = ['virtctl']\n" + program],
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [f"plain,{word}" for word in offered]


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts(shell: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", shell]) == 0
    assert f"_VIRTCTL_COMPLETE={shell}_complete" in capsys.readouterr().out


def test_options_of_all_commands(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["options"]) == 0
    text = capsys.readouterr().out
    assert text.startswith("The following options can be passed to any command:\n")
    for flag in (
        "--kubeconfig",
        "--context",
        "-n, --namespace",
        "-s, --server",
        "--token",
        "--as ",
        "--as-group",
        "--user",
    ):
        assert flag in text


@pytest.mark.parametrize("verb", sorted(VERBS))
def test_every_verb_has_help(verb: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([verb, "--help"]) == 0
    help_text = capsys.readouterr().out
    assert help_text.startswith("Usage: virtctl ")
    assert "--namespace" in help_text
