"""Each check's own readings: what is doubtful, how it is reported, and what to do about it."""

from pathlib import Path

import pytest

from perf.machine.state import Finding
from tests.support.fake_state import CPU, CPUS, Tree, write_quiet


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    return write_quiet(tmp_path)


def doubt(finding: Finding, reading: str, advice: str) -> None:
    assert (finding.reading, finding.verdict) == (reading, "doubtful")
    assert finding.advice is not None
    assert advice in finding.advice


def fine(finding: Finding, reading: str) -> None:
    assert (finding.reading, finding.verdict, finding.advice) == (reading, "fine", None)


@pytest.mark.parametrize(("grown_us", "verdict"), [(10_000, "fine"), (10_100, "doubtful")])
def test_pressure_is_doubtful_above_one_percent_of_the_window(tree: Tree, grown_us: int, verdict: str) -> None:
    before = tree.read()
    tree.write("proc/pressure/cpu", f"some avg10=9.00 avg60=0.00 avg300=0.00 total={1000 + grown_us}")
    finding = tree.find("cpu_pressure", before)
    assert finding.verdict == verdict
    assert "instances' own threads" in finding.explanation


def test_pressure_is_reported_as_a_fraction_of_the_window(tree: Tree) -> None:
    before = tree.read()
    tree.write("proc/pressure/cpu", "some avg10=9.00 avg60=0.00 avg300=0.00 total=501000")
    doubt(tree.find("cpu_pressure", before), "50.00 % of 1.0 s", "ps -eo pid,psr,pcpu,comm")


def test_load_is_relative_to_the_usable_cpus(tree: Tree) -> None:
    tree.write("proc/loadavg", "0.44 9.00 9.00 1/81 17340")
    doubt(tree.find("load_average"), "0.11 per CPU", "stop other programs")
    tree.write("proc/loadavg", "0.40 9.00 9.00 1/81 17340")
    fine(tree.find("load_average"), "0.10 per CPU")


def test_load_after_the_measurement_is_ignored(tree: Tree) -> None:
    before = tree.read()
    tree.write("proc/loadavg", "4.00 1.00 1.00 5/81 17340")
    fine(tree.find("load_average", before), "0.05 per CPU")


def test_steal_is_a_fraction_of_all_cpu_time(tree: Tree) -> None:
    before = tree.read()
    tree.write("proc/stat", "cpu 0\n" + "".join(f"cpu{n} 2 0 0 0 0 0 0 {12 if n == 0 else 2} 0 0\n" for n in CPUS))
    doubt(tree.find("steal", before), "2.50 % of CPU time", "bare metal")  # 10 ticks of 10 ms on one of four CPUs


def test_a_kernel_without_the_steal_column_is_unknown(tree: Tree) -> None:
    tree.write("proc/stat", "cpu 1 2 3 4\ncpu0 1 2 3 4")
    assert tree.find("steal", tree.read()).verdict == "unknown"


@pytest.mark.parametrize("group", ["system.slice", "system.slice/runner.service", "."])
def test_a_quota_of_any_ancestor_counts(tree: Tree, group: str) -> None:
    tree.write(f"sys/fs/cgroup/{group}/cpu.max", "150000 100000")
    doubt(tree.find("cpu_quota"), "1.5 CPUs", "CPUQuota=")


def test_the_tightest_quota_counts(tree: Tree) -> None:
    tree.write("sys/fs/cgroup/system.slice/cpu.max", "300000 100000")
    tree.write("sys/fs/cgroup/system.slice/runner.service/cpu.max", "200000 100000")
    assert tree.find("cpu_quota").reading == "2 CPUs"


def test_the_quota_of_an_unrelated_group_does_not_count(tree: Tree) -> None:
    tree.write("sys/fs/cgroup/user.slice/cpu.max", "100 100000")
    fine(tree.find("cpu_quota"), "none")


@pytest.mark.parametrize("garbage", ["max", "100000 0", "-1", "fast 100000", "1 2 3"])
def test_a_malformed_quota_is_unknown_whatever_other_quotas_are(tree: Tree, garbage: str) -> None:
    tree.write("sys/fs/cgroup/system.slice/runner.service/cpu.max", garbage)
    assert tree.find("cpu_quota").verdict == "unknown"


def version_1(tree: Tree, path: str, root: str = "/") -> str:
    """Make the tree one with the cpu controller of version 1, next to an empty version 2, and return its folder."""
    tree.remove("sys/fs/cgroup/system.slice/cpu.max")
    tree.remove("sys/fs/cgroup/system.slice/cpu.stat")
    tree.write("proc/self/cgroup", f"4:memory:/elsewhere\n3:cpu,cpuacct:{path}\n1:name=systemd:/\n0::/")
    tree.write(
        "proc/self/mountinfo",
        "32 31 0:29 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"
        f"33 31 0:30 {root} /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct\n"
        "34 31 0:31 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw",
    )
    return "sys/fs/cgroup/cpu,cpuacct"


