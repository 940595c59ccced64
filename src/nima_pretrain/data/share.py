"""The share of a batch that one of several workers loads."""

from typing import NamedTuple


class Share(NamedTuple):
    """A part of every batch: the shares of all workers, in their order, are the batch.

    Attributes:
        worker: 0 to workers - 1.
        workers: number of workers.
    """

    worker: int = 0
    workers: int = 1

    def of(self, size: int) -> slice:
        """Returns the share of a batch; it may be empty if the batch is smaller than usual.

        Args:
            size: number of photos of the whole batch.
        """
        return slice(size * self.worker // self.workers, size * (self.worker + 1) // self.workers)


WHOLE = Share()
