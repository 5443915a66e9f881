"""States and findings in general: absent or malformed readings are never fine, and changes are reported."""

import tempfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from perf.machine.state import CHECKS, State, findings, read_state, settings
from tests.support.fake_state import CPU, CPUS, FILES, PER_CPU, Tree, write_quiet

NAMES = [check.name for check in CHECKS]
COUNTERS = {check.name for check in CHECKS if check.description.kind == "counter"}
ONLINE = f"{CPU}/online"
# A check's value needs each of its files; microcode and frequency have two places each and are tested on their own.
NEEDED = {
    "cpu_pressure": ["proc/pressure/cpu"],
    "load_average": ["proc/loadavg", ONLINE],
    "steal": ["proc/stat"],
    "cpu_quota": ["proc/self/cgroup", "proc/self/mountinfo", "sys/fs/cgroup/system.slice/cpu.max"],
    "throttling": ["proc/self/cgroup", "proc/self/mountinfo", "sys/fs/cgroup/system.slice/cpu.stat"],
    "thermal_throttling": [ONLINE, *(f"{CPU}/cpu{n}/{name}" for n in CPUS for name in PER_CPU if "thermal" in name)],
    "governor": [ONLINE, *(f"{CPU}/cpu{n}/cpufreq/scaling_governor" for n in CPUS)],
    "turbo": [f"{CPU}/intel_pstate/no_turbo"],
    "frequency_limit": [
        ONLINE,
        *(f"{CPU}/cpu{n}/cpufreq/{name}_max_freq" for n in CPUS for name in ("scaling", "cpuinfo")),
    ],
    "numa_balancing": ["proc/sys/kernel/numa_balancing", "sys/devices/system/node/online"],
    "swap": ["proc/swaps"],
    "swapping": ["proc/vmstat"],
    "huge_pages": [f"sys/kernel/mm/transparent_hugepage/{name}" for name in ("enabled", "defrag")],
    "microcode": ["proc/cpuinfo"],
    "smt": [f"{CPU}/smt/control"],
    "kernel": ["proc/sys/kernel/osrelease"],
}


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return write_quiet(tmp_path)


def test_a_quiet_machine_is_fine_in_every_check(tree: Tree) -> None:
    before = tree.read()
    reported = findings(before, State(before.values, before.time_ns + 10**9))
    assert [finding.check for finding in reported] == NAMES
    assert [finding for finding in reported if finding.verdict != "fine"] == []
    assert {finding.check: finding.reading for finding in reported} == {
        "cpu_pressure": "0.00 % of 1.0 s",
        "load_average": "0.05 per CPU",
        "steal": "0.00 % of CPU time",
        "cpu_quota": "none",
        "throttling": "0.0 ms",
        "thermal_throttling": "0 events",
        "governor": "performance",
        "turbo": "off (intel_pstate)",
        "frequency": "3000 MHz",
        "frequency_limit": "none",
        "numa_balancing": "off",
        "swap": "1 of 4 MiB in use",
        "swapping": "0 pages moved",
        "huge_pages": "madvise, defrag madvise",
        "microcode": "0x5003604",
        "smt": "on",
        "kernel": "6.1.0-18-amd64",
    }


def test_before_measuring_only_counters_are_unknown(tree: Tree) -> None:
    reported = findings(tree.read())
    assert {finding.check for finding in reported if finding.verdict == "unknown"} == COUNTERS
    assert {finding.reading for finding in reported if finding.check in COUNTERS} == {None}


def test_a_machine_without_any_file_is_unknown_in_every_check(tmp_path: Path) -> None:
    state = read_state(tmp_path, tmp_path, CPUS)
    reported = findings(state, State(state.values, state.time_ns + 1))
    assert {(finding.reading, finding.verdict, finding.advice) for finding in reported} == {(None, "unknown", None)}
    assert all(finding.explanation for finding in reported)


@given(st.sets(st.sampled_from([ONLINE, *FILES])))
def test_a_check_without_its_files_is_unknown_and_no_other_one(missing: set[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        tree = write_quiet(Path(folder))
        for name in missing:
            tree.remove(name)
        before = tree.read()
        reported = findings(before, State(before.values, before.time_ns + 10**9))
    verdicts = {finding.check: finding.verdict for finding in reported}
    assert {finding.reading for finding in reported if finding.verdict == "unknown"} <= {None}
    expected = {check: "unknown" if missing.intersection(files) else "fine" for check, files in NEEDED.items()}
    assert {check: verdicts[check] for check in NEEDED} == expected


@given(st.sampled_from([ONLINE, *FILES]), st.sampled_from([b"", b"\xff\xfe", b"-1", b"\0", b"%%%", b"9" * 5000]))
def test_malformed_content_is_unknown_and_never_an_exception(name: str, garbage: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        tree = write_quiet(Path(folder))
        tree.write(name, garbage)
        before = tree.read()
        reported = findings(before, State(before.values, before.time_ns + 10**9))
    for finding in reported:
        unreadable = name in NEEDED.get(finding.check, [])
        assert finding.verdict == ("unknown" if unreadable else "fine"), finding


@given(st.sampled_from(list(FILES)), st.text(max_size=80))
def test_no_content_raises_an_exception(name: str, text: str) -> None:
    with tempfile.TemporaryDirectory() as folder:
        tree = write_quiet(Path(folder))
        before = tree.read()
        tree.write(name, text)
        assert [finding.check for finding in findings(before, tree.read())] == NAMES


def test_settings_are_the_lasting_values(tree: Tree) -> None:
    assert settings(tree.read()) == {
        "cpu_quota": "none",
        "governor": "performance",
        "turbo": "off (intel_pstate)",
        "frequency_limit": "none",
        "numa_balancing": "off",
        "huge_pages": "madvise, defrag madvise",
        "microcode": "0x5003604",
        "smt": "on",
        "kernel": "6.1.0-18-amd64",
    }


def test_a_setting_that_changes_meanwhile_is_doubtful(tree: Tree) -> None:
    before = tree.read()
    tree.write(f"{CPU}/smt/control", "off")
    finding = tree.find("smt", before)
    assert (finding.reading, finding.verdict) == ("on; later off", "doubtful")
    assert finding.advice is not None
    assert "do not change the machine's settings" in finding.advice


@pytest.mark.parametrize("name", ["smt", "thermal_throttling"])
def test_a_reading_that_is_missing_afterwards_is_unknown(tree: Tree, name: str) -> None:
    before = tree.read()
    later = State({**before.values, name: None}, before.time_ns + 1)
    (finding,) = (finding for finding in findings(before, later) if finding.check == name)
    assert (finding.reading, finding.verdict) == (None, "unknown")


def test_a_counter_that_ran_backwards_is_unknown(tree: Tree) -> None:
    before = tree.read()
    tree.write("proc/vmstat", "pswpin 0\npswpout 0")
    assert tree.find("swapping", before).verdict == "unknown"
    assert "backwards" in tree.find("swapping", before).explanation


def test_counters_are_unknown_without_time_between_two_states(tree: Tree) -> None:
    state = tree.read()
    counted = [finding for finding in findings(state, state) if finding.check in COUNTERS]
    assert {finding.verdict for finding in counted} == {"unknown"}


def test_this_machine_is_read() -> None:
    before = read_state()
    after = read_state()
    assert list(before.values) == NAMES
    assert before.time_ns < after.time_ns
    assert before.values["kernel"] is not None
    assert {finding.verdict for finding in findings(before, after)} <= {"fine", "doubtful", "unknown"}


def test_names_of_checks_are_unique() -> None:
    assert len(set(NAMES)) == len(NAMES)
