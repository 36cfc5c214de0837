"""The scikit-learn estimators: scikit-learn's own checks, and what they promise beyond."""

import subprocess
import sys

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.calibration import CalibratedClassifierCV
from sklearn.datasets import load_breast_cancer, load_diabetes, load_iris, load_wine, make_multilabel_classification
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

import edgewise as ew
from edgewise.sklearn import EdgewiseClassifier, EdgewiseRegressor
from oracles import assert_close


@parametrize_with_checks([EdgewiseClassifier(), EdgewiseRegressor()])
def test_scikit_learns_own_checks(estimator, check):
    check(estimator)


def iris():
    x, y = load_iris(return_X_y=True)
    return StandardScaler().fit_transform(x), y


def quick(**options):
    usual = {"hidden_layer_sizes": (8,), "max_iter": 30, "learning_rate": 0.02, "random_state": 0}
    return EdgewiseClassifier(**(usual | options))


@pytest.mark.parametrize("load", [load_iris, load_wine, load_breast_cancer])
def test_no_worse_than_scikit_learns_own(load):
    x, y = load(return_X_y=True)

    def score(kind):  # both with their defaults, and enough iterations to end
        models = [make_pipeline(StandardScaler(), kind(max_iter=1000, random_state=seed)) for seed in range(5)]
        return np.mean([cross_val_score(model, x, y, cv=3).mean() for model in models])

    assert score(EdgewiseClassifier) >= score(MLPClassifier) - 0.01


def test_words_as_classes_and_probabilities():
    x, y = iris()
    words = np.array(["setosa", "versicolor", "virginica"])[y]
    model = quick().fit(x, words)
    assert set(model.predict(x)) == set(words)
    probability = model.predict_proba(x)
    assert_close(probability.sum(axis=1), np.ones(len(x)), 1e-12)
    assert_close(np.log(probability), model.predict_log_proba(x), 1e-9)
    assert (model.classes_[probability.argmax(axis=1)] == model.predict(x)).all()
    assert model.n_iter_ == len(model.loss_curve_)
    assert model.loss_ == model.loss_curve_[-1]


def test_grid_search_in_several_processes():
    x, y = iris()
    search = GridSearchCV(quick(max_iter=5), {"alpha": [0.0, 0.1], "network": [None, graph()]}, n_jobs=2, cv=2)
    search.fit(x, y)
    assert search.best_score_ > 0.5


def graph():
    net = ew.random_dag(20, 80, n_inputs=4, n_outputs=3, activation="tanh", seed=1)
    net.forward(np.zeros((1, 4))).output  # noqa: B018  # what the engine keeps of it must not be in the way
    return net


def test_any_network_may_be_trained():
    x, y = iris()
    given = graph()
    before = given.weight.copy()
    model = quick(network=given).fit(x, y)
    assert (given.weight == before).all()
    assert model.network_.n_edges == 80
    assert model.score(x, y) > 0.9
    assert (clone(model).fit(x, y).predict_proba(x) == model.predict_proba(x)).all()
    with pytest.raises(ew.DataError, match=r"the network given has 4 inputs and 3 outputs; the data need 2 inputs"):
        quick(network=given).fit(x[:, :2], y)


def test_sparse_layers():
    x, y = iris()
    model = quick(hidden_layer_sizes=(40, 40), density=0.2).fit(x, y)
    assert model.network_.n_edges == pytest.approx(0.2 * (4 * 40 + 40 * 40 + 40 * 3), rel=0.05)
    assert model.score(x, y) > 0.9


def test_calibration():
    x, y = iris()
    model = CalibratedClassifierCV(quick(), cv=3).fit(x, y)
    assert model.score(x, y) > 0.9


def test_several_labels():
    x, y = make_multilabel_classification(200, n_features=6, n_classes=4, random_state=0)
    x = StandardScaler().fit_transform(x)
    model = quick(hidden_layer_sizes=(32,), max_iter=200).fit(x, y)
    assert model.predict(x).shape == y.shape
    assert (model.predict(x) == y).mean() > 0.85
    assert ((model.predict_proba(x) > 0.5) == model.predict(x)).all()
    assert_close(np.exp(model.predict_log_proba(x)), model.predict_proba(x), 1e-9)


