"""The table of aggregations against PyTorch, with zeros, ties and NaN."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from edgewise import aggregations
from oracles import AGGREGATIONS, assert_close


def segments(counts):
    return np.cumsum(counts) - counts


@pytest.mark.parametrize("name", aggregations.NAMES)
@given(counts=st.lists(st.integers(1, 6), min_size=1, max_size=6), seed=st.integers(0, 10**6), zeros=st.booleans())
def test_value_and_slope_equal_pytorch(name, counts, seed, zeros):
    rng = np.random.default_rng(seed)
    terms = rng.normal(size=(sum(counts), 3))
    if zeros and name in ("sum", "product", "mean"):
        terms[rng.random(terms.shape) < 0.4] = 0
    start = segments(counts)
    row = aggregations.get(name)
    value = row.value(terms, start)
    slope = np.broadcast_to(row.slope(terms, start), terms.shape)
    for k, (first, count) in enumerate(zip(start, counts, strict=True)):
        part = torch.tensor(terms[first : first + count], requires_grad=True)
        theirs = AGGREGATIONS[name](part)
        (gradient,) = torch.autograd.grad(theirs.sum(), part)
        assert_close(value[k], theirs.detach().numpy())
        assert_close(slope[first : first + count], gradient.numpy())


@pytest.mark.parametrize(
    ("terms", "value", "slope"),
    [
        ([0.0, 2.0, 3.0], 0.0, [6, 0, 0]),
        ([0.0, 2.0, 0.0], 0.0, [0, 0, 0]),
        ([2.0, 0.0], 0.0, [0, 2]),
        ([5.0], 5.0, [1]),
        ([1e-200, 1e-200, 3.0], 0.0, [3e-200, 3e-200, 0.0]),
    ],
)
def test_products_with_zeros_and_underflow(terms, value, slope):
    row = aggregations.get("product")
    terms = np.array(terms)[:, None]
    assert row.value(terms, np.array([0])).tolist() == [[value]]
    assert_close(row.slope(terms, np.array([0]))[:, 0], slope, 1e-15)


@pytest.mark.parametrize(("name", "taken"), [("max", 1), ("min", 0), ("maxabs", 1)])
def test_the_first_of_equal_terms_takes_all(name, taken):
    terms = np.array([[-2.0], [3.0], [3.0], [-2.0]])
    slope = aggregations.get(name).slope(terms, np.array([0]))
    assert np.flatnonzero(slope[:, 0]).tolist() == [taken]


@pytest.mark.parametrize("name", aggregations.NAMES)
def test_nan_stays_nan(name):
    terms = np.array([[1.0], [np.nan], [2.0], [4.0]])
    value = aggregations.get(name).value(terms, np.array([0, 3]))
    assert np.isnan(value[:, 0]).tolist() == [True, False]
