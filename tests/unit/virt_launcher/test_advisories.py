"""One test for each published KubeVirt advisory about paths, and attacks on every path of a spec and of a volume.

The stub opens all that a tenant can name or put into its storage. Beside each volume lies a file that is not the
tenant's; no attack may open, change or own it.
"""

from __future__ import annotations

import ast
import os
import re
import stat
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

import kubevirt_py
from hack.vmi_fields import rows, schema
from kubevirt_py import virt_handler
from kubevirt_py.plan import Document
from kubevirt_py.render.config import ClusterConfig
from kubevirt_py.render.defaults import default_vmi
from kubevirt_py.render.launcher_pod import launcher_pod
from kubevirt_py.render.pod_files import pod_files
from kubevirt_py.render.validate import validate_vmi_create
from kubevirt_py.virt_handler.records import Folder
from kubevirt_py.virt_launcher import files
from tests.unit.render.validate.machines import CONFIG, NOW, UUID, vmi

USER = 107
SECRET = b"not yours".ljust(4096, b"!")
ATTACKS = (
    *("../secret", "disk/../../secret", "/../secret", "./../secret", "//../secret", "disk/./../../secret"),
    *("link", "absolute", "folder/secret", "disk/link", "fifo", "socket", "device", "self", "disk", "", ".", "/", ".."),
    *("gone", "x" * 300, "x/" * 2100 + "x", "disk/file\0../../secret", "\u2024\u2024/secret", "%2e%2e/secret"),
)


@pytest.fixture
def volume(tmp_path: Path) -> Path:
    """A volume in the tenant's hands, full of traps, beside a file that is not the tenant's."""
    root = tmp_path / "volume"
    (root / "disk").mkdir(parents=True)
    (tmp_path / "secret").write_bytes(SECRET)
    (root / "link").symlink_to("../secret")
    (root / "absolute").symlink_to(tmp_path / "secret")
    (root / "folder").symlink_to("..")
    (root / "disk/link").symlink_to("../../secret")
    (root / "self").symlink_to("/proc/self/environ")
    os.mkfifo(root / "fifo")
    os.mknod(root / "socket", stat.S_IFSOCK | 0o600)
    os.mknod(root / "device", stat.S_IFCHR | 0o600, os.makedev(1, 3))
    return root


def _outcome(step: Document) -> bytes:
    """What the stub would hand to QEMU: the first bytes, or nothing where it refuses."""
    table: dict[str, int] = {}
    try:
        files.perform([step], table)
        return b"".join(os.pread(fd, 64, 0) for fd in table.values())
    except (files.Refused, ValueError):  # ValueError: a path with a zero byte
        return b""
    finally:
        for fd in table.values():
            os.close(fd)


LEADING_AWAY = ("../secret", "disk/../../secret", "link", "absolute", "folder/secret", "disk/link")


@pytest.mark.parametrize("path", LEADING_AWAY)
def test_who_follows_a_path_reads_what_is_not_the_tenants(volume: Path, path: str) -> None:
    """So the traps are real, and the tests below can fail."""
    assert (volume / path).read_bytes() == SECRET


@pytest.mark.parametrize("path", ATTACKS)
@pytest.mark.parametrize("do", ["open", "create", "seed"])
def test_no_path_reaches_beyond_its_volume(volume: Path, do: str, path: str) -> None:
    before = {item: os.lstat(item)[:6] for item in volume.parent.iterdir()}
    step = {"do": do, "name": "disk.a", "root": str(volume), "path": path, "size": 4096, "source": "/dev/null"}
    assert b"not yours" not in _outcome(step)
    assert (volume.parent / "secret").read_bytes() == SECRET
    assert {item: os.lstat(item)[:6] for item in volume.parent.iterdir()} == before


def test_an_image_tells_no_names_of_files_elsewhere(tmp_path: Path) -> None:
    """Whose /disk is a link: what is there is not even listed."""
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/name-of-another").touch()
    (tmp_path / "image").mkdir()
    (tmp_path / "image/disk").symlink_to("../elsewhere")
    with pytest.raises(files.Refused, match="Not a directory") as refusal:
        files.perform([{"do": "open", "name": "disk.a", "root": str(tmp_path / "image"), "read_only": True}], {})
    assert "name-of-another" not in str(refusal.value)


