"""The digits that the suite's own network learns from."""

import numpy as np

from perf.cnn.digits.check import handwriting, split


def test_no_test_image_is_trained_or_calibrated_with() -> None:
    data = split()
    assert len(data.test_images) == len(data.test_labels) == handwriting().test_images >= 500
    assert len(data.images) == len(data.labels) == 1797 - handwriting().test_images
    assert len({image.tobytes() for image in [*data.images, *data.test_images]}) == 1797
    assert set(data.test_labels.tolist()) == set(data.labels.tolist()) == set(range(10))


def test_images_are_as_imagenets_are() -> None:
    images = split().images
    assert images.shape[1:] == (3, 32, 32)
    assert images.dtype == np.float32
    assert -2.2 < images.min() < images.max() < 2.7
