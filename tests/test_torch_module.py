"""GraphModule: the engine inside PyTorch, held to PyTorch's own numbers and to what a module promises."""

import copy
import io
import shutil
import subprocess
import sys
import threading

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from torch import nn

import edgewise as ew
from edgewise.torch import GraphModule, threads
from edgewise.torch.graph_function import _rebuild, describe
from oracles import TorchNetwork, assert_close
from strategies import networks_with_samples

NAMES = ("weight", "bias", "response")


def dag(dtype="float64", **options):
    usual = {"n_inputs": 4, "n_outputs": 3, "activation": "tanh", "seed": 0}
    return ew.random_dag(20, 80, dtype=dtype, **(usual | options))


def inputs(module, *shape, seed=1):
    generator = torch.Generator().manual_seed(seed)
    return torch.randn(*shape, module.n_inputs, generator=generator, dtype=module.weight.dtype)


@given(networks_with_samples())
@settings(max_examples=40)
def test_values_and_gradients_are_autograds(case):
    net, x = case
    other = TorchNetwork(net, x)
    module = GraphModule(net)
    given_x = torch.tensor(x, requires_grad=True)
    output = module(given_x)
    mix = torch.tensor(np.random.default_rng(0).normal(size=output.shape))
    (output * mix).sum().backward()
    for_all = sum((other.value[t] * mix[:, k]).sum() for k, t in enumerate(net.outputs.tolist()))
    of = [other.value[j] for j in net.inputs.tolist()]
    expected = other.gradient(for_all, [other.weight, other.bias, other.response, *of])
    assert_close(output.detach(), torch.stack([other.value[t] for t in net.outputs.tolist()], 1).detach())
    of_weights = expected[0].sum(dim=1).numpy()
    if net.tie is not None:
        of_weights = np.bincount(net.tie, of_weights)
    assert_close(module.weight.grad, of_weights)
    of_biases = expected[1].sum(dim=1).numpy()
    of_biases[net.inputs] = 0
    if net.bias_tie is not None:
        of_biases = np.bincount(net.bias_tie, of_biases)
    assert_close(module.bias.grad, of_biases)
    if module.response is not None:
        of_responses = expected[2].sum(dim=1).numpy()
        of_responses[net.inputs] = 0
        assert_close(module.response.grad, of_responses)
    assert_close(given_x.grad, torch.stack(expected[3:], dim=1))


def test_gradcheck():
    module = GraphModule(dag(n_outputs=2))
    x = inputs(module, 3).requires_grad_()
    assert torch.autograd.gradcheck(
        lambda x, w, b: torch.func.functional_call(module, {"weight": w, "bias": b}, (x,)),
        (x, module.weight, module.bias),
    )


def test_the_parameters_are_those_there_are():
    net = dag()
    assert [name for name, _ in GraphModule(net).named_parameters()] == ["weight", "bias"]
    tied = net.replace(weight=1.0, tie=np.arange(net.n_edges) // 4, response=2.0)
    assert {name: len(p) for name, p in GraphModule(tied).named_parameters()} == {
        "weight": net.n_edges // 4,
        "bias": net.n_nodes,
        "response": net.n_nodes,
    }
    both = GraphModule(net.replace(bias=0.1, bias_tie=np.arange(net.n_nodes) % 2))
    assert len(both.bias) == net.n_inputs + 2  # an input is tied to nothing
    assert "80 edges" in repr(GraphModule(net))


def test_tied_biases_stay_tied():
    net = dag().replace(bias=0.1, bias_tie=np.arange(20) % 3)
    module, x = GraphModule(net), torch.randn(9, 4, dtype=torch.float64)
    optimizer = torch.optim.Adam(module.parameters(), 0.01)
    for _ in range(3):
        optimizer.zero_grad()
        module(x).square().sum().backward()
        optimizer.step()
    trained = module.network()
    assert trained.bias_tie.tolist() == net.bias_tie.tolist()
    assert len(set(trained.bias[~net.is_input].tolist())) == 3
    assert_close(module(x).detach(), trained.forward(x.numpy()).output)


def test_nothing_is_shared_with_the_network_given():
    net = dag()
    before = net.weight.copy()
    module = GraphModule(net)
    with torch.no_grad():
        module.weight.add_(1)
    assert (net.weight == before).all()
    assert_close(module.network().weight, before + 1)
    assert module.network().weight.base is not module.weight.detach().numpy()


OPTIMIZERS = [
    torch.optim.SGD,
    torch.optim.Adam,
    torch.optim.AdamW,
    torch.optim.Adagrad,
    torch.optim.Adadelta,
    torch.optim.Adamax,
    torch.optim.NAdam,
    torch.optim.RAdam,
    torch.optim.RMSprop,
    torch.optim.Rprop,
    torch.optim.ASGD,
]


@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=lambda kind: kind.__name__)
def test_optimizers_lower_the_loss(optimizer):
    module = GraphModule(dag("float32"))
    x, y = inputs(module, 64), inputs(module, 64)[:, :3].sin()
    steps = optimizer(module.parameters(), lr=1.0 if optimizer is torch.optim.Adadelta else 1e-2)
    losses = []
    for _ in range(30):
        steps.zero_grad()
        loss = (module(x) - y).square().mean()
        loss.backward()
        steps.step()
        losses.append(loss.item())
    assert losses[-1] < losses[0]


