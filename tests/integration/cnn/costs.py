"""Runs in any build: prints what each of some networks costs, as the suite counts it, as JSON.

PYTHONPATH=CHECKOUT python costs.py
"""

import json

import mxnet as mx

from perf.worker.count import cost_of


def main() -> None:
    """Count single layers, each over an input of its own shape."""
    data = mx.sym.Variable("data")
    layers = {
        "strided": (mx.sym.Convolution(data, num_filter=16, kernel=(3, 3), stride=(2, 2), name="layer"), (2, 8, 9, 9)),
        "depthwise": (mx.sym.Convolution(data, num_filter=8, num_group=8, kernel=(3, 3), name="layer"), (2, 8, 9, 9)),
        "flattening": (mx.sym.FullyConnected(data, num_hidden=10, name="layer"), (2, 4, 5)),
        "by step": (mx.sym.FullyConnected(data, num_hidden=10, flatten=False, name="layer"), (2, 4, 5)),
    }
    print(json.dumps({name: cost_of(symbol, {"data": list(shape)}) for name, (symbol, shape) in layers.items()}))


if __name__ == "__main__":
    main()
