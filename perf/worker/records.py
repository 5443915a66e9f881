"""The images of a record file, batch by batch, in an order that the seeds determine."""

from collections.abc import Iterator
from typing import Any

import mxnet as mx
import numpy as np


class Records:
    """Images from MXNet's ImageRecordIter: cropped at the centre, enlarged if too small, normalised.

    `mean` and `std` are those of red, green and blue. The first `skipped` batches are skipped.
    """

    def __init__(
        self,
        path: str,
        image_size: int,
        batch_size: int,
        skipped: int,
        mean: list[float],
        std: list[float],
        shuffle_chunk_seed: int,
        seed: int,
        preprocess_threads: int,
    ) -> None:
        colours = {f"mean_{c}": m for c, m in zip("rgb", mean, strict=True)}
        colours |= {f"std_{c}": s for c, s in zip("rgb", std, strict=True)}
        self._batches = mx.io.ImageRecordIter(
            path_imgrec=path,
            label_width=1,
            data_shape=(3, image_size, image_size),
            batch_size=batch_size,
            shuffle=True,
            shuffle_chunk_seed=shuffle_chunk_seed,
            seed=seed,
            rand_crop=False,
            rand_mirror=False,
            preprocess_threads=preprocess_threads,
            **colours,
        )
        for _ in zip(range(skipped), self._batches, strict=False):
            pass

    def batches(self, most: int) -> Iterator[tuple[Any, Any, int]]:
        """Yield the next batches, at most `most`: images, labels, and how many images are real. The last batch of the
        file is padded with images from its beginning.
        """
        for _, batch in zip(range(most), self._batches, strict=False):
            yield batch.data[0], batch.label[0], batch.data[0].shape[0] - batch.pad

    def first(self, count: int) -> Any:
        """Return the next `count` images as one array (count, 3, size, size). Raises ValueError when fewer are left."""
        images: list[Any] = []
        for data, _, real in self.batches(count):
            images.extend(data.asnumpy()[:real])
            if len(images) >= count:
                return np.stack(images[:count])
        raise ValueError(f"the record file has only {len(images)} more images, but {count} are needed")


def best_of(outputs: Any, count: int) -> Any:
    """Return the `count` best classes of each row, the best first, as integers (rows, count)."""
    return mx.nd.topk(outputs, k=count, axis=1).asnumpy().astype(int)