LOOKS, MOST_LOOKS = 500, 100_000
"""So often the stub looks at least, and at most until it has met both the disk and the link."""


def _swap_file(volume: Path) -> None:
    (volume / "new").symlink_to("../secret")
    os.rename(volume / "new", volume / "disk.img")
    (volume / "new").write_bytes(b"the disk")
    os.rename(volume / "new", volume / "disk.img")


def _swap_folder(volume: Path) -> None:
    os.rename(volume / "real", volume / "aside")
    (volume / "real").symlink_to("../beside")
    os.unlink(volume / "real")
    os.rename(volume / "aside", volume / "real")


@pytest.mark.parametrize(
    ("path", "swap", "met"),
    [
        ("disk.img", _swap_file, "Too many levels of symbolic links"),
        ("real/disk.img", _swap_folder, "Not a directory"),
    ],
)
@pytest.mark.parametrize("do", ["open", "create"])
def test_what_is_swapped_while_the_stub_looks_is_never_followed(
    volume: Path, do: str, path: str, swap: Callable[[Path], None], met: str
) -> None:
    (volume / "real").mkdir()
    (volume / path).write_bytes(b"the disk")
    (volume.parent / "beside").mkdir()
    (volume.parent / "beside/disk.img").write_bytes(SECRET)
    over = threading.Event()

    def attack() -> None:
        while not over.is_set():
            swap(volume)

    attacker = threading.Thread(target=attack)
    attacker.start()
    try:
        step = {"do": do, "name": "disk.a", "root": str(volume), "path": path, "size": 8}
        seen: Counter[str] = Counter()
        while seen.total() < LOOKS or (not (seen["the disk"] and seen[met]) and seen.total() < MOST_LOOKS):
            seen[_seen(step)] += 1
    finally:
        over.set()
        attacker.join()
    assert seen["the disk"] and seen[met], seen
    assert set(seen) <= {"the disk", met, "No such file or directory"}
    assert _seen(step) == "the disk"
    assert (volume.parent / "secret").read_bytes() == SECRET


def _seen(step: Document) -> str:
    """The content that the stub hands over, or the system's reason why it does not."""
    table: dict[str, int] = {}
    try:
        files.perform([step], table)
        return os.pread(table["disk.a"], 64, 0).decode()
    except files.Refused as refusal:
        return str(refusal).rpartition(": ")[2]
    finally:
        for fd in table.values():
            os.close(fd)


def test_a_hard_link_gives_nobody_what_he_may_not_read(volume: Path) -> None:
    """It is the file itself, with its own owner and mode; the stub has the rights of the pod's user alone."""
    os.link(volume.parent / "secret", volume / "disk.img")
    (volume.parent / "secret").chmod(0o600)
    reader, writer = os.pipe()
    if (child := os.fork()) == 0:
        try:
            os.chdir(volume)
            os.setgroups([])
            os.setgid(USER)
            os.setuid(USER)
            os.write(writer, _said_to_user().encode())
        finally:
            os._exit(0)
    os.close(writer)
    with os.fdopen(reader) as told:
        assert "user 107 may not use it" in told.read()
    os.waitpid(child, 0)


def _said_to_user() -> str:
    try:
        files.perform([{"do": "open", "name": "a", "root": ".", "path": "disk.img"}], {})
    except (files.Refused, OSError) as error:
        return str(error)
    return "opened"


SOMEWHERE_ELSE = "/a/../../etc/passwd"
KERNEL = {"image": "k", "kernelPath": "/k", "initrdPath": "/i"}
LABELS = {"fieldRef": {"fieldPath": "metadata.labels"}}
PATHS: dict[str, Document] = {
    "domain.firmware.kernelBoot.container.kernelPath": KERNEL | {"kernelPath": SOMEWHERE_ELSE},
    "domain.firmware.kernelBoot.container.initrdPath": KERNEL | {"initrdPath": SOMEWHERE_ELSE},
    "volumes[0].containerDisk.path": {"image": "x", "path": SOMEWHERE_ELSE},
    "volumes[0].containerPath.path": {"path": SOMEWHERE_ELSE},
    "volumes[0].downwardAPI.fields[0].path": LABELS | {"path": SOMEWHERE_ELSE},
    "volumes[0].hostDisk.path": {"path": SOMEWHERE_ELSE, "type": "Disk"},
}
"""Every path of a spec that this project follows, and the object around it with a path that leads away."""
OF_OTHERS = ("livenessProbe.httpGet.path", "readinessProbe.httpGet.path", "fieldRef.fieldPath")
"""What a guest's web server and the API server make of these is theirs."""


