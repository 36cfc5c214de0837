"""sparsify_: sparse linear layers of PyTorch models, swapped in place where that is faster."""

import copy
import itertools

import pytest
import torch
from torch import nn
from torch.nn.utils import prune

import edgewise as ew
from edgewise.torch import SparseLayers, SparseLinear, sparsify, sparsify_  # the module and its function
from oracles import assert_close


@pytest.fixture
def always_faster(monkeypatch):
    """What is faster here is another test's subject."""
    monkeypatch.setattr(
        sparsify, "_measure", lambda dense, sparse, *rest: (2.0, 1.0 if type(sparse) is SparseLinear else 3.0)
    )


@pytest.fixture
def together_faster(monkeypatch):
    monkeypatch.setattr(sparsify, "_measure", lambda *rest: (2.0, 1.0))


def thin(linear, density, seed=0):
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        linear.weight *= torch.rand(linear.weight.shape, generator=generator) < density
    return linear


def model(density=0.1, dtype=torch.float64, bias=True):
    torch.manual_seed(0)
    layers = [nn.Linear(12, 30, bias=bias), nn.Tanh(), nn.Linear(30, 20, bias=bias), nn.Dropout(0.5), nn.Linear(20, 4)]
    made = nn.Sequential(*layers).to(dtype)
    thin(made[0], density), thin(made[2], density)
    return made


def gradients(module, x):
    module.zero_grad()
    x = x.clone().requires_grad_()
    output = module(x)
    output.square().sum().backward()
    return output.detach(), x.grad


def of_matrices(layers):
    """The gradient of each layer's weights as a matrix, 0 where there is no arc."""
    found = [torch.zeros(b, a, dtype=layers.weight.dtype) for a, b in itertools.pairwise(layers.sizes)]
    for layer, row, column, gradient in zip(*layers.places(), layers.weight.grad, strict=True):
        assert found[layer][row, column] == 0
        found[layer][row, column] = gradient
    return found


@pytest.mark.parametrize("bias", [True, False])
def test_the_model_computes_the_same(always_faster, bias):
    before = model(bias=bias)
    after = copy.deepcopy(before)
    x = torch.randn(7, 12, dtype=torch.float64)
    report = sparsify_(after, x)
    assert [layer.swapped for layer in report.layers] == [True, True, False]
    assert report.layers[2].reason == "not 70% sparse"
    assert isinstance(after[0], SparseLinear)
    assert all(part.training for part in after.modules())
    before.eval(), after.eval()
    for found, expected in zip(gradients(after, x), gradients(before, x), strict=True):
        assert_close(found, expected)
    (found,) = of_matrices(after[0])
    assert_close(found, before[0].weight.grad * (before[0].weight != 0))
    assert len([p for p in after.parameters() if p.requires_grad]) == len(list(before.parameters()))
    back = after[0].to_linear()
    assert torch.equal(back.weight, before[0].weight)
    assert (back.bias is None) == (not bias)
    assert "density=0.0944" in repr(after[0])


@pytest.mark.parametrize("bias", [True, False])
def test_layers_that_follow_each_other_become_one(together_faster, bias):
    before = nn.Sequential(model(bias=bias), nn.ReLU(inplace=True), nn.BatchNorm1d(4).double())
    before.eval()
    after = copy.deepcopy(before)
    x = torch.randn(7, 12, dtype=torch.float64)
    report = sparsify_(after, x)
    assert [type(part).__name__ for part in after[0]] == ["SparseLayers", "Identity", "Identity", "Dropout", "Linear"]
    assert report.layers[0].reason == "one with 0.2, 4.0 times as fast"
    assert "swapped: one with 0.0" in str(report)
    for found, expected in zip(gradients(after, x), gradients(before, x), strict=True):
        assert_close(found, expected)
    inside = before[0]
    found = of_matrices(after[0][0])
    for one, layer in zip(found, (inside[0], inside[2]), strict=True):
        assert_close(one, layer.weight.grad * (layer.weight != 0))
    back = after[0][0].to_layers()
    assert [type(part) for part in back] == [nn.Linear, nn.Tanh, nn.Linear]
    assert torch.equal(back[2].weight, inside[2].weight)
    assert "12 → 30 → 20, tanh, identity" in repr(after)


class Indexing(nn.Module):
    """Calls what is in a sequence by itself."""

    def __init__(self):
        super().__init__()
        self.parts = model()

    def forward(self, x):
        return self.parts[1](self.parts[0](x))[:, :20] + self.parts[2](self.parts[0](x))


def watched(made):
    made[1].register_forward_hook(lambda *rest: None)
    return made


def partly_frozen(made):
    made[0].requires_grad_(False)
    return made


@pytest.mark.parametrize("make", [Indexing, lambda: watched(model()), lambda: partly_frozen(model())])
def test_layers_stay_apart_where_one_would_be_wrong(together_faster, make):
    made, x = make().eval(), torch.randn(7, 12, dtype=torch.float64)
    expected = made(x).detach()
    assert sparsify_(made, x).n_swapped == 2
    assert not any(type(part) is SparseLayers for part in made.modules())
    assert_close(made(x).detach(), expected)


