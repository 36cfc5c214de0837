"""A network as a JAX function, its passes run by the engine on the CPU: `pip install edgewise[jax]`.

    from edgewise.jax import as_function

    apply, parameters = as_function(net)
    gradients = jax.grad(lambda p: loss(apply(p, x)))(parameters)

The function goes through jit, grad and vmap (which calls it sample by sample: hand in x with leading axes instead). It
keeps nothing between its passes, so that the backward pass runs the forward pass once more.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from edgewise import engine
from edgewise.arrays import FloatArray
from edgewise.errors import DataError, MissingDependencyError
from edgewise.network import Network
from edgewise.objective import GivenGradient

try:
    import jax
    import jax.numpy as jnp
except ImportError as error:
    raise MissingDependencyError("JAX", "jax", "edgewise.jax") from error

Parameters = dict[str, Any]
"""`weight` (E,) and `bias` (N,), or where they are tied one per tie; `response` (N,) if there is any other than 1."""


def as_function(net: Network, *, threads: int | None = None) -> tuple[Callable[[Parameters, Any], Any], Parameters]:
    """(apply, parameters): apply(parameters, x) gives (…, n_outputs) of x (…, n_inputs), in the network's dtype.

    Both are the network's as it is now. First derivatives only; float64 needs `jax.config.update("jax_enable_x64",
    True)`. DataError for what does not fit.
    """
    if jax.dtypes.canonicalize_dtype(net.dtype) != net.dtype:
        raise DataError(
            'the network is float64, which JAX has after jax.config.update("jax_enable_x64", True); or use '
            'net.astype("float32")'
        )
    structure = net.with_own_parameters()
    parameters = {
        "weight": jnp.asarray(net.weight_ties.once(net.weight)),
        "bias": jnp.asarray(net.bias_ties.once(net.bias)),
    }
    if (net.response[~net.is_input] != 1).any():
        parameters["response"] = jnp.asarray(net.response)
    passes = _passes(structure, threads)

    def apply(parameters: Parameters, x: Any) -> Any:
        x = jnp.asarray(x)
        if x.shape[-1:] != (net.n_inputs,) or x.dtype != net.dtype:
            raise DataError(
                f"x is {x.dtype} of shape {x.shape}; the network's {net.n_inputs} inputs need (…, {net.n_inputs}) in "
                f"{net.dtype}"
            )
        return passes(parameters, x.reshape(-1, net.n_inputs)).reshape(*x.shape[:-1], net.n_outputs)

    return apply, parameters


def to_network(net: Network, parameters: Parameters) -> Network:
    """A network like `net` with these parameters."""
    return net.replace(
        weight=net.weight_ties.spread(np.asarray(parameters["weight"])),
        bias=net.bias_ties.spread(np.asarray(parameters["bias"])),
        response=np.asarray(parameters.get("response", net.response)),
    )


def _passes(structure: Network, threads: int | None) -> Callable[[Parameters, Any], Any]:
    """(parameters, x (B, n_inputs)) -> (B, n_outputs), and its derivative."""
    dtype = structure.dtype

    def network(parameters: Parameters) -> Network:
        of = {name: np.ascontiguousarray(array, dtype) for name, array in parameters.items()}
        weight, bias = structure.weight_ties.spread(of["weight"]), structure.bias_ties.spread(of["bias"])
        return structure.with_parameters(weight, bias, of.get("response", np.ones(structure.n_nodes, dtype)))

    def forward_here(parameters: Parameters, x: Any) -> FloatArray:
        samples = np.ascontiguousarray(x, dtype)
        if not len(samples):
            return np.empty((0, structure.n_outputs), dtype)
        return engine.forward(None, network(parameters), samples, threads).output()

    def backward_here(gradient: Any, parameters: Parameters, x: Any) -> tuple[Parameters, FloatArray]:
        samples = np.ascontiguousarray(x, dtype)
        if not len(samples):
            return {name: np.zeros_like(array) for name, array in parameters.items()}, np.zeros_like(samples)
        begun = engine.both(None, network(parameters), samples, threads)
        found = begun.backward(GivenGradient(structure.outputs, np.ascontiguousarray(gradient, dtype)))
        gradients = {
            "weight": structure.weight_ties.once(found.weight_gradient(1.0)[0]),  # each place has the sum over its tie
            "bias": structure.bias_ties.once(found.bias_gradient(1.0)[0]),
        }
        if "response" in parameters:
            gradients["response"] = found.response_gradient(1.0)[0]
        return gradients, found.input_gradient()[0]

    def shape_of(array: Any) -> jax.ShapeDtypeStruct:
        return jax.ShapeDtypeStruct(array.shape, array.dtype)

    @jax.custom_vjp
    def passes(parameters: Parameters, x: Any) -> Any:
        shape = jax.ShapeDtypeStruct((x.shape[0], structure.n_outputs), dtype)
        return jax.pure_callback(forward_here, shape, parameters, x, vmap_method="sequential")

    def forward(parameters: Parameters, x: Any) -> tuple[Any, tuple[Parameters, Any]]:
        return passes(parameters, x), (parameters, x)

    def backward(kept: tuple[Parameters, Any], gradient: Any) -> Any:
        shapes = jax.tree.map(shape_of, kept)
        return jax.pure_callback(backward_here, shapes, gradient, *kept, vmap_method="sequential")

    passes.defvjp(forward, backward)
    return passes
