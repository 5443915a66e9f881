"""The fuzzer of benchmarks/fuzz in a short form, what it can find, and that it leaves out no reader."""

import json
import re
import tempfile
import time
import tomllib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmarks.fuzz.__main__ import Failure, counts, fuzz, run
from benchmarks.fuzz.mutations import Change, mutated
from benchmarks.fuzz.reader import Bench, CorruptedError, Form, HangError, Reader, Seed
from benchmarks.fuzz.readers import all_readers
from perf.errors import PerfError
from perf.files import ROOT
from tests.unit.project.test_rooms import MODULES

INPUTS = 12
# Slow ones get fewer inputs here; the fuzzer itself gives them more.
SLOW_INPUTS = 3
# Calls that read: functions of perf.files and of the state of the machine, decoders, and what opens files or programs.
READING = re.compile(
    r"(?<!def )\b(read_bytes|read_text|read_json|read_toml|decoded|decoded_output|loads|literal_eval|open|ZipFile|"
    r"is_zipfile|readline|read_arrays|read_outputs|communicate|json\.decode|csv\.reader|DictReader|np\.load|frombuffer|"
    r"struct\.unpack|subprocess\.run)\("
)
INVENTORY: dict[str, str] = tomllib.loads((ROOT / "benchmarks/fuzz/inventory.toml").read_text())["not_fuzzed"]


with tempfile.TemporaryDirectory() as scratch:
    READERS = all_readers(Path(scratch))


def bench_of(folder: Path, read: Callable[[Path, Path], object], **fields: Any) -> Bench:
    form: Form = fields.pop("form", "json")
    seeds = (Seed("a.json", b'{"a": [1, 2.5], "b": "text"}', form),)
    return Bench(Reader(name="made", modules=(), seeds=seeds, read=read, **fields), folder)


def test_every_name_is_of_one_reader() -> None:
    names = [reader.name for reader in READERS]
    assert len(set(names)) == len(names) > 50


@pytest.mark.parametrize("reader", READERS, ids=lambda reader: reader.name)
def test_a_changed_content_is_read_or_refused(tmp_path: Path, reader: Reader) -> None:
    fuzz(Bench(reader, tmp_path), INPUTS if reader.weight > 0.3 else SLOW_INPUTS, "short")


def json_only(_: Path, path: Path) -> None:
    try:
        content = json.loads(path.read_bytes())
    except ValueError as error:
        raise PerfError("is damaged") from error
    if content["a"][0] == -1:  # whatever else it is: a crash
        raise CorruptedError


def test_a_crash_is_found_shrunk_and_reported(tmp_path: Path) -> None:
    failure = Failure()
    bench = bench_of(tmp_path, json_only)
    with pytest.raises((KeyError, TypeError, IndexError, CorruptedError)):
        fuzz(bench, 2000, "a crash", failure)
    assert failure.path == "a.json"
    assert len(failure.changes) == 1


def test_the_same_seed_draws_the_same_inputs(tmp_path: Path) -> None:
    drawn: list[list[bytes]] = []
    for _ in range(2):
        seen: list[bytes] = []
        fuzz(bench_of(tmp_path, lambda _, path, seen=seen: seen.append(path.read_bytes())), 15, "same")  # type: ignore[misc]
        drawn.append(seen)
    assert drawn[0] == drawn[1]
    assert len(set(drawn[0])) > 8


def test_a_hang_is_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("benchmarks.fuzz.reader.CPU_S", 0.05)

    def read(_: Path, path: Path) -> None:
        if path.read_bytes() != seed:
            until = time.process_time() + 30
            while time.process_time() < until:
                pass

    seed = b'{"a": [1, 2.5], "b": "text"}'
    bench = bench_of(tmp_path, read)
    started_s = time.process_time()
    with pytest.raises(HangError, match=r"took longer than 0\.05 s"):
        bench.attempt(0, b"x")
    assert time.process_time() < started_s + 20


def test_a_changed_content_is_not_accepted_by_an_exact_reader(tmp_path: Path) -> None:
    bench = bench_of(tmp_path, lambda _, path: path.read_bytes()[:3], exact=True)
    bench.attempt(0, b'{"a": 3}')
    with pytest.raises(CorruptedError):
        bench.attempt(0, b"x")
    assert (bench.tally.inputs, bench.tally.accepted, bench.tally.refused) == (2, 2, 0)


def test_a_seed_that_is_refused_is_an_error(tmp_path: Path) -> None:
    def read(_: Path, path: Path) -> None:
        raise PerfError("is damaged", subject=str(path))

    with pytest.raises(PerfError):
        bench_of(tmp_path, read)


def test_a_table_counts_every_input_and_names_what_failed() -> None:
    seeds = (Seed("a", b"1", "text"),)
    good = Reader(name="good", modules=(), seeds=seeds, read=lambda *_: None, weight=3)
    bad = Reader(name="bad", modules=(), seeds=seeds, read=lambda _, path: 1 / (path.read_bytes() == b"1"))
    said: list[str] = []
    table, failed = run([good, bad], 40, "table", said.append)
    assert counts([good, bad], 40) == [30, 10]
    assert failed == 1
    assert [*table.columns[5].cells] == ["ok", "ZeroDivisionError", "1 failed"]
    assert next(iter(table.columns[1].cells)) == "30"
    assert said[0] == "good: 30 inputs, ok"
    assert said[1].startswith("bad: a: ZeroDivisionError")


@pytest.mark.parametrize("form", ["json", "lines", "toml", "text", "binary"])
def test_every_change_of_every_form_gives_bytes(form: Form) -> None:
    contents = {"json": b'{"a": [1, {"b": 2.5}]}', "toml": b"a = 1\nb = 2026-11-26\n[c]\nd = [1.5, 'x']\n"}
    content = contents.get(form, b'{"a": 1}\n{"b": [2]}\n')
    seen = {mutated(content, form, [change]) for change in all_changes()}
    assert len(seen) > 50
    assert all(isinstance(one, bytes) for one in seen)


def all_changes() -> Iterator[Change]:
    for operation in range(4):
        for how in range(10):
            for what in range(0, 100, 7):
                yield operation, how, what, 33, what, 5


def test_no_module_that_reads_is_left_out() -> None:
    fuzzed = {module for reader in READERS for module in reader.modules}
    reading = {".".join(path.with_suffix("").parts) for path in MODULES if READING.search((ROOT / path).read_text())}
    assert reading - fuzzed - INVENTORY.keys() == set(), "fuzz them, or say in inventory.toml why not"
    assert INVENTORY.keys() - reading == set(), "these read nothing any more"
    assert INVENTORY.keys() & fuzzed == set()
    assert all(reason.strip() for reason in INVENTORY.values())


def test_a_number_beyond_any_can_be_changed() -> None:
    for how in range(100):
        mutated(b'{"a": 1' + b"0" * 400 + b"}", "json", [(0, 6, how, 0, 0, 0)])
