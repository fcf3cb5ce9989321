"""The nearest of many vectors, in blocks, so that memory is bounded."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from tinyres.sources.likeness import Floats

Rows = NDArray[np.intp]

TILE, WIDE = 512, 4096  # queries, and vectors, that are multiplied at a time
MANY = 1_000_000  # pairs among which the nearest are sought before there are more


def unit(vectors: Floats) -> Floats:
    """Return vectors (N×D) of length 1; zeros stay zeros."""
    return vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-6)


def nearest_pairs(queries: Floats, vectors: Floats, within: bool, count: int, least: float) -> Rows:
    """Return the pairs of rows (M×2) of each query and its nearest vectors; within a split the smaller row first.

    Within a split each product is computed once and counts for both rows. Memory is bounded: when many pairs are alike,
    those that others have already outdone are dropped on the way, and less alike ones are not taken any more.

    Args:
        queries: Unit vectors (N×D).
        vectors: Those among which the nearest are sought (M×D); the same ones within a split.
        within: Whether both are the same.
        count: The number of nearest vectors for each query.
        least: The product of two vectors from which on they are alike.
    """
    pairs, products = np.empty((0, 2), np.intp), np.empty(0, np.float32)
    floors = np.full(len(queries), least, np.float32)  # what a pair needs to be among a row's nearest
    for rows, others in _blocks(len(queries), len(vectors), within):
        block = queries[rows] @ vectors[others].T
        needed = np.minimum(floors[rows, None], floors[others]) if within else floors[rows, None]
        here, there = np.divmod(np.flatnonzero(block > needed), block.shape[1])
        found = np.stack([here + rows.start, there + others.start], axis=1)
        new = found[:, 0] < found[:, 1] if within else np.ones(len(found), bool)
        pairs = np.concatenate([pairs, found[new]])
        products = np.concatenate([products, block[here[new], there[new]]])
        if len(pairs) > MANY:
            pairs, products = _best(pairs, products, within, count, floors)
    return _best(pairs, products, within, count, floors)[0]


def _blocks(queries: int, vectors: int, within: bool) -> Iterator[tuple[slice, slice]]:
    """Return the blocks of all pairs; within a split, those that hold pairs with the smaller row first."""
    for start in range(0, queries, TILE):
        for other in range(start // WIDE * WIDE if within else 0, vectors, WIDE):
            yield slice(start, start + TILE), slice(other, other + WIDE)


def _best(pairs: Rows, products: Floats, within: bool, count: int, floors: Floats) -> tuple[Rows, Floats]:
    """Return the pairs that are among the nearest of their query, or of either row; raise the floors of full rows."""
    rows = pairs.T.ravel() if within else pairs[:, 0]
    closeness = np.tile(products, 2) if within else products
    order = np.lexsort((-closeness, rows))
    ordered = rows[order]
    ranks = np.empty_like(order)
    ranks[order] = np.arange(len(order)) - np.searchsorted(ordered, ordered)
    last = ranks == count - 1
    floors[rows[last]] = closeness[last]
    kept = (ranks < count).reshape(2 if within else 1, -1).any(axis=0)
    return pairs[kept], products[kept]
