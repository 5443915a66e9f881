"""A network whose INT8 answers were spoiled on purpose is not timed: its verdict is invalid, with the reason."""

import hashlib
import shutil
from dataclasses import replace
from pathlib import Path

import msgspec

from perf.cnn.artifacts.store import MANIFEST
from perf.cnn.family import CnnFamily
from perf.machine import read_machine
from perf.measure.family import Resources
from tests.support.mutants import program_of, with_parameters
from tests.support.session import SMOKE, cache_of, run

NETWORK = "cifar_resnet20_v1"


def test_a_case_with_wrong_answers_is_invalid_and_not_timed(resources: Resources, tmp_path: Path) -> None:
    family = CnnFamily(pretrained=False, calibration="naive")
    here = replace(resources, cores=read_machine().physical_cores)
    plan = family.plan(NETWORK, family.cases("smoke"), here)
    (int8,) = (variant for variant in plan.variants if variant.name == "mkl-int8")
    sound = program_of(int8).params.parent
    # A cache of the test's own, whose copy of the network is whole as far as its manifest can tell.
    copy = tmp_path / "cache" / "networks" / sound.name
    shutil.copytree(sound, copy)
    cache_of(tmp_path)
    code = "tensors['arg:cifarresnetv10_stage1_conv1_weight'] *= 2"
    spoiled = program_of(with_parameters(int8, code, tmp_path / "spoiled")).params
    shutil.copyfile(spoiled, copy / "int8.params")
    manifest = msgspec.json.decode((copy / MANIFEST).read_bytes())
    manifest["sha256"]["int8.params"] = hashlib.sha256(spoiled.read_bytes()).hexdigest()
    (copy / MANIFEST).write_bytes(msgspec.json.encode(manifest))
    finished = run(
        tmp_path,
        *SMOKE,
        "--perf-batch=1",
        "-k",
        "test_inference",
        f"--benchmark-storage=file://{tmp_path / 'none'}",
        "--benchmark-compare",
    )
    assert finished.code == 1
    case = f"{NETWORK}-b1-mkl-int8"
    assert f"{NETWORK}-b1 mkl-int8: SQNR of the outputs" in finished.output
    assert "invalid: wrong answers: SQNR of the outputs" in finished.output
    assert f". 1 case: {case}." in finished.part("invalid: wrong answers: ")
    assert "Verdicts: 1 invalid, 1 no-baseline." in finished.output
    assert finished.part("=== ", "in ").count("preparing") == 0
