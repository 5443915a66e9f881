"""Isolated MXNet installations, made with uv from this project's lock or from the user's wheel, and verified."""

from perf.builds.data import is_compiled
from perf.builds.environment import (
    BLAS_KERNELS,
    Build,
    build_with_content,
    cached_build,
    process_environment,
    provision,
)
from perf.builds.facts import BuildFacts
from perf.builds.mpi import Mpi
from perf.builds.process import Finished, may_be_replayed, recorded_shell_variables, run, scrubbed_shell_variables
from perf.builds.releases import Quantiser, Release, quantiser_of, release_of
from perf.builds.spec import check_overrides, parse_overrides

__all__ = [
    "BLAS_KERNELS",
    "Build",
    "BuildFacts",
    "Finished",
    "Mpi",
    "Quantiser",
    "Release",
    "build_with_content",
    "cached_build",
    "check_overrides",
    "is_compiled",
    "may_be_replayed",
    "parse_overrides",
    "process_environment",
    "provision",
    "quantiser_of",
    "recorded_shell_variables",
    "release_of",
    "run",
    "scrubbed_shell_variables",
]
