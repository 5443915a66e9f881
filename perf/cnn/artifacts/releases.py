"""What each release runs of a network: the FP32 files of `zoo` unchanged, and INT8 files of its own quantiser."""

from collections.abc import Collection, Mapping
from dataclasses import replace

import msgspec

from perf.builds import Build, quantiser_of
from perf.cnn.artifacts.prepare import INT8_FILES, NEXT_STEP, SCRIPTS, Artifacts
from perf.cnn.artifacts.store import ZooFailedError, ZooTask, obtain, sha256
from perf.cnn.networks import INT8, NetworkVariant, catalogue
from perf.errors import UnavailableError
from perf.measure.family import Resources
from perf.measure.plan import Program, Variant, content_of

# The settings that a release's own quantiser has in common with `zoo`; the network has one of the first two.
SHARED = ("image_size", "input_shape", "calibration", "exclusions")
NEXT_RELEASE = "measure it in a release that has it (docs/other-wheels.md), or leave it out with -k"


def program_for(data: NetworkVariant, artifacts: Artifacts, resources: Resources) -> Program:
    """Return what a variant runs in its build. It is fused only in releases that can fuse. Only the very wheel that
    quantised the network runs those files: another one that reports the same version may have another quantiser.

    Raises PerfError when the disk is full or the cache cannot be used.
    """
    build = resources.build(data.build)
    if data.artifact == "fp32" or build.content_sha256 == artifacts.quantised_by:
        program = artifacts.program(data)
    else:
        program = _own_int8(artifacts, build, resources)
    return program if build.facts.release.fuses else replace(program, subgraph=None)


def unavailable_variants(wanted: Collection[str], resources: Resources) -> Mapping[str, str]:
    """Return why the release of a variant's build cannot run it, by variant; nothing of the variants that can run."""
    reasons = {}
    for name in wanted:
        data = catalogue().variants[name]
        facts = resources.build(data.build).facts
        if data.artifact == "int8" and (reason := facts.release.missing.get("int8")):
            reasons[name] = f"not available in {facts.wheel}: {reason}"
    return reasons


def fp32_and_int8(artifacts: Artifacts, resources: Resources) -> tuple[Variant[Program], Variant[Program]]:
    """Return the two variants of the MKL-DNN build. Raises UnavailableError when its release has no INT8."""
    if reason := unavailable_variants([INT8], resources).get(INT8):
        raise UnavailableError(reason, subject=artifacts.network, next_step=NEXT_RELEASE)
    build, variants = resources.build("mkl"), catalogue().variants
    fp32, int8 = (
        Variant(name, build, program_for(variants[name], artifacts, resources)) for name in ("mkl-fp32", INT8)
    )
    return fp32, int8


def _own_int8(artifacts: Artifacts, build: Build, resources: Resources) -> Program:
    """Return the network as the release of `build` quantises it, with the same images as `zoo`."""
    own, network = artifacts.manifest.settings, artifacts.network
    files = artifacts.symbol("fp32"), artifacts.params("fp32")
    zoo = resources.build("zoo")
    packages = (zoo.folder / zoo.facts.library).parents[1]
    task = ZooTask(
        module="artifacts.own_int8",
        name=f"{network}-{build.facts.mxnet}",
        settings={
            "network": network,
            "mxnet": build.facts.mxnet,
            "fp32": content_of(*files),
            "draw": artifacts.manifest.result["draw"],
            **{name: own[name] for name in SHARED if name in own},
            "quantiser": msgspec.to_builtins(quantiser_of(build.facts.mxnet)),
            "unknown": build.facts.release.unknown,
            "scripts_sha256": sha256(*SCRIPTS),
        },
        files=INT8_FILES,
        inputs={
            "symbol": str(files[0]),
            "params": str(files[1]),
            "calibration_file": str(artifacts.images),
            "packages": str(packages),
        },
        progress=f"quantising {network} with {build.facts.wheel} ({own['calibration']['mode']} calibration)",
        next_step=NEXT_STEP,
    )
    try:
        folder, _ = obtain(task, build, resources.cores, resources.cache, resources.say)
    except ZooFailedError as error:
        problem = f"the network could not be quantised by {build.facts.wheel}: {error.cause}"
        return Program(*files, None, "", problem=problem)
    made = Artifacts(folder, artifacts.manifest)
    return Program(made.symbol("int8"), made.params("int8"), None, content_of(made.symbol("int8"), made.params("int8")))
