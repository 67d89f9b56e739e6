"""The installation itself: settings, certificates, versions, repair, removal. Leaves it as it was."""

from __future__ import annotations

import contextlib
import json
import re
import time
from base64 import b64decode
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from functools import partial

import pytest
from cryptography import x509

from e2e import installation, machines
from e2e.console import Console, console
from e2e.installation import COMPONENTS, EMBEDDED, GONE_S, SYSTEM, Installed, configure, leftovers, patch, pods
from e2e.kubectl import Document, Namespace, eventually, run, status
from kubevirt_py.decide.certificates import SPREAD
from kubevirt_py.render.machine.pinning import cpu_list
from kubevirt_py.virt_operator.certificates import BACKDATE

pytestmark = pytest.mark.alone

LIVE_S = 10.0
"""Within which a change of the CR must be followed."""
MOUNTED_S = 180.0
"""Within which the kubelet brings a changed Secret to a pod, and the pod serves it."""
CONSOLES = 20
BOOT_ID = "cat /proc/sys/kernel/random/boot_id"


@pytest.fixture(scope="module", autouse=True)
def kept() -> Iterator[Installed]:
    """The installation as it was before, and again afterwards."""
    before = Installed.now()
    yield before
    before.apply()


@pytest.fixture
def settings(kept: Installed) -> Iterator[None]:
    """Settings that a test changes are put back."""
    yield
    kept.put_cr()


def leaf(secret: str) -> x509.Certificate:
    return x509.load_pem_x509_certificate(b64decode(SYSTEM.get("secret", secret)["data"]["tls.crt"]))


def requests(own: Namespace, vmi: str) -> Document:
    (pod,) = own.launcher_pods(vmi)
    found: Document = pod["spec"]["containers"][0]["resources"]["requests"]
    return found


def test_every_component_tells_which_settings_it_follows() -> None:
    assert all(len(pods(component)) >= 2 for component in COMPONENTS)
    assert eventually(installation.all_follow, LIVE_S)


def test_settings_take_effect_within_ten_seconds(settings: None, own: Namespace) -> None:
    ranged = machines.vmi("ranged")
    ranged["spec"]["domain"]["devices"]["interfaces"][0]["portRanges"] = [{"start": 80, "end": 90, "protocol": "TCP"}]
    assert "PortRangesSpec" in own.refused(ranged)
    emulated = SYSTEM.get("kubevirt", "kubevirt")["spec"]["configuration"]["developerConfiguration"].get("useEmulation")
    # No leaf is signed with a CA that not every peer has.
    ca_spread = leaf("kubevirt-ca").not_valid_before_utc + BACKDATE + SPREAD
    assert eventually(lambda: datetime.now(UTC) > ca_spread, SPREAD.total_seconds())
    loud = dict.fromkeys(("virtAPI", "virtController", "virtHandler", "virtOperator"), 5)
    configure(
        developerConfiguration={
            "logVerbosity": loud,
            "featureGates": ["PortRangesSpec"],
            "useEmulation": not emulated,
        }
    )
    patch(certificateRotateStrategy={"selfSigned": {"server": {"duration": "2h", "renewBefore": "10m"}}})
    assert eventually(installation.all_follow, LIVE_S)

    def admitted() -> bool:
        return bool(own.kubectl("create", "--dry-run=server", "-f", "-", stdin=json.dumps(ranged), check=False))

    assert eventually(admitted, LIVE_S)

    def shorter() -> bool:
        held = leaf("kubevirt-virt-api-certs")
        return held.not_valid_after_utc - held.not_valid_before_utc < timedelta(hours=3)

    assert eventually(shorter, LIVE_S)
    own.apply(machines.vmi("other"))
    assert eventually(lambda: bool(own.launcher_pods("other")), LIVE_S)
    assert ("devices.kubevirt.io/kvm" in requests(own, "other")) is bool(emulated)
    assert all('"debug"' in SYSTEM.kubectl("logs", pod, "--since=60s") for pod in pods("virt-controller")[:1])


def test_the_clusters_cpu_request_is_not_for_machines_with_cpus_of_their_own(settings: None, own: Namespace) -> None:
    configure(cpuRequest="150m")
    assert eventually(installation.all_follow, LIVE_S)
    plain, pinned = (machines.vmi(name, startStrategy="Paused") for name in ("plain", "pinned"))
    pinned["spec"]["domain"]["cpu"] = {"sockets": 1, "dedicatedCpuPlacement": True}
    own.apply(plain, pinned)
    own.until_phase("plain", "Running")
    assert requests(own, "plain")["cpu"] == "150m"
    assert status(own.until_phase("pinned", "Running"), "qosClass") == "Guaranteed"
    assert requests(own, "pinned")["cpu"] == "1"
    (pod,) = own.launcher_pods("pinned")
    text = own.kubectl("exec", pod["metadata"]["name"], "-c", "compute", "--", "cat", "/proc/1/status")
    (cpus,) = re.findall(r"Cpus_allowed_list:\t(\S+)", text)
    assert len(cpu_list(cpus)) == 1


