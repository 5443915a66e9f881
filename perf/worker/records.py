"""The images of a record file, batch by batch, in an order that the seeds decide."""

from collections.abc import Iterator
from typing import Any

import mxnet as mx
import numpy as np


class Records:
    """Images as MXNet's ImageRecordIter makes them: cut from the centre, enlarged when they are too small, normalised
    by `mean` and `std` of red, green and blue. `skipped` batches are read over at once.
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
        """At most so many of the batches that come next: images, labels, and how many images of the batch are real;
        the last batch is filled up with images from the beginning.
        """
        for _, batch in zip(range(most), self._batches, strict=False):
            yield batch.data[0], batch.label[0], batch.data[0].shape[0] - batch.pad

    def first(self, count: int) -> Any:
        """The next `count` images as one array (count, 3, size, size); ValueError when there are not as many."""
        images: list[Any] = []
        for data, _, real in self.batches(count):
            images.extend(data.asnumpy()[:real])
            if len(images) >= count:
                return np.stack(images[:count])
        raise ValueError(f"the record file holds {len(images)} images, fewer than {count}")


def best_of(outputs: Any, count: int) -> Any:
    """The `count` largest classes of each row, the largest first, as integers (rows, count)."""
    return mx.nd.topk(outputs, k=count, axis=1).asnumpy().astype(int)
