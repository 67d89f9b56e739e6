"""The server of a share: what it may do once it is locked into the folder. Tried out on this machine's kernel."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ATTEMPTS = """
import os, sys
from kubevirt_py.virt_launcher.share import confine
folder, beside = sys.argv[1:]
os.chdir(folder)
held = open("../held")
try: confine(folder, "/usr", "/lib", "/proc")
except OSError as error: sys.exit(f"no Landlock: {error}")
for attempt in (
    lambda: os.mkdir("../folder"), lambda: os.mkfifo("../fifo"), lambda: os.symlink("x", "../link"),
    lambda: os.rename("note", "../note"), lambda: os.rename("../held", "held"), lambda: os.link("note", "../note"),
    lambda: os.unlink("../held"), lambda: open("../new", "w"), lambda: open("../held"),
    lambda: os.truncate("../held", 0), lambda: os.listdir(beside), lambda: open("link"),
    lambda: os.mkdir("inner"), lambda: os.rename("note", "inner/note"), lambda: os.link("inner/note", "again"),
    lambda: open("new", "w"), lambda: os.truncate("again", 1), lambda: os.unlink("new"),
    lambda: os.listdir("/proc/self/fd"),
):
    try: attempt(); print("done")
    except OSError as error: print(error.errno)
print(held.read())
"""
OUTSIDE, INSIDE = 12, 7
REFUSED = {"13", "18"}  # EACCES; a move out of the folder looks like one to another file system


def test_a_server_changes_nothing_beside_its_folder(tmp_path: Path) -> None:
    folder = tmp_path / "folder-shared"
    folder.mkdir()
    (folder / "note").write_text("of the share")
    (folder / "link").symlink_to(tmp_path / "held")
    (tmp_path / "held").write_text("of others")
    command = [sys.executable, "-c", ATTEMPTS, str(folder), str(tmp_path)]
    done = subprocess.run(command, text=True, capture_output=True)
    if "no Landlock" in done.stderr:
        pytest.skip(done.stderr)
    assert done.returncode == 0, done.stderr
    *attempts, held = done.stdout.split("\n")[:-1]
    assert {*attempts[:OUTSIDE]} <= REFUSED
    assert attempts[OUTSIDE:] == ["done"] * INSIDE
    assert held == "of others"
    assert {one.name for one in tmp_path.iterdir()} == {"folder-shared", "held"}
    assert {one.name for one in folder.iterdir()} == {"link", "inner", "again"}


SERVER = """#!/bin/sh
echo "$@"
[ "$(ls .)" = server ] && echo reads the folder it is in
mkdir ../beside 2>&1 | grep -o denied
"""


def test_the_server_begins_in_its_folder_and_has_the_socket(tmp_path: Path) -> None:
    """virtiofsd asks for openat2 by opening `.`: without it, it would look up names with `..` in them."""
    folder, path = tmp_path / "folder-shared", tmp_path / "share.sock"
    folder.mkdir()
    server = folder / "server"
    server.write_text(SERVER)
    server.chmod(0o755)
    begin = "import sys; from kubevirt_py.virt_launcher import share; *given, share.VIRTIOFSD = sys.argv[1:]; "
    begin += "share.become_virtiofsd(*given)"
    for _ in range(2):  # the second time a socket is left of the first
        command = [sys.executable, "-c", begin, str(path), str(folder), str(server)]
        done = subprocess.run(command, text=True, capture_output=True, check=True)
        if "no Landlock" in done.stderr:
            pytest.skip(done.stderr)
        arguments, *did = done.stdout.splitlines()
        assert arguments.split(" ", 1)[1] == f"--shared-dir={folder} --sandbox=none --cache=auto"
        assert did == ["reads the folder it is in", "denied"]
        assert path.is_socket()