def test_volumes_come_by_request_with_the_older_gate(settings: None, own: Namespace) -> None:
    """On a VM a request goes into template and guest, on its instance into the guest alone, until that ends."""
    own.apply(machines.claim("data", "16Mi"), machines.vm("asked"))
    own.until_phase("asked", "Running")
    path = f"/apis/subresources.kubevirt.io/v1/namespaces/{own.name}/virtualmachineinstances/asked"
    source = {"persistentVolumeClaim": {"claimName": "data"}}
    asked = {"name": "data", "disk": {"disk": {"bus": "virtio"}, "serial": "data"}, "volumeSource": source}

    def ask_instance(verb: str, options: Document) -> None:
        own.kubectl("replace", "--raw", f"{path}/{verb}", "-f", "-", stdin=json.dumps(options))

    def until(guest: Console, *, there: bool) -> None:
        def so(vmi: Document) -> bool:
            phases = [one.get("phase") for one in status(vmi, "volumeStatus") if one["name"] == "data"]
            return phases == (["Ready"] if there else [])

        own.until("vmi", "asked", so, f"showing a ready volume: {there}", 60)
        guest.until("grep -s '^data$' /sys/block/*/serial | wc -l", "1" if there else "0")
        own.until("vm", "asked", lambda vm: not status(vm, "volumeRequests"), "done with its requests", 30)

    with pytest.raises(AssertionError, match="belongs to the VirtualMachine of that name"):
        ask_instance("addvolume", asked)
    configure(developerConfiguration={"featureGates": ["HotplugVolumes"]})
    assert eventually(installation.all_follow, LIVE_S)
    with console(own.name, "asked") as guest:
        guest.login()
        ask_instance("addvolume", asked)
        until(guest, there=True)
        assert '"data"' not in json.dumps(own.get("vm", "asked")["spec"])
        ask_instance("removevolume", {"name": "data"})
        until(guest, there=False)
        own.virtctl("addvolume", "asked", "--volume-name", "data", "--bus", "virtio")
        until(guest, there=True)
        assert '"data"' in json.dumps(own.get("vm", "asked")["spec"])
        own.virtctl("removevolume", "asked", "--volume-name", "data")
        until(guest, there=False)
        assert '"data"' not in json.dumps(own.get("vm", "asked")["spec"])


def test_settings_that_make_no_sense_are_refused_by_name() -> None:
    for spec, words in (
        ('{"spec":{"uninstallStrategy":"Never"}}', "spec.uninstallStrategy"),
        (
            '{"spec":{"configuration":{"ovmfPath":"/usr"}}}',
            "spec.configuration.ovmfPath",
        ),
        ('{"spec":{"infra":{"replicas":0}}}', "spec.infra.replicas"),
    ):
        with pytest.raises(AssertionError, match=words):
            SYSTEM.kubectl("patch", "kubevirt", "kubevirt", "--type=merge", "-p", spec)
    another = {"apiVersion": "kubevirt.io/v1", "kind": "KubeVirt", "metadata": {"name": "another"}, "spec": {}}
    assert "there can be one only" in SYSTEM.refused(another)


def test_what_somebody_breaks_is_repaired() -> None:
    SYSTEM.kubectl("delete", "service", "virt-api")
    run("kubectl", "delete", "clusterrole", "kubevirt.io:view")
    SYSTEM.kubectl("scale", "deployment", "virt-controller", "--replicas=0")
    assert eventually(lambda: bool(SYSTEM.get("service", "virt-api")), 30)
    assert eventually(lambda: bool(SYSTEM.get("clusterrole", "kubevirt.io:view")), 30)
    assert eventually(lambda: SYSTEM.get("deployment", "virt-controller")["spec"]["replicas"] == 2, 30)
    installation.until_deployed()


