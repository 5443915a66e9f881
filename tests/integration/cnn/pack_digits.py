"""`python -m tests.integration.cnn.pack_digits IMAGES.npz FILE.rec`, run in a build.

Packs grey images and their labels as PNG.
"""

import sys

import mxnet as mx
import numpy as np


def main() -> None:
    images, file = sys.argv[1:]
    records = mx.recordio.MXRecordIO(file, "w")
    with np.load(images) as arrays:
        for number, (image, label) in enumerate(zip(arrays["images"], arrays["labels"], strict=True)):
            header = mx.recordio.IRHeader(0, float(label), number, 0)
            colours = np.repeat(image[:, :, None], 3, axis=2)
            records.write(mx.recordio.pack_img(header, colours, img_fmt=".png"))
    records.close()


if __name__ == "__main__":
    main()
