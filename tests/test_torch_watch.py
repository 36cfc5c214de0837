"""edgewise.torch.watch: any PyTorch model, its results unchanged, and what is said of it."""

import copy
import json

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

import edgewise as ew
from edgewise.torch import watch

torch.manual_seed(0)
X = torch.randn(64, 16)
Y = torch.randint(0, 3, (64,))
IMAGES = torch.randn(16, 3, 8, 8)
WORDS = torch.randn(8, 5, 16)


class Residual(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem, self.first, self.second = (nn.Linear(16, 16) for _ in range(3))
        self.out = nn.Linear(16, 3)

    def forward(self, x):
        x = self.stem(x)
        return self.out(x + self.second(functional.relu(self.first(x))))


class Shared(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer, self.out = nn.Linear(16, 16), nn.Linear(16, 3)

    def forward(self, x):
        return self.out(torch.tanh(self.layer(torch.tanh(self.layer(x)))))


class Recurrent(nn.Module):
    def __init__(self):
        super().__init__()
        self.rnn, self.out = nn.LSTM(16, 8, batch_first=True), nn.Linear(8, 3)

    def forward(self, x):
        return self.out(self.rnn(x)[0][:, -1])


class Attending(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.TransformerEncoderLayer(16, 2, 32, dropout=0.0, batch_first=True)
        self.out = nn.Linear(16, 3)

    def forward(self, x):
        return self.out(self.layer(x).mean(dim=1))


def perceptron(activation=nn.ReLU, depth=2):
    layers = [part for _ in range(depth) for part in (nn.Linear(16, 16), activation())]
    return nn.Sequential(*layers, nn.Linear(16, 3))


def convolutional():
    return nn.Sequential(
        nn.Conv2d(3, 6, 3, padding=1),
        nn.ReLU(inplace=True),
        nn.BatchNorm2d(6),
        nn.MaxPool2d(2),
        nn.Conv2d(6, 8, 3, stride=2),
        nn.GELU(),
        nn.Flatten(),
        nn.Linear(8, 3),
    )


def frozen():
    model = perceptron()
    model[0].requires_grad_(False)
    return model


MODELS = {
    "perceptron": (perceptron, X),
    "convolutional": (convolutional, IMAGES),
    "residual": (Residual, X),
    "shared": (Shared, X),
    "recurrent": (Recurrent, WORDS),
    "attending": (Attending, WORDS),
    "frozen": (frozen, X),
}


def train(model, x, steps=4, rate=0.1):
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], rate)
    for _ in range(steps):
        optimizer.zero_grad()
        functional.cross_entropy(model(x), Y[: len(x)]).backward()
        optimizer.step()


@pytest.mark.parametrize("name", MODELS)
def test_nothing_changes_and_everything_is_removed(name):
    make, x = MODELS[name]
    torch.manual_seed(1)
    alone = make()
    watched = copy.deepcopy(alone)
    train(alone, x)
    with watch(watched) as watching:
        train(watched, x)
    for one, other in zip(alone.state_dict().values(), watched.state_dict().values(), strict=True):
        assert torch.equal(one, other)
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in watched.modules())
    report = watching.report()
    assert report.step == 3
    data = json.loads(json.dumps(report.to_dict(), allow_nan=False))
    assert (data["schema"], len(data["rows"])) == (1, len(report.rows))
    assert report.unseen == ()
    train(watched, x, steps=1)
    assert watching.report().step == 3  # nobody looks any more


def test_a_perceptron_has_the_budget_of_the_same_network():
    model = perceptron(nn.Tanh, depth=4).double()
    x = X.double()
    with watch(model) as watching:
        functional.cross_entropy(model(x), Y).backward()
    rows = watching.report().rows
    net = ew.torch.from_module(model, x[:1]) if hasattr(ew, "torch") else None
    from edgewise.torch import from_module

    net = net or from_module(model, x[:1])
    expected = ew.gradient_budget(net, x.numpy(), y=Y.numpy(), loss="cross_entropy").rows
    assert [row.name for row in rows] == ["", "8", "6", "4", "2", "0"]
    for row, other in zip(rows[1:], expected[1:], strict=True):
        assert row.total_db == pytest.approx(other.total_db, abs=0.01)
        assert row.total_db == pytest.approx(row.weights_db + row.gates_db + row.interference_db)
        assert row.gates_db == pytest.approx(other.gates_db, abs=0.7)  # each level by itself, not all since the loss
        assert row.weights_db == pytest.approx(other.weights_db, abs=0.7)


def test_convolutions_are_matrices():
    """The same convolution as a matrix is measured alike."""
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.Tanh(), nn.Conv2d(2, 2, 3), nn.Flatten(), nn.Linear(8, 3))
    x = torch.randn(16, 1, 6, 6)
    with watch(model) as watching:
        functional.cross_entropy(model(x), Y[:16]).backward()
    kernel = model[2]
    inputs = 2 * 4 * 4
    columns = kernel(torch.eye(inputs).reshape(inputs, 2, 4, 4)) - kernel(torch.zeros(1, 2, 4, 4))
    matrix = nn.Linear(inputs, 8)
    with torch.no_grad():
        matrix.weight.copy_(columns.reshape(inputs, 8).T)
        matrix.bias.copy_(kernel(torch.zeros(1, 2, 4, 4)).flatten())
    same = nn.Sequential(model[0], model[1], nn.Flatten(), matrix, model[4])
    with watch(same) as other:
        functional.cross_entropy(same(x), Y[:16]).backward()
    for one, two in zip(watching.report().rows, other.report().rows, strict=True):
        assert one.weights_db == pytest.approx(two.weights_db, abs=1e-4)
        assert one.total_db == pytest.approx(two.total_db, abs=1e-4)


