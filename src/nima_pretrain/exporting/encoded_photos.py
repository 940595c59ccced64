"""Decoding and fitting of JPEG and PNG files inside a TensorFlow graph, as `data.photos` does it.

It lets a server without Python take files. Scores agree with those of `predict` to 0.01 points for
the files that `LIMITS` describes.
"""

from collections.abc import Callable
from functools import partial

import tensorflow as tf

from nima_pretrain.config import NetworkConfig
from nima_pretrain.data.photos import REDUCED_TO
from nima_pretrain.distortions.geometry import LONGEST_DETOUR

LIMITS = (
    "JPEG and PNG only; any other file is an error of the whole batch",
    "the EXIF orientation is ignored: turn photos upright before they are sent",
    "colour profiles are ignored: convert photos to sRGB before they are sent",
)

# Photos are decoded at 1 / 1, 1 / 2, 1 / 4 or 1 / 8 of their size, as libjpeg can.
_LARGEST_REDUCTION = 3  # as a power of two


def fitted_photos(files: tf.Tensor, network: NetworkConfig) -> tf.Tensor:
    """Returns the input of a network, (B, S, S, 3) uint8 RGB, from the content of files.

    Args:
        files: content of JPEG and PNG files, (B,) string.
        network: size and fit of its input.
    """
    size = network.input_size
    fitted = tf.TensorSpec((size, size, 3), tf.uint8)
    return tf.map_fn(partial(_fitted, network=network), files, fn_output_signature=fitted)


def _fitted(content: tf.Tensor, network: NetworkConfig) -> tf.Tensor:
    size = network.input_size
    smallest = size * REDUCED_TO
    photo, box = tf.cond(
        tf.io.is_jpeg(content),
        lambda: _jpeg(content, smallest),
        lambda: _png(content, smallest),
    )
    short, long = tf.reduce_min(box), tf.reduce_max(box)
    if network.fit == "squash":
        direct = tf.fill([2], size)
    else:
        direct = tf.maximum(1, tf.cast(tf.round(box * (size / long)), tf.int32))
    by_short_side = tf.cast(size * box / short, tf.int32)
    photo = _resized(photo, box, tf.where(long <= LONGEST_DETOUR * short, by_short_side, direct))
    if network.fit == "letterbox":
        height, width = tf.shape(photo)[0], tf.shape(photo)[1]
        side = tf.maximum(height, width)
        photo = tf.image.pad_to_bounding_box(
            photo, (side - height) // 2, (side - width) // 2, side, side
        )
    square = _resized(photo, tf.cast(tf.shape(photo)[:2], tf.float64), tf.fill([2], size))
    return tf.ensure_shape(tf.cast(square, tf.uint8), (size, size, 3))


def _jpeg(content: tf.Tensor, smallest: int) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns a photo (H, W, 3) float32, decoded at a smaller scale if large, and its size.

    The size (2,) float64 is a fraction where the photo ends within a pixel.
    """
    size = tf.image.extract_jpeg_shape(content)[:2]

    def decode(ratio: int) -> tf.Tensor:
        # The method of libjpeg's own default, and of Pillow; TensorFlow's is faster and less exact.
        photo = tf.io.decode_jpeg(content, 3, ratio, dct_method="INTEGER_ACCURATE")
        return tf.cast(photo, tf.float32)

    return _reduced(size, smallest, decode)


def _png(content: tf.Tensor, smallest: int) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns the same of a PNG file, transparent parts on white."""
    photo = tf.cast(tf.io.decode_png(content, 4), tf.float32)
    opacity = photo[..., 3:] / 255
    photo = _rounded(photo[..., :3] * opacity + 255 * (1 - opacity))

    def reduce(ratio: int) -> tf.Tensor:
        # Squares at the right and at the bottom end with the photo.
        missing = -tf.shape(photo)[:2] % ratio
        padding = [[0, 0], [0, missing[0]], [0, missing[1]], [0, 0]]
        sums, shares = (
            tf.nn.avg_pool2d(tf.pad(values[None], padding), ratio, ratio, "VALID")[0]
            for values in (photo, tf.ones_like(photo[..., :1]))
        )
        return _rounded(sums / shares)

    return _reduced(tf.shape(photo)[:2], smallest, reduce)


def _reduced(
    size: tf.Tensor, smallest: int, at: Callable[[int], tf.Tensor]
) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns a photo whose sides are at least `smallest`, if they were, and its exact size.

    Args:
        size: height and width of the photo, (2,) int32.
        smallest: see `data.photos.read_photo`.
        at: the photo, divided by a ratio.
    """
    times = tf.cast(tf.maximum(1, tf.reduce_min(size) // smallest), tf.float32)
    power = tf.minimum(_LARGEST_REDUCTION, tf.cast(tf.math.log(times) / tf.math.log(2.0), tf.int32))
    branches = [partial(at, 2**power) for power in range(_LARGEST_REDUCTION + 1)]
    photo = tf.switch_case(power, branches)
    return photo, tf.cast(size, tf.float64) / tf.cast(2**power, tf.float64)


def _resized(photo: tf.Tensor, box: tf.Tensor, size: tf.Tensor) -> tf.Tensor:
    """Returns the first `box` pixels of a photo in another size, bilinear with antialiasing.

    Args:
        photo: (H, W, 3) float32 or uint8.
        box: height and width of the part to use, (2,) float64.
        size: height and width of the result, (2,) int32.

    Returns:
        (height, width, 3) float32 of whole numbers.
    """
    scale = tf.cast(tf.cast(size, tf.float64) / box, tf.float32)
    across = tf.stack([tf.shape(photo)[0], size[1]])
    # As Pillow does it: columns first, then rows, and whole numbers in between.
    photo = _scaled(photo, across, tf.stack([1.0, scale[1]]))
    return _scaled(photo, size, tf.stack([scale[0], 1.0]))


def _scaled(photo: tf.Tensor, size: tf.Tensor, scale: tf.Tensor) -> tf.Tensor:
    # `tf.image.resize` calls the same operation, but only for whole images.
    scaled = tf.raw_ops.ScaleAndTranslate(
        images=photo[None],
        size=size,
        scale=scale,
        translation=tf.zeros([2]),
        kernel_type="triangle",
        antialias=True,
    )
    return _rounded(scaled[0])


def _rounded(values: tf.Tensor) -> tf.Tensor:
    return tf.floor(values + 0.5)  # halves upwards, as Pillow does; TensorFlow rounds to even
