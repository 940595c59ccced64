"""The cost of one exact pretext step: memory, speed, waiting, beside a plain pass.

    python benchmarks/pretext_step.py                                # 8 photos, 224 px, width 1.0
    python benchmarks/pretext_step.py --size 128 --width 0.35

The plain pass is forward and backward over the same images in the same chunks, without heads and
losses, in the same run: the step computes features twice, so 1.33 times that is its floor.
"""

import resource
import time
from typing import Annotated

import numpy as np
import typer

from nima_pretrain.cli.startup import import_tensorflow
from nima_pretrain.config import PretrainConfig
from nima_pretrain.data.samples import embedded_photos
from nima_pretrain.data.view_batches import ViewBatches
from nima_pretrain.distortions import get_bank


def peak_gigabytes() -> float:
    """Returns the largest resident memory of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20


def main(
    size: Annotated[int, typer.Option(help="Side of the input, pixels.")] = 224,
    width: Annotated[float, typer.Option(help="MobileNetV2's alpha.")] = 1.0,
    photos: Annotated[int, typer.Option(help="Photos in a batch.")] = 8,
    chunk_size: Annotated[int, typer.Option(help="Images on a tape.")] = 12,
    steps: Annotated[int, typer.Option(help="Steps that are timed.")] = 1,
) -> None:
    """Prints peak memory, images per second, waiting, and the ratio to a plain pass."""
    import_tensorflow()
    import tensorflow as tf

    from nima_pretrain.networks import build_backbone, build_pretext_model
    from nima_pretrain.pretext.chunks import backpropagate_in_chunks, shuffled_chunks
    from nima_pretrain.pretext.methods import method_of
    from nima_pretrain.training.feed import Feed

    bank = get_bank("paper")
    paths = (embedded_photos() * photos)[:photos]
    names = tuple(str(path.relative_to("/")) for path in paths)
    batches = ViewBatches(paths[0].parents[-1], names, bank, size, "letterbox", photos, seed=0)
    signature = tf.TensorSpec((None, bank.num_views, size, size, 3), tf.uint8)
    model = build_pretext_model(
        build_backbone(input_size=size, width=width), bank, chunk_size=chunk_size
    )
    model.compile(method_of(PretrainConfig()).optimizer())
    with Feed(batches, 1, signature) as feed:
        # The first step traces, and waits for the first batch.
        model.fit(feed.dataset, steps_per_epoch=1, verbose=0)
        waited, start = feed.waited_seconds, time.perf_counter()
        model.fit(feed.dataset, steps_per_epoch=steps, verbose=0)
        seconds = (time.perf_counter() - start) / steps
        waiting = (feed.waited_seconds - waited) / steps / seconds
    peak = peak_gigabytes()

    rng = np.random.default_rng(0)
    images = tf.constant(rng.integers(0, 256, (photos * bank.num_views, size, size, 3), np.uint8))
    chunks = shuffled_chunks(tf.shape(images)[0], chunk_size, tf.constant([0, 0]))
    gradients = tf.ones((len(images), model.backbone.output_shape[-1]))

    @tf.function
    def plain_pass(num_images: tf.Tensor) -> tf.Tensor:
        few = shuffled_chunks(num_images, chunk_size, tf.constant([0, 0]))
        pulled = backpropagate_in_chunks(model.backbone, images, few, gradients)
        return tf.add_n([tf.reduce_sum(part) for part in pulled])

    plain_pass(tf.constant(2 * chunk_size))  # traces and warms up
    start = time.perf_counter()
    float(plain_pass(tf.constant(len(images))))
    plain = time.perf_counter() - start
    print(
        f"{photos} photos, {len(images)} images of {size} px, width {width:g}, "
        f"{int(chunks.count)} chunks of at most {chunk_size}\n"
        f"peak memory of the training process {peak:.2f} GB\n"
        f"exact step {seconds:.1f} s, {len(images) / seconds:.1f} images/s, waiting {waiting:.1%}\n"
        f"plain pass {plain:.1f} s, {len(images) / plain:.1f} images/s\n"
        f"ratio {seconds / plain:.2f}"
    )


if __name__ == "__main__":
    typer.run(main)
