"""How the census examines networks, from `census.toml`, and which ones: those that GluonCV in the `zoo` build names."""

from collections.abc import Mapping
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path

import msgspec

from perf.builds import Build, process_environment, run
from perf.errors import PerfError
from perf.files import decoded_output, read_toml
from perf.measure.tiers import Effort

DATA = Path(__file__).with_name("census.toml")
# GluonCV has no public way from a name to what makes the network.
LIST = """
import json
from gluoncv.model_zoo.model_zoo import _models
print(json.dumps({name: make.__module__.removeprefix("gluoncv.model_zoo.") for name, make in _models.items()}))
"""
LIST_TIMEOUT_S = 300.0


class LeftOut(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Networks that are not examined: those whose MODULE.NAME matches `pattern`, for a `reason`."""

    pattern: str
    reason: str


class Settings(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The whole of `census.toml`, whose comments give reasons for the values.

    low_sqnr_db: the SQNR of the outputs in dB below which layers are listed.
    shown_layers: how many layers are listed.
    effort: how hard to measure the quick speedups.
    left_out: the networks that are left out.
    """

    low_sqnr_db: float
    shown_layers: int
    effort: Effort
    left_out: list[LeftOut]

    def why_left_out(self, network: str, module: str) -> str | None:
        """Return why a network, made by a module of GluonCV's model zoo, is not examined; None when it is."""
        name = f"{module}.{network}"
        return next((entry.reason for entry in self.left_out if fnmatchcase(name, entry.pattern)), None)


@cache
def settings() -> Settings:
    """Return the content of `census.toml`, read once."""
    return read_toml(DATA, Settings)


def modules_by_network(zoo: Build) -> Mapping[str, str]:
    """Return the module in gluoncv.model_zoo that makes each network, by its name. Raises PerfError when that fails."""
    command = [str(zoo.python), "-c", LIST]
    finished = run(command, environment=process_environment(zoo, 1), timeout_s=LIST_TIMEOUT_S, subject="zoo")
    step = "remove the zoo build's folder from the cache, and it is made again"
    if finished.code:
        raise PerfError(f"GluonCV names no networks: {finished.last_lines()}", subject="zoo", next_step=step)
    return decoded_output(finished.stdout, dict[str, str], "GluonCV's list of networks", subject="zoo", next_step=step)


def divided(modules: Mapping[str, str]) -> tuple[list[str], dict[str, str]]:
    """Return the networks to examine, and why each of the remaining ones is left out, both in alphabetical order."""
    reasons = {name: settings().why_left_out(name, modules[name]) for name in sorted(modules)}
    examined = [name for name, reason in reasons.items() if reason is None]
    return examined, {name: reason for name, reason in reasons.items() if reason is not None}