def test_certificates_change_under_open_consoles(own: Namespace) -> None:
    """One guest runs and is talked to; the others are paused from the start and cost no CPU."""
    silent = [f"silent{number}" for number in range(CONSOLES - 1)]
    own.apply(*(machines.vmi(name, memory="32Mi", startStrategy="Paused") for name in silent))
    own.apply(machines.vmi("talking"))
    for name in (*silent, "talking"):
        own.until_phase(name, "Running", 300)
    with contextlib.ExitStack() as stack:
        held = [stack.enter_context(console(own.name, name)) for name in silent]
        guest = stack.enter_context(console(own.name, "talking"))
        guest.login()
        before = {name: leaf(name) for name in ("kubevirt-virt-api-certs", "kubevirt-virt-handler-server-certs")}
        for secret in ("kubevirt-ca", "kubevirt-virt-handler-certs", *before):
            SYSTEM.kubectl("delete", "secret", secret)
        for name, old in before.items():
            assert eventually(partial(renewed, name, old), LIVE_S), name
        # The kubelet looks for changed Secrets about once a minute, and whenever a pod changes.
        SYSTEM.kubectl("annotate", "--overwrite", "pods", "--all", f"e2e/seen={time.time():.0f}")
        for component, secret in (
            ("virt-api", "kubevirt-virt-api-certs"),
            ("virt-handler", "kubevirt-virt-handler-server-certs"),
        ):
            for pod in pods(component):
                assert eventually(partial(serves, pod, secret), MOUNTED_S, 3.0), pod
        assert guest.run("echo still here") == "still here"
        dropped = [name for name, one in zip(silent, held, strict=True) if not one.open]
        assert not dropped
    with console(own.name, "talking") as again:
        again.login()


def renewed(secret: str, old: x509.Certificate) -> bool:
    return bool(SYSTEM.get("secret", secret)) and leaf(secret) != old


def serves(pod: str, secret: str) -> bool:
    return x509.load_pem_x509_certificate(installation.served_certificate(pod).encode()) == leaf(secret)


def tells_of_outdated(expected: bool, cr: Document) -> bool:
    count = status(cr, "outdatedVirtualMachineInstanceWorkloads")
    return count is not None and bool(count) is expected


@pytest.mark.skipif(not EMBEDDED, reason="loads images, which only the embedded cluster lets us do")
def test_versions_come_and_go_under_a_live_guest(own: Namespace) -> None:
    image, launcher = installation.operator_images()
    own.apply(machines.vm("lasting"))
    own.until_phase("lasting", "Running")
    with console(own.name, "lasting") as guest:
        guest.login()
        boot = guest.run(BOOT_ID)
    (pod,) = own.launcher_pods("lasting")
    newer = [installation.load_as(name, "e2e-next") for name in (image, launcher)]
    for wanted in (newer, [image, launcher]):
        installation.run_operator(*wanted)
        told = partial(tells_of_outdated, wanted is newer)
        SYSTEM.until("kubevirt", "kubevirt", told, "telling of outdated guests as it should", 60)
        with console(own.name, "lasting") as guest:
            guest.login()
            assert guest.run(BOOT_ID) == boot
    assert [one["metadata"]["uid"] for one in own.launcher_pods("lasting")] == [pod["metadata"]["uid"]]


def test_an_installation_goes_with_its_guests_and_comes_back(kept: Installed, own: Namespace) -> None:
    own.apply(machines.vm("doomed"))
    own.until_phase("doomed", "Running")
    patch(uninstallStrategy="BlockUninstallIfWorkloadsExist")
    with pytest.raises(AssertionError, match="RemoveWorkloads"):
        SYSTEM.kubectl("delete", "kubevirt", "kubevirt")
    patch(uninstallStrategy="RemoveWorkloads")
    SYSTEM.kubectl("delete", "kubevirt", "kubevirt", "--wait=false")
    SYSTEM.until_gone("kubevirt", "kubevirt", GONE_S)
    assert own.items("pods", "kubevirt.io=virt-launcher") == []
    assert eventually(lambda: leftovers() == [], 30), leftovers()
    kept.put_cr()
    own.apply(machines.vm("reborn"))
    own.until_phase("reborn", "Running")


def test_all_can_be_deleted_after_virt_api_and_the_operator_are_gone(kept: Installed, own: Namespace) -> None:
    own.apply(machines.vm("first"), machines.vmi("second"))
    for name in ("first", "second"):
        own.until_phase(name, "Running")
    SYSTEM.kubectl("delete", "deployment", "virt-operator", "--cascade=foreground", "--timeout=60s")
    SYSTEM.kubectl("delete", "deployment", "virt-api", "--cascade=foreground", "--timeout=60s")
    deadline = time.monotonic() + GONE_S
    own.kubectl("delete", "vm", "first", "--wait=false")
    own.kubectl("delete", "vmi", "second", "--wait=false")
    SYSTEM.kubectl("delete", "kubevirt", "kubevirt", "--wait=false")
    for namespace, kind, name in ((own, "vm", "first"), (own, "vmi", "second"), (SYSTEM, "kubevirt", "kubevirt")):
        namespace.until_gone(kind, name, deadline - time.monotonic())
    run("kubectl", "delete", "namespace", SYSTEM.name, "--wait=false")
    SYSTEM.until_gone("namespace", SYSTEM.name, deadline - time.monotonic())
    kept.apply()
    own.apply(machines.vmi("third"))
    own.until_phase("third", "Running")
