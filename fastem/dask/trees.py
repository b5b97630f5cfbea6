"""Sums of what tasks return, on the workers: as a tree, in a fixed order."""

from collections.abc import Callable, Sequence
from typing import Any

# So many results are added by one task.
_FAN = 8

Add = Callable[[list[Any]], Any]


def summed(
    tasks: Sequence[Any],
    add: Add,
    submit: Callable[[Add, list[Sequence[Any]]], Sequence[Any]],
) -> Any:
    """The last task of a tree that adds what ``tasks`` return.

    The tree depends on their number alone, so that a sum is the same to the last bit
    wherever they run.

    Parameters
    ----------
    tasks : sequence, not empty
        Futures or Delayed.
    add : callable
        The sum of the results in a list.
    submit : callable
        Makes the tasks that call ``add`` on each of some lists.
    """
    level = tasks
    while len(level) > 1:
        level = submit(add, [level[i : i + _FAN] for i in range(0, len(level), _FAN)])
    return level[0]
