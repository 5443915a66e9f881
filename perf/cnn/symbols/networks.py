"""Networks that a user brings (--perf-symbol): checked while collecting, and prepared by the `zoo` build."""

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

import msgspec

from perf.builds import Build, quantiser_of
from perf.cnn.artifacts.prepare import (
    CALIBRATION_BATCH_SIZE,
    CALIBRATION_IMAGES,
    FILES,
    FP32_FILES,
    SCRIPTS,
    SEED,
    Artifacts,
    CalibrationMode,
    with_int8_if_possible,
)
from perf.cnn.artifacts.store import ZooTask, sha256
from perf.cnn.model_zoo import model_zoo
from perf.cnn.networks import catalogue
from perf.cnn.symbols.params_file import EXPORT, read_params
from perf.cnn.symbols.symbol_file import input_of, quoted, read_symbol
from perf.errors import PerfError
from perf.files import ROOT

# All modules that make artifacts of such a network.
SYMBOL_SCRIPTS = (*(path for path in SCRIPTS if path.name != "zoo.py"), ROOT / "perf/cnn/symbols/zoo_symbol.py")
# What precedes the name of a parameter and of an auxiliary state in a parameter file.
PREFIXES = ("arg:", "aux:")
# A value of --perf-symbol, as the plugin reads it: name, symbol file, parameter file, shape of an image.
Written = tuple[str, Path, Path, tuple[int, int, int]]


class UserNetwork(NamedTuple):
    """A network in a user's files: a value of --perf-symbol.

    `name`: its name in cases. `symbol`, `params`: its files. `shape`: that of an image, (channels, height, width).
    """

    name: str
    symbol: Path
    params: Path
    shape: tuple[int, int, int]

    @property
    def content(self) -> str:
        """A digest of its files and shape. Raises OSError when a file cannot be read."""
        return f"{sha256(self.symbol, self.params)[:12]} {'x'.join(map(str, self.shape))}"


def user_networks(written: Sequence[Written]) -> tuple[UserNetwork, ...]:
    """Return the networks of the values of --perf-symbol."""
    return tuple(UserNetwork(*value) for value in written)


def check_user_networks(networks: Sequence[UserNetwork], *, label: Callable[[UserNetwork], str]) -> None:
    """Raise PerfError for a network that cannot be measured, as far as its files say so without MXNet.

    `label` returns how a message names a network.
    """
    known = {*model_zoo().classification, *model_zoo().other}
    for number, network in enumerate(networks):
        if network.name in known or network.name in {earlier.name for earlier in networks[:number]}:
            what = "GluonCV has a network of this name" if network.name in known else "this name is taken twice"
            raise PerfError(what, subject=label(network), next_step="choose another name before the =")
        input_name(network)


def input_name(network: UserNetwork) -> str:
    """Return the name of the network's input. Raises PerfError when its files cannot be used."""
    symbol, arrays = read_symbol(network.symbol), read_params(network.params)
    if arrays and not any(name.startswith(PREFIXES) for name in arrays):
        what = f"its names do not begin with {' or '.join(PREFIXES)}, as those of save_parameters do not"
        raise PerfError(what, subject=str(network.params), next_step=EXPORT)
    not_float32 = [name for name, array in arrays.items() if not array.float32]
    if not_float32:
        step = "save the parameters in float32; the suite quantises networks itself"
        raise PerfError(f"{quoted(not_float32)}: not of type float32", subject=str(network.params), next_step=step)
    return input_of(symbol, {name[len(PREFIXES[0]) :] for name in arrays}, network.symbol)


def prepare_user_network(
    network: UserNetwork,
    *,
    zoo: Build,
    threads: int,
    cache: Path,
    calibration: CalibrationMode,
    say: Callable[[str], None],
) -> Artifacts:
    """Return the artifacts of a user's network, from the cache or newly made; by content, wherever its files are.

    If MKL-DNN cannot run the network, only FP32 artifacts are made, without MKL-DNN. Raises PerfError when its files
    cannot be used, its parameters or the shape do not fit it, its output is not (images, classes), or the disk is full.
    """
    quantiser = quantiser_of(zoo.facts.mxnet)
    task = ZooTask(
        module="symbols.zoo_symbol",
        name=network.name,
        settings={
            "network": network.name,
            "input": input_name(network),
            "input_shape": network.shape,
            "symbol_sha256": sha256(network.symbol),
            "params_sha256": sha256(network.params),
            "seed": SEED,
            "calibration": {
                "mode": calibration,
                "batch_size": CALIBRATION_BATCH_SIZE,
                "count": CALIBRATION_IMAGES,
                "sha256": None,
            },
            "exclusions": catalogue().exclusions_of(network.name),
            "mxnet": zoo.facts.mxnet,
            "quantiser": msgspec.to_builtins(quantiser),
            "scripts_sha256": sha256(*SYMBOL_SCRIPTS),
        },
        files=FILES if quantiser else FP32_FILES,
        inputs={"symbol_file": str(network.symbol), "params_file": str(network.params)},
        progress=f"preparing {network.name}: calibration ({calibration}), quantisation",
        next_step="load and run both files with MXNet alone, and correct what fails there",
    )
    return with_int8_if_possible(task, zoo, threads, cache, say)
