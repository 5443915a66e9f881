"""The settings of a machine that measures, from `settings.toml`, and how they are on this machine."""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

import msgspec

from perf.files import read_toml
from perf.machine.runner.means import Files, Means, Package, SwapAreas
from perf.machine.state.source import mixture

DATA = Path(__file__).with_name("settings.toml")
# Below it are /sys and /proc.
ROOT = Path("/")

# "differs": not as wanted; "not available": the machine does not have the setting.
Fit = Literal["as wanted", "differs", "not available"]


class Setting(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A setting in `settings.toml`, which explains its fields: `why`, `absent`, `files`, `fixed`, `package`, `swap`."""

    why: str
    absent: str
    files: dict[str, str] = {}
    fixed: tuple[str, ...] = ()
    package: str | None = None
    swap: bool = False

    @property
    def means(self) -> Means:
        """What reads and changes it."""
        if self.package is not None:
            return Package(self.package)
        return SwapAreas() if self.swap else Files(self.files, self.fixed)


@dataclass(frozen=True)
class SettingState:
    """A setting on this machine.

    name: its name in `settings.toml`.
    now: its value, or the values of its targets; why there is none.
    wanted: the value that it should have.
    fit: whether it has that value.
    """

    name: str
    now: str
    wanted: str
    fit: Fit


@cache
def settings() -> Mapping[str, Setting]:
    """Return all settings, in the order in which they are applied."""
    return read_toml(DATA, dict[str, Setting])


def read_settings(root: Path = ROOT) -> list[SettingState]:
    """Return the settings of the machine whose files are below `root`."""
    return [_state(name, setting, root) for name, setting in settings().items()]


def _state(name: str, setting: Setting, root: Path) -> SettingState:
    values = setting.means.read(root)
    if values is None:
        return SettingState(name, setting.absent, "-", "not available")
    wanted = {target: setting.means.wanted(target) for target in values}
    if not values:
        return SettingState(name, "off", "off", "as wanted")
    return SettingState(name, _listed(values), _listed(wanted), "as wanted" if values == wanted else "differs")


def _listed(values: Mapping[str, str]) -> str:
    """Return the values of the targets: how many have each where they are of one kind, such as CPUs."""
    if len(set(values.values())) == 1:
        return next(iter(values.values()))
    if all("/cpufreq/" in target for target in values):
        return mixture(list(values.values()))
    return "; ".join(f"{Path(target).name}: {value}" for target, value in values.items())
