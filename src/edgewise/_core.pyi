"""Types of the compiled core; see src/native/bind/."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

Index = NDArray[np.int32]
Floats = NDArray[Any]

def group_by(key: Index, n_keys: int) -> tuple[Index, Index]: ...
def order_graph(
    n_nodes: int, tail: Index, head: Index, in_order: NDArray[np.bool_] | None
) -> tuple[Index, tuple[Index, Index, Index, Index, Index, Index, Index] | None]: ...
def longest_path_to(
    order: Index, out_start: Index, out_edge: Index, head: Index, is_target: NDArray[np.bool_]
) -> Index: ...

class Structure:
    def __init__(
        self,
        tail: Index,
        head: Index,
        order: Index,
        position: Index,
        level_start: Index,
        in_start: Index,
        in_edge: Index,
        out_start: Index,
        out_edge: Index,
        activation: NDArray[np.uint8],
        aggregation: NDArray[np.uint8],
        is_input: NDArray[np.uint8],
        inputs: Index,
        outputs: Index,
        tie: Index | None,
        n_parameters: int,
        bias_tie: Index | None,
        n_biases: int,
    ) -> None: ...
    @property
    def bytes(self) -> int: ...
    @property
    def blocks(self) -> list[tuple[int, int, int, int]]: ...

class Pass32:
    def __init__(
        self,
        structure: Structure,
        weight: Floats,
        bias: Floats,
        response: Floats,
        x: Floats,
        gates: bool,
        threads: int,
    ) -> None: ...
    def for_targets(self, n_targets: int) -> Pass32: ...
    def start_from_loss(
        self,
        loss: int,
        parameter: float,
        y: Floats | None,
        label: NDArray[np.int64] | None,
        sample_weight: Floats | None,
    ) -> None: ...
    def square(self, open: bool) -> None: ...
    def start_from(self, seed: Floats, seed_row: Index) -> None: ...
    def value(self, out: Floats) -> None: ...
    def preactivation(self, out: Floats) -> None: ...
    def gate(self, out: Floats) -> None: ...
    def sensitivity(self, out: Floats) -> None: ...
    def linear_sensitivity(self, out: Floats) -> None: ...
    def output(self, out: Floats) -> None: ...
    def input_gradient(self, out: Floats) -> None: ...
    def loss_per_sample(self, out: Floats) -> None: ...
    def weight_gradient(self, divisor: float, out: Floats) -> None: ...
    def bias_gradient(self, divisor: float, out: Floats) -> None: ...
    def response_gradient(self, divisor: float, out: Floats) -> None: ...
    def strongest_absent(
        self,
        rank: Index,
        may_head: NDArray[np.uint8],
        pair: Index,
        group: Index,
        wanted: NDArray[np.int64],
        out_start: Index,
        out_row: Index,
        divisor: float,
    ) -> tuple[Index, Index, Floats]: ...
    def edge_derivative(self, out: Floats) -> None: ...
    def weight_gradient_per_sample(self, out: Floats) -> None: ...

class Pass64(Pass32): ...

class Look32:
    def __init__(
        self,
        structure: Structure,
        n_levels: int,
        level: NDArray[np.int32],
        closed_below: NDArray[np.float64],
        hidden: NDArray[np.uint8],
        squashing: NDArray[np.uint8],
        smooth: NDArray[np.uint8],
        closed: NDArray[np.float64],
        last_open: NDArray[np.int64],
        step_of: NDArray[np.int64],
        opened: NDArray[np.uint8],
        seen: NDArray[np.float64],
        every: int,
        samples: int,
        few: int,
        often: int,
        lately: float,
        dead_after: float,
        saturated_from: float,
        step_size: int,
        beside: bool,
        threads: int,
    ) -> None: ...
    def forward(self, weight: Floats, bias: Floats, response: Floats, x: Floats, output: Floats) -> None: ...
    def backward(self, seed: Floats, step: int, row: NDArray[np.float64]) -> None: ...
    def changed(self, before: Floats, after: Floats, row: NDArray[np.float64]) -> None: ...
    @property
    def row_size(self) -> int: ...

class Look64(Look32): ...

class Trainer32:
    def __init__(
        self,
        structure: Structure,
        weight: Floats,
        bias: Floats,
        response: Floats,
        batch_size: int,
        loss: int,
        loss_parameter: float,
        optimizer: int,
        nesterov: bool,
        learning_rate: float,
        momentum: float,
        weight_decay: float,
        beta1: float,
        beta2: float,
        epsilon: float,
        clip_norm: float,
        l1: float,
        average: float,
        accumulate: int,
        dropout: float,
        seed: int,
        threads: int,
    ) -> None: ...
    def run(
        self,
        x: Floats,
        y: Floats | None,
        label: NDArray[np.int64] | None,
        sample_weight: Floats | None,
        order: NDArray[np.int64],
        rate_factor: NDArray[np.float64] | None,
        output: Floats,
        losses: Floats,
        first: int,
        n_steps: int,
        seconds: float,
        look: Look32 | None,
        rows: NDArray[np.float64] | None,
    ) -> tuple[int, int]: ...
    @property
    def diverged(self) -> bool: ...
    @property
    def steps(self) -> int: ...
    @property
    def n_arrays(self) -> int: ...
    def array(self, which: int, weight: Floats, bias: Floats) -> None: ...
    def set_array(self, which: int, weight: Floats, bias: Floats) -> None: ...
    def set_steps(self, steps: int) -> None: ...

class Trainer64(Trainer32): ...

def instruction_set() -> str: ...
def instruction_sets() -> list[str]: ...
def register_bytes() -> int: ...
def compiler() -> str: ...
def most_threads() -> int: ...
def shuffle(order: NDArray[np.int64], seed: int, epoch: int, part: int) -> None: ...
def share_team(parallel: int, member: int, size: int) -> None: ...
def use_shared_team(wanted: bool) -> bool: ...
def after_fork() -> None: ...
def tally_classes(
    loss: Floats,
    output: Floats,
    y: NDArray[np.int64],
    weight: NDArray[np.float64] | None,
    order: NDArray[np.int64],
    step_size: int,
    sums: NDArray[np.float64],
) -> None: ...
def tally_signs(
    loss: Floats,
    output: Floats,
    y: Floats,
    weight: NDArray[np.float64] | None,
    order: NDArray[np.int64],
    step_size: int,
    sums: NDArray[np.float64],
    threshold: float,
) -> None: ...
def tally_numbers(
    loss: Floats,
    output: Floats,
    y: Floats,
    weight: NDArray[np.float64] | None,
    order: NDArray[np.int64],
    step_size: int,
    sums: NDArray[np.float64],
    origin: NDArray[np.float64],
    shift: NDArray[np.float64],
) -> None: ...
def all_finite32(array: Floats) -> bool: ...
def all_finite64(array: Floats) -> bool: ...