def test_version_1_has_its_quota_in_two_files(tree: Tree) -> None:
    folder = version_1(tree, "/docker/a")
    assert tree.find("cpu_quota").verdict == "unknown"
    tree.write(f"{folder}/docker/cpu.cfs_quota_us", "-1")
    assert tree.find("cpu_quota").verdict == "unknown", "a quota without its period"
    tree.write(f"{folder}/docker/cpu.cfs_period_us", "100000")
    fine(tree.find("cpu_quota"), "none")
    tree.write(f"{folder}/docker/a/cpu.cfs_quota_us", "50000")
    tree.write(f"{folder}/docker/a/cpu.cfs_period_us", "100000")
    doubt(tree.find("cpu_quota"), "0.5 CPUs", "--cpus")


def test_a_container_that_shows_only_its_own_group_is_read(tree: Tree) -> None:
    folder = version_1(tree, "/docker/a/b", root="/docker/a")
    tree.write(f"{folder}/cpu.cfs_quota_us", "50000")
    tree.write(f"{folder}/cpu.cfs_period_us", "100000")
    assert tree.find("cpu_quota").reading == "0.5 CPUs"


@pytest.mark.parametrize("path", ["/system.slice/other", "/docker/a/../b", "/.."])
def test_a_group_outside_the_mount_is_unknown(tree: Tree, path: str) -> None:
    folder = version_1(tree, path, root="/docker/a")
    tree.write(f"{folder}/cpu.cfs_quota_us", "-1")
    tree.write(f"{folder}/cpu.cfs_period_us", "100000")
    assert tree.find("cpu_quota").verdict == "unknown"


def test_a_mount_elsewhere_with_a_space_in_its_name_is_read(tree: Tree, tmp_path: Path) -> None:
    point = str(tmp_path / "my groups").replace(" ", "\\040")
    tree.write("proc/self/cgroup", "0::/")
    tree.write("proc/self/mountinfo", f"31 23 0:28 / {point} rw - cgroup2 cgroup2 rw")
    tree.write("my groups/cpu.max", "400000 100000")
    assert tree.find("cpu_quota").reading == "4 CPUs"


def test_throttled_time_of_the_group_and_its_ancestors_adds_up(tree: Tree) -> None:
    before = tree.read()
    tree.write("sys/fs/cgroup/system.slice/cpu.stat", "nr_throttled 2\nthrottled_usec 1500")
    tree.write("sys/fs/cgroup/system.slice/runner.service/cpu.stat", "nr_throttled 1\nthrottled_usec 1000")
    doubt(tree.find("throttling", before), "2.5 ms", "CPUQuota=")


def test_version_1_reports_throttled_time_in_nanoseconds(tree: Tree) -> None:
    folder = version_1(tree, "/")
    tree.write(f"{folder}/cpu.stat", "nr_periods 0\nnr_throttled 0\nthrottled_time 0")
    before = tree.read()
    tree.write(f"{folder}/cpu.stat", "nr_periods 1\nnr_throttled 1\nthrottled_time 2000000")
    assert tree.find("throttling", before).reading == "2.0 ms"


def test_a_cpu_that_got_too_hot_is_doubtful(tree: Tree) -> None:
    before = tree.read()
    tree.write(f"{CPU}/cpu3/thermal_throttle/core_throttle_count", "2")
    doubt(tree.find("thermal_throttling", before), "1 event", "cooling")


def test_a_governor_of_some_cpus_is_reported(tree: Tree) -> None:
    tree.write(f"{CPU}/cpu1/cpufreq/scaling_governor", "powersave")
    reading = "performance on 3 of 4 CPUs, powersave on 1 of 4 CPUs"
    doubt(tree.find("governor"), reading, "cpupower frequency-set --governor performance")


def test_another_governor_is_doubtful(tree: Tree) -> None:
    for cpu in CPUS:
        tree.write(f"{CPU}/cpu{cpu}/cpufreq/scaling_governor", "schedutil")
    doubt(tree.find("governor"), "schedutil", "performance")


def test_an_offline_cpu_is_not_read(tree: Tree) -> None:
    tree.write(f"{CPU}/cpu3/cpufreq/scaling_governor", "powersave")
    tree.write(f"{CPU}/online", "0-2")
    fine(tree.find("governor"), "performance")


