"""Mutations of valid files: of their text, of the values of their JSON, and of their bytes."""

import copy
import json
import random
from typing import Any

_PIECES = [
    *("1e999", "-1", "nan", "1_0", "1.5", "3e4294967296", "1e2147483648", "9" * 400, "0x10"),
    *('"', ",", ";", "\t", "\n", "\r", " ", "[", "}", "null", "true", "NaN", "\0", "\ufeff"),
    *("\x85", "\u2028", "\u0663", "../", "a" * 5000),
]
_VALUES: list[Any] = [
    *(None, True, 0, -1, 1.5, 2**64, 10**400, 1e308, float("nan"), float("inf")),
    *("", "a", "\0", "1", "http://[", [], {}, [[]], [None] * 3, {"a": 1}),
]
_LENGTHS = (0, 0, 1, 3, 20)


def mutated_text(text: str, rng: random.Random) -> str:
    """Returns a text with one to four places replaced, doubled or removed."""
    for _ in range(rng.randint(1, 4)):
        start = rng.randrange(len(text) + 1)
        end = min(len(text), start + rng.choice(_LENGTHS))
        piece = rng.choice([*_PIECES, text[start:end] * 2, ""])
        text = text[:start] + piece + text[end:]
    return text


def mutated_json(text: str, rng: random.Random) -> str:
    """Returns JSON with one to three of its values or keys replaced, added or removed."""
    content = json.loads(text)
    for _ in range(rng.randint(1, 3)):
        inside = _containers(content)
        if not inside:
            break
        container = rng.choice(inside)
        value = copy.deepcopy(rng.choice(_VALUES))
        if isinstance(container, list):
            place = rng.randrange(len(container))
            change = rng.choice(["replace", "add", "remove"])
            container[place : place + (change != "add")] = [] if change == "remove" else [value]
        else:
            key = rng.choice(sorted(container))
            kept = container.pop(key)
            if rng.random() < 0.7:
                container[key] = value
            elif rng.random() < 0.5:
                container[f"{key}2"] = kept
    return json.dumps(content)


def mutated_bytes(content: bytes, rng: random.Random) -> bytes:
    """Returns bytes with one to eight places overwritten, removed or doubled."""
    changed = bytearray(content)
    for _ in range(rng.randint(1, 8)):
        start = rng.randrange(len(changed) + 1)
        end = min(len(changed), start + rng.choice([1, 1, 2, 4, 8, 8, 64]))
        size = end - start
        other = rng.randrange(max(1, len(changed) - size))
        changed[start:end] = rng.choice(
            [
                rng.randbytes(size),
                b"\xff" * size,
                bytes(size),
                changed[other : other + size],
                *([b"", changed[start:end] * 2] if rng.random() < 0.1 else []),
            ]
        )
    return bytes(changed)


def _containers(content: Any) -> list[Any]:
    """Returns all lists and objects within a JSON value that are not empty."""
    if not isinstance(content, list | dict):
        return []
    values = content.values() if isinstance(content, dict) else content
    return [content] * bool(content) + [found for value in values for found in _containers(value)]