def test_every_path_of_a_spec_is_known_here() -> None:
    fields = [path for path, _ in rows(schema()) if path.startswith("spec.") and path.lower().endswith("path")]
    ours = {path.removeprefix("spec.") for path in fields if not path.endswith(OF_OTHERS)}
    assert ours - {"volumes[].containerPath"} == {path.replace("[0]", "[]") for path in PATHS}


@pytest.mark.parametrize("path", PATHS)
def test_a_path_that_leads_away_is_refused_by_name(path: str) -> None:
    value: Any = PATHS[path]
    assert _refused(path, value)
    relative = ".fields" in path
    for other, refused in (("/a/b", False), ("/a\0/b", True)):
        named = {key: other[relative:] if part == SOMEWHERE_ELSE else part for key, part in value.items()}
        assert bool(_refused(path, named)) is refused


def _refused(path: str, value: Document) -> list[str]:
    """What admission refuses at or around a path of the spec, where the object around it is `value`."""
    around = re.sub(r"(\.fields\[0\])?\.\w+$", "", path)
    edits: Document = {around: {"fields": [value]} if ".fields" in path else value}
    if around.startswith("volumes"):
        edits = {"volumes[0]": {"name": "root", around.rpartition(".")[2]: edits[around]}}
    gates = {"developerConfiguration": {"featureGates": ["ContainerPathVolumes", "HostDisk"]}}
    config = ClusterConfig.from_kubevirt({"configuration": gates})
    document = default_vmi(vmi(edits), config, NOW, lambda: UUID)
    found = [cause.field for cause in validate_vmi_create(document, config)]
    return [field for field in found if f"spec.{path}".startswith(field)]


# The advisories


def _pods() -> Iterator[Document]:
    for kind in ("secret", "configMap", "downwardAPI", "serviceAccount", "sysprep", "cloudInitNoCloud", "emptyDisk"):
        source: dict[str, Document] = {
            "secret": {"secretName": "a"},
            "configMap": {"name": "a"},
            "sysprep": {"secret": {"name": "a"}},
            "emptyDisk": {"capacity": "1Mi"},
        }
        spec = {"domain": {"memory": {"guest": "64Mi"}}, "volumes": [{"name": "v", kind: source.get(kind, {})}]}
        document = {"metadata": {"name": "a", "namespace": "b", "uid": "c"}, "spec": spec}
        yield launcher_pod(document, ClusterConfig(), "launcher")


def test_cve_2020_14316_ghsa_828r_r2c8_rfw3_pods_have_nothing_of_the_host() -> None:
    for pod in _pods():
        assert not [volume for volume in pod["spec"]["volumes"] if "hostPath" in volume]
        assert not {"hostNetwork", "hostPID", "hostIPC"} & set(pod["spec"])


@pytest.mark.parametrize("path", ["../secret", "/disk/../../secret"])
@pytest.mark.parametrize("field", ["kernelPath", "initrdPath", "path"])
def test_cve_2022_1798_ghsa_qv98_3369_g364_paths_in_images_stay_there(volume: Path, field: str, path: str) -> None:
    kernel: Document = {"image": "k", "kernelPath": "/k", field: path}
    edits: Document = (
        {"volumes[0]": {"name": "root", "containerDisk": {"image": "x", "path": path}}}
        if field == "path"
        else {"domain.firmware.kernelBoot": {"container": kernel}}
    )
    document = default_vmi(vmi(edits), CONFIG, NOW, lambda: UUID)
    assert [cause.field.rpartition(".")[2] for cause in validate_vmi_create(document, CONFIG)] == [field]
    # And where admission was not there, the stub does not follow it.
    (step,) = [one for one in pod_files(document["spec"]) if one.path == path]
    outcome = _outcome({"do": step.do, "name": step.name, "root": str(volume), "path": step.path, "read_only": True})
    assert outcome == b""
    assert (volume / path.lstrip("/")).read_bytes() == SECRET, "nobody would have read it"


