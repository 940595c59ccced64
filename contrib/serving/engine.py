"""The scorer behind the server: one queue of photos for all requests, one thread a core."""

import asyncio
import os
import tempfile
import threading
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, NamedTuple

from ai_edge_litert.interpreter import Interpreter

from nima_pretrain.data.photos import read_photo
from nima_pretrain.errors import InputError, PhotoError
from nima_pretrain.exporting.signature import read_signature


class Prediction(NamedTuple):
    """A photo's score: shares of the scores, lowest first, and the mean in points."""

    distribution: list[float]
    mean: float


class NoPhotoError(Exception):
    """A photo of a request cannot be decoded; the message names it."""


class BusyError(Exception):
    """The queue is full."""


class PhotoEngine:
    """Scores photos of many requests by a LiteRT export.

    Every thread decodes and scores one photo at a time, as `predict` does, so that no photo waits
    for others to fill a batch.

    Attributes:
        signature: the signature of the export.
        num_waiting: photos that are queued or in work.
    """

    def __init__(self, export: Path, *, max_queue: int, max_pixels: int) -> None:
        """Loads an export.

        Args:
            export: the folder, of `nima-pretrain export --to litert`.
            max_queue: photos that may be queued or in work.
            max_pixels: a photo whose header states more pixels is not decoded.

        Raises:
            InputError: the folder is no export, or one of another format.
        """
        self.signature = read_signature(export)
        if self.signature.format != "litert":
            raise InputError(
                f"Expected an export to litert in {export}, received one to "
                f"{self.signature.format}: nima-pretrain export --to litert DIR."
            )
        self.num_waiting = 0
        self._max_queue = max_queue
        self._max_pixels = max_pixels
        self._model = (export / self.signature.file).read_bytes()
        self._of_thread = threading.local()
        self._executor = ThreadPoolExecutor(os.cpu_count())

    async def predict(self, files: Sequence[bytes], timeout: float) -> list[Prediction]:
        """Returns the predictions of a request's photos, in their order.

        Args:
            files: content of the files.
            timeout: seconds; photos that were not begun by then are taken from the queue.

        Raises:
            BusyError: the queue has no room for them.
            NoPhotoError: one of them cannot be decoded.
            TimeoutError: they were not scored in time.
        """
        if self.num_waiting + len(files) > self._max_queue:
            raise BusyError
        loop = asyncio.get_running_loop()
        futures = []
        for number, content in enumerate(files):
            self.num_waiting += 1
            future = self._executor.submit(self.score, content, f"instance {number}")
            future.add_done_callback(lambda _: loop.call_soon_threadsafe(self._leave))
            futures.append(future)
        try:
            async with asyncio.timeout(timeout):
                return list(await asyncio.gather(*map(asyncio.wrap_future, futures)))
        finally:
            for future in futures:
                future.cancel()

    def score(self, content: bytes, name: str = "the file") -> Prediction:
        """Returns the prediction of one photo.

        Raises:
            NoPhotoError: it cannot be decoded.
        """
        network = self.signature.network
        with tempfile.NamedTemporaryFile() as file:
            file.write(content)
            file.flush()
            try:
                photo = read_photo(Path(file.name), network.input_size, self._max_pixels)
            except PhotoError as error:
                raise NoPhotoError(f"{name}: {error.reason}") from None
        pixels = photo.fitted(network.input_size, network.fit)
        outputs = self._runner()(**{self.signature.input.name: pixels[None]})
        distribution, mean = (outputs[output.name][0] for output in self.signature.outputs)
        return Prediction(distribution.tolist(), float(mean))

    def close(self) -> None:
        """Ends the threads after the photos that are in work."""
        self._executor.shutdown(cancel_futures=True)

    def _runner(self) -> Any:
        """Returns the function of the model that belongs to this thread."""
        if not hasattr(self._of_thread, "runner"):
            interpreter = Interpreter(model_content=self._model, num_threads=1)
            self._of_thread.runner = interpreter.get_signature_runner()
        return self._of_thread.runner

    def _leave(self) -> None:
        self.num_waiting -= 1
