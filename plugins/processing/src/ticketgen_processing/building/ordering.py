"""In which order to build, so that everything comes after what it needs."""

from __future__ import annotations

import heapq
from collections.abc import Sequence

__all__ = ["cut_cycles", "topological_order"]


def cut_cycles(edges: Sequence[Sequence[int]]) -> tuple[list[list[int]], list[tuple[int, int]]]:
    """The edges without cycles, and the ones left out for it; `edges[a]` holds what `a` needs.

    The rule: walk depth first, nodes in order, the needs of a node in their order, and cut an
    edge that leads back to a node the walk is still inside of. So the same input always loses
    the same edges, nothing outside a cycle is cut, and of two nodes that need each other the
    earlier one keeps its need. An edge of a node to itself is dropped unmentioned.
    """
    kept: list[list[int]] = [[] for _ in edges]
    cut: list[tuple[int, int]] = []
    entered, left = [False] * len(edges), [False] * len(edges)
    for root in range(len(edges)):
        if entered[root]:
            continue
        entered[root] = True
        path = [(root, iter(edges[root]))]
        while path:
            node, needs = path[-1]
            need = next(needs, None)
            if need is None:
                left[node] = True
                path.pop()
            elif need == node:
                continue
            elif entered[need] and not left[need]:
                cut.append((node, need))
            else:
                kept[node].append(need)
                if not entered[need]:
                    entered[need] = True
                    path.append((need, iter(edges[need])))
    return kept, cut


def topological_order(edges: Sequence[Sequence[int]]) -> list[int]:
    """Every node after what it needs, and otherwise in the order given; no cycles expected."""
    needed_by: list[list[int]] = [[] for _ in edges]
    waiting = [len(set(needs)) for needs in edges]
    for node, needs in enumerate(edges):
        for need in set(needs):
            needed_by[need].append(node)
    ready = [node for node, count in enumerate(waiting) if count == 0]
    heapq.heapify(ready)
    order: list[int] = []
    while ready:
        node = heapq.heappop(ready)
        order.append(node)
        for dependent in needed_by[node]:
            waiting[dependent] -= 1
            if waiting[dependent] == 0:
                heapq.heappush(ready, dependent)
    return order
