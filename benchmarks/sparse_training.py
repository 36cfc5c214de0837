"""Sparse training on real images beside what others run: python -m benchmarks.sparse_training --mnist FOLDER.

Layers 784-1024-1024-10, float32, minibatches of 128, AdamW, 40 epochs over 8,000 images of handwritten digits, tested
on 2,000 others; a learning rate of 2e-3 where all arcs are there, 3e-3 with a tenth of them and 6e-3 with fewer, for
every side. FOLDER holds t10k-images-idx3-ubyte.gz and t10k-labels-idx1-ubyte.gz, the test set of MNIST. PyTorch and
SparseProp come with pip install ".[benchmark]" and as `python -m benchmarks --help` says.
"""

import argparse
import gzip
import io
import itertools
import json
import math
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

import edgewise as ew
from benchmarks import machine, report, tables

SIZES = (784, 1024, 1024, 10)
BATCH, EPOCHS, WARMUP, DECAY = 128, 40, 0.05, 0.05
EVERY, DROP, END = 50, 0.3, 0.75
DENSITIES = (0.1, 0.05, 0.02)
SEEDS = (0, 1, 2)
ACCURACY = 0.95
COMMAND = "python -m benchmarks.sparse_training --mnist FOLDER --write docs/sparse-training.md"


@dataclass(frozen=True)
class Images:
    x: NDArray[np.float32]  # (n, 784)
    y: NDArray[np.int64]
    x_test: NDArray[np.float32]
    y_test: NDArray[np.int64]


@dataclass(frozen=True)
class Curve:
    """One run: how far it was when, tests included."""

    seconds: list[float]
    accuracy: list[float]

    @property
    def per_epoch(self) -> float:
        return self.seconds[-1] / len(self.seconds)

    @property
    def until(self) -> float | None:
        """Seconds until ACCURACY was reached."""
        return next((s for s, a in zip(self.seconds, self.accuracy, strict=True) if a >= ACCURACY), None)


@dataclass(frozen=True)
class Result:
    name: str
    density: float
    step: float
    """Seconds of a training step, changes of arcs included; the median of five epochs without tests."""
    curves: list[Curve]
    failure: str = ""

    @property
    def accuracy(self) -> float:
        return statistics.fmean(curve.accuracy[-1] for curve in self.curves)


def read(folder: Path) -> Images:
    with gzip.open(folder / "t10k-images-idx3-ubyte.gz") as file:
        x = np.frombuffer(file.read(), np.uint8, offset=16).reshape(-1, 784).astype(np.float32) / 255
    with gzip.open(folder / "t10k-labels-idx1-ubyte.gz") as file:
        y = np.frombuffer(file.read(), np.uint8, offset=8).astype(np.int64)
    x = (x - x[:8000].mean()) / x[:8000].std()
    return Images(x[:8000], y[:8000], x[8000:], y[8000:])


def rate(density: float) -> float:
    """The fewer arcs, the larger a step they bear; the same for every side."""
    return {1.0: 2e-3, 0.1: 3e-3}.get(density, 6e-3)


def factor(step: int, n_steps: int) -> float:
    """Of the learning rate: a rise, then half a cosine; edgewise.Cosine."""
    at, rise = (step + 0.5) / n_steps, WARMUP
    return at / rise if at < rise else (1 + math.cos(math.pi * (at - rise) / (1 - rise))) / 2


# ---- Edgewise ----


def edgewise(change: Callable[[], Any], density: float, images: Images, seed: int, epochs: int, test: bool) -> Curve:
    net = ew.mlp(SIZES, density=density, dtype="float32", seed=seed)
    history = ew.fit(
        net,
        images.x,
        images.y,
        epochs=epochs,
        batch_size=BATCH,
        optimizer=ew.AdamW(rate(density), weight_decay=DECAY),
        schedule=ew.Cosine(warmup=WARMUP),
        sparse=change(),
        validation=(images.x_test, images.y_test) if test else None,
        seed=seed,
        progress=False,
    )
    return Curve(np.cumsum(history.seconds).tolist(), history.validation_metric)


# ---- PyTorch ----


