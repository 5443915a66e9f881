"""Networks that a user brings, in real builds: prepared, checked and measured like the suite's own, or refused."""

import subprocess
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from perf.builds import Build, process_environment
from perf.census.examine import examine
from perf.cnn.checks.symbol import read_layers
from perf.cnn.symbols.networks import UserNetwork, prepare_user_network
from perf.errors import PerfError
from perf.measure.family import Resources

# Its input is not called data, and its images are neither square nor coloured.
MAKE = """
import sys
import mxnet as mx
mx.random.seed(1)
images = mx.sym.Variable("images")
first = mx.sym.Activation(mx.sym.Convolution(images, kernel=(3, 3), num_filter=16, name="first"), act_type="relu")
second = mx.sym.Convolution(first, kernel=(3, 3), num_filter=32, name="second")
pooled = mx.sym.Pooling(second, kernel=(1, 1), global_pool=True, pool_type="avg")
symbol = mx.sym.FullyConnected(pooled, num_hidden=10, name="classes")
module = mx.mod.Module(symbol, data_names=["images"], label_names=None)
module.bind([("images", (1, 1, 20, 28))], for_training=False)
module.init_params(mx.init.Xavier(magnitude=6))
module.save_checkpoint(sys.argv[1], 0)
"""


@pytest.fixture(scope="module")
def small(builds: Mapping[str, Build], tmp_path_factory: pytest.TempPathFactory) -> UserNetwork:
    """A network as Module saves it."""
    prefix = tmp_path_factory.mktemp("user") / "small"
    command = [str(builds["zoo"].python), "-c", MAKE, str(prefix)]
    subprocess.run(command, env=process_environment(builds["zoo"], 1), check=True, timeout=120)
    symbol, params = (Path(f"{prefix}-{end}") for end in ("symbol.json", "0000.params"))
    return UserNetwork("small", symbol, params, (1, 20, 28))


def test_a_users_network_is_checked_and_measured(small: UserNetwork, resources: Resources, tmp_path: Path) -> None:
    result = examine("small", replace(resources, cache=tmp_path), small)
    assert (result.status, result.reason) == ("agrees", "")
    assert result.shape == (1, 20, 28)
    assert result.fp32_difference is not None
    assert result.fp32_difference < 1e-4
    assert result.sqnr_db is not None
    assert 10 < result.sqnr_db < 60
    assert result.speedups.keys() == {"mkl-fp32", "mkl-int8"}
    (folder,) = (tmp_path / "networks").glob("small-*[!k]")  # without the lock
    assert "data" in read_layers(folder / "fp32.json")["first"].inputs, "the input has one name in all artifacts"


def test_a_shape_that_does_not_fit_is_refused(
    small: UserNetwork, builds: Mapping[str, Build], resources: Resources, tmp_path: Path
) -> None:
    coloured = small._replace(shape=(3, 20, 28))
    with pytest.raises(
        PerfError, match=r"with images of 3x20x28, first_weight must have shape \(16, 3, 3, 3\)"
    ) as caught:
        prepare_user_network(
            coloured, zoo=builds["zoo"], threads=resources.cores, cache=tmp_path, calibration="naive", say=print
        )
    assert caught.value.subject == "small"
    assert caught.value.next_step == "check the files and the shape of --perf-symbol"
