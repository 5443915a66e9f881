"""Keeping a session's run: always in the cache, and under `baselines/` when the user asked for it and it is sound."""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec
import pytest

from perf.cache import if_free, remove
from perf.errors import PerfError
from perf.files import write_whole
from perf.measure.journal import LOCK
from perf.plugin.storage import Storage
from perf.runs.shelf import save

RUN = "run.json"
# Sessions whose journals and runs stay in the cache.
KEPT_SESSIONS = 20


@dataclass(frozen=True)
class Kept:
    """Where the run is, what is to be said of it, and whether keeping it failed where the user wanted it."""

    lines: Sequence[str]
    failed: bool = False


def keep_run(document: Mapping[str, Any], outcomes: Mapping[str, str | None], storage: Storage, folder: Path) -> Kept:
    """Write the run into the session's folder and, when asked for, among the stored runs of its machine class.

    `outcomes` says of each selected case, by its pytest id, "passed", why it failed, or None when it never ended.
    Stored are only runs that came to their end, and of those only cases that passed and were not disturbed.
    """
    lines = []
    path = folder / RUN
    try:
        write_whole(path, _encoded(document))
    except OSError as error:
        lines.append(f"This run could not be kept: {path}: {error.strerror}")
    else:
        lines.append(f"This run: {path}")
    if storage.save is None:
        return Kept(lines)
    if not document["perf"]["complete"]:
        why = "it did not come to its end; add --perf-resume to go on with it"
        return Kept([*lines, f"Not stored as a baseline: {why}"], failed=True)
    if document["perf"]["injected"]:
        return Kept([*lines, "Not stored as a baseline: it was slowed down on purpose (--perf-inject)"], failed=True)
    left_out = {**_unfit(document), **{name: why for name, why in outcomes.items() if why and why != "passed"}}
    fit = [benchmark for benchmark in document["benchmarks"] if benchmark["fullname"] not in left_out]
    lines += [f"Left out of the baseline: {name}: {why}" for name, why in left_out.items()]
    if not fit:
        return Kept([*lines, "Not stored as a baseline: no case is left"], failed=True)
    content = _encoded({**document, "benchmarks": fit, "perf": {**document["perf"], "left_out": left_out}})
    try:
        stored = save(storage.folder, storage.save, content)
    except PerfError as error:
        return Kept([*lines, str(error)], failed=True)
    return Kept([*lines, f"Stored as a baseline: {stored} ({len(fit)} cases)"])


def document_of(config: pytest.Config) -> dict[str, Any]:
    """pytest-benchmark's JSON of the session, without the samples, made by its own hooks."""
    session = config._benchmarksession  # type: ignore[attr-defined]  # noqa: SLF001 - its hooks have no other way
    commit_info = config.hook.pytest_benchmark_generate_commit_info(config=config)
    config.hook.pytest_benchmark_update_commit_info(config=config, commit_info=commit_info)
    document: dict[str, Any] = config.hook.pytest_benchmark_generate_json(
        config=config,
        benchmarks=session.benchmarks,
        include_data=False,
        machine_info=session.get_machine_info(),
        commit_info=commit_info,
    )
    config.hook.pytest_benchmark_update_json(config=config, benchmarks=session.benchmarks, output_json=document)
    return document


def forget_old_sessions(runs: Path) -> None:
    """Remove all but the newest sessions' folders, and those of sessions that are still running."""
    folders = sorted((folder for folder in runs.iterdir() if folder.is_dir()), reverse=True)
    for folder in folders[KEPT_SESSIONS:]:
        with suppress(OSError), if_free(folder / LOCK) as free:
            if free:
                remove(folder)


def _unfit(document: Mapping[str, Any]) -> dict[str, str]:
    return {
        benchmark["fullname"]: "every invocation was disturbed"
        for benchmark in document["benchmarks"]
        if any(not sample["floors"] for sample in benchmark["extra_info"]["samples"].values())
    }


def _encoded(document: Mapping[str, Any]) -> bytes:
    return msgspec.json.format(msgspec.json.encode(document), indent=1) + b"\n"