def test_masks_are_arcs_whatever_their_weight(always_faster):
    before = model(density=1.0)
    for part in (before[0], before[2]):
        prune.random_unstructured(part, "weight", 0.9)
    with torch.no_grad():
        before[0].weight_orig[before[0].weight_mask != 0] = 0.0
    x = torch.randn(7, 12, dtype=torch.float64)
    before.eval()
    expected, of_x = gradients(before, x)
    of_masked = before[0].weight_orig.grad * before[0].weight_mask
    report = sparsify_(before, (x,))
    assert report.n_swapped == 2
    assert before[0].weight.shape == (36,)
    found, of_x_here = gradients(before, x)
    assert_close(found, expected)
    assert_close(of_x_here, of_x)
    assert_close(of_matrices(before[0])[0], of_masked)


def test_what_is_kept_and_why(always_faster):
    class Odd(nn.Module):
        def __init__(self):
            super().__init__()
            self.twice = thin(nn.Linear(8, 8), 0.1)
            self.again = self.twice
            self.tied, self.other = thin(nn.Linear(8, 8), 0.1), thin(nn.Linear(8, 8), 0.1)
            self.other.weight = self.tied.weight
            self.watched = thin(nn.Linear(8, 8), 0.1)
            self.watched.register_forward_hook(lambda *rest: None)
            self.single = thin(nn.Linear(8, 8), 0.1).bfloat16()
            self.encoder = nn.TransformerEncoderLayer(8, 2, 8, batch_first=True)
            thin(self.encoder.linear1, 0.1)
            self.unused = thin(nn.Linear(8, 8), 0.1)

        def forward(self, x):
            x = self.again(self.twice(x))
            return self.encoder(self.watched(self.other(self.tied(x)))) + self.single(x.bfloat16()).float()

    odd = Odd()
    x = torch.randn(2, 3, 8)
    expected = odd.eval()(x).detach()
    report = sparsify_(odd, x)
    assert {layer.name: layer.reason for layer in report.layers} == {
        "twice": "2.0 times as fast",
        "tied": "another layer has the same parameters",
        "other": "another layer has the same parameters",
        "watched": "it has hooks",
        "single": "its weights are torch.bfloat16 on cpu",
        "encoder.linear1": "the module around it reads its weights",
        "encoder.linear2": "the module around it reads its weights",
        "unused": "the example does not reach it",
    }
    assert isinstance(odd.twice, SparseLinear)
    assert odd.again is odd.twice
    assert_close(odd(x).detach(), expected, 1e-5)
    with torch.no_grad():
        odd(x)  # the transformer's short cut, which reads weights


def test_frozen_layers_stay_frozen_and_buffers_as_they_are(always_faster):
    made = nn.Sequential(thin(nn.Linear(8, 8), 0.1), nn.BatchNorm1d(8))
    made[0].weight.requires_grad_(False)
    before = copy.deepcopy(made[1].state_dict())
    sparsify_(made, torch.randn(5, 8))
    assert not made[0].weight.requires_grad
    assert made[0].bias.requires_grad
    assert all(torch.equal(before[name], value) for name, value in made[1].state_dict().items())


def test_state_goes_only_where_the_arcs_are_the_same(always_faster):
    one, two, other = model(), model(), model()
    thin(other[0], 0.5, seed=1)
    for each in (one, two, other):
        sparsify_(each, 16)
    with torch.no_grad():
        one[0].weight.mul_(2)
    two.load_state_dict(one.state_dict())
    assert torch.equal(two[0].weight, one[0].weight)
    with pytest.raises(RuntimeError, match="the arcs of 0 are others than those of the state dict"):
        other.load_state_dict(one.state_dict())
    assert torch.equal(copy.deepcopy(one)[0].weight, one[0].weight)


def test_measuring_decides():
    torch.manual_seed(0)
    large = nn.Sequential(thin(nn.Linear(1024, 2048), 0.005))
    report = sparsify_(large, 64)
    assert report.n_swapped == 1
    assert report.layers[0].sparse_seconds < report.layers[0].dense_seconds
    assert "swapped" in str(report)
    small = nn.Sequential(thin(nn.Linear(64, 64), 0.2).double())
    report = sparsify_(small, torch.randn(256, 64, dtype=torch.float64))
    faster = report.layers[0].sparse_seconds < report.layers[0].dense_seconds
    assert isinstance(small[0], SparseLinear) == faster == report.layers[0].swapped
    frozen = nn.Sequential(thin(nn.Linear(64, 64), 0.1)).requires_grad_(False)
    assert sparsify_(frozen, 8).layers[0].dense_seconds > 0


def test_what_does_not_fit_is_said():
    with pytest.raises(ew.DataError, match=r"itself a linear layer, .* put it in nn.Sequential"):
        sparsify_(nn.Linear(3, 3), 8)
    with pytest.raises(ew.DataError, match="the model does not run on the example: mat1 and mat2"):
        sparsify_(model(), torch.randn(2, 5, dtype=torch.float64))
    with pytest.raises(ew.DataError, match="example must be a whole number at least 1, not 0"):
        sparsify_(model(), 0)
    with pytest.raises(ew.DataError, match="min_sparsity must be a number at least 0 and below 1"):
        sparsify_(model(), 8, min_sparsity=1.0)
