"""Settings are set once, recorded before, and restored exactly; what fails is reported and kept."""

from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as trying
from hypothesis import strategies as st

from perf.errors import PerfError
from perf.files import ROOT as CHECKOUT
from perf.machine.runner import apply, planned_apply, planned_revert, read_settings, revert
from perf.machine.runner.record import Previous, extend_record, read_record
from perf.machine.runner.settings import settings
from perf.machine.state import CHECKS, findings
from tests.support.fake_state import only
from tests.unit.machine.runner.fake_machine import (
    BALANCING,
    GOVERNORS,
    PAGES,
    SMT,
    TURBO,
    FakeMachine,
    bare_machine,
)

SmallDisk = tuple[Path, Callable[[], None]]


@pytest.fixture
def machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> FakeMachine:
    made = bare_machine(tmp_path)
    # Without the folders of this machine's own programs, except those that scripts call.
    for name in ("sh", "sed", "grep", "mv", "rm", "chmod"):
        (made.programs / name).symlink_to(
            next(Path(folder, name) for folder in ("/usr/bin", "/bin") if Path(folder, name).exists())
        )
    monkeypatch.setenv("PATH", str(made.programs))
    return made


@pytest.fixture
def record(tmp_path: Path) -> Path:
    return tmp_path / "state" / "runner.json"


def fits(machine: FakeMachine) -> dict[str, str]:
    return {state.name: state.fit for state in read_settings(machine.root)}


def test_a_bare_machine_differs_in_everything_and_apply_sets_all_of_it(machine: FakeMachine, record: Path) -> None:
    assert set(fits(machine).values()) == {"differs"}
    outcomes = apply(machine.root, record)
    assert [outcome.problem for outcome in outcomes] == [None] * len(outcomes)
    assert set(fits(machine).values()) == {"as wanted"}
    assert [
        machine.read(path) for path in (*GOVERNORS, TURBO, BALANCING, SMT, f"{PAGES}/enabled", f"{PAGES}/defrag")
    ] == [
        *["performance"] * 4,
        "1",
        "0",
        "off",
        "madvise",
        "madvise",
    ]
    assert machine.read("proc/swaps") == "Filename Type Size Used Priority"


def test_revert_restores_exactly_what_was_there(machine: FakeMachine, record: Path) -> None:
    texts = machine.everything()
    apply(machine.root, record)
    assert all(outcome.problem is None for outcome in revert(machine.root, record))
    # Files that mark their choice hold the choice alone when the kernel does not rewrite them.
    marking = {f"{PAGES[1:]}/enabled": "always", f"{PAGES[1:]}/defrag": "defer"}
    restored = machine.everything()
    assert {name: restored[name] for name in marking} == marking
    plain = set(texts) - set(marking) - {"proc/swaps"}
    assert {name: restored[name].strip() for name in plain} == {name: texts[name].strip() for name in plain}
    areas = [line.split()[::4] for line in restored["proc/swaps"].splitlines()[1:]]
    assert areas == [["/swap\\040file", "7"], ["/dev/zram0", "-2"], ["/dev/zram1", "-2"]]
    assert not (machine.programs / "numactl").exists()
    assert not record.exists()


def test_a_second_apply_changes_nothing_and_keeps_the_record(machine: FakeMachine, record: Path) -> None:
    apply(machine.root, record)
    content, status = record.read_bytes(), record.stat()
    assert apply(machine.root, record) == []
    assert (record.read_bytes(), record.stat().st_ino) == (content, status.st_ino)


def test_what_changed_since_is_set_again_and_the_first_values_stay_recorded(machine: FakeMachine, record: Path) -> None:
    apply(machine.root, record)
    machine.tree.write(TURBO[1:], "0")
    machine.tree.write(GOVERNORS[2][1:], "ondemand")
    assert [outcome.change.target for outcome in apply(machine.root, record)] == [GOVERNORS[2], TURBO]
    revert(machine.root, record)
    assert machine.read(GOVERNORS[2]) == "powersave"


