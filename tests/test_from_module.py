"""PyTorch modules as networks: equal outputs, equal gradients, one error for what cannot be converted."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn
from torch.nn import functional as F
from torch.nn.utils import prune

import edgewise as ew
from edgewise.torch import from_module
from oracles import assert_close


def seeded(make, *shape, double=True, seed=0):
    """A module with running statistics that are not trivial, and a batch of inputs for it."""
    torch.manual_seed(seed)
    module = make()
    module = module.double() if double else module.float()
    for part in module.modules():
        if isinstance(part, nn.modules.batchnorm._BatchNorm):
            part.running_mean.normal_()
            part.running_var.uniform_(0.5, 2)
            if part.affine:
                part.weight.data.normal_(1, 0.3)
                part.bias.data.normal_(0, 0.3)
    module.eval()
    return module, torch.randn(5, *shape, dtype=torch.float64 if double else torch.float32)


def same_gradients(net, module, x, tolerance):
    """Outputs and input gradients of a random linear loss of the outputs."""
    x = x.clone().requires_grad_()
    out = module(x)
    out = out.reshape(len(x), -1)
    factor = torch.linspace(-1, 1, out.numel(), dtype=x.dtype).reshape(out.shape)
    (out * factor).sum().backward()
    run = net.backprop(x.detach().numpy().reshape(len(x), -1), y=factor.numpy(), loss=LINEAR, reduction="sum")
    assert_close(run.output, out.detach(), tolerance)
    assert_close(run.input_gradient, x.grad.reshape(len(x), -1), tolerance)
    return run


def same_parameter_gradients(net, run, module, tolerance):
    """Those of each layer's weights and biases: every one is another number, by which its arcs or nodes are found.
    Those that share it are tied, and each has the gradient of all."""
    layers = [part for part in module.modules() if isinstance(part, nn.Linear | nn.modules.conv._ConvNd)]
    weights, biases = [], []
    for part in layers:
        weight = part.weight.detach().numpy().ravel()
        trained, there = getattr(part, "weight_orig", part.weight), weight != 0
        gradient = trained.grad.numpy().ravel()[there]
        place, edges = found_by(weight[there], net.weight)
        weights.append((run.weight_gradient[edges], gradient[place]))
        if part.bias is not None:
            gradient = part.bias.grad.numpy()
            place, nodes = found_by(part.bias.detach().numpy(), net.bias)
            biases.append((run.bias_gradient[nodes], gradient[place]))
    for pairs in (weights, biases):
        if pairs:
            found, wanted = (np.concatenate(parts) for parts in zip(*pairs, strict=True))
            assert_close(found, wanted, tolerance)


def found_by(values, own):
    """Of all in `own` that are one of these values, its place among the values and its own."""
    order = np.argsort(values)
    assert (np.diff(values[order]) > 0).all()
    place = np.minimum(np.searchsorted(values[order], own), len(values) - 1)
    found = np.flatnonzero(values[order][place] == own)
    place = order[place[found]]
    assert len(np.unique(place)) == len(values)  # none is missing
    return place, found


LINEAR = ew.Loss("linear", lambda o, y: (o * y).sum(axis=1), lambda o, y: y)


class Residual(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b, self.c = nn.Linear(6, 8), nn.Linear(8, 8), nn.Linear(14, 3)

    def forward(self, x):
        h = torch.relu(self.a(x))
        h = h + torch.tanh(self.b(h))
        return self.c(torch.cat([h, x], dim=1))


class Gated(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.register = nn.Linear(6, 8), nn.Parameter(torch.randn(8))

    def forward(self, x):
        left, right = self.a(x).chunk(2, dim=1)
        product = left * torch.sigmoid(right) - 2 * left / (1.5 + right**2)
        return (product * self.register[:4] + 0.5).reshape(-1, 2, 2).permute(0, 2, 1).mean(dim=2) - x[:, 1:3]


class Attention(nn.Module):
    def __init__(self):
        super().__init__()
        self.q, self.k, self.norm = nn.Linear(4, 4), nn.Linear(4, 4), nn.LayerNorm(4)

    def forward(self, x):
        weights = torch.softmax(self.q(x) @ self.k(x).transpose(1, 2) / 2, dim=-1)
        return self.norm(weights @ x + x)


class Autoencoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(3, 6))

    def forward(self, x):
        return torch.tanh(x @ self.weight.t()) @ self.weight


CASES = {
    "mlp": (lambda: nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 3)), (6,)),
    "residual": (Residual, (6,)),
    "gated": (Gated, (6,)),
    "attention": (Attention, (3, 4)),
    "autoencoder": (Autoencoder, (6,)),
    "sequence": (lambda: nn.Sequential(nn.Linear(4, 5), nn.GELU(), nn.Linear(5, 2)), (3, 4)),
    "cnn": (
        lambda: nn.Sequential(
            nn.Conv2d(2, 4, 3, padding=1),
            nn.BatchNorm2d(4),
            nn.ReLU(),
            nn.MaxPool2d(2),
            nn.Conv2d(4, 6, 3, stride=2, padding=1, groups=2, bias=False),
            nn.BatchNorm2d(6, affine=False),
            nn.SiLU(),
            nn.Dropout(),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(6, 3),
        ),
        (2, 8, 9),
    ),
    "conv1d": (
        lambda: nn.Sequential(
            nn.Conv1d(3, 4, 3, dilation=2, padding=2),
            nn.ELU(),
            nn.MaxPool1d(3, 2, 1),
            nn.AvgPool1d(2, 2, ceil_mode=True),
            nn.BatchNorm1d(4),
        ),
        (3, 11),
    ),
    "conv_same": (lambda: nn.Sequential(nn.Conv2d(1, 2, (2, 3), padding="same"), nn.Sigmoid()), (1, 4, 5)),
    "conv_reflect": (lambda: nn.Conv2d(1, 2, 3, padding=1, padding_mode="reflect"), (1, 4, 5)),
    "pools": (
        lambda: nn.Sequential(
            nn.AvgPool2d(3, 2, 1, ceil_mode=True),
            nn.AvgPool2d(2, 1, 1, count_include_pad=False),
            nn.MaxPool2d(3, 2, 1, ceil_mode=True),
            nn.AdaptiveAvgPool2d((2, 3)),
        ),
        (2, 11, 12),
    ),
    "pool_divisor": (lambda: nn.AvgPool2d(2, divisor_override=3), (2, 4, 4)),
    "adaptive_max": (lambda: nn.AdaptiveMaxPool2d((2, 3)), (2, 5, 7)),
    "group_norm": (lambda: nn.Sequential(nn.Conv2d(2, 4, 3), nn.GroupNorm(2, 4)), (2, 5, 5)),
    "batch_norm_first": (lambda: nn.Sequential(nn.BatchNorm1d(5), nn.Linear(5, 3), nn.BatchNorm1d(3)), (5,)),
    "prelu": (lambda: nn.Sequential(nn.Linear(5, 4), nn.PReLU(4), nn.PReLU()), (5,)),
    "pixel_shuffle": (lambda: nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.PixelShuffle(2)), (1, 3, 4)),
    "softmax": (lambda: nn.Sequential(nn.Linear(5, 4), nn.Softmax(dim=1)), (5,)),
    "log_softmax": (lambda: nn.Sequential(nn.Linear(5, 4), nn.LogSoftmax(dim=1)), (5,)),
}
ACTIVATIONS = [
    nn.Identity(),
    nn.Sigmoid(),
    nn.Tanh(),
    nn.ReLU(),
    nn.Hardtanh(),
    nn.Hardtanh(-0.5, 0.25),
    nn.LeakyReLU(),
    nn.LeakyReLU(0.2),
    nn.ELU(),
    nn.ELU(0.7),
    nn.SELU(),
    nn.CELU(0.6),
    nn.GELU(),
    nn.GELU(approximate="tanh"),
    nn.SiLU(),
    nn.Softplus(),
    nn.Softplus(beta=2),
    nn.Softsign(),
    nn.ReLU6(),
    nn.Hardsigmoid(),
    nn.Hardswish(),
    nn.Mish(),
    nn.LogSigmoid(),
    nn.Tanhshrink(),
]

SCALED = (nn.CELU, nn.Hardsigmoid, nn.LogSigmoid)  # by a factor that the weights before them take up
ROUGH = (nn.Hardsigmoid, nn.Hardswish, nn.CELU)  # whose derivatives PyTorch has from constants in float32


@pytest.mark.parametrize("name", CASES)
def test_outputs_and_gradients_are_equal(name):
    make, shape = CASES[name]
    module, x = seeded(make, *shape)
    same_gradients(from_module(module, x), module, x, 1e-12)
    single, x32 = seeded(make, *shape, double=False)
    net = from_module(single, x32[:1])
    assert net.dtype == np.float32
    same_gradients(net, single, x32, 1e-5)


@pytest.mark.parametrize("activation", ACTIVATIONS, ids=str)
@pytest.mark.parametrize("double", [True, False])
def test_activations_are_equal(activation, double):
    module, x = seeded(lambda: nn.Sequential(nn.Linear(6, 9), activation, nn.Linear(9, 2)), 6, double=double)
    exact = double and not isinstance(activation, ROUGH)
    net = from_module(module, x)
    run = same_gradients(net, module, 3 * x, 1e-12 if exact else 1e-7 if double else 1e-5)
    if not isinstance(activation, SCALED) and str(activation) != "Softplus(beta=2, threshold=20.0)":
        same_parameter_gradients(net, run, module, 1e-12 if exact else 1e-7 if double else 1e-5)


def pruned(*kinds):
    """A module whose layers have lost most of their weights to masks."""

    def make():
        module = Residual()
        for linear in (module.a, module.b, module.c):
            prune.random_unstructured(linear, "weight", 0.7)
        return module

    return make


def pruned_convolutions():
    module = nn.Sequential(nn.Conv2d(2, 6, 3), nn.Tanh(), nn.Conv2d(6, 4, 3), nn.ReLU(), nn.Flatten(), nn.Linear(16, 3))
    for layer in (module[0], module[2]):
        prune.l1_unstructured(layer, "weight", 0.5)
    return module


def deep():
    return nn.Sequential(nn.Linear(6, 8), *(part for _ in range(20) for part in (nn.Tanh(), nn.Linear(8, 8))))


ZOO = CASES | {
    "deep": (deep, (6,)),
    "wide": (lambda: nn.Sequential(nn.Linear(40, 30), nn.GELU(), nn.Linear(30, 5)), (40,)),
    "tied cnn": (
        lambda: nn.Sequential(
            *(nn.Conv2d(2, 6, 3, padding=1), nn.Tanh(), nn.MaxPool2d(2), nn.Conv2d(6, 8, 3, padding=1), nn.ReLU()),
            *(nn.AvgPool2d(2), nn.Flatten(), nn.Linear(32, 5)),
        ),
        (2, 8, 8),
    ),
    "grouped": (lambda: nn.Sequential(nn.Conv1d(4, 6, 3, stride=2, groups=2), nn.SiLU(), nn.Flatten()), (4, 9)),
    "pruned": (pruned(), (6,)),
    "pruned convolutions": (pruned_convolutions, (2, 6, 6)),
}
FOLDED = {"cnn", "conv1d", "batch_norm_first", "group_norm"}
"""whose weights are those of the network times something"""


@pytest.mark.parametrize("double", [True, False])
@pytest.mark.parametrize("name", [name for name in ZOO if name not in FOLDED])
def test_weight_bias_and_input_gradients_are_equal(name, double):
    make, shape = ZOO[name]
    module, x = seeded(make, *shape, double=double)
    net = from_module(module, x[:1])
    assert net.dtype == (np.float64 if double else np.float32)
    run = same_gradients(net, module, x, 1e-11 if double else 1e-5)
    same_parameter_gradients(net, run, module, 1e-11 if double else 1e-5)


def test_weight_gradients_are_those_of_pytorch_after_summing_ties():
    module, x = seeded(
        lambda: nn.Sequential(nn.Conv2d(2, 3, 3, padding=1), nn.Tanh(), nn.Flatten(), nn.Linear(48, 2)), 2, 4, 4
    )
    net = from_module(module, x)
    run = same_gradients(net, module, x, 1e-12)
    kernel, matrix = module[0].weight, module[3].weight
    for weight in (kernel, matrix):
        flat, wanted = weight.detach().numpy().ravel(), weight.grad.numpy().ravel()
        for value, gradient in zip(flat, wanted, strict=True):  # every weight is another number
            edges = np.flatnonzero(net.weight == value)
            assert len(edges)
            np.testing.assert_allclose(run.weight_gradient[edges], gradient, rtol=1e-10, atol=1e-10)
    assert len(np.unique(net.tie)) == kernel.numel() + matrix.numel()
    for bias in (module[0].bias, module[3].bias):
        for value, gradient in zip(bias.detach().numpy(), bias.grad.numpy(), strict=True):
            nodes = np.flatnonzero(net.bias == value)
            assert len(nodes)
            np.testing.assert_allclose(run.bias_gradient[nodes], gradient, rtol=1e-10, atol=1e-10)
    assert biases(net) == 3 + 2


def biases(net):
    """How many biases there are to be trained."""
    return len(np.unique((np.arange(net.n_nodes) if net.bias_tie is None else net.bias_tie)[~net.is_input]))


BIASES = {
    "a convolution": (lambda: nn.Conv2d(2, 3, 3), (2, 6, 6), 3),
    "without a bias": (lambda: nn.Conv2d(2, 3, 3, bias=False), (2, 6, 6), 3),
    "in groups, then 1 × 1": (
        lambda: nn.Sequential(nn.Conv2d(4, 4, 3, groups=4, padding=1), nn.Tanh(), nn.Conv2d(4, 2, 1)),
        (4, 5, 5),
        6,
    ),
    "along a line": (lambda: nn.Sequential(nn.Conv1d(2, 3, 3, stride=2, padding=1), nn.ReLU()), (2, 7), 3),
    "with batch normalisation": (
        lambda: nn.Sequential(nn.Conv2d(2, 3, 3), nn.BatchNorm2d(3), nn.ReLU()),
        (2, 6, 6),
        3,
    ),
    "normalised before": (
        lambda: nn.Sequential(nn.BatchNorm2d(2), nn.Conv2d(2, 3, 3, padding=1), nn.ReLU()),
        (2, 5, 5),
        2 + 3,
    ),
    "a linear layer along a sequence": (lambda: nn.Sequential(nn.Linear(4, 3), nn.Tanh(), nn.Linear(3, 2)), (5, 4), 5),
    "the same without a bias": (lambda: nn.Sequential(nn.Linear(4, 3, bias=False), nn.Tanh()), (5, 4), 3),
    "a linear layer": (lambda: nn.Sequential(nn.Linear(4, 3), nn.Tanh(), nn.Linear(3, 2)), (4,), 5),
}


@pytest.mark.parametrize("case", BIASES)
def test_biases_are_tied_where_pytorch_shares_them(case):
    make, shape, expected = BIASES[case]
    module, x = seeded(make, *shape)
    net = from_module(module, x)
    same_gradients(net, module, x, 1e-12)
    assert biases(net) == expected
    assert (net.bias_tie is None) == (case == "a linear layer")


class ResidualBlock(nn.Module):
    """Two convolutions with a shortcut: what is added up are sums, which become one node each."""

    def __init__(self):
        super().__init__()
        self.a, self.b, self.past = nn.Conv2d(2, 4, 3, padding=1), nn.Conv2d(4, 3, 3, padding=1), nn.Conv2d(2, 3, 1)
        self.norm = nn.BatchNorm2d(3)

    def forward(self, x):
        return torch.relu(self.norm(self.b(torch.relu(self.a(x)))) + self.past(x))


class Twice(nn.Module):
    """One convolution, used as it is and with another number added: biases that are no longer equal."""

    def __init__(self):
        super().__init__()
        self.a = nn.Conv1d(1, 2, 3)

    def forward(self, x):
        return torch.cat([torch.tanh(self.a(x)), torch.tanh(self.a(x) + 1), torch.sigmoid(self.a(x))], dim=1)


def test_biases_of_sums_that_become_one_are_tied_by_what_they_are_made_of():
    module, x = seeded(ResidualBlock, 2, 5, 5)
    net = from_module(module, x)
    same_gradients(net, module, x, 1e-12)
    assert biases(net) == 4 + 3
    module, x = seeded(Twice, 1, 6)
    net = from_module(module, x)
    same_gradients(net, module, x, 1e-12)
    assert biases(net) == 2 * 2  # tanh(a) and sigmoid(a) share theirs


@pytest.mark.parametrize("engine", ["native", "reference"])
@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
def test_a_convolutional_network_trained_here_is_the_one_trained_there(engine, optimizer):
    module, x = seeded(
        lambda: nn.Sequential(
            nn.Conv2d(2, 4, 3, padding=1),
            nn.Tanh(),
            nn.Conv2d(4, 3, 3, stride=2),
            nn.ReLU(),
            nn.Flatten(),
            nn.Linear(12, 3),
        ),
        2,
        6,
        6,
    )
    x = torch.randn(30, 2, 6, 6, dtype=torch.float64)
    y = torch.arange(30) % 3
    net = from_module(module, x)
    ours = {"sgd": ew.SGD(0.1, momentum=0.9), "adam": ew.Adam(0.01)}[optimizer]
    make = {"sgd": lambda p: torch.optim.SGD(p, 0.1, momentum=0.9), "adam": lambda p: torch.optim.Adam(p, 0.01)}
    theirs = make[optimizer](module.parameters())
    for _ in range(4):
        for part in range(0, 30, 10):
            theirs.zero_grad()
            nn.functional.cross_entropy(module(x[part : part + 10]), y[part : part + 10]).backward()
            theirs.step()
    flat = x.numpy().reshape(30, -1)
    ew.fit(net, flat, y.numpy(), optimizer=ours, epochs=4, batch_size=10, shuffle=False, engine=engine)
    expected = from_module(module, x)
    for what in ("tail", "head", "tie", "bias_tie"):
        assert np.array_equal(getattr(net, what), getattr(expected, what)), what
    assert_close(net.weight, expected.weight, 1e-10)
    assert_close(net.bias, expected.bias, 1e-10)
    assert len(np.unique(net.bias[~net.is_input])) == 4 + 3 + 3  # one a channel, to the bit


def test_one_matrix_used_twice_is_tied():
    module, x = seeded(Autoencoder, 6)
    net = from_module(module, x)
    assert net.n_edges == 36
    assert len(np.unique(net.tie)) == 18
    run = same_gradients(net, module, x, 1e-12)
    for value, gradient in zip(module.weight.detach().numpy().ravel(), module.weight.grad.numpy().ravel(), strict=True):
        np.testing.assert_allclose(run.weight_gradient[net.weight == value], gradient, rtol=1e-10, atol=1e-12)


def test_what_can_be_folded_is_folded():
    module, x = seeded(CASES["cnn"][0], 2, 8, 9)
    net = from_module(module, x)
    levels = ["conv, norm, relu", "max", "conv, norm, silu", "mean", "linear"]
    assert net.plan.n_levels == 1 + len(levels)
    module, x = seeded(lambda: nn.Sequential(nn.Linear(4, 3), nn.BatchNorm1d(3), nn.ReLU(), nn.Linear(3, 2)), 4)
    net = from_module(module, x)
    assert (net.n_nodes, net.n_edges, net.tie) == (4 + 3 + 2, 12 + 6, None)
    assert [layer.activation for layer in net.layers] == ["relu", "identity"]


def test_what_others_read_too_is_not_folded():
    class Both(nn.Module):
        def __init__(self):
            super().__init__()
            self.a = nn.Linear(3, 2)

        def forward(self, x):
            h = self.a(x)
            return torch.relu(h) + h

    module, x = seeded(Both, 3)
    net = from_module(module, x)
    assert net.n_nodes == 3 + 2 + 2 + 2
    same_gradients(net, module, x, 1e-12)


def test_pruned_and_zero_weights_are_absent_arcs():
    module, x = seeded(lambda: nn.Sequential(nn.Linear(10, 20), nn.ReLU(), nn.Linear(20, 4)), 10)
    prune.l1_unstructured(module[0], "weight", 0.75)
    prune.random_unstructured(module[2], "weight", 0.5)
    net = from_module(module, x)
    assert net.n_edges == 50 + 40
    same_gradients(net, module, x, 1e-12)
    module, x = seeded(lambda: nn.Conv2d(1, 2, 3), 1, 5, 5)
    module.weight.data[0, 0, 1] = 0
    net = from_module(module, x)
    assert net.n_edges == 9 * (6 + 9)
    same_gradients(net, module, x, 1e-12)


def test_the_modules_mode_stays_as_it_is():
    module, x = seeded(CASES["cnn"][0], 2, 8, 9)
    module.train()
    module[1].eval()
    before = [part.training for part in module.modules()]
    net = from_module(module, x)
    assert [part.training for part in module.modules()] == before
    same_gradients(net, module.eval(), x, 1e-12)


def test_several_inputs_and_outputs():
    class Two(nn.Module):
        def __init__(self):
            super().__init__()
            self.f = nn.Linear(5, 2)

        def forward(self, a, b):
            h = self.f(torch.cat([b, a.flatten(1)], 1))
            return h, torch.stack([h, h], 2) * 2

    module, _ = seeded(Two, 1)
    a, b = torch.randn(3, 2, 2, dtype=torch.float64), torch.randn(3, 1, dtype=torch.float64)
    net = from_module(module, (a, b))
    wanted = torch.cat([out.flatten(1) for out in module(a, b)], 1).detach().numpy()
    assert_close(net.forward(torch.cat([a.flatten(1), b], 1).numpy()).output, wanted, 1e-14)


class Unsupported(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner = nn.Sequential(nn.Linear(4, 4), nn.RReLU())
        self.up = nn.ConvTranspose1d(1, 1, 2)

    def forward(self, x):
        h = torch.cumsum(self.inner(x), 1) + torch.fft.rfft(x).abs().sum()
        return self.up(x[:, None]) + h[:, None, :1] + torch.sort(x, dim=1).values[:, None, :1]


def test_one_error_names_everything_that_cannot_be_converted():
    with pytest.raises(ew.GraphError) as error:
        from_module(Unsupported(), torch.randn(1, 4))
    message = str(error.value)
    for part in ("cumsum", "fft", "sort", "in up (ConvTranspose1d)", "in the module itself"):
        assert part in message
    assert "linear" not in message


class SlopesOfTheInput(nn.Module):
    def forward(self, x):
        return F.prelu(torch.ones(1, 3), x[0])


class DividedByZero(nn.Module):
    def forward(self, x):
        return x / 0


@pytest.mark.parametrize(("module", "name"), [(SlopesOfTheInput(), "prelu"), (DividedByZero(), "div")])
def test_arguments_that_cannot_be_are_named(module, name):
    with pytest.raises(ew.GraphError, match=name):
        from_module(module, torch.randn(1, 3))


@pytest.mark.parametrize(
    "mix",
    [lambda x: x - x.mean(0), lambda x: x.flip(0), lambda x: torch.cat([x[1:], x[:1]]), lambda x: x.t() @ x],
)
def test_a_module_that_mixes_samples_is_an_error(mix):
    class Mixing(nn.Module):
        def forward(self, x):
            return mix(x)

    with pytest.raises(ew.GraphError, match=r"mix|first axis"):
        from_module(Mixing(), torch.randn(1, 2))


def test_what_cannot_be_traced_is_an_error():
    class Branch(nn.Module):
        def forward(self, x):
            return x if x.sum() > 0 else -x

    with pytest.raises(ew.GraphError, match=r"cannot trace"):
        from_module(Branch(), torch.randn(1, 2))
    for wrong in (torch.tensor(1.0), torch.zeros(0, 3), torch.zeros(1, 3, dtype=torch.int64), np.zeros((1, 3))):
        with pytest.raises(ew.GraphError, match="example_input"):
            from_module(nn.Linear(3, 1), wrong)


@st.composite
def stacks(draw):
    """A random stack of layers for images, and the shape of its inputs."""
    size = lambda low, high, what: draw(st.integers(low, high), label=what)  # noqa: E731
    channels, height, width = size(1, 4, "channels"), size(3, 9, "height"), size(3, 9, "width")
    shape, layers = (channels, height, width), []
    for _ in range(size(1, 5, "layers")):
        kind = draw(st.sampled_from(["conv", "max", "avg", "norm", "activation", "adaptive"]), label="kind")
        kernel = (size(1, min(3, height), "kh"), size(1, min(3, width), "kw"))
        padding = tuple(size(0, k // 2, "padding") for k in kernel)
        stride = (size(1, 2, "sh"), size(1, 3, "sw"))
        if kind == "conv":
            groups = draw(st.sampled_from([g for g in (1, 2, 4) if channels % g == 0]), label="groups")
            out = groups * size(1, 2, "out")
            layer = nn.Conv2d(channels, out, kernel, stride, padding, groups=groups, bias=draw(st.booleans()))
        elif kind == "max":
            layer = nn.MaxPool2d(kernel, stride, padding, ceil_mode=draw(st.booleans(), label="ceil"))
        elif kind == "avg":
            ceil, include = draw(st.booleans(), label="ceil"), draw(st.booleans(), label="include")
            layer = nn.AvgPool2d(kernel, stride, padding, ceil_mode=ceil, count_include_pad=include)
        elif kind == "adaptive":
            layer = nn.AdaptiveAvgPool2d((size(1, height, "ah"), size(1, width, "aw")))
        elif kind == "norm":
            layer = nn.BatchNorm2d(channels)
        else:
            layer = draw(st.sampled_from([a for a in ACTIVATIONS if not isinstance(a, ROUGH)]), label="activation")
        layers.append(layer)
        _, channels, height, width = layer.double().eval()(torch.zeros(1, channels, height, width).double()).shape
    if draw(st.booleans(), label="head"):
        layers += [nn.Flatten(), nn.Linear(channels * height * width, 3)]
    return layers, shape


@settings(max_examples=15)
@given(stacks(), st.integers(0, 2**16))
def test_random_stacks_are_equal(stack, seed):
    layers, shape = stack
    module, x = seeded(lambda: nn.Sequential(*layers), *shape, seed=seed)
    same_gradients(from_module(module, x[:1]), module, x, 1e-11)
