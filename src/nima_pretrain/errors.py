"""The exception for errors that a user can correct."""


class InputError(Exception):
    """Invalid input: a file, option or config.

    The message states the expected and the received input, and the remedy. The command line prints
    it on stderr and ends with exit code 2.
    """
