"""Training on data in every form: the same samples give the same steps."""

import numpy as np
import polars as pl
import pytest
import scipy.sparse
import torch

import edgewise as ew
from edgewise import batches
from oracles import assert_close


def samples(n=100, n_inputs=6, seed=0):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, n_inputs)) * (rng.uniform(size=(n, n_inputs)) < 0.4)
    return x, rng.integers(0, 3, n)


def network(dtype="float64"):
    return ew.mlp([6, 9, 3], activation="tanh", seed=1, dtype=dtype)


def trained(x, y=None, net=None, **settings):
    net = network() if net is None else net
    history = ew.fit(net, x, y, **{"epochs": 3, "batch_size": 8, "loss": "cross_entropy"} | settings)
    return net.weight.tobytes() + net.bias.tobytes(), history


@pytest.fixture
def small_chunks(monkeypatch):
    monkeypatch.setattr(batches, "BYTES_AT_ONCE", 20 * 6 * 8)  # 16 rows: two whole steps


@pytest.mark.parametrize("form", ["csr", "csc", "coo", "array", "memmap"])
def test_rows_that_become_dense_in_their_turn(form, small_chunks, tmp_path):
    x, y = samples()
    if form == "memmap":
        np.save(tmp_path / "x.npy", x)
        given = np.load(tmp_path / "x.npy", mmap_mode="r")
    else:
        given = {
            "csr": scipy.sparse.csr_matrix,
            "csc": scipy.sparse.csc_array,
            "coo": scipy.sparse.coo_matrix,
            "array": scipy.sparse.csr_array,
        }[form](x)
    settings = {"validation": 0.2, "sample_weight": np.arange(100) % 3, "class_weight": [1.0, 2.0, 3.0]}
    expected, history = trained(x, y, **settings)
    found, same = trained(given, y, **settings)
    assert found == expected
    assert same.validation_loss == pytest.approx(history.validation_loss)
    assert same.loss == history.loss
    assert_close(network().forward(given[:5]).output if form != "coo" else network().forward(given).output[:5],
                 network().forward(x[:5]).output)  # fmt: skip


def test_what_is_wrong_in_a_row_is_named_by_its_number(small_chunks):
    x, y = samples()
    x[37, 2] = np.nan
    with pytest.raises(ew.DataError, match="x is nan at input 2 of sample 37 in float64"):
        trained(scipy.sparse.csr_matrix(x), y)
    with pytest.raises(ew.DataError, match=r"x has shape \(100, 5\)"):
        trained(scipy.sparse.csr_matrix(x[:, :5]), y)


def test_frames_of_numbers():
    x, y = samples()
    pandas = pytest.importorskip("pandas")
    expected, _ = trained(x, y)
    assert trained(pl.DataFrame(x), pl.Series(y))[0] == expected
    assert trained(pandas.DataFrame(x), pandas.Series(y))[0] == expected


@pytest.mark.parametrize("sizes", [[100], [8] * 12 + [4], [3, 50, 1, 1, 45], [1] * 100, [99, 1]])
@pytest.mark.parametrize("accumulate", [1, 3])
def test_chunks_of_any_size_give_the_same_steps(sizes, accumulate):
    x, y = samples()
    ends = np.cumsum(sizes)
    chunks = [(x[end - size : end], y[end - size : end]) for size, end in zip(sizes, ends, strict=True)]
    settings = {"shuffle": False, "accumulate": accumulate, "optimizer": ew.SGD(0.1, momentum=0.9)}
    expected, history = trained(x, y, **settings)
    found, same = trained(chunks, **settings)
    assert found == expected
    assert same.loss == history.loss
    assert same.metric == history.metric


class Counted:
    """A stream that knows how much it holds, and is in another order in every epoch."""

    def __init__(self, x, y, weight=None):
        self.x, self.y, self.weight, self.n_samples, self.asked = x, y, weight, len(x), []

    def chunks(self, epoch):
        self.asked.append(epoch)
        for part in np.array_split(np.random.default_rng(epoch).permutation(len(self.x)), 5):
            yield (self.x[part], self.y[part]) + (() if self.weight is None else (self.weight[part],))


def test_a_stream_with_weights_a_schedule_and_validation():
    x, y = samples()
    stream = Counted(x, y, np.linspace(0, 2, 100))
    _, history = trained(stream, schedule=ew.Cosine(), validation=Counted(x, y), epochs=2)
    assert stream.asked == [0, 1]
    assert history.learning_rate[0] == pytest.approx(1e-3 * (1 + np.cos(np.pi * 12.5 / 26)) / 2)  # 13 steps an epoch
    assert_close(history.validation_loss[-1], history.network.backprop(x, y=y, loss="cross_entropy").loss)


def test_a_stream_of_unknown_length_has_one_rate_an_epoch():
    x, y = samples()
    _, history = trained([(x, y)], schedule=ew.Cosine(), epochs=2)
    assert_close(history.learning_rate, 1e-3 * (1 + np.cos(np.pi * np.array([0.25, 0.75]))) / 2)


def test_a_torch_loader_is_a_stream():
    x, y = samples()
    loader = torch.utils.data.DataLoader(
        torch.utils.data.TensorDataset(torch.tensor(x), torch.tensor(y)), batch_size=8, shuffle=False
    )
    assert trained(loader, shuffle=False)[0] == trained(x, y, shuffle=False)[0]


@pytest.mark.parametrize("place", [2, 9, 12, 20])
def test_a_stream_is_taken_up_in_its_middle(place, tmp_path):
    x, y = samples()

    class Stop(Exception):
        pass

    def stop(record):
        if record.step == place:
            raise Stop

    expected, _ = trained(Counted(x, y))
    path = tmp_path / "state"
    with pytest.raises(Stop):
        trained(Counted(x, y), checkpoint=ew.Checkpoint(path, steps=1), callbacks=[stop])
    assert trained(Counted(x, y), resume=path)[0] == expected


@pytest.mark.parametrize(
    ("stream", "settings", "message"),
    [
        (iter([samples()]), {}, "the stream held nothing in epoch 1; give one that can be gone through once for each"),
        ([], {}, "the stream held nothing in epoch 0"),
        ([samples(), (1, 2, 3, 4)], {}, r"chunk 1 of the stream is no \(x, y\) or"),
        ([samples(), (samples()[0][:, :4], samples()[1])], {}, r"chunk 1 of the stream: x has shape \(100, 4\)"),
        ([(samples()[0], np.full(100, 3))], {}, r"chunk 0 of the stream: y\[0\] = 3 is out of range"),
        ([samples()], {"loss": None}, "a stream needs its loss to be named"),
        ([samples()], {"validation": 0.1}, "samples that come in a stream cannot be held out of it"),
        ([samples()], {"sample_weight": [1.0]}, "a stream brings its weights itself"),
        (np.zeros((3, 6)), {}, "y is missing"),
        (7, {}, "y is missing"),
    ],
)
def test_streams_that_are_none(stream, settings, message):
    with pytest.raises(ew.DataError, match=message):
        trained(stream, **settings)