def test_lbfgs_and_the_trained_network_back():
    module = GraphModule(dag())
    x, y = inputs(module, 50), inputs(module, 50)[:, :3].sin()
    steps = torch.optim.LBFGS(module.parameters(), max_iter=50, line_search_fn="strong_wolfe")

    def closure():
        steps.zero_grad()
        loss = (module(x) - y).square().mean()
        loss.backward()
        return loss

    before = closure().item()
    steps.step(closure)
    assert closure().item() < before / 2
    assert_close(module.network().forward(x.numpy()).output, module(x).detach())


def test_training_with_a_data_loader_is_fit():
    net = dag("float64")
    x = np.random.default_rng(0).normal(size=(96, 4))
    y = np.sin(x[:, :3])
    module = GraphModule(net)
    data = torch.utils.data.TensorDataset(torch.tensor(x), torch.tensor(y))
    steps = torch.optim.SGD(module.parameters(), lr=0.05)
    for _ in range(3):
        for some_x, some_y in torch.utils.data.DataLoader(data, batch_size=16):
            steps.zero_grad()
            (0.5 * (module(some_x) - some_y).square().sum() / len(some_x)).backward()
            steps.step()
    ew.fit(net, x, y, optimizer=ew.SGD(0.05), epochs=3, batch_size=16, shuffle=False, progress=False)
    assert_close(module.network().weight, net.weight)
    neurons = ~net.is_input
    assert_close(module.network().bias[neurons], net.bias[neurons])


@pytest.mark.parametrize("shape", [(), (1,), (7,), (2, 3), (2, 0, 3), (0,)])
def test_any_leading_shape(shape):
    module = GraphModule(dag())
    x = inputs(module, *shape).requires_grad_()
    output = module(x)
    assert output.shape == (*shape, 3)
    output.sum().backward()
    assert x.grad.shape == x.shape
    assert module.weight.grad.shape == module.weight.shape
    flat = x.detach().reshape(-1, 4)
    if len(flat):
        assert_close(output.detach().reshape(-1, 3), module.network().forward(flat.numpy()).output)
    else:
        assert not module.weight.grad.any()
    assert module(x.detach().T.contiguous().T).shape == output.shape if x.dim() == 2 else True


def test_each_call_keeps_its_own_pass():
    module = GraphModule(dag(n_outputs=4))
    x = inputs(module, 5)
    nested = module(module(x)).square().sum() + module(x).sum()
    nested.backward()
    found = module.weight.grad.clone()
    numbers = GraphModule(module.network())
    step, expected = 1e-6, []
    for e in range(10):
        ends = []
        for sign in (1, -1):
            with torch.no_grad():
                numbers.weight[e] += sign * step
                ends.append((numbers(numbers(x)).square().sum() + numbers(x).sum()).item())
                numbers.weight[e] -= sign * step
        expected.append((ends[0] - ends[1]) / (2 * step))
    assert_close(found[:10], np.array(expected), 1e-6)


def test_a_retained_graph_gives_the_same_again():
    module = GraphModule(dag())
    output = module(inputs(module, 5)).sum()
    first = torch.autograd.grad(output, module.weight, retain_graph=True)[0]
    again = torch.autograd.grad(output, module.weight)[0]
    assert torch.equal(first, again)
    with pytest.raises(RuntimeError, match="second time"):
        torch.autograd.grad(output, module.weight)


def test_changing_what_a_pass_was_made_of_is_refused():
    module = GraphModule(dag())
    output = module(inputs(module, 5)).sum()
    with torch.no_grad():
        module.weight.add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        output.backward()


