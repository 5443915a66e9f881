"""Runs inside the `zoo` build's Python: which images a network takes, where no pattern of names says it."""

from pathlib import Path
from typing import Any

from perf.cnn.artifacts.zoo import fits, network_of
from perf.cnn.artifacts.zoo_protocol import answer
from perf.errors import RefusalError


def read(request: dict[str, Any], _: Path) -> dict[str, Any]:
    """The first of some sizes whose images fit the network."""
    network = network_of(request)
    for size in request["sizes"]:
        if fits(network, size):
            return {"image_size": size}
    tried = ", ".join(map(str, request["sizes"]))
    raise RefusalError(f"{request['network']} takes images of none of these sizes: {tried}")


if __name__ == "__main__":
    answer(read)
