"""without_lines: what C++ prints is filtered, and the process keeps its stderr."""

import os
import threading

from nima_pretrain.weights.native_stderr import without_lines


def test_lines_with_the_noise_are_left_out_and_others_are_kept(capfd):
    with without_lines(b"noise"):
        os.write(2, b"some noise\nan error\n")
    os.write(2, b"afterwards\n")
    assert capfd.readouterr().err == "an error\nafterwards\n"


def test_threads_that_filter_at_once_leave_stderr_as_it_was(capfd):
    before = os.fstat(2)
    first_is_in, second_is_in = threading.Event(), threading.Event()

    def first():
        with without_lines(b"noise"):
            first_is_in.set()
            second_is_in.wait(0.5)  # in vain where only one thread may hold stderr

    def second():
        first_is_in.wait()
        with without_lines(b"noise"):
            second_is_in.set()
            threads[0].join(0.5)

    threads = [threading.Thread(target=work) for work in (first, second)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert os.path.samestat(os.fstat(2), before)
    os.write(2, b"afterwards\n")
    assert capfd.readouterr().err == "afterwards\n"