def test_several_targets():
    x, y = load_diabetes(return_X_y=True)
    y = (y - y.mean()) / y.std()
    both = np.stack([y, -2 * y], axis=1)
    model = EdgewiseRegressor((8,), max_iter=60, learning_rate=0.01, random_state=0).fit(x, both)
    assert model.predict(x).shape == both.shape
    assert model.score(x, both) > 0.45
    one = EdgewiseRegressor((8,), max_iter=3, random_state=0).fit(x, y)
    assert one.predict(x).shape == y.shape


def test_warm_start_goes_on():
    x, y = iris()
    model = quick(max_iter=3, warm_start=True).fit(x, y)
    first = model.loss_
    again = model.network_
    model.fit(x, y)
    assert model.network_ is again
    assert model.loss_ < first
    assert quick(max_iter=3).fit(x, y).fit(x, y).loss_ == first  # without it, from the beginning
    with pytest.raises(ew.DataError, match=r"warm_start goes on with the classes \[0, 1, 2\]; y holds \[0, 1\]"):
        model.fit(x[y < 2], y[y < 2])


def test_partial_fit_goes_on_where_it_left_off():
    x, y = iris()
    model = quick(batch_size=50)
    with pytest.raises(ew.DataError, match="the first call of partial_fit needs classes"):
        model.partial_fit(x, y)
    order = np.random.default_rng(0).permutation(150)
    for _ in range(40):
        for part in np.split(order, 3):
            model.partial_fit(x[part], y[part], classes=[0, 1, 2])
    assert model.score(x, y) > 0.93
    assert model.n_iter_ == len(model.loss_curve_) == 120
    assert model._state.step == 120
    with pytest.raises(ew.DataError, match=r"y holds .*7.*, which is none of the classes \[0, 1, 2\]"):
        model.partial_fit(x, y + 7 * (y == 2) - 2 * (y == 2))
    with pytest.raises(ew.DataError, match=r"classes are \[0, 1, 2\] since the first call, not \[0, 1\]"):
        model.partial_fit(x, y, classes=[0, 1])


def test_partial_fit_of_numbers_is_fit_in_pieces():
    x, y = load_diabetes(return_X_y=True)
    whole = EdgewiseRegressor((8,), max_iter=1, random_state=0).fit(x, y)
    piece = EdgewiseRegressor((8,), random_state=0).partial_fit(x, y)
    assert (whole.predict(x) == piece.predict(x)).all()
    assert piece.partial_fit(x, y).loss_ < whole.loss_


def test_early_stopping_holds_samples_out():
    x, y = iris()
    model = quick(max_iter=500, early_stopping=True, n_iter_no_change=5).fit(x, y)
    assert model.n_iter_ < 500
    assert len(model.history_.validation_loss) == model.n_iter_
    assert model.history_.best_epoch is not None


@pytest.mark.parametrize("activation", ["tanh", "softplus"])
def test_feature_sensitivities_are_derivatives(activation):
    x, y = iris()
    model = quick(activation=activation).fit(x, y)
    found, step = model.feature_sensitivity(x), 1e-6
    assert found.shape == (150, 3, 4)
    for i in range(4):
        ahead, behind = x.copy(), x.copy()
        ahead[:, i] += step
        behind[:, i] -= step
        outputs = [model.network_.forward(moved).output for moved in (ahead, behind)]
        assert_close((outputs[0] - outputs[1]) / (2 * step), found[:, :, i], 1e-6)


def test_the_schedule_and_the_dtype_are_used():
    x, y = iris()
    model = quick(schedule=ew.Cosine(), dtype="float32", tol=0).fit(x, y)
    assert model.history_.learning_rate[-1] < 1e-3
    assert model.network_.dtype == np.float32


def test_without_scikit_learn_it_says_so():
    code = "import sys; sys.modules['sklearn'] = None; import edgewise.sklearn"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert found.returncode == 1
    assert "edgewise.sklearn needs scikit-learn 1.6 or later: pip install" in found.stderr