def test_only_what_is_asked_for_is_computed(monkeypatch):
    from edgewise.engine.native import NativePass

    asked = []
    for name in ("weight_gradient", "bias_gradient", "response_gradient", "input_gradient"):
        method = getattr(NativePass, name)
        monkeypatch.setattr(
            NativePass, name, lambda self, *rest, _m=method, _n=name: (asked.append(_n), _m(self, *rest))[1]
        )
    module = GraphModule(dag().replace(response=1.5))
    x = inputs(module, 5)
    module(x).sum().backward()
    assert sorted(asked) == ["bias_gradient", "response_gradient", "weight_gradient"]
    asked.clear()
    module.requires_grad_(False)
    x.requires_grad_()
    module(x).sum().backward()
    assert asked == ["input_gradient"]
    assert module.weight.grad is not None
    assert module(x.detach()).grad_fn is None


@pytest.mark.parametrize("mode", [torch.no_grad, torch.inference_mode])
def test_without_gradients(mode):
    module = GraphModule(dag())
    x = inputs(module, 5)
    with mode():
        output = module(x)
    assert not output.requires_grad
    assert torch.equal(output, module(x).detach())


def test_state_dict_copies_and_pickles():
    module = GraphModule(dag().replace(response=1.5))
    assert list(module.state_dict()) == ["weight", "bias", "response"]
    other = GraphModule(dag(seed=0).replace(weight=0.1, response=1.2))
    file = io.BytesIO()
    torch.save(module.state_dict(), file)
    file.seek(0)
    other.load_state_dict(torch.load(file, weights_only=True))
    x = inputs(module, 5)
    expected = module(x).detach()
    assert torch.equal(other(x), expected)
    twin = copy.deepcopy(module)
    with torch.no_grad():
        module.weight.zero_()
    assert torch.equal(twin(x), expected)
    whole = io.BytesIO()
    torch.save(twin, whole)
    whole.seek(0)
    assert torch.equal(torch.load(whole, weights_only=False)(x), expected)
    with pytest.raises(RuntimeError, match="size mismatch"):
        other.load_state_dict(GraphModule(ew.random_dag(20, 60, n_inputs=4, seed=0).replace(response=2.0)).state_dict())


def test_another_dtype_and_new_memory():
    module = GraphModule(dag("float32"))
    x = inputs(module, 5)
    single = module(x).detach()
    double = module.double()(x.double())
    assert double.dtype == torch.float64
    assert_close(single, double.detach(), 1e-5)
    double.sum().backward()
    assert module.weight.grad.dtype == torch.float64
    assert module.network().dtype == np.float64
    module.load_state_dict({k: torch.zeros_like(v) for k, v in module.state_dict().items()}, assign=True)
    assert not module(x.double()).any()
    spread = {"weight": torch.ones(1, dtype=torch.float64).expand(80), "bias": torch.zeros(20, dtype=torch.float64)}
    ones = torch.func.functional_call(module, spread, (x.double(),))
    assert_close(ones.detach(), module.network().replace(weight=1.0).forward(x.double().numpy()).output)


def test_what_does_not_fit_is_said():
    module = GraphModule(dag("float32"))
    x = inputs(module, 5)
    with pytest.raises(ew.DataError, match=r"x is torch.float16 and the parameters are torch.float32; hand in x.to"):
        module(x.half())
    with pytest.raises(ew.DataError, match=r"x is torch.int64"):
        module(x.long())
    with pytest.raises(ew.DataError, match=r"x has shape \(5, 3\); the network's 4 inputs need \(…, 4\)"):
        module(x[:, :3])
    with pytest.raises(ew.DataError, match=r"x is on meta .* GraphModule computes on the CPU"):
        module(x.to("meta"))
    with pytest.raises(ew.DataError, match=r"the parameters are torch.bfloat16; .* call .float\(\)"):
        copy.deepcopy(module).bfloat16()(x)


def test_autocast_leaves_it_alone():
    module = GraphModule(dag("float32"))
    before, x = nn.Linear(4, 4), torch.randn(5, 4)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        given_x = before(x)
        assert given_x.dtype == torch.bfloat16
        output = module(given_x)
    assert output.dtype == torch.float32
    output.sum().backward()
    assert before.weight.grad.abs().sum() > 0
    assert_close(output.detach(), module(given_x.float()).detach())


