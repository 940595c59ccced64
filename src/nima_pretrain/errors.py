"""What a user can put right: one class, one way to say it."""


class InputError(Exception):
    """Something that came in from outside is not what it should be.

    The message says what was expected, what was received, and what to do. The command line prints
    it on stderr and ends with exit code 2.
    """