def torch_run(
    make: Callable[[int], tuple[Any, Callable[[int, int], None]]],
    density: float,
    images: Images,
    seed: int,
    epochs: int,
    test: bool,
) -> Curve:
    """An ordinary loop. `make(seed)` gives the model and what is done after every step, told which and of how many."""
    import torch

    torch.manual_seed(seed)
    model, after = make(seed)
    optimizer = torch.optim.AdamW(model.parameters(), rate(density), weight_decay=DECAY)
    loss_of = torch.nn.CrossEntropyLoss()
    x, y = torch.from_numpy(images.x), torch.from_numpy(images.y)
    x_test, y_test = torch.from_numpy(images.x_test), torch.from_numpy(images.y_test)
    n = len(x)
    per_epoch = math.ceil(n / BATCH)
    seconds, accuracy, step, began = [], [], 0, time.perf_counter()
    for _ in range(epochs):
        order = torch.randperm(n)
        for first in range(0, n, BATCH):
            rows = order[first : first + BATCH]
            for group in optimizer.param_groups:
                group["lr"] = rate(density) * factor(step, per_epoch * epochs)
            optimizer.zero_grad(set_to_none=True)
            loss_of(model(x[rows]), y[rows]).backward()
            optimizer.step()
            after(step, per_epoch * epochs)
            step += 1
        if test:
            with torch.no_grad():
                # SparseProp's modules take as many samples as they were made for: a last, smaller piece is left out
                right = [
                    (model(x_test[k : k + BATCH]).argmax(1) == y_test[k : k + BATCH]).float().mean().item()
                    for k in range(0, len(x_test) - BATCH + 1, BATCH)
                ]
            accuracy.append(statistics.fmean(right))
        seconds.append(time.perf_counter() - began)
    return Curve(seconds, accuracy)


def torch_layers() -> Any:
    from torch import nn

    modules: list[Any] = []
    for n_in, n_out in itertools.pairwise(SIZES):
        modules += [nn.Linear(n_in, n_out), nn.ReLU()]
    return nn.Sequential(*modules[:-1])


def dense(seed: int) -> tuple[Any, Callable[[int, int], None]]:
    return torch_layers(), lambda step, n_steps: None


def masked_rigl(density: float) -> Callable[[int], tuple[Any, Callable[[int, int], None]]]:
    """RigL as it is run on PyTorch: dense layers, a mask on gradients and, after every step, on weights."""

    def make(seed: int) -> tuple[Any, Callable[[int, int], None]]:
        import torch

        model = torch_layers()
        layers = [module for module in model if isinstance(module, torch.nn.Linear)]
        shares = ew.build.layer_densities(SIZES, density)
        masks, slopes = [], [torch.empty(0)] * len(layers)
        for k, (layer, share) in enumerate(zip(layers, shares, strict=True)):
            mask = (torch.rand_like(layer.weight) < share).float()
            masks.append(mask)
            with torch.no_grad():
                layer.weight.mul_(mask).div_(math.sqrt(share))

            def hook(gradient: Any, k: int = k, mask: Any = mask) -> Any:
                slopes[k] = gradient
                return gradient * mask

            layer.weight.register_hook(hook)

        def after(step: int, n_steps: int) -> None:
            with torch.no_grad():
                done = (step + 1) / n_steps
                if (step + 1) % EVERY == 0 and done < END:
                    share = DROP / 2 * (1 + math.cos(math.pi * done / END))
                    for layer, mask, slope in zip(layers, masks, slopes, strict=True):
                        count = int(share * mask.sum().item())
                        kept = torch.where(mask > 0, layer.weight.abs(), torch.inf).flatten()
                        mask.view(-1)[torch.topk(kept, count, largest=False).indices] = 0
                        absent = torch.where(mask > 0, -1.0, slope.abs()).flatten()
                        mask.view(-1)[torch.topk(absent, count).indices] = 1
                for layer, mask in zip(layers, masks, strict=True):
                    layer.weight.mul_(mask)

        return model, after

    return make


