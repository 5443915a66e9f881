"""`python -m tests.integration.cnn.swap_classes INT8.params`, run in a build.

Swaps two classes in a quantised network's last layer.
"""

import sys

import mxnet as mx

ONE, OTHER = 3, 8


def main() -> None:
    (file,) = sys.argv[1:]
    arrays = mx.nd.load(file)
    last = [name for name in arrays if name.endswith(("dense0_weight_quantize", "dense0_bias_quantize"))]
    assert len(last) == 2, sorted(arrays)
    for name in last:
        values = arrays[name].asnumpy()
        values[[ONE, OTHER]] = values[[OTHER, ONE]]
        arrays[name] = mx.nd.array(values, dtype=values.dtype)
    mx.nd.save(file, arrays)


if __name__ == "__main__":
    main()