def found(model, x=X, steps=1):
    with watch(model) as watching:
        train(model, x, steps)
    report = watching.report()
    return {finding.code: finding for finding in report.findings}, report


def test_findings_name_modules():
    model = perceptron()
    with torch.no_grad():
        model[2].bias.fill_(-100)
    codes, report = found(model)
    assert (codes["dead_units"].severity, report.names(codes["dead_units"])) == ("error", ["2"])
    assert "at 2" in str(report)
    codes, report = found(frozen())
    assert report.names(codes["frozen_weights"]) == ["0"]
    codes, report = found(perceptron(), X * torch.tensor([1000.0] + [1.0] * 15))
    assert codes["input_scales"].cause == "data"
    codes, _ = found(perceptron(nn.Sigmoid, depth=8))
    assert codes["vanishing_gradient"].cause == "gates"
    codes, _ = found(nn.Sequential(nn.Linear(16, 3), nn.Sigmoid()))
    assert codes["output_mismatch"].cause == "structure"


def test_units_that_die_are_told_with_when():
    torch.manual_seed(2)
    model = perceptron()
    codes, _ = found(model, steps=12)
    assert "units_died" not in codes or codes["units_died"].severity == "note"
    with watch(model) as watching:
        train(model, X, steps=1)
        with torch.no_grad():
            model[0].bias.fill_(-100)
        train(model, X, steps=3)
    died = next(finding for finding in watching.report().findings if finding.code == "units_died")
    assert (died.severity, died.evidence["last"]) == ("error", 0)


def test_a_skip_is_seen():
    _, report = found(Residual())
    assert report.signals.passed_over.tolist() == [False, False, True, True, False]


def test_only_every_so_many_passes_are_looked_at():
    model = perceptron()
    with watch(model, every=3) as watching:
        train(model, X, steps=8)
        model.eval()
        with torch.no_grad():
            model(X)  # which nobody learns from
    assert watching.report().step == 6
    assert set(watching.report().update_ratio) == {"0.weight", "2.weight", "4.weight"}


def test_update_ratios_are_those_of_a_step():
    model = perceptron()
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    with watch(model) as watching:
        train(model, X, steps=1)
    for name, ratio in watching.report().update_ratio.items():
        after = dict(model.named_parameters())[name].detach()
        assert ratio == pytest.approx(float((after - before[name]).norm() / before[name].norm()), rel=1e-6)


def test_autocast_and_compiled_models():
    model = perceptron()
    with watch(model) as watching, torch.autocast("cpu", torch.bfloat16):
        functional.cross_entropy(model(X), Y).backward()
    assert np.isfinite(watching.report().rows[-1].total_db)
    compiled = torch.compile(perceptron(), backend="eager")
    with watch(compiled) as watching:
        functional.cross_entropy(compiled(X), Y).backward()
    assert watching.unseen
    with pytest.raises(ew.DataError, match="nothing has been watched"):
        watching.report()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_looked_at(dtype):
    model = nn.Sequential(nn.Linear(16, 8), nn.Tanh(), nn.Linear(8, 3)).to(dtype)
    with watch(model) as watching:
        functional.mse_loss(model(X.to(dtype)), torch.ones(64, 3, dtype=dtype)).backward()
    start = watching.report().signals.start
    assert start.targets == 1
    assert start.chance == 0


def test_targets_that_do_not_count_are_left_out_of_chance():
    model = nn.Sequential(nn.Linear(16, 8), nn.Tanh(), nn.Linear(8, 3))
    for ignored in (-100, 0):
        loss = nn.CrossEntropyLoss(ignore_index=ignored)
        targets = torch.tensor([ignored, 1, 2, 2]).repeat(16)
        with watch(model) as watching:
            made = loss(model(X), targets)
            made.backward()
        start = watching.report().signals.start
        share = np.array([1, 2]) / 3
        assert start.loss == pytest.approx(float(made.detach()), rel=1e-5)
        assert start.chance == pytest.approx(-(share * np.log(share)).sum())


def test_an_error_in_the_model_removes_everything():
    model = perceptron()
    with pytest.raises(RuntimeError), watch(model):
        model(torch.randn(2, 5))
    assert not any(module._forward_hooks for module in model.modules())
    with watch(model) as watching:
        train(model, X, steps=1)
    assert watching.report().step == 0


def test_under_ddp(tmp_path):
    from torch import distributed

    distributed.init_process_group(
        "gloo", store=distributed.FileStore(str(tmp_path / "store"), 1), rank=0, world_size=1
    )
    try:
        model = nn.parallel.DistributedDataParallel(perceptron())
        with watch(model) as watching:
            train(model, X, steps=2)
        assert watching.report().rows[-1].name == "module.0"
    finally:
        distributed.destroy_process_group()