def sparseprop(density: float) -> Callable[[int], tuple[Any, Callable[[int, int], None]]]:
    """A fixed random mask in SparseProp's modules; the last layer, where they are slower than dense ones, dense."""

    def make(seed: int) -> tuple[Any, Callable[[int, int], None]]:
        import torch
        from sparseprop.modules import SparseLinear

        model = torch_layers()
        shares = ew.build.layer_densities(SIZES, density)
        modules = []
        for module in model:
            if isinstance(module, torch.nn.Linear):
                share = shares[sum(isinstance(m, torch.nn.Linear | SparseLinear) for m in modules)]
                with torch.no_grad():
                    module.weight.mul_((torch.rand_like(module.weight) < share).float()).div_(math.sqrt(share))
                if share < 0.5:
                    module = SparseLinear.from_dense(module)
            modules.append(module)
        return torch.nn.Sequential(*modules), lambda step, n_steps: None

    return make


# ---- the run ----

Run = Callable[[Images, int, int, bool], Curve]


def sides() -> Iterator[tuple[str, float, Run, tuple[int, ...]]]:
    """Name, density, how to run it, and with which seeds."""

    def ours(change: Callable[[], Any], density: float) -> Run:
        return lambda images, seed, epochs, test: edgewise(change, density, images, seed, epochs, test)

    def theirs(make: Any, density: float) -> Run:
        return lambda images, seed, epochs, test: torch_run(make, density, images, seed, epochs, test)

    settings = {"every": EVERY, "drop": DROP, "end": END}
    yield "Edgewise, dense", 1.0, ours(lambda: None, 1.0), SEEDS
    for density in DENSITIES:
        yield "Edgewise, RigL", density, ours(lambda: ew.sparse.RigL(**settings), density), SEEDS
        yield "Edgewise, SET", density, ours(lambda: ew.sparse.SET(**settings), density), SEEDS
    yield "PyTorch, dense", 1.0, theirs(dense, 1.0), SEEDS
    for density in DENSITIES:
        seeds = SEEDS if density == 0.05 else ()  # a masked step takes as long at any density: timed alone
        yield "PyTorch, RigL by masks", density, theirs(masked_rigl(density), density), seeds
        yield "SparseProp, fixed mask", density, theirs(sparseprop(density), density), seeds


def cost_of_a_change(make: Callable[..., Any], density: float, images: Images) -> tuple[float, float]:
    """Seconds of one change of arcs, all that belongs to it included, and steps that take as long."""
    often, n_steps = 5, math.ceil(len(images.x) / BATCH)
    changing = np.diff(edgewise(lambda: make(every=often, drop=DROP, end=1.0), density, images, 0, 7, False).seconds)
    still = np.diff(edgewise(lambda: None, density, images, 0, 7, False).seconds)
    step = statistics.median(still) / n_steps
    change = (statistics.median(changing) / n_steps - step) * often
    return change, change / step


def measure(images: Images, out: Any) -> list[Result]:
    results = []
    n_steps = math.ceil(len(images.x) / BATCH)
    for name, density, run, seeds in sides():
        try:
            times = run(images, 0, 6, False).seconds
            step = statistics.median(np.diff(times)) / n_steps  # without the first epoch, which builds things
            curves = [run(images, seed, EPOCHS, True) for seed in seeds]
            found = Result(name, density, step, curves)
        except ImportError as error:
            found = Result(name, density, math.nan, [], f"not installed: {error}")
        results.append(found)
        shown = f"accuracy {found.accuracy:.4f}" if found.curves else found.failure
        print(f"{name}, density {density:g}: {report.seconds(found.step)} a step; {shown}", file=out, flush=True)
    return results


