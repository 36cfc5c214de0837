"""edgewise.jax: the engine inside JAX's transformations. In processes of their own, since JAX starts threads."""

import subprocess
import sys

import pytest

pytest.importorskip("jax", reason="JAX is not installed")

START = """
import warnings
import jax, jax.numpy as jnp, numpy as np
import pytest
jax.config.update("jax_enable_x64", True)
import edgewise as ew
from edgewise.jax import as_function, to_network

def close(a, b, tolerance=1e-12):
    a, b = np.asarray(a), np.asarray(b)
    assert a.shape == b.shape, (a.shape, b.shape)
    assert np.abs(a - b).max() <= tolerance * np.abs(b).max()

net = ew.random_dag(20, 80, n_inputs=4, n_outputs=3, activation="tanh", seed=0)
x = np.random.default_rng(0).normal(size=(6, 4))
y = np.sin(x[:, :3])
"""

CASES = {
    "gradients": """
tied = {"tie": np.arange(80) // 2, "bias_tie": np.arange(20) % 3}
for net in (net, net.replace(weight=0.3, bias=0.1, response=1.5, **tied)):
    apply, parameters = as_function(net)
    def loss(parameters, x):
        return 0.5 * ((apply(parameters, x) - y) ** 2).sum()
    gradients, of_x = jax.jit(jax.grad(loss, argnums=(0, 1)))(parameters, x)
    bwd = net.backprop(x, y=y, loss="squared_error", reduction="sum")
    of_weights = bwd.weight_gradient if net.tie is None else bwd.weight_gradient[::2]
    close(gradients["weight"], of_weights)
    of_biases = bwd.bias_gradient if net.bias_tie is None else bwd.bias_gradient[:7]  # of 4 inputs and 3 ties
    close(gradients["bias"], of_biases)
    close(of_x, bwd.input_gradient)
    assert ("response" in gradients) == (net.tie is not None)
    if net.tie is not None:
        close(gradients["response"], bwd.response_gradient)
    close(apply(parameters, x), net.forward(x).output)
    moved = jax.tree.map(lambda p, g: p - 0.1 * g, parameters, gradients)
    close(to_network(net, moved).forward(x).output, apply(moved, x))
""",
    "shapes": """
apply, parameters = as_function(net)
close(apply(parameters, x.reshape(2, 3, 4)), net.forward(x).output.reshape(2, 3, 3))
close(apply(parameters, x[0]), net.forward(x[0]).output)
close(jax.vmap(lambda one: apply(parameters, one))(x), net.forward(x).output)
assert apply(parameters, x[:0]).shape == (0, 3)
assert not jax.grad(lambda p: apply(p, x[:0]).sum())(parameters)["weight"].any()
""",
    "errors": """
apply, parameters = as_function(net)
with pytest.raises(ew.DataError, match=r"x is float64 of shape \\(6, 3\\); the network's 4 inputs need"):
    apply(parameters, x[:, :3])
with pytest.raises(ew.DataError, match="x is float32"):
    apply(parameters, x.astype("float32"))
jax.config.update("jax_enable_x64", False)
with pytest.raises(ew.DataError, match="the network is float64, which JAX has after"):
    as_function(net)
apply, parameters = as_function(net.astype("float32"))
close(apply(parameters, x.astype("float32")), net.forward(x).output, 1e-5)
""",
    "large": """
net = ew.random_dag(20_000, 1_000_000, n_inputs=500, n_outputs=100, seed=0, dtype="float32")
apply, parameters = as_function(net)
x = np.random.default_rng(0).normal(size=(256, 500)).astype("float32")
step = jax.jit(jax.grad(lambda p, x: (apply(p, x) ** 2).sum()))
for _ in range(5):  # callbacks on large arrays neither wait for each other nor for themselves
    gradients = step(parameters, jnp.asarray(x))
assert np.isfinite(gradients["weight"]).all()
""",
}


@pytest.mark.parametrize("case", CASES)
def test_in_jax(case):
    found = subprocess.run([sys.executable, "-c", START + CASES[case]], capture_output=True, text=True, timeout=120)
    assert found.returncode == 0, found.stderr


def test_without_jax_it_says_so():
    code = "import sys; sys.modules['jax'] = None; import edgewise.jax"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert found.returncode == 1
    assert "edgewise.jax needs JAX: pip install" in found.stderr
