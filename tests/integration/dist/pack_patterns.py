"""`python -m tests.integration.dist.pack_patterns FILE.rec COUNT`, run in a build.

Packs small coloured images, red of class 0 and blue of class 1, with their index.
"""

import sys
from pathlib import Path

import mxnet as mx
import numpy as np


def main() -> None:
    file, count = Path(sys.argv[1]), int(sys.argv[2])
    records = mx.recordio.MXIndexedRecordIO(str(file.with_suffix(".idx")), str(file), "w")
    draw = np.random.RandomState(count)
    for number in range(count):
        image = draw.randint(0, 60, (64, 64, 3)).astype(np.uint8)
        image[:, :, 2 * (number % 2)] += 180
        records.write_idx(number, mx.recordio.pack_img(mx.recordio.IRHeader(0, float(number % 2), number, 0), image))
    records.close()


if __name__ == "__main__":
    main()
