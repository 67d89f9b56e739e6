"""What is written down of QEMU's CPUs, held against the QEMU of this host.

The tables are those of QEMU 10.0. One that is older knows less, and one that is newer more: where the names differ both
ways, one of them is wrong.
"""

from __future__ import annotations

import json
import re
import subprocess
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from kubevirt_py.render import cpufeatures, cpumodels
from tests.host.agentlab import FakePod, Node, needs_qemu, place, vmi

pytestmark = needs_qemu

QEMU = "qemu-system-x86_64"
UNAVAILABLE = {"path": "/machine/unattached/device[0]", "property": "unavailable-features"}
"""Of the first virtual CPU."""
CASES = Path(__file__).parents[1] / "golden" / "machine"
LATER_THAN_7_2 = frozenset(
    {
        *("EPYC-Genoa", "EPYC-Milan-v2", "EPYC-Rome-v3", "EPYC-Rome-v4", "EPYC-v4"),
        *("GraniteRapids", "SierraForest", "YongFeng"),
        *("Icelake-Server-v7", "SapphireRapids", "SapphireRapids-v2", "SapphireRapids-v3"),
    }
)
EVERYWHERE = frozenset(
    """
    apic arat clflush cmov cx8 de fpu fxsr hypervisor mca mce mmx msr mtrr pae pat pge pse pse36 sep ss sse sse2 tsc
    tsc-adjust tsc-deadline vme x2apic
    """.split()
)
"""What every processor of 64 bits has, or KVM gives every guest."""
NOT_SHOWN = frozenset(
    """
    amd-psfd auto-ibrs fbsdp-no fdp-excptn-only fsrc fsrs fzrm ibrs-all lfence-always-serializing mds-no
    no-nested-data-bp null-sel-clr-base pschange-mc-no psdp-no rdctl-no sbdr-ssdp-no skip-l1dfl-vmentry stibp-always-on
    svme-addr-chk taa-no xfd zero-fcs-fds
    """.split()
)
"""What Linux does not show in /proc/cpuinfo."""
KVMS_OWN = frozenset({"bus-lock-detect", "monitor"})
"""What KVM gives or withholds whatever the processor has."""


def _output(*options: str) -> str:
    return subprocess.run([QEMU, *options], capture_output=True, text=True, check=True, timeout=30).stdout


@cache
def _told_by_help() -> tuple[frozenset[str], frozenset[str]]:
    """Names of the models and of the features."""
    models, features = _output("-cpu", "help").split("Recognized CPUID flags:")
    return frozenset(models.split()), frozenset(features.split())


def _run(*commands: tuple[str, dict[str, Any]], cpu: str) -> subprocess.CompletedProcess[str]:
    """An emulating QEMU that is stopped before its first instruction, and what it says to QMP commands."""
    said = [("qmp_capabilities", {}), *commands, ("quit", {})]
    lines = "\n".join(json.dumps({"execute": name, "arguments": arguments}) for name, arguments in said)
    options = ("-machine", "q35,accel=tcg", "-cpu", cpu, "-nodefaults", "-display", "none", "-S", "-qmp", "stdio")
    return subprocess.run([QEMU, *options], input=lines, capture_output=True, text=True, check=False, timeout=60)


def _ask(*commands: tuple[str, dict[str, Any]], cpu: str = "max") -> list[Any]:
    """What QMP commands return."""
    done = _run(*commands, cpu=cpu)
    assert done.returncode == 0, done.stderr
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    return [answer["return"] for answer in answers if "return" in answer][1 : len(commands) + 1]


def _features(*models: str) -> list[frozenset[str]]:
    """CPUID flags of each model, whether they can be emulated or not; of `max` those that are."""
    asked = (("query-cpu-model-expansion", {"type": "full", "model": {"name": model}}) for model in models)
    told = _told_by_help()[1]
    answers = (answer["model"]["props"].items() for answer in _ask(*asked))
    return [frozenset(name for name, value in answer if value is True) & told for answer in answers]


