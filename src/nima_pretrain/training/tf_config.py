"""TF_CONFIG: the environment variable that makes processes workers of one training.

Kubernetes operators, Ray Train and others set it, see `docs/several_machines.md`.
"""

import json
from collections.abc import Mapping
from typing import Any, NamedTuple

from nima_pretrain.errors import InputError, shortened

TF_CONFIG = "TF_CONFIG"

# In the order in which TensorFlow counts the workers; the first one of all is the chief.
_JOBS = ("chief", "worker")
_EXAMPLE = (
    '{"cluster": {"worker": ["first:2222", "second:2222"]}, "task": {"type": "worker", "index": 0}}'
)


class Member(NamedTuple):
    """One worker of several.

    Attributes:
        number: 0 to the number of workers - 1; worker 0 is the chief.
        addresses: "host:port" of all workers.
    """

    number: int
    addresses: tuple[str, ...]


ONLY_MEMBER = Member(0, ("",))


def member_of(environment: Mapping[str, str]) -> Member:
    """Returns the worker that an environment describes; `ONLY_MEMBER` without TF_CONFIG.

    Raises:
        InputError: TF_CONFIG is set and does not describe a worker among others.
    """
    text = environment.get(TF_CONFIG, "")
    if not text.strip():
        return ONLY_MEMBER
    try:
        content = json.loads(text)
    except ValueError as error:
        raise _refusal(f"it is not JSON ({error})", text) from None
    cluster, task = (_object_in(content, name, text) for name in ("cluster", "task"))
    unknown = sorted(set(cluster) - set(_JOBS))
    if unknown:
        raise _refusal(
            f"its cluster has the job {unknown[0]!r}, and only workers and a chief train", text
        )
    jobs = {name: _addresses_in(cluster, name, text) for name in _JOBS if name in cluster}
    addresses = tuple(address for job in jobs.values() for address in job)
    if not addresses:
        raise _refusal("its cluster has no workers", text)
    if len(set(addresses)) < len(addresses):
        raise _refusal("two workers have the same address", text)
    kind, index = task.get("type"), task.get("index")
    if not isinstance(kind, str) or kind not in jobs:
        raise _refusal(f"its task is of type {kind!r}, which is not in its cluster", text)
    if type(index) is not int or not 0 <= index < len(jobs[kind]):
        raise _refusal(
            f"its task has the index {index!r}, but there are {len(jobs[kind])} of type {kind}, "
            "counted from 0",
            text,
        )
    return Member(addresses.index(jobs[kind][index]), addresses)


def _object_in(content: Any, name: str, text: str) -> dict[str, Any]:
    found = content.get(name) if isinstance(content, dict) else None
    if not isinstance(found, dict):
        raise _refusal(f"it has no object {name!r}", text)
    return found


def _addresses_in(cluster: dict[str, Any], name: str, text: str) -> list[str]:
    found = cluster[name]
    if not isinstance(found, list) or not all(
        isinstance(address, str) and address.rpartition(":")[0] and _is_port(address)
        for address in found
    ):
        raise _refusal(f"the addresses of {name} are not a list of host:port", text)
    return found


def _is_port(address: str) -> bool:
    port = address.rpartition(":")[2]
    return port.isascii() and port.isdecimal() and 0 < int(port) < 2**16


def _refusal(reason: str, text: str) -> InputError:
    return InputError(
        f"Expected {TF_CONFIG} such as {_EXAMPLE}, but {reason}. Received {shortened(text)}. "
        "Correct it, or unset it to train on one machine."
    )
