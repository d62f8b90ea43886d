"""Slots of vector spaces have the last columns of all features: those behind the last slot in use cost nothing."""

from __future__ import annotations

from stream_rec.kernels.compile import kernel_inner

PER_SPACE = 3
"""Features of each space."""


@kernel_inner
def n_columns(state, query):
    """Features that can say anything; 0 < n <= D."""
    dimensions = state.spaces.dimensions
    free = dimensions.shape[0]
    for s in range(dimensions.shape[0]):
        if dimensions[s] > 0:
            free = dimensions.shape[0] - 1 - s
    return query.features.shape[0] - PER_SPACE * free


@kernel_inner
def n_sources(query):
    """Sources that can say anything: as `Engine.sources` but for free slots behind those in use."""
    free = (query.features.shape[0] - query.n_columns[0]) // PER_SPACE
    return query.source_contributions.shape[0] - free