def test_a_cpu_that_appears_later_is_added_to_the_record(machine: FakeMachine, record: Path) -> None:
    machine.tree.remove(GOVERNORS[3][1:])
    apply(machine.root, record)
    machine.tree.write(GOVERNORS[3][1:], "conservative")
    apply(machine.root, record)
    revert(machine.root, record)
    assert [machine.read(path) for path in GOVERNORS] == ["schedutil", "powersave", "powersave", "conservative"]


def test_a_second_revert_does_nothing(machine: FakeMachine, record: Path) -> None:
    apply(machine.root, record)
    revert(machine.root, record)
    texts = machine.everything()
    assert revert(machine.root, record) == []
    assert machine.everything() == texts


def test_smt_goes_off_last_and_on_first(machine: FakeMachine, record: Path) -> None:
    applied = [outcome.change.setting for outcome in apply(machine.root, record)]
    reverted = [outcome.change.setting for outcome in revert(machine.root, record)]
    assert list(dict.fromkeys(applied)) == list(settings())
    assert applied[-1] == reverted[0] == "smt"
    assert list(dict.fromkeys(reverted)) == list(settings())[::-1]


def test_a_machine_without_any_of_it_is_not_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    assert {state.fit for state in read_settings(tmp_path)} == {"not available"}
    assert all(len(state.now) > 10 for state in read_settings(tmp_path)), "the reason is given"
    assert apply(tmp_path, tmp_path / "record") == []
    assert not (tmp_path / "record").exists()


@pytest.mark.parametrize("reading", ["notsupported", "notimplemented", "forceoff"])
def test_smt_that_cannot_be_changed_is_not_available(machine: FakeMachine, reading: str) -> None:
    machine.tree.write(SMT[1:], reading)
    assert fits(machine)["smt"] == "not available"


def test_dnf_installs_where_there_is_no_apt_get(machine: FakeMachine) -> None:
    (machine.programs / "apt-get").rename(machine.programs / "dnf")
    assert planned_apply(machine.root)[0].command == "dnf install -y numactl"


def test_a_dry_run_names_every_command_and_changes_nothing(machine: FakeMachine, record: Path) -> None:
    texts = machine.everything()
    commands = [outcome.command for outcome in planned_apply(machine.root)]
    assert commands[0] == "apt-get install -y numactl"
    assert f"echo performance > {GOVERNORS[0]}" in commands
    assert "swapoff '/swap file'" in commands
    assert commands[-1] == f"echo off > {SMT}"
    assert machine.everything() == texts
    apply(machine.root, record)
    texts = machine.everything()
    back = [outcome.command for outcome in planned_revert(machine.root, record)]
    assert back[0] == f"echo on > {SMT}"
    assert "swapon --priority=7 '/swap file'" in back
    assert "swapon /dev/zram0" in back
    assert (machine.everything(), record.exists()) == (texts, True)


@pytest.mark.parametrize(
    ("script", "problem"),
    [
        (
            "#!/bin/sh\necho 'cannot allocate memory' >&2; exit 255",
            "`swapoff '/swap file'` failed: cannot allocate memory",
        ),
        ("#!/bin/sh\nexit 3", "`swapoff '/swap file'` failed: exit code 3"),
        ("#!/bin/sh\n", "it reads on, priority 7 afterwards"),
        ("#!/nonexistent\n", "No such file or directory"),
    ],
)
def test_what_cannot_be_set_is_reported_and_the_rest_is_set(
    machine: FakeMachine, record: Path, script: str, problem: str
) -> None:
    machine.program("swapoff", script)
    outcomes = apply(machine.root, record)
    assert [o.problem for o in outcomes if o.change.target == "/swap file"] == [problem]
    assert {name for name, fit in fits(machine).items() if fit != "as wanted"} == {"swap"}


