"""Synthetic images. Works with every numpy version, so that all builds and the host make the same images. Pure."""

from collections.abc import Sequence
from typing import Any

import numpy as np

# ImageNet's mean and standard deviation of pixels from 0 to 1, with which GluonCV's networks were trained.
MEAN = np.array((0.485, 0.456, 0.406), "float32").reshape(1, 3, 1, 1)
STD = np.array((0.229, 0.224, 0.225), "float32").reshape(1, 3, 1, 1)
# Sides in pixels of the squares that make up an image, the largest first.
SQUARES = (128, 64, 32, 16, 8, 4, 2, 1)
COLOURS = 3


def synthetic_images(draw: np.random.RandomState, count: int, size: int) -> Any:
    """Return `count` normalised images, float32 of shape (count, 3, size, size).

    An image consists of overlaid squares in random colours, with a random contrast. The amplitude of each size of
    square is proportional to its side, as in natural scenes (Field, "Relations between the statistics of natural images
    and the response properties of cortical cells", 1987).

    Uniform noise is not enough: all of it looks alike to a network, so that outputs would hardly differ between images.
    """
    pixels = np.zeros((count, 3, size, size), "float32")
    for side in SQUARES:
        cells = -(-size // side)
        coarse = draw.standard_normal((count, 3, cells, cells)).astype("float32")
        pixels += side / SQUARES[0] * coarse.repeat(side, axis=2).repeat(side, axis=3)[:, :, :size, :size]
    contrast = draw.uniform(0.05, 0.3, (count, 1, 1, 1)).astype("float32")
    brightness = draw.uniform(0.3, 0.7, (count, 3, 1, 1)).astype("float32")
    return (np.clip(brightness + contrast * pixels, 0, 1) - MEAN) / STD


def images_of_shape(draw: np.random.RandomState, count: int, shape: Sequence[int]) -> Any:
    """Return `count` images of a shape (channels, height, width), float32: `synthetic_images` cut to that height and
    width, with as many of their colours as there are channels, over and over.
    """
    channels, height, width = shape
    images = synthetic_images(draw, count, max(height, width))
    if (channels, height) == (COLOURS, width):
        return images
    return np.ascontiguousarray(images[:, [channel % COLOURS for channel in range(channels)], :height, :width])
