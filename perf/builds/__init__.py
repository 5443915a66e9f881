"""Isolated MXNet installations: made with uv from this project's lock or from a wheel the user names, and proved."""

from perf.builds.data import is_compiled
from perf.builds.defects import Defect, defects_of
from perf.builds.environment import Build, process_environment, provision
from perf.builds.facts import Facts
from perf.builds.mpi import Mpi
from perf.builds.process import run
from perf.builds.recipe import parse_overrides

__all__ = [
    "Build",
    "Defect",
    "Facts",
    "Mpi",
    "defects_of",
    "is_compiled",
    "parse_overrides",
    "process_environment",
    "provision",
    "run",
]