def _cpu(case: Path) -> str:
    """The argument of -cpu of a reviewed command line."""
    args = (case / "machine.args").read_text().splitlines()
    return args[args.index("-cpu") + 1]


CPUS = {case.name: _cpu(case) for case in CASES.iterdir()}


@pytest.mark.parametrize("case", sorted(case for case, cpu in CPUS.items() if "," in cpu))
def test_qemu_knows_every_flag_that_is_rendered(case: str) -> None:
    """Also those that need KVM: emulation reads them, and does without or, in an older QEMU, only then ends."""
    done = _run(("query-status", {}), cpu=re.sub("^host,", "max,", CPUS[case]))
    assert '"status": "prelaunch"' in done.stdout or "kernel doesn't allow setting HyperV" in done.stderr, done.stderr


def test_a_flag_that_qemu_does_not_know_is_found_out() -> None:
    assert "hv-relax' not found" in _run(cpu="max,hv-relax=on").stderr


def test_qemu_knows_no_other_features() -> None:
    told = _told_by_help()[1]
    assert told <= cpufeatures.KNOWN or told >= cpufeatures.KNOWN, told ^ cpufeatures.KNOWN


def test_every_feature_can_be_set() -> None:
    known = {line.split("=")[0].strip() for line in _output("-device", "max-x86_64-cpu,help").splitlines()}
    assert cpufeatures.KNOWN & _told_by_help()[1] <= known


def test_emulation_has_no_other_features() -> None:
    """But one that was dropped, as it was from processors."""
    told = _features("max")[0] - {"pcommit"}
    assert told <= cpufeatures.EMULATED or told >= cpufeatures.EMULATED, told ^ cpufeatures.EMULATED


def test_every_cpu_model_that_nodes_are_labelled_with_is_one_of_qemu() -> None:
    told = _told_by_help()[0]
    assert set(cpumodels.EMULATED) - told <= (frozenset() if "EPYC-v4" in told else LATER_THAN_7_2)


def test_a_model_needs_what_qemu_gives_it() -> None:
    models = [model for model in cpumodels.NEEDS if model in _told_by_help()[0] and model not in cpumodels.ALWAYS]
    for model, given in zip(models, _features(*models), strict=True):
        nested = {name for name in given if name.startswith("vmx-")}
        assert given - EVERYWHERE - NOT_SHOWN - KVMS_OWN - nested == cpumodels.NEEDS[model], model


def test_emulation_starts_every_model() -> None:
    """And leaves out nothing that it can emulate."""
    (emulated,) = _features("max")
    for model in _told_by_help()[0].intersection(cpumodels.EMULATED):
        (left_out,) = _ask(("qom-get", UNAVAILABLE), cpu=model)
        assert not emulated.intersection(left_out), model


async def test_a_guest_does_not_begin_without_a_feature_that_it_requires(lab: Node, pods: list[FakePod]) -> None:
    """Its node said that it has it; QEMU only warns."""
    key, pod = place(lab, vmi("demanding", cpu={"features": [{"name": "aes"}, {"name": "avx512_vnni"}]}))
    pods.append(pod)
    async with lab.agent():
        pod.start()
        await lab.until_phase(key, "Failed")
        assert "avx512vnni" in lab.office.events[-1].note
        assert "aes" not in lab.office.events[-1].note
        assert await pod.exit_code() == 0


async def test_a_guest_does_without_a_feature_that_is_optional(lab: Node, pods: list[FakePod]) -> None:
    features = [{"name": "aes"}, {"name": "avx512_vnni", "policy": "optional"}, {"name": "avx512f", "policy": "force"}]
    key, pod = place(lab, vmi("modest", cpu={"features": features}))
    pods.append(pod)
    async with lab.agent():
        pod.start()
        await lab.until_phase(key, "Running")