def test_turbo_is_doubtful_and_the_advice_fits_the_driver(tree: Tree) -> None:
    tree.write(f"{CPU}/intel_pstate/no_turbo", "0")
    advice = "echo 1 | sudo tee /sys/devices/system/cpu/intel_pstate/no_turbo"
    doubt(tree.find("turbo"), "on (intel_pstate)", advice)
    tree.remove(f"{CPU}/intel_pstate/no_turbo")
    tree.write(f"{CPU}/cpufreq/boost", "1")
    doubt(tree.find("turbo"), "on (cpufreq)", "echo 0 | sudo tee /sys/devices/system/cpu/cpufreq/boost")
    tree.write(f"{CPU}/cpufreq/boost", "0")
    fine(tree.find("turbo"), "off (cpufreq)")


def test_frequencies_more_than_ten_percent_apart_are_doubtful(tree: Tree) -> None:
    tree.write(f"{CPU}/cpu0/cpufreq/scaling_cur_freq", "2700000")
    fine(tree.find("frequency"), "2700 to 3000 MHz")
    tree.write(f"{CPU}/cpu0/cpufreq/scaling_cur_freq", "2690000")
    doubt(tree.find("frequency"), "2690 to 3000 MHz", "cpupower")


def test_a_limit_is_reported_and_only_doubtful_when_it_changes_meanwhile(tree: Tree) -> None:
    fine(tree.find("frequency_limit"), "none")
    before = tree.read()
    for cpu in CPUS:
        tree.write(f"{CPU}/cpu{cpu}/cpufreq/scaling_max_freq", "2000000")
    fine(tree.find("frequency_limit"), "2000 of 3000 MHz")
    doubt(tree.find("frequency_limit", before), "none; later 2000 of 3000 MHz", "do not change the machine's settings")


def test_a_limit_of_some_cpus_is_reported_as_such(tree: Tree) -> None:
    tree.write(f"{CPU}/cpu3/cpufreq/scaling_max_freq", "2000000")
    fine(tree.find("frequency_limit"), "none on 3 of 4 CPUs, 2000 of 3000 MHz on 1 of 4 CPUs")


def test_without_cpufreq_the_frequency_is_cpuinfos(tree: Tree) -> None:
    tree.remove(f"{CPU}/cpu0/cpufreq/scaling_cur_freq")
    tree.write("proc/cpuinfo", "cpu MHz\t\t: 2599.998\n\ncpu MHz\t\t: 2600.001")
    fine(tree.find("frequency"), "2600 MHz")
    tree.remove("proc/cpuinfo")
    assert tree.find("frequency").verdict == "unknown"


@pytest.mark.parametrize("mode", ["1", "2"])
def test_numa_balancing_has_nothing_to_move_on_one_node(tree: Tree, mode: str) -> None:
    tree.write("proc/sys/kernel/numa_balancing", mode)
    doubt(tree.find("numa_balancing"), "on", "echo 0 | sudo tee /proc/sys/kernel/numa_balancing")
    tree.write("sys/devices/system/node/online", "0")
    fine(tree.find("numa_balancing"), "on, one node")


def test_used_swap_is_reported_and_swapping_is_doubtful(tree: Tree) -> None:
    before = tree.read()
    tree.write("proc/swaps", "Filename Type Size Used Priority\n/a file 3072 2048 -2\n/b file 2048 1024 -3")
    fine(tree.find("swap"), "3 of 5 MiB in use")
    tree.write("proc/vmstat", "pswpin 5\npswpout 4")
    doubt(tree.find("swapping", before), "2 pages moved", "sudo swapoff -a")


def test_no_swap_area_is_reported_as_off(tree: Tree) -> None:
    tree.write("proc/swaps", "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority")
    fine(tree.find("swap"), "off")


@pytest.mark.parametrize("mode", ["always", "madvise", "never"])
def test_any_mode_of_huge_pages_is_fine(tree: Tree, mode: str) -> None:
    tree.write("sys/kernel/mm/transparent_hugepage/enabled", f"x [{mode}] y")
    fine(tree.find("huge_pages"), f"{mode}, defrag madvise")


def test_different_microcode_is_doubtful(tree: Tree) -> None:
    tree.write("proc/cpuinfo", "microcode\t: 0x1\n\nmicrocode\t: 0x2\n\nmicrocode\t: 0x1")
    doubt(tree.find("microcode"), "0x1 on 2 of 3 CPUs, 0x2 on 1 of 3 CPUs", "restart")


def test_microcode_is_read_from_sysfs_when_cpuinfo_lacks_it(tree: Tree) -> None:
    tree.remove("proc/cpuinfo")
    for cpu in CPUS:
        tree.write(f"{CPU}/cpu{cpu}/microcode/version", "0x5003604")
    fine(tree.find("microcode"), "0x5003604")