def test_cve_2025_64324_ghsa_46xp_26xh_hpqh_a_host_disk_that_exists_keeps_its_owner(volume: Path) -> None:
    host = volume / "host.img"
    host.write_bytes(b"of another")
    os.chown(host, 1234, 1234)
    step = {"do": "create", "name": "disk.a", "root": str(volume), "path": "host.img", "size": 1 << 20}
    assert _outcome(step) == b"of another"
    assert (host.stat().st_uid, host.stat().st_gid, host.read_bytes()) == (1234, 1234, b"of another")


def test_cve_2025_64433_ghsa_qw6q_3pgr_5cwq_a_claims_image_that_is_a_link_is_refused(volume: Path) -> None:
    spec = {
        "domain": {"devices": {"disks": [{"name": "v"}]}},
        "volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": "c"}}],
    }
    (step,) = pod_files(spec)
    (volume / step.path).symlink_to("/etc/passwd")
    with pytest.raises(files.Refused, match="symbolic links"):
        files.perform([{"do": step.do, "name": step.name, "root": str(volume), "path": step.path}], {})


def _calls(package: Any) -> Iterator[tuple[str, ast.Call]]:
    for source in sorted(Path(package.__file__).parent.rglob("*.py")):
        for node in ast.walk(ast.parse(source.read_text())):
            if isinstance(node, ast.Call):
                yield source.name, node


OWNERSHIP = {"chown", "fchown", "lchown", "chmod", "fchmod", "lchmod", "setxattr"}


def _name(call: ast.Call) -> str:
    return call.func.attr if isinstance(call.func, ast.Attribute) else getattr(call.func, "id", "")


def test_cve_2025_64437_ghsa_2r4r_5x78_mvqf_the_agent_gives_no_file_of_a_pod_another_owner() -> None:
    """It opens its own folders to pods; what a pod's user is to own, the pod's own process makes."""
    made = {(source, _name(call)) for source, call in _calls(virt_handler) if _name(call) in OWNERSHIP}
    assert made == {("devicedirs.py", "chmod")}


def test_cve_2026_7374_ghsa_7jcp_v9w4_wjmg_the_agent_dials_sockets_of_its_own_only(tmp_path: Path) -> None:
    """A guest's sockets lie in a folder that no pod sees, whatever their names."""
    folder = Folder(tmp_path / "vms", UUID)
    for name in ("qmp", "serial0", "agent", "vnc"):
        assert Path(folder.socket(name)).parent == tmp_path / "vms" / UUID
    for pod in _pods():
        mounts = pod["spec"]["containers"][0]["volumeMounts"]
        assert mounts
        assert not [mount for mount in mounts if mount["mountPath"].startswith(("/run/kubevirt-agent", "/var/lib"))]


FILE_SERVERS = {"FileResponse", "add_static", "send_file", "static", "SimpleHTTPRequestHandler"}


def test_cve_2026_9804_ghsa_mpmf_3w4r_qfpf_nobody_serves_files_by_a_name_in_a_request() -> None:
    names = {_name(call) for _, call in _calls(kubevirt_py)}
    assert "add_get" in names, "the calls are not seen"
    assert not FILE_SERVERS & names


@pytest.mark.parametrize("do", ["open", "create", "seed"])
@pytest.mark.parametrize("target", ["/proc/self/environ", "/proc/self/fd/0", "/proc/1/root/etc/passwd"])
def test_cve_2026_13201_links_of_the_kernel_are_links_too(volume: Path, do: str, target: str) -> None:
    (volume / "disk.img").symlink_to(target)
    (volume / "up").symlink_to("/proc/self/cwd")
    for path in ("disk.img", "up/disk.img"):
        step = {"do": do, "name": "a", "root": str(volume), "path": path, "source": "/dev/null"}
        with pytest.raises(files.Refused):
            files.perform([step], {})
