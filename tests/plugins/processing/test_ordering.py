"""Cutting cycles and sorting what is left."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from ticketgen_processing.building.ordering import cut_cycles, topological_order

graphs = st.integers(1, 12).flatmap(
    lambda size: st.lists(
        st.lists(st.integers(0, size - 1), max_size=6, unique=True), min_size=size, max_size=size
    )
)


def test_of_two_that_need_each_other_the_earlier_keeps_its_need() -> None:
    kept, cut = cut_cycles([[1], [0]])

    assert kept == [[1], []]
    assert cut == [(1, 0)]


def test_a_need_of_itself_is_dropped_unmentioned() -> None:
    assert cut_cycles([[0]]) == ([[]], [])


def test_nothing_is_cut_where_there_is_no_cycle() -> None:
    edges = [[1, 2], [3], [3], []]

    assert cut_cycles(edges) == (edges, [])


def test_a_chain_longer_than_any_recursion_limit_is_sorted() -> None:
    edges = [[index + 1] for index in range(20_000)] + [[]]

    kept, cut = cut_cycles(edges)

    assert not cut
    assert topological_order(kept) == list(range(20_000, -1, -1))


def test_what_is_free_keeps_its_order() -> None:
    assert topological_order([[], [3], [], []]) == [0, 2, 3, 1]


@settings(deadline=None)
@given(edges=graphs)
def test_every_graph_is_sorted_and_loses_only_edges_of_cycles(edges: list[list[int]]) -> None:
    kept, cut = cut_cycles(edges)

    order = topological_order(kept)
    places = {node: place for place, node in enumerate(order)}
    assert sorted(order) == list(range(len(edges)))
    assert all(places[need] < places[node] for node, needs in enumerate(kept) for need in needs)
    for node, needs in enumerate(edges):
        others = {need for need in needs if need != node}
        assert others == set(kept[node]) | {need for one, need in cut if one == node}
    for node, need in cut:
        assert node in reachable(kept, need)


def reachable(edges: list[list[int]], start: int) -> set[int]:
    seen, waiting = {start}, [start]
    while waiting:
        for need in edges[waiting.pop()]:
            if need not in seen:
                seen.add(need)
                waiting.append(need)
    return seen
