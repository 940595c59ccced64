"""Shards: a division of photos among machines that need not know of each other."""

import os
import re
from dataclasses import dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Self

from nima_pretrain.errors import InputError


@dataclass(frozen=True)
class Shard:
    """One of `count` shards of photos, each of which is in exactly one of them.

    The shard of a photo depends on its name alone. So it is the same on every machine, and photos
    that come or go do not move others.

    Attributes:
        number: 1 to count.
        count: the number of shards.
    """

    number: int
    count: int

    @classmethod
    def parse(cls, text: str) -> Self:
        """Returns the shard of a text such as "3/8".

        Raises:
            InputError: the text is something else.
        """
        match = re.fullmatch(r"([0-9]{1,9})/([0-9]{1,9})", text)
        number, count = map(int, match.groups()) if match else (0, 0)
        if not 1 <= number <= count:
            raise InputError(
                f"Expected --shard K/N with K from 1 to N, e.g. 3/8 for the third of eight "
                f"machines, received {text!r}."
            )
        return cls(number, count)

    def has(self, name: Path) -> bool:
        """Returns whether a photo belongs to the shard.

        Args:
            name: the path of the photo, relative to the folder that was searched.
        """
        digest = blake2b(os.fsencode(name.as_posix()), digest_size=8).digest()
        return int.from_bytes(digest, "big") % self.count == self.number - 1
