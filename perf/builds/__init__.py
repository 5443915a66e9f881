"""Isolated MXNet installations: made with uv from this project's lock or from a wheel the user names, and proved."""

from perf.builds.defects import Defect, known_defects
from perf.builds.environment import Build, process_environment, provision
from perf.builds.facts import Facts
from perf.builds.process import run
from perf.builds.recipe import parse_overrides

__all__ = ["Build", "Defect", "Facts", "known_defects", "parse_overrides", "process_environment", "provision", "run"]
