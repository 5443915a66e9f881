"""A stack: everything that determines what a case runs. Plain data, compared field by field."""

import re
from collections.abc import Iterator
from typing import Annotated, Any

import msgspec
from msgspec import Meta


class Stack(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """What one case runs. Two cases run the same thing when all fields but `requirement` are equal."""

    requirement: Annotated[str, Meta(description="what installs the wheel")]
    wheel: Annotated[
        str, Meta(description="sha256 of the wheel's files outside `*.dist-info`, wherever they come from")
    ]
    python: Annotated[str, Meta(description="version of the build's Python")]
    numpy: Annotated[str, Meta(description="version of the build's numpy")]
    openmp: Annotated[str | None, Meta(description="sha256 of the libgomp that it loads from the system")]
    blas_kernels: Annotated[str | None, Meta(description="kernels that its OpenBLAS chose")]
    horovod: Annotated[str | None, Meta(description="Horovod's source and build settings, by content")]
    mpi: Annotated[str | None, Meta(description="MPI and its version")]
    program: Annotated[str, Meta(description="name and content of what runs")]
    variables: Annotated[dict[str, str], Meta(description="environment variables that the suite sets")]
    environment: Annotated[
        dict[str, str], Meta(description="environment variables of the user's shell that can change a measurement")
    ]
    threads: Annotated[
        int, Meta(description="OpenMP threads of an instance; 0 for ranks, whose `placement` names them")
    ]
    placement: Annotated[tuple[str, ...], Meta(description="where each instance or rank runs")]
    job: Annotated[dict[str, Any], Meta(description="settings of a training job")]
    measuring: Annotated[str, Meta(description="content of the measuring code")]
    injected: Annotated[float, Meta(description="slowdown injected on purpose, as a fraction of each pass")] = 0.0
    libraries: Annotated[
        dict[str, str],
        Meta(description="OpenMP and BLAS library that MXNet loads, by file name; empty in older runs"),
    ] = {}


# The folder in the label of a program that is read from files (perf.measure.plan).
FOLDER = re.compile(r"^[^/ ]+/(?=\S+ [0-9a-f]{12} )")
# Fields that make a case faster or slower and can be restored: a baseline arm that lacks one of them cannot show that
# nothing was lost.
DECISIVE = frozenset({"wheel", "program", "injected", "job", "variables"})
# Fields that are not of the build. A difference in these alone is reported, and the case is judged as the same stack:
# the suite brings the measuring code; the machine brings Python's patch release and libgomp, as it does its settings;
# and which libraries MXNet loads follows from its wheel and from these.
REPORTED_ONLY = frozenset({"measuring", "python", "openmp", "libraries"})
# What pinned an instance, at the end of its placement. Without numactl there is one usable node, so memory comes from
# there either way, and the proof of pinning shows that the CPUs are the same.
PINNED_BY = re.compile(r", (?:numactl|affinity; memory is not bound because .*)$")


def differences(then: Stack, now: Stack) -> list[str]:
    """Return the differences, each as "field: then -> now"; a wheel is shown with its requirement."""
    return [f"{field}: {before} -> {after}" for field, before, after in _differing(then, now)]


def differing(then: Stack, now: Stack) -> set[str]:
    """Return the names of the fields that differ; for a field with keys, with each such key: "variables OMP_WAIT"."""
    return {name for name, _, _ in _differing(then, now)}


def build_changes(then: Stack, now: Stack) -> set[str]:
    """Return the names of the fields, as `differing` does, that make `now` another stack; empty for the same stack."""
    return {name for name in differing(then, now) if name.partition(" ")[0] not in REPORTED_ONLY}


def identity(stack: Stack) -> dict[str, Any]:
    """Return what makes a stack the same as another one, by field: equal for two stacks without `build_changes`."""
    fields = msgspec.to_builtins(stack).items()
    return {name: _compared(name, value) for name, value in fields if name not in REPORTED_ONLY | {"requirement"}}


def _compared(name: str, value: Any) -> Any:
    """Return what is compared of a field: a program by its content, without the folder, which depends on how its files
    were made; a placement by where it is, not by what pinned it.
    """
    if name == "program":
        return FOLDER.sub("", value)
    return [PINNED_BY.sub("", place) for place in value] if name == "placement" else value


def _differing(then: Stack, now: Stack) -> Iterator[tuple[str, str, str]]:
    for name in Stack.__struct_fields__:
        before, after = getattr(then, name), getattr(now, name)
        if name == "requirement" or _compared(name, before) == _compared(name, after):
            continue
        if name == "libraries" and not (before and after):
            continue
        if isinstance(before, dict):
            for key in sorted({*before, *after}):
                if key not in before or key not in after or before[key] != after[key]:
                    yield f"{name} {key}", str(before.get(key, "not set")), str(after.get(key, "not set"))
        elif name == "wheel":
            yield name, f"{then.requirement} ({before[:12]})", f"{now.requirement} ({after[:12]})"
        elif name == "placement":
            yield name, "; ".join(before), "; ".join(after)
        else:
            yield name, str(before), str(after)