def test_a_nan_goes_through():
    module = GraphModule(dag())
    x = inputs(module, 2)
    x[1, 0] = torch.nan
    output = module(x)
    assert not output[0].isnan().any()
    assert output[1].isnan().any()


def test_a_second_derivative_is_refused_clearly():
    module = GraphModule(dag())
    x = inputs(module, 5).requires_grad_()
    (slope,) = torch.autograd.grad(module(x).sum(), x, create_graph=True)
    with pytest.raises(ew.EdgewiseError, match="first derivatives; the gradient of a gradient was asked for"):
        slope.square().sum().backward()


def test_many_threads_at_once():
    module = GraphModule(dag())
    xs = [inputs(module, 33, seed=k) for k in range(8)]
    expected = [torch.autograd.grad(module(x).square().sum(), module.weight)[0] for x in xs]
    wrong = []

    def work(k):
        for _ in range(20):
            found = torch.autograd.grad(module(xs[k]).square().sum(), module.weight)[0]
            if not torch.equal(found, expected[k]):
                wrong.append(k)

    threads = [threading.Thread(target=work, args=(k,)) for k in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not wrong


IN_A_TEAM = """
import os, sys
import numpy as np
import torch
import edgewise as ew
from edgewise import _core
from edgewise.torch import GraphModule

torch.set_num_threads(3)
net = ew.random_dag(1000, 20_000, n_inputs=20, n_outputs=10, seed=0, dtype="float32")
x = np.random.default_rng(0).normal(size=(200, 20)).astype(np.float32)
module, given = GraphModule(net), torch.from_numpy(x).requires_grad_()
assert _core.use_shared_team(False) is False, "outside PyTorch's calls its threads are left alone"

def check():
    module.zero_grad()
    given.grad = None
    output = module(given)
    output.square().sum().backward()
    there = net.forward(x, threads=2)
    bwd = net.backprop(x, y=np.zeros((200, 10), np.float32), loss="squared_error", reduction="sum", threads=2)
    assert (output.detach().numpy() == there.output).all()
    error = np.abs(module.weight.grad.numpy() / 2 - bwd.weight_gradient).max()
    assert error <= 1e-5 * np.abs(bwd.weight_gradient).max(), error
    return module.weight.grad.numpy().tobytes(), given.grad.numpy().tobytes()

found = check()
for threads in (1, 2, 3):
    torch.set_num_threads(threads)
    assert check() == found, threads
_core.share_team(0, 0, 0)  # the engine's own
assert check() == found
if hasattr(os, "fork"):
    child = os.fork()
    if child == 0:
        torch.set_num_threads(1)
        own = GraphModule(net, threads=2)
        os._exit(0 if (own(given).detach().numpy() == net.forward(x).output).all() else 1)
    assert os.waitpid(child, 0)[1] == 0
"""


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="elsewhere PyTorch may have other threads")
def test_pytorchs_threads_are_found(monkeypatch):
    told = []
    monkeypatch.setattr(threads.native, "share_team", lambda *addresses: told.append(addresses))
    threads.share()
    [addresses] = told
    assert len(addresses) == 3
    assert all(addresses)


def test_pytorchs_threads_give_the_same_bits():
    ran = subprocess.run([sys.executable, "-c", IN_A_TEAM], capture_output=True, text=True, timeout=120, check=False)
    assert ran.returncode == 0, ran.stderr


def test_registered_activations_run_too():
    ew.activations.register("torch test cube root", np.cbrt, lambda s: 1 / (3 * np.cbrt(s) ** 2))
    module = GraphModule(dag(activation="torch test cube root"))
    x = inputs(module, 5)
    module(x).sum().backward()
    net = module.network()
    expected = net.backprop(x.numpy(), net.outputs, reduction="sum").weight_gradient.sum(axis=0)
    assert_close(module.weight.grad, expected)


# ---- torch.compile and torch.export ----


class Wrapped(nn.Module):
    def __init__(self, net):
        super().__init__()
        self.before, self.inner, self.behind = nn.Linear(4, 4), GraphModule(net), nn.Linear(3, 2)
        self.to(self.inner.weight.dtype)

    def forward(self, x):
        return self.behind(torch.relu(self.inner(torch.tanh(self.before(x)))))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # PyTorch's own, on importing inductor
