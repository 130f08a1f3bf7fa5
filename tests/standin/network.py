"""A network of BSHM's structure in Keras, trained for a moment on drawn portraits, so that its alpha means something.

Three stages, as in Liu et al., Boosting Semantic Human Matting with Coarse Annotations (CVPR 2020): a coarse matte is
predicted at one low resolution (mask prediction), brought to one quality (quality unification), and refined together
with the picture at its full resolution (matting refinement). Sizes and weights are our own: it costs what the real one
costs in kind, not in amount, and knows drawn people only.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import cv2
import keras
import numpy as np
import tensorflow as tf
from keras import layers

from bshm_watchd.bench.drawn import compose

STRIDE = 16
_LOW_SIDE = 192  # the first two stages see the whole picture squeezed into a square
_TRAINED_SIDE = 224
_BATCH = 6


@dataclass(frozen=True)
class Size:
    """`width` multiplies all numbers of channels: 1.0 costs about 0.4 s for 960 x 544 pixels on two cores."""

    width: float
    steps: int
    seed: int = 1

    def channels(self, count: int) -> int:
        return max(4, round(count * self.width))


@keras.saving.register_keras_serializable("bshm_watchd")
class Like(layers.Layer):  # type: ignore[misc]
    """Resizes the first tensor to height and width of the second, up to the next multiple of `stride`."""

    def __init__(self, stride: int = 1, **others: Any) -> None:
        super().__init__(**others)
        self._stride = stride

    def call(self, tensor: Any, like: Any) -> Any:
        size = (tf.shape(like)[1:3] + self._stride - 1) // self._stride * self._stride
        return tf.compat.v1.image.resize_bilinear(tensor, size)

    def compute_output_shape(self, tensor_shape: Any, like_shape: Any) -> Any:
        return (tensor_shape[0], None, None, tensor_shape[-1])


def matting(size: Size) -> Any:
    """A Keras model: 1 x height x width x 3 from 0 to 1, to alpha 1 x height x width x 1 from 0 to 1; any size."""
    picture = layers.Input((None, None, 3))
    low = layers.Resizing(_LOW_SIDE, _LOW_SIDE)(picture)
    coarse = _unet(size, (16, 32, 64, 96, 128), 2, 3, "softmax", "mask_prediction")(low)
    quality = _unet(size, (16, 32, 48), 1, 5, "sigmoid", "quality_unification")(layers.Concatenate()([low, coarse]))
    full = Like(stride=STRIDE)(picture, picture)
    seen = layers.Concatenate()([full, Like()(quality, full)])
    refined = _unet(size, (28, 56, 112), 1, 4, "sigmoid", "matting_refinement")(seen)
    return keras.Model(picture, Like()(refined, picture), name="bshm_stand_in")


def trained(size: Size) -> Any:
    """The network after `size.steps` steps of Adam on drawn portraits; the same size gives the same weights, nearly."""
    keras.utils.set_random_seed(size.seed)
    network = matting(size)
    network.compile(optimizer=keras.optimizers.Adam(3e-3), loss="binary_crossentropy")
    pictures, alphas = _drawn(48)
    random = np.random.default_rng(size.seed)
    for _ in range(size.steps):
        chosen = random.choice(len(pictures), _BATCH, replace=False)
        network.train_on_batch(pictures[chosen], alphas[chosen])
    return network


def _drawn(count: int) -> tuple[Any, Any]:
    """float32: count x side x side x 3 pictures and count x side x side x 1 alphas, 0 to 1."""
    drawn = [compose(seed, 2 * _TRAINED_SIDE, 2 * _TRAINED_SIDE) for seed in range(count)]
    return np.stack([_small(one.pixels) for one in drawn]), np.stack([_small(one.alpha)[..., None] for one in drawn])


def _small(picture: Any) -> Any:
    size = (_TRAINED_SIDE, _TRAINED_SIDE)
    return np.asarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.float32) / 255


def _unet(size: Size, channels: tuple[int, ...], last: int, first: int, activation: str, name: str) -> Any:
    start = layers.Input((None, None, first))
    tensor, ways = start, []
    for stage, count in enumerate(channels):
        tensor = _convolved(tensor, size.channels(count), strides=1 if stage == 0 else 2)
        ways.append(tensor)
    for count, way in zip(reversed(channels[:-1]), reversed(ways[:-1]), strict=True):
        joined = layers.Concatenate()([Like()(tensor, way), way])
        tensor = _convolved(joined, size.channels(count))
    return keras.Model(start, layers.Conv2D(last, 1, activation=activation)(tensor), name=name)


def _convolved(tensor: Any, channels: int, strides: int = 1) -> Any:
    convolved = layers.Conv2D(channels, 3, strides=strides, padding="same", use_bias=False)(tensor)
    return layers.ReLU()(layers.BatchNormalization(momentum=0.8)(convolved))