def markdown(results: list[Result], changes: dict[str, tuple[float, float]], this: machine.Machine) -> str:
    dense_accuracy = results[0].accuracy
    masked = {r.density: r.step for r in results if r.name.startswith("PyTorch, RigL")}
    lines = [
        f"{this.processor}, {this.threads} threads. Means over {len(SEEDS)} seeds; times are medians, tests after "
        "every epoch included except in those of a step.",
        "",
        f"| | arcs | accuracy | to our dense one | a step | beside masks | an epoch | until {ACCURACY:.0%} |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for r in results:
        cells = [r.name, f"{r.density:.0%}"]
        if r.failure:
            lines.append(f"| {' | '.join([*cells, r.failure, '', '', '', '', ''])} |")
            continue
        ratio = masked.get(r.density)
        beside = "" if ratio is None or r.name.startswith("PyTorch") else f"{report.number(ratio / r.step)}×"
        if r.curves:
            reached = [c.until for c in r.curves]
            known = [u for u in reached if u is not None]
            until = report.seconds(statistics.median(known)) if len(known) == len(reached) else "not by all"
            cells += [
                f"{100 * r.accuracy:.2f} %",
                f"{100 * (r.accuracy - dense_accuracy):+.2f}",
                report.seconds(r.step),
                beside,
                report.seconds(statistics.median(c.per_epoch for c in r.curves)),
                until,
            ]
        else:
            cells += ["", "", report.seconds(r.step), beside, "", ""]
        lines.append(f"| {' | '.join(cells)} |")
    lines += ["", "One change of arcs, with the new plan and all that the optimizer remembers:", ""]
    lines += ["| | takes | as long as |", "|---|---|---|"]
    lines += [f"| {name} | {report.seconds(cost)} | {n_steps:.0f} steps |" for name, (cost, n_steps) in changes.items()]
    return "\n".join(lines)


def picture(results: list[Result]) -> bytes:
    """Accuracy against time, a line for each way: means over the seeds."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(7.6, 4.6), dpi=150, layout="constrained")
    FigureCanvasAgg(figure)
    axis = figure.subplots()
    shown = [r for r in results if r.curves and r.density in (1.0, 0.05)]
    colors = {
        "Edgewise": ("#1f6f8b", "#2a9d8f", "#4c956c"),
        "PyTorch": ("#d1603d", "#8d5a97"),
        "SparseProp": ("#8a8a8a",),
    }
    used: dict[str, int] = {}
    for r in shown:
        side = r.name.split(",")[0]
        color = colors[side][used.get(side, 0)]
        used[side] = used.get(side, 0) + 1
        seconds = np.mean([c.seconds for c in r.curves], axis=0)
        accuracy = 100 * np.mean([c.accuracy for c in r.curves], axis=0)
        arcs = "all arcs" if r.density == 1 else f"{r.density:.0%} of the arcs"
        axis.plot(seconds, accuracy, color=color, label=f"{r.name}, {arcs}", linewidth=1.8)
    axis.set_xscale("log")
    axis.set_ylim(85, 98.5)
    axis.set_xlabel("seconds of training, tests after every epoch included")
    axis.set_ylabel("accuracy on images not seen, %")
    axis.grid(alpha=0.25)
    axis.spines[["top", "right"]].set_visible(False)
    axis.legend(frameon=False, loc="lower right", fontsize=8)
    axis.set_title(f"{'-'.join(map(str, SIZES))} on 8,000 handwritten digits", loc="left")
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", metadata={"Software": None})
    return buffer.getvalue()


def main() -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.sparse_training",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--mnist", metavar="FOLDER", type=Path, required=True, help="where the two files are")
    parser.add_argument("--write", metavar="FILE", type=Path, help="put table and picture into this guide")
    parser.add_argument("--json", metavar="FILE", type=Path, help="write all numbers")
    options = parser.parse_args()
    images = read(options.mnist)
    changes = {
        f"{way.__name__}, {density:.0%} of the arcs": cost_of_a_change(way, density, images)
        for density in DENSITIES
        for way in (ew.sparse.RigL, ew.sparse.SET)
    }
    results = measure(images, sys.stdout)
    table = markdown(results, changes, machine.measure(quick=True))
    print("\n" + table)
    if options.json is not None:
        numbers = {"changes": changes, "results": [asdict(r) for r in results]}
        options.json.write_text(json.dumps(numbers, indent=1), encoding="utf-8")
    if options.write is not None:
        tables.put(options.write, f"\n{table}\n")
        (options.write.parent / "pictures" / "sparse-training.png").write_bytes(picture(results))
    return 0


if __name__ == "__main__":
    sys.exit(main())
