"""Schedules: PyTorch's factors, in the core and out of it, and nothing that is not a factor."""

from dataclasses import dataclass

import numpy as np
import pytest
import torch

import edgewise as ew
from oracles import assert_close
from test_training import blobs

SCHEDULES = {
    "step": ew.StepDecay(every=2, factor=0.3),
    "cosine": ew.Cosine(last=0.1),
    "cosine with a warm-up": ew.Cosine(warmup=0.3),
    "plateau": ew.ReduceOnPlateau(factor=0.5, patience=0, threshold=0.5),
}


def middles(epochs, n_steps):
    return (np.arange(epochs * n_steps) + 0.5) / n_steps


def pytorchs(make, n):
    optimizer = torch.optim.SGD([torch.zeros(1)], 1.0)
    schedule, found = make(optimizer), []
    for _ in range(n):
        found.append(optimizer.param_groups[0]["lr"])
        optimizer.step()
        schedule.step()
    return np.array(found)


def test_step_decay_is_pytorchs():
    expected = pytorchs(lambda o: torch.optim.lr_scheduler.StepLR(o, 3, 0.2), 10)
    found = ew.StepDecay(3, 0.2).factors(middles(10, 1), 10, ew.History())
    assert_close(found, expected, 1e-12)


def test_cosine_is_pytorchs_in_the_middle_of_each_step():
    half = pytorchs(lambda o: torch.optim.lr_scheduler.CosineAnnealingLR(o, 80, eta_min=0.05), 80)
    found = ew.Cosine(last=0.05).factors(middles(8, 5), 8, ew.History())
    assert_close(found, half[1::2], 1e-12)


def test_a_warm_up_rises_in_a_straight_line_and_never_stands_at_zero():
    found = ew.Cosine(warmup=0.25).factors(middles(8, 5), 8, ew.History())
    assert_close(found[:10], (np.arange(10) + 0.5) / 10, 1e-12)
    assert (np.diff(found[10:]) < 0).all()
    assert found[10] > 0.99
    assert found.min() > 0


@pytest.mark.parametrize("kept", ["loss", "validation_loss"])
def test_a_plateau_is_pytorchs(kept):
    losses = [3.0, 2.0, 2.0, 1.9999, 2.1, 1.5, 1.6, 1.7, 1.8, 1.9, 1.4, 1.4, 1.4, 1.4, 1.4, 1.4]
    optimizer = torch.optim.SGD([torch.zeros(1)], 1.0)
    schedule = torch.optim.lr_scheduler.ReduceLROnPlateau(
        optimizer, factor=0.3, patience=1, threshold=1e-3, min_lr=0.02
    )
    history, ours = ew.History(), ew.ReduceOnPlateau(factor=0.3, patience=1, threshold=1e-3, least=0.02)
    for loss in losses:
        getattr(history, kept).append(loss)
        schedule.step(loss)
        [factor] = ours.factors(np.array([0.5]), 1, history)
        assert factor == pytest.approx(optimizer.param_groups[0]["lr"], rel=1e-12)
    assert factor == 0.02


@pytest.mark.parametrize("optimizer", [ew.SGD(0.1, momentum=0.9), ew.Adam(0.02, weight_decay=0.1), ew.AdamW(0.02)])
@pytest.mark.parametrize("name", SCHEDULES)
def test_the_core_steps_at_the_schedules_rate(name, optimizer):
    x, y = blobs(70)
    net = ew.mlp([2, 17, 3], activation="tanh")
    asked = {"optimizer": optimizer, "epochs": 5, "batch_size": 16, "schedule": SCHEDULES[name], "validation": 0.2}
    in_core, here = net.copy(), net.copy()
    core = ew.fit(in_core, x, y, **asked)
    ew.fit(here, x, y, engine="reference", **asked)
    assert_close(in_core.weight, here.weight, 1e-10)
    assert_close(in_core.bias, here.bias, 1e-10)
    constant = net.copy()
    ew.fit(constant, x, y, **(asked | {"schedule": None}))
    assert abs(constant.weight - in_core.weight).max() > 1e-4
    assert len(core.learning_rate) == 5
    assert core.learning_rate[-1] < optimizer.learning_rate
    assert core.to_dict()["learning_rate"] == core.learning_rate


@pytest.mark.parametrize("name", SCHEDULES)
def test_callbacks_and_threads_change_no_bit(name):
    x, y = blobs(70)

    def run(**options):
        net = ew.mlp([2, 17, 3])
        ew.fit(net, x, y, epochs=4, batch_size=16, schedule=SCHEDULES[name], **options)
        return net.weight.tobytes()

    assert run() == run(threads=1) == run(callbacks=[lambda record: None])


def test_a_constant_schedule_changes_no_bit():
    x, y = blobs(70)
    nets = ew.mlp([2, 8, 3]), ew.mlp([2, 8, 3])
    for net, schedule in zip(nets, (None, ew.StepDecay(100)), strict=True):
        ew.fit(net, x, y, epochs=3, schedule=schedule)
    assert nets[0].weight.tobytes() == nets[1].weight.tobytes()


@dataclass(frozen=True)
class Given:
    found: object

    def factors(self, epoch, epochs, history):
        return self.found


@pytest.mark.parametrize("found", [1.0, [1.0, 1.0], [[1.0]], [-1.0], [np.nan]])
def test_what_is_no_factor_is_refused(found):
    net = ew.mlp([2, 4, 3])
    before = net.weight.copy()
    with pytest.raises(ew.DataError, match=r"Given.factors gave .* it must give 1 finite numbers ≥ 0"):
        ew.fit(net, *blobs(16), batch_size=16, epochs=1, schedule=Given(found))
    assert (net.weight == before).all()


def test_an_optimizer_that_cannot_change_its_rate_is_refused():
    class Own:
        learning_rate = 0.1

        def init(self, n_parameters, dtype):
            return None

        def step(self, parameters, gradient, state):
            parameters -= 0.1 * gradient

    with pytest.raises(ew.DataError, match="a schedule needs an optimizer whose learning_rate can be replaced"):
        ew.fit(ew.mlp([2, 4, 3]), *blobs(16), optimizer=Own(), schedule=ew.Cosine(), epochs=1)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: ew.StepDecay(0), "every must be a whole number at least 1, not 0"),
        (lambda: ew.StepDecay(1.5), "every must be a whole number at least 1, not 1.5"),
        (lambda: ew.StepDecay(factor=-1), "factor must be a number at least 0, not -1"),
        (lambda: ew.Cosine(warmup=1.5), "warmup must be a number at least 0 and below 1, not 1.5"),
        (lambda: ew.Cosine(last="0"), "last must be a number at least 0 and below 1, not '0'"),
        (lambda: ew.ReduceOnPlateau(patience=-1), "patience must be a whole number at least 0, not -1"),
    ],
)
def test_settings_that_make_no_sense_are_refused(make, message):
    with pytest.raises(ew.DataError, match=message):
        make()
