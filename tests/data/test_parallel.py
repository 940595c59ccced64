"""Work done ahead, in order."""

from concurrent.futures import ThreadPoolExecutor
from itertools import count, islice

import pytest

from nima_pretrain.data.parallel import ordered_map


def test_results_come_in_order_from_endless_items_with_few_under_way():
    taken = []

    def items():
        for number in count():
            taken.append(number)
            yield number

    with ThreadPoolExecutor(4) as executor:
        results = ordered_map(executor, lambda number: number**2, items(), ahead=3)
        assert list(islice(results, 10)) == [number**2 for number in range(10)]
    assert len(taken) <= 13


def test_an_error_arrives_in_its_place():
    def fail_at_two(number):
        if number == 2:
            raise ValueError("two")
        return number

    with ThreadPoolExecutor(2) as executor:
        results = ordered_map(executor, fail_at_two, range(5), ahead=2)
        assert [next(results), next(results)] == [0, 1]
        with pytest.raises(ValueError, match="two"):
            next(results)
