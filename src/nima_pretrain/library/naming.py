"""The choice of sidecars, apart from `sidecar_names`: the command line needs no more of it."""

from enum import StrEnum


class Naming(StrEnum):
    """The sidecars to write."""

    FULL = "full"
    STEM = "stem"
    BOTH = "both"
