"""From batches in NumPy to what `fit` reads, with the time that training waits for them."""

import time
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import Any

import tensorflow as tf


class Feed:
    """Endless batches as a dataset; a context that ends their workers.

    Nothing is read ahead here: the batches are prepared ahead by workers of their own, and so the
    time spent in `next` is the time that training waits. For the same reason a second pass over
    the dataset goes on where the first one ended.

    Within the context, an error of the batches comes out as itself, not as TensorFlow's report.

    Attributes:
        dataset: for `fit`.
        steps: batches of an epoch.
        items: photos handed over so far.
        waited_seconds: how long training has waited so far.
    """

    def __init__(self, batches: Iterable[Any], steps: int, signature: Any) -> None:
        self.steps = steps
        self.items = 0
        self.waited_seconds = 0.0
        self._batches = iter(batches)
        self._error: Exception | None = None
        options = tf.data.Options()
        options.experimental_optimization.inject_prefetch = False
        # There is nothing to tune, and ending an iterator waits for the tuner to wake from a
        # sleep that doubles every time: many seconds in every epoch.
        options.autotune.enabled = False
        dataset = tf.data.Dataset.from_generator(self._timed, output_signature=signature)
        self.dataset = dataset.with_options(options)

    def __enter__(self) -> "Feed":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        close = getattr(self._batches, "close", None)
        if close:
            close()
        if isinstance(error, tf.errors.OpError) and self._error:
            raise self._error from None

    def _timed(self) -> Iterator[Any]:
        while True:
            start = time.perf_counter()
            try:
                batch = next(self._batches)
            except Exception as error:
                self._error = error
                raise
            finally:
                self.waited_seconds += time.perf_counter() - start
            self.items += len(batch[0]) if isinstance(batch, tuple) else len(batch)
            yield batch
            del batch  # or it would stay while the next one is made
