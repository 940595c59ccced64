"""Sums and agreements over the workers of a training on several machines.

Every worker is a process with a model of its own. TensorFlow's `MultiWorkerMirroredStrategy` is
used for its connections and its collective operations on plain tensors alone: variables, layers and
optimizers stay outside of its scope. In the scope Keras 3 cannot train on several workers
(keras#20585); outside of it both versions of Keras run the same code.

Two rules keep the workers identical: all start from the variables of the first worker, the chief,
and every step applies gradients that were summed over all of them.

A process is one worker, as TF_CONFIG says; `training.several_workers` makes it one.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import tensorflow as tf

from nima_pretrain.data.share import Share

# Bytes of the type in which images are sent: the operations know no uint8.
_SENT_BYTES = 4


class Workers:
    """The workers of a training, of which this process is one.

    Args:
        index: number of this worker, from 0; worker 0 is the chief.
        strategy: connects the workers; None if there is only one.

    Attributes:
        index: see above.
        count: number of workers.
    """

    def __init__(
        self, index: int = 0, strategy: tf.distribute.MultiWorkerMirroredStrategy | None = None
    ) -> None:
        self.index = index
        self.count = strategy.num_replicas_in_sync if strategy else 1
        self._strategy = strategy
        self._sum_now = tf.function(self.sum, autograph=False)

    @property
    def share(self) -> Share:
        """The part of every batch that this worker loads."""
        return Share(self.index, self.count)

    def sum(self, tensors: Any) -> Any:
        """Returns the sums of tensors over all workers, in the structure that was given.

        Args:
            tensors: tensors of the same shapes on all workers.
        """
        return self._together(
            tensors,
            lambda context, values: context.all_reduce(tf.distribute.ReduceOp.SUM, values),
        )

    def gather(self, shares: Any) -> Any:
        """Returns the whole batch from the shares of all workers; to be called in a `tf.function`.

        Args:
            shares: a structure of tensors (n, ...) uint8, int32 or float32; n may differ between
                workers, the other sizes may not.
        """
        if self.count == 1:
            return shares
        return tf.nest.map_structure(self._gather, shares)

    def of_chief(self, arrays: Sequence[Any]) -> list[np.ndarray]:
        """Returns the chief's values of arrays or scalars, to be called outside of a graph.

        Args:
            arrays: of the same shapes on all workers, with elements that TensorFlow can add.
        """
        own = [np.asarray(array) for array in arrays]
        if self.count == 1 or not own:
            return own
        counted = own if self.index == 0 else [np.zeros_like(array) for array in own]
        return [tensor.numpy() for tensor in self._sum_now(list(map(tf.constant, counted)))]

    def any(self, flag: bool) -> bool:
        """Returns True on all workers if one of them says so; waits for all of them."""
        if self.count == 1:
            return flag
        return bool(self._sum_now([tf.constant(float(flag))])[0] > 0)

    def _gather(self, share: tf.Tensor) -> tf.Tensor:
        if share.dtype != tf.uint8:
            return self._together(share, lambda context, value: context.all_gather(value, 0))
        rows, shape = tf.shape(share)[0], tf.shape(share)[1:]
        size = tf.reduce_prod(shape)
        padding = -size % _SENT_BYTES
        padded = tf.pad(tf.reshape(share, (rows, size)), [[0, 0], [0, padding]])
        in_fours = tf.reshape(padded, (rows, (size + padding) // _SENT_BYTES, _SENT_BYTES))
        whole = tf.bitcast(self._gather(tf.bitcast(in_fours, tf.int32)), tf.uint8)
        flat = tf.reshape(whole, (tf.shape(whole)[0], size + padding))[:, :size]
        images = tf.reshape(flat, tf.concat([[-1], shape], axis=0))
        return tf.ensure_shape(images, [None, *share.shape[1:]])

    def _together(self, values: Any, operation: Callable[[Any, Any], Any]) -> Any:
        """Returns the result of a collective operation, which all workers have to call."""
        if self._strategy is None:
            return values

        def of_this_worker(values: Any) -> Any:
            # The operation takes its device from that of its values, which had none so far.
            values = tf.nest.map_structure(tf.identity, values)
            return operation(tf.distribute.get_replica_context(), values)

        return self._strategy.run(of_this_worker, args=(values,))


ALONE = Workers()
_of_this_process = [ALONE]


def workers() -> Workers:
    """Returns the workers of this process; `ALONE` unless it has joined others."""
    return _of_this_process[-1]


@contextmanager
def working_with(joined: Workers) -> Iterator[None]:
    """Makes this process one of several workers within a context."""
    _of_this_process.append(joined)
    try:
        yield
    finally:
        _of_this_process.pop()