def test_what_cannot_be_restored_stays_recorded(machine: FakeMachine, record: Path) -> None:
    apply(machine.root, record)
    machine.program("swapon", "#!/bin/sh\nexit 1")
    (machine.root / TURBO[1:]).unlink()
    problems = {o.change.target: o.problem for o in revert(machine.root, record) if o.problem}
    assert set(problems) == {"/swap file", "/dev/zram0", "/dev/zram1", TURBO}
    assert problems[TURBO] == "No such file or directory"
    kept = read_record(record)
    assert kept is not None
    assert {previous.target for previous in kept.values} == set(problems)
    assert [machine.read(path) for path in GOVERNORS] == ["schedutil", "powersave", "powersave", "powersave"]


def test_nothing_changes_when_the_previous_values_cannot_be_recorded(
    small_disk: SmallDisk, machine: FakeMachine
) -> None:
    folder, make_read_only = small_disk
    make_read_only()
    texts = machine.everything()
    with pytest.raises(PerfError, match="the previous values cannot be recorded: Read-only file system"):
        apply(machine.root, folder / "runner.json")
    assert machine.everything() == texts


def test_a_record_that_cannot_be_removed_says_that_the_values_are_restored(
    small_disk: SmallDisk, machine: FakeMachine
) -> None:
    folder, make_read_only = small_disk
    apply(machine.root, folder / "runner.json")
    make_read_only()
    with pytest.raises(
        PerfError, match=r"^.*: 13 values restored, but the previous values cannot .*: Read-only"
    ) as caught:
        revert(machine.root, folder / "runner.json")
    assert "then revert again" in str(caught.value.next_step)
    assert machine.read(TURBO) == "0"


@pytest.mark.parametrize("content", ["", "{", '{"values": [{"setting": "turbo"}]}', '{"runs": []}'])
def test_a_damaged_record_is_never_replaced(machine: FakeMachine, record: Path, content: str) -> None:
    record.parent.mkdir()
    record.write_text(content)
    for act in (apply, revert):
        with pytest.raises(PerfError, match="is damaged") as caught:
            act(machine.root, record)
        assert str(record) in str(caught.value)
    assert record.read_text() == content


def test_a_record_of_another_version_is_refused(machine: FakeMachine, record: Path) -> None:
    extend_record(record, [Previous("c_states", "/sys/x", "1")])
    with pytest.raises(PerfError, match="does not know: c_states"):
        revert(machine.root, record)


VALUES = st.lists(st.builds(Previous, st.sampled_from("ab"), st.sampled_from("xyz"), st.text()), max_size=6)


@trying(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(VALUES, VALUES)
def test_what_was_recorded_first_stays(tmp_path: Path, first: list[Previous], second: list[Previous]) -> None:
    path = tmp_path / "record.json"
    path.unlink(missing_ok=True)
    for values in (first, second):
        extend_record(path, values)
    kept = read_record(path)
    recorded = {(p.setting, p.target): p.value for p in (kept.values if kept else ())}
    assert recorded == {(p.setting, p.target): p.value for p in reversed([*first, *second])}


def test_the_doctor_shows_every_setting_and_doubts_none_of_them_afterwards(machine: FakeMachine, record: Path) -> None:
    assert set(settings()) <= {check.name for check in CHECKS} | {"numactl"}
    apply(machine.root, record)
    for name in ("enabled", "defrag"):
        machine.tree.write(f"{PAGES[1:]}/{name}", "always [madvise] never")  # as the kernel writes it
    reported = findings(machine.tree.read())
    assert {name: only(reported, name).verdict for name in settings() if name != "numactl"} == {
        name: "fine" for name in settings() if name != "numactl"
    }
    assert only(reported, "swap").reading == "off"


def test_the_documentation_names_every_setting() -> None:
    page = (CHECKOUT / "docs" / "contributing" / "nightly-runner.md").read_text()
    assert [name for name in settings() if f"| {name.replace('_', ' ')} |" not in page] == []