@pytest.mark.parametrize("backend", ["aot_eager", "inductor"])
def test_compile_as_one_graph(backend):
    if backend == "inductor" and shutil.which("g++") is None:
        pytest.skip("inductor needs a C++ compiler")
    model = Wrapped(dag().replace(tie=np.arange(80) // 2, weight=0.3, response=1.5, bias_tie=np.arange(20) % 7))
    compiled = torch.compile(model, fullgraph=True, backend=backend)
    x = torch.randn(6, 4, dtype=torch.float64, requires_grad=True)
    wanted = [x, *model.parameters()]
    expected = torch.autograd.grad(model(x).square().sum(), wanted)
    output = compiled(x)
    assert_close(output.detach(), model(x).detach())
    for found, one in zip(torch.autograd.grad(output.square().sum(), wanted), expected, strict=True):
        assert_close(found, one)


def test_the_operators_keep_the_rules():
    module = GraphModule(dag())
    args = (
        inputs(module, 3).requires_grad_(),
        module.weight,
        module.bias,
        None,
        module.structure,
        module._description,
        3,
        1,
    )
    torch.library.opcheck(torch.ops.edgewise.graph.default, args)


@pytest.mark.parametrize("ties", [{}, {"tie": np.arange(80) // 2, "weight": 0.3}, {"bias_tie": np.arange(20) % 7}])
def test_a_structure_is_read_from_its_tensor(ties):
    net = dag().replace(**ties)
    tensor, description = describe(net)
    if net.bias_tie is None:  # as it has been since the first program was exported
        assert len(tensor) == 8 + int(tensor[1:8].sum())
    again = _rebuild(tensor.numpy(), description)
    for name in ("tail", "head", "inputs", "outputs", "activations", "aggregations", "tie", "bias_tie"):
        assert np.array_equal(getattr(again, name), getattr(net, name)), name


def test_an_exported_program_runs_elsewhere(tmp_path):
    module = Wrapped(dag().replace(tie=np.arange(80) // 2, weight=0.3, bias_tie=np.arange(20) % 7))
    x = torch.randn(6, 4, dtype=torch.float64)
    batch = torch.export.Dim("batch", min=1, max=1000)
    program = torch.export.export(module, (x,), dynamic_shapes=({0: batch},))
    more = torch.cat([x, x])
    assert_close(program.module()(more).detach(), module(more).detach())
    torch.export.save(program, tmp_path / "program.pt2")
    torch.save((more, module(more).detach()), tmp_path / "numbers.pt")
    code = (
        "import torch, edgewise.torch; x, y = torch.load('numbers.pt'); "
        "found = torch.export.load('program.pt2').module()(x); print((found - y).abs().max().item())"
    )
    found = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True)
    assert found.returncode == 0, found.stderr
    assert float(found.stdout) <= 1e-12


# ---- with Lightning, or without PyTorch ----

LIGHTNING = """
import sys, warnings
warnings.simplefilter("ignore")
import torch, lightning
import edgewise as ew
from edgewise.torch import GraphModule

class Model(lightning.LightningModule):
    def __init__(self):
        super().__init__()
        self.inner = GraphModule(ew.random_dag(20, 80, n_inputs=4, n_outputs=3, dtype="float32", seed=0))
    def training_step(self, batch, index):
        x, y = batch
        return torch.nn.functional.cross_entropy(self.inner(x), y)
    def configure_optimizers(self):
        return torch.optim.Adam(self.parameters(), 1e-2)

x = torch.randn(256, 4)
y = x[:, :3].argmax(dim=1)
data = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(x, y), batch_size=32)
model = Model()
before = torch.nn.functional.cross_entropy(model.inner(x), y).item()
trainer = lightning.Trainer(
    max_epochs=5, accelerator="cpu", logger=False, enable_progress_bar=False, enable_model_summary=False
)
trainer.fit(model, data)
again = Model.load_from_checkpoint(trainer.checkpoint_callback.best_model_path)
assert torch.equal(again.inner.weight, model.inner.weight)
print(torch.nn.functional.cross_entropy(model.inner(x), y).item() < before)
"""


def test_lightning(tmp_path):
    pytest.importorskip("lightning", reason="Lightning is not installed")
    found = subprocess.run([sys.executable, "-c", LIGHTNING], cwd=tmp_path, capture_output=True, text=True)
    assert found.returncode == 0, found.stderr
    assert found.stdout.split()[-1] == "True"


def test_without_pytorch_it_says_so():
    code = "import sys; sys.modules['torch'] = None; import edgewise.torch"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert found.returncode == 1
    assert "edgewise.torch needs PyTorch: pip install" in found.stderr
