"""Independent ways to have the same numbers: PyTorch autograd, node by node, and the one comparison all tests use."""

import numpy as np
import torch

torch.set_num_threads(1)

ACTIVATIONS = {
    "identity": lambda s: s,
    "sigmoid": torch.sigmoid,
    "tanh": torch.tanh,
    "relu": torch.relu,
    "hard_tanh": torch.nn.functional.hardtanh,
    "clamped": torch.nn.functional.hardtanh,
    "leaky_relu": torch.nn.functional.leaky_relu,
    "elu": torch.nn.functional.elu,
    "selu": torch.nn.functional.selu,
    "gelu": torch.nn.functional.gelu,
    "silu": torch.nn.functional.silu,
    "softplus": lambda s: torch.logaddexp(s, torch.zeros_like(s)),
    "softsign": torch.nn.functional.softsign,
    "exp": torch.exp,
    "log": torch.log,
    "sqrt": torch.sqrt,
    "square": torch.square,
    "cube": lambda s: s**3,
    "reciprocal": torch.reciprocal,
    "abs": torch.abs,
    "sin": torch.sin,
    "cos": torch.cos,
    "gaussian": lambda s: torch.exp(-(s**2)),
    "hat": lambda s: torch.relu(1 - torch.abs(s)),
    "neat_sin": lambda s: torch.sin(torch.clamp(5 * s, -60, 60)),
    "neat_softplus": lambda s: 0.2 * torch.log1p(torch.exp(torch.clamp(5 * s, -60, 60))),
    "neat_lelu": lambda s: torch.where(s > 0, s, 0.005 * s),
    "neat_inv": lambda s: torch.where(s == 0, 0, 1 / torch.where(s == 0, 1, s)),
    "neat_log": lambda s: torch.log(torch.clamp(s, min=1e-7)),
    "neat_exp": lambda s: torch.exp(torch.clamp(s, -60, 60)),
}


def _median(terms):
    ordered = terms.sort(dim=0).values
    return (ordered[(len(terms) - 1) // 2] + ordered[len(terms) // 2]) / 2


def _first_of(terms, key):
    return terms.gather(0, key.argmax(dim=0, keepdim=True))[0]


AGGREGATIONS = {
    "sum": lambda terms: terms.sum(dim=0),
    "product": lambda terms: terms.prod(dim=0),
    "mean": lambda terms: terms.mean(dim=0),
    "max": lambda terms: _first_of(terms, terms),
    "min": lambda terms: _first_of(terms, -terms),
    "maxabs": lambda terms: _first_of(terms, terms.abs()),
    "median": _median,
}


class TorchNetwork:
    """A Network evaluated in PyTorch, float64, one node after another, from nothing but its public description."""

    def __init__(self, net, x):
        self.x = torch.tensor(np.atleast_2d(x), dtype=torch.float64)
        # one leaf per edge, node and sample, so that autograd gives gradients per sample
        n_samples = len(self.x)
        self.weight = torch.tensor(net.weight, dtype=torch.float64)[:, None].repeat(1, n_samples).requires_grad_()
        self.bias = torch.tensor(net.bias, dtype=torch.float64)[:, None].repeat(1, n_samples).requires_grad_()
        self.response = torch.tensor(net.response, dtype=torch.float64)[:, None].repeat(1, n_samples).requires_grad_()
        self.value = [None] * net.n_nodes
        self.preactivation = [None] * net.n_nodes
        waiting = set(range(net.n_nodes))
        for k, j in enumerate(net.inputs.tolist()):
            self.value[j] = self.x[:, k].clone().requires_grad_()
            self.preactivation[j] = self.value[j]
            waiting.discard(j)
        in_edges = {j: np.flatnonzero(net.head == j) for j in waiting}
        while waiting:
            ready = [j for j in waiting if all(self.value[net.tail[e]] is not None for e in in_edges[j])]
            for j in ready:
                waiting.discard(j)
                s = self.bias[j]
                if len(in_edges[j]):
                    terms = torch.stack([self.weight[e] * self.value[net.tail[e]] for e in in_edges[j]])
                    s = s + self.response[j] * AGGREGATIONS[net.aggregations[j]](terms)
                self.preactivation[j] = s
                self.value[j] = ACTIVATIONS[net.activations[j]](s)
        self.net = net

    def gradient(self, target, of):
        """∂ Σ_b target_b / ∂ each of the tensors in `of`; zeros where there is no path."""
        found = torch.autograd.grad(target.sum(), of, retain_graph=True, allow_unused=True)
        return [torch.zeros_like(t) if g is None else g for g, t in zip(found, of, strict=True)]

    def quantities(self, target):
        """Everything for one target, a (B,) tensor; arrays are (B, ...), gradients of parameters per sample."""
        sensitivity = torch.stack(self.gradient(target, self.value), dim=1)
        linear = torch.stack(self.gradient(target, self.preactivation), dim=1)
        weight, bias, response = self.gradient(target, [self.weight, self.bias, self.response])
        return {
            "sensitivity": sensitivity.detach().numpy(),
            "linear_sensitivity": linear.detach().numpy(),
            "weight_gradient_per_sample": weight.T.detach().numpy(),
            "bias_gradient_per_sample": bias.T.detach().numpy(),
            "response_gradient_per_sample": response.T.detach().numpy(),
        }


def over_ties(tie, gradient):
    """(..., n) with each tied edge, or node, given the sum over its tie."""
    if tie is None:
        return gradient
    summed = np.zeros_like(gradient)
    for k in range(len(tie)):
        summed[..., k] = gradient[..., tie == tie[k]].sum(axis=-1)
    return summed


def assert_close(found, expected, tolerance=1e-12):
    """max|a − b| ≤ tolerance · max|b|, and the same shape."""
    found, expected = np.asarray(found), np.asarray(expected)
    assert found.shape == expected.shape, f"shape {found.shape}, expected {expected.shape}"
    if expected.size:
        error, scale = np.abs(found - expected).max(), np.abs(expected).max()
        assert error <= tolerance * scale, f"off by {error:.3g}, the largest is {scale:.3g}"
