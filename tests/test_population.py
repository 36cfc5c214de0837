"""Many networks at once come to what each comes to alone, to the last bit."""

import numpy as np
import pytest

import edgewise as ew
from edgewise import population

RNG = np.random.default_rng(0)
X = RNG.normal(size=(50, 3))
Y = RNG.normal(size=(50, 2))
LABELS = RNG.integers(0, 2, 50)


def networks(count=7, dtype="float64"):
    made = [
        ew.random_dag(
            10 + k, 20 + 5 * k, n_inputs=3, n_outputs=2, seed=k, activation=("tanh", "relu", "sin")[k % 3], dtype=dtype
        )
        for k in range(count)
    ]
    made.append(
        ew.Network([0, 1], [3, 4], [1.0, 2.0], activation="neat_sin", inputs=[0, 1, 2], outputs=[3, 4], dtype=dtype)
    )
    return made


@pytest.fixture(params=[1, 3])
def threads(request, monkeypatch):
    monkeypatch.setattr(population, "ENOUGH", 0)  # so that threads are used however little there is to do
    return request.param


class TestForward:
    @pytest.mark.parametrize("dtype", ["float64", "float32"])
    def test_each_as_alone(self, threads, dtype):
        nets = networks(dtype=dtype)
        found = ew.forward_many(nets, X, threads=threads)
        assert found.shape == (len(nets), 50, 2)
        assert found.dtype == dtype
        for net, output in zip(nets, found, strict=True):
            assert np.array_equal(net.forward(X).output, output)

    def test_one_sample(self):
        nets = networks()
        assert np.array_equal(ew.forward_many(nets, X[0]), ew.forward_many(nets, X[:1])[:, 0])


class TestFit:
    @pytest.mark.parametrize(
        "settings",
        [
            {},
            {"optimizer": ew.SGD(0.1, momentum=0.9), "batch_size": 16, "seed": 3, "clip_norm": 0.5, "l1": 0.01},
            {"shuffle": False, "batch_size": 100, "sample_weight": np.linspace(0, 1, 50)},
            {"loss": "cross_entropy", "y": LABELS, "class_weight": [1.0, 2.5]},
        ],
    )
    def test_each_as_alone(self, threads, settings):
        settings = {"y": Y, "optimizer": ew.Adam(0.02), "epochs": 3} | settings
        y = settings.pop("y")
        nets, alone = networks(), networks()
        found = ew.fit_many(nets, X, y, threads=threads, **settings)
        assert found.shape == (len(nets), 3)
        for net, other, losses in zip(nets, alone, found, strict=True):
            history = ew.fit(other, X, y, progress=False, **settings)
            assert np.array_equal(net.weight, other.weight)
            assert np.array_equal(net.bias, other.bias)
            assert np.allclose(losses, history.loss, rtol=1e-12)

    def test_one_that_diverges_is_put_back_and_the_others_are_trained(self, threads):
        nets = networks()
        nets[2] = ew.Network([0, 1], [3, 4], 3.0, activation="exp", inputs=[0, 1, 2], outputs=[3, 4], bias=800.0)
        before = nets[2].weight.copy()
        found = ew.fit_many(nets, X, Y, optimizer=ew.SGD(0.01), epochs=2, threads=threads)
        assert np.isinf(found[2]).all()
        assert np.array_equal(nets[2].weight, before)
        others = [k for k in range(len(nets)) if k != 2]
        assert np.isfinite(found[others]).all()
        assert (found[others, 1] < found[others, 0]).all()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"networks": []}, "there are no networks"),
        ({"networks": [ew.mlp([3, 2]), ew.mlp([4, 2])]}, r"networks\[1\].n_inputs is 4, that of networks\[0\] 3"),
        ({"networks": [ew.mlp([3, 2]), ew.mlp([3, 1])]}, r"networks\[1\].n_outputs is 1"),
        ({"networks": [ew.mlp([3, 2]), ew.mlp([3, 2], dtype="float32")]}, r"networks\[1\].dtype is float32"),
        ({"x": X[:, :2]}, "x has shape"),
        ({"threads": 0}, "threads must be"),
    ],
)
def test_what_cannot_be(change, message):
    arguments = {"networks": networks(), "x": X} | change
    threads = arguments.pop("threads", None)
    with pytest.raises(ew.DataError, match=message):
        ew.forward_many(*arguments.values(), threads=threads)
    with pytest.raises(ew.DataError, match=message):
        ew.fit_many(*arguments.values(), Y, threads=threads)


def test_what_training_cannot_be():
    net = ew.mlp([3, 2])
    with pytest.raises(ew.DataError, match="a network is listed twice"):
        ew.fit_many([net, net], X, Y)
    with pytest.raises(ew.DataError, match="epochs must be"):
        ew.fit_many([net], X, Y, epochs=0)
    with pytest.raises(ew.DataError, match="y"):
        ew.fit_many([net], X, Y[:10])
