"""The handwritten digits, divided for training and testing."""

import numpy as np

from perf.cnn.digits.dataset import dataset, settings


def test_no_test_image_is_used_for_training_or_calibration() -> None:
    data = dataset()
    assert len(data.test_images) == len(data.test_labels) == settings().test_images >= 500
    assert len(data.images) == len(data.labels) == 1797 - settings().test_images
    assert len({image.tobytes() for image in [*data.images, *data.test_images]}) == 1797
    assert set(data.test_labels.tolist()) == set(data.labels.tolist()) == set(range(10))


def test_images_are_normalised_as_imagenets_are() -> None:
    images = dataset().images
    assert images.shape[1:] == (3, 32, 32)
    assert images.dtype == np.float32
    assert -2.2 < images.min() < images.max() < 2.7
