"""What watching a PyTorch model costs, beside plain training, hooks written by hand, and torchmortem, in one run.

python -m benchmarks.watching_torch --write docs/watching.md. torchmortem comes with pip install torchmortem.
"""

import argparse
import copy
from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import torch
from torch import nn

from benchmarks import tables, timing
from edgewise.torch import watch

COMMAND = "python -m benchmarks.watching_torch --write docs/watching.md"
MARKS = "<!-- PyTorch figures begin -->", "<!-- PyTorch figures end -->"
STEPS = 50
PACE = timing.Pace(15.0, 2, 20)


def perceptron() -> tuple[nn.Module, torch.Tensor]:
    layers = [part for _ in range(3) for part in (nn.Linear(512, 512), nn.ReLU())]
    return nn.Sequential(nn.Linear(784, 512), nn.ReLU(), *layers, nn.Linear(512, 10)), torch.randn(128, 784)


def convolutions() -> tuple[nn.Module, torch.Tensor]:
    first = [nn.Conv2d(3, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, 32, 3, padding=1, stride=2), nn.ReLU()]
    then = [nn.Conv2d(32, 32, 3, padding=1, stride=2), nn.ReLU(), nn.Flatten(), nn.Linear(32 * 64, 10)]
    return nn.Sequential(*first, *then), torch.randn(32, 3, 32, 32)


class Recurrent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.rnn, self.out = nn.LSTM(64, 128, batch_first=True), nn.Linear(128, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        made: torch.Tensor = self.out(self.rnn(x)[0][:, -1])
        return made


class Attending(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.layer, self.out = nn.TransformerEncoderLayer(128, 4, 512, batch_first=True), nn.Linear(128, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        made: torch.Tensor = self.out(self.layer(x).mean(dim=1))
        return made


def _first(made: Any) -> torch.Tensor:
    return made[0] if isinstance(made, tuple) else made


def by_hand(model: nn.Module, seen: list[float]) -> list[Any]:
    """The mean of every activation, and the size of every gradient: what people write first."""
    handles = []
    for module in model.modules():
        if not list(module.children()):
            handles.append(module.register_forward_hook(lambda m, i, o: seen.append(float(_first(o).detach().mean()))))
            handles.append(module.register_full_backward_hook(lambda m, i, o: seen.append(float(o[0].norm()))))
    return handles


def run(model: nn.Module, x: torch.Tensor, around: Any, each: Callable[[float], None] | None = None) -> None:
    y = torch.randint(0, 10, (len(x),), generator=torch.Generator().manual_seed(0))
    optimizer = torch.optim.SGD(model.parameters(), 1e-9)
    with around:
        for _ in range(STEPS):
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(x), y)
            loss.backward()
            optimizer.step()
            if each is not None:
                each(float(loss.detach()))


def sides(model: nn.Module, x: torch.Tensor) -> dict[str, Callable[[], None]]:
    plain, seldom, always, hooked, other = (copy.deepcopy(model) for _ in range(5))

    def with_hooks() -> None:
        handles = by_hand(hooked, [])
        run(hooked, x, nullcontext())
        for handle in handles:
            handle.remove()

    found: dict[str, Callable[[], None]] = {
        "alone": lambda: run(plain, x, nullcontext()),
        "watched every 50th step": lambda: run(seldom, x, watch(seldom, every=50)),
        "watched every step": lambda: run(always, x, watch(always)),
        "hooks by hand": with_hooks,
    }
    try:
        from torchmortem import Autopsy
    except ImportError:
        return found

    def with_autopsy() -> None:
        autopsy = Autopsy(other)
        run(other, x, autopsy, lambda loss: autopsy.step(loss=loss))

    return found | {"torchmortem": with_autopsy}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", metavar="FILE", type=Path, help="put the table into this Markdown file")
    args = parser.parse_args()
    torch.manual_seed(0)
    lines = [
        f"Best times of a step, of {STEPS} in a run; and how many times as long as alone, the median of pairs of runs "
        f"beside each other: `{COMMAND}`.",
        "",
    ]
    for name, (model, x) in {
        "784-512⁴-10, 128 samples": perceptron(),
        "three convolutions, 32 images": convolutions(),
        "LSTM 64-128-10, 32 samples of 50 steps": (Recurrent(), torch.randn(32, 50, 64)),
        "transformer layer, width 128, 32 samples of 50 words": (Attending(), torch.randn(32, 50, 128)),
    }.items():
        each = sides(model, x)
        if len(lines) == 2:
            lines += [f"| | {' | '.join(each)} |", "|---|" + "---:|" * len(each)]
        for side in each.values():
            side()
        alone, *others = timing.interleave(list(each.values()), PACE)
        cells = [f"{alone.best / STEPS * 1e3:.1f} ms"]
        cells += [f"{other.best / STEPS * 1e3:.1f} ms, {other.over(alone):.2f}×" for other in others]
        lines.append(f"| {name} | {' | '.join(cells)} |")
        print(lines[-1], flush=True)
    if args.write:
        tables.put(args.write, "\n".join(lines), *MARKS)


if __name__ == "__main__":
    main()
