"""Many networks at once: a forward pass or a training run each, over the same samples, as evolution asks for them.

Each network is worked on by one thread, and the passes hold no lock of the interpreter, so that large networks run side
by side; small ones are sooner done one after the other. The numbers are those of `Network.forward` and `fit`, to the
last bit, for any number of threads.
"""

import math
import os
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from edgewise import batches, engine, losses, samples, steps, training
from edgewise.arrays import FloatArray, all_finite
from edgewise.batches import Chunk, Target
from edgewise.errors import DataError
from edgewise.network import Network
from edgewise.optimizers import Adam, Optimizer, check_number
from edgewise.steps import Method

ENOUGH = 150_000
"""Arcs times samples that a call must have on average for threads to be worth it: with less, they spend their time
handing the interpreter's lock to each other."""


def forward_many(networks: Sequence[Network], x: samples.Samples, *, threads: int | None = None) -> FloatArray:
    """The outputs of all networks for the same samples, (P, B, n_outputs).

    networks : P networks with the same numbers of inputs and outputs and one dtype.
    x : (B, n_inputs), as for `Network.forward`.
    threads : at most so many; None is the number of processors.

    Raises DataError for networks that differ in these, and for x that does not fit.
    """
    first = _check(networks)
    array, one_sample = samples.read(first, x)
    outputs = np.empty((len(networks), len(array), first.n_outputs), first.dtype)

    def run(k: int) -> None:
        outputs[k] = networks[k].forward(array, threads=1).output

    _share_out(run, [network.n_edges * len(array) for network in networks], threads)
    return outputs[:, 0] if one_sample else outputs


def fit_many(
    networks: Sequence[Network],
    x: Any,
    y: ArrayLike,
    *,
    loss: str | losses.Loss | None = None,
    optimizer: Optimizer | None = None,
    epochs: int = 1,
    batch_size: int = 32,
    clip_norm: float | None = None,
    l1: float = 0.0,
    sample_weight: ArrayLike | None = None,
    class_weight: losses.ClassWeight | None = None,
    shuffle: bool = True,
    seed: int = 0,
    threads: int | None = None,
) -> NDArray[np.float64]:
    """Train the weights and biases of all networks in place, each as `fit` with the same settings would.

    Returns the mean loss of each epoch, (P, epochs), as `History.loss` has it. A network whose loss, gradient or
    parameters are no longer finite is put back to the end of its last finite epoch, and its losses from then on are
    inf: in evolution one that diverges is no error.

    networks : P different networks with the same numbers of inputs and outputs and one dtype.
    x, y, and the settings : as for `fit`, in memory.
    threads : at most so many; None is the number of processors.
    """
    first = _check(networks)
    if len({id(network) for network in networks}) < len(networks):
        raise DataError("a network is listed twice; train a copy of it: network.copy()")
    training.check_settings(epochs, batch_size, 1, None, clip_norm, None)
    check_number("seed", seed, 0, whole=True)
    check_number("l1", l1, 0)
    used = losses.get(training.default_loss(first, y) if loss is None else loss)
    source = batches.read(Target(first, used, class_weight), x, y, sample_weight)
    method = Method(
        loss=used,
        optimizer=Adam() if optimizer is None else optimizer,
        batch_size=min(int(batch_size), source.n_samples or int(batch_size)),
        accumulate=1,
        clip_norm=clip_norm,
        l1=float(l1),
        average=0.0,
        dropout=0.0,
        seed=seed,
        engine=None,
        threads=1,
    )
    found = np.full((len(networks), int(epochs)), math.inf)
    epoch_chunks = [list(source.chunks(epoch, method.step_size, seed if shuffle else None)) for epoch in range(epochs)]

    def run(k: int) -> None:
        _train(networks[k], method, epoch_chunks, found[k])

    _share_out(run, [3 * network.n_edges * (source.n_samples or 1) for network in networks], threads)
    return found


def _train(network: Network, method: Method, epoch_chunks: list[list[Chunk]], found: NDArray[np.float64]) -> None:
    taken = steps.begin(network, method)
    last_finite = taken.array(0)
    for epoch, chunks in enumerate(epoch_chunks):
        total, weights = 0.0, 0.0
        for chunk in chunks:
            n = len(chunk.order)
            work = engine.Work(chunk, None, np.empty((n, network.n_outputs), network.dtype), np.empty(n, network.dtype))
            place = 0
            while place < n and not taken.diverged:
                place = taken.run(work, place, 2**31, math.inf)
            total += float(work.loss[:place].sum(dtype=np.float64))
            weights += n if chunk.weight is None else float(chunk.weight[chunk.order].sum(dtype=np.float64))
        parameters = taken.array(0)
        if taken.diverged or not all(map(all_finite, parameters)):
            break
        found[epoch], last_finite = total / weights, parameters
    steps.put(last_finite, network)


def _check(networks: Sequence[Network]) -> Network:
    if not len(networks):
        raise DataError("there are no networks; give at least one")
    first = networks[0]
    for k, network in enumerate(networks):
        for what in ("n_inputs", "n_outputs", "dtype"):
            if getattr(network, what) != getattr(first, what):
                raise DataError(
                    f"networks[{k}].{what} is {getattr(network, what)}, that of networks[0] {getattr(first, what)}; a "
                    "population has the same everywhere"
                )
    return first


def _share_out(run: Callable[[int], None], work: list[int], threads: int | None) -> None:
    """Run for each index, taken by whichever thread is free."""
    engine.check_threads(threads)
    n_threads = min(len(work), threads or os.cpu_count() or 1)
    if sum(work) < ENOUGH * len(work):
        n_threads = 1
    if n_threads == 1:
        for k in range(len(work)):
            run(k)
        return
    from concurrent.futures import ThreadPoolExecutor  # at first use: most imports of the package never come here

    with ThreadPoolExecutor(n_threads) as pool:
        for _ in pool.map(run, range(len(work))):  # which raises what a run raised
            pass
