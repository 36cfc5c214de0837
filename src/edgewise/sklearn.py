"""Networks as scikit-learn estimators: `pip install edgewise[sklearn]`.

    from edgewise.sklearn import EdgewiseClassifier

    model = EdgewiseClassifier((64, 32)).fit(X, y)

They go where scikit-learn's own do: pipelines, grid searches, calibration, clones. `network=` trains any feed-forward
graph instead of layers.
"""

import warnings
from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

from edgewise.build import mlp
from edgewise.errors import DataError, MissingDependencyError
from edgewise.history import History
from edgewise.losses import log_softmax
from edgewise.network import Network
from edgewise.optimizers import Adam, OptimizerState
from edgewise.schedules import Schedule
from edgewise.training import fit

try:
    from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
    from sklearn.exceptions import DataConversionWarning
    from sklearn.utils import check_random_state
    from sklearn.utils.multiclass import check_classification_targets, type_of_target
    from sklearn.utils.validation import (
        _check_sample_weight,
        check_is_fitted,
        validate_data,
    )
except ImportError as error:
    raise MissingDependencyError("scikit-learn 1.6 or later", "sklearn", "edgewise.sklearn") from error


class _Estimator(BaseEstimator):  # type: ignore[misc]
    """What both have in common."""

    def __init__(
        self,
        hidden_layer_sizes: Sequence[int] = (100,),
        activation: str = "relu",
        *,
        density: float = 1.0,
        initializer: str | None = "glorot_uniform",
        network: Network | None = None,
        learning_rate: float = 1e-3,
        alpha: float = 1e-4,
        schedule: Schedule | None = None,
        batch_size: int | str = "auto",
        max_iter: int = 200,
        tol: float = 1e-4,
        n_iter_no_change: int = 10,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        clip_norm: float | None = None,
        warm_start: bool = False,
        random_state: int | np.random.RandomState | None = None,
        dtype: str = "float64",
        threads: int | None = None,
        verbose: bool = False,
    ) -> None:
        """
        Parameters
        ----------
        hidden_layer_sizes, activation : of the layers; a single number is one layer, () is none.
        density : the share of the arcs between layers that is there, drawn at random; see `edgewise.mlp`.
        initializer : of their weights, a name of `edgewise.initializers`; None chooses by activation.
        network : a network to train a copy of instead, with an input for each feature and an output for each class,
            label or target; hidden_layer_sizes, activation, density and dtype are then its own.
        learning_rate, schedule : Adam's; see `edgewise.schedules`.
        alpha : pulls weights and biases to 0 (L2); divided, as in MLPClassifier, by the weight of a step's samples.
        batch_size : samples per step; "auto" is 200, or all if there are fewer.
        max_iter : most epochs.
        tol, n_iter_no_change : training stops when the loss has not fallen by tol for so many epochs.
        early_stopping, validation_fraction : watch the loss of held-out samples instead, and keep the best parameters.
        clip_norm, threads : as in `edgewise.fit`.
        warm_start : go on from where the last call of fit ended.
        random_state : decides the first weights, the order of the samples and which are held out.
        dtype : "float32" is about twice as fast; a sample's weight is then like so many copies only to its precision.
        verbose : show a progress bar on a terminal.
        """
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.density = density
        self.initializer = initializer
        self.network = network
        self.learning_rate = learning_rate
        self.alpha = alpha
        self.schedule = schedule
        self.batch_size = batch_size
        self.max_iter = max_iter
        self.tol = tol
        self.n_iter_no_change = n_iter_no_change
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.clip_norm = clip_norm
        self.warm_start = warm_start
        self.random_state = random_state
        self.dtype = dtype
        self.threads = threads
        self.verbose = verbose

    network_: Network
    history_: History
    loss_curve_: list[float]
    _state: OptimizerState

    def _train(
        self,
        x: NDArray[Any],
        y: NDArray[Any],
        n_outputs: int,
        loss: str,
        sample_weight: ArrayLike | None,
        once: bool,
    ) -> None:
        """Fits network_ to y as `loss` wants it; `once`: one more epoch, where the last call left off."""
        seed = int(check_random_state(self.random_state).randint(2**31 - 1))
        goes_on, state = (once or self.warm_start) and hasattr(self, "network_"), OptimizerState()
        if goes_on:
            network, state = self.network_, self._state
            what = "the network of the calls before"
        elif self.network is not None:
            network = self.network.copy()
            what = "the network given"
        else:
            hidden = self.hidden_layer_sizes
            widths = [hidden] if isinstance(hidden, int | np.integer) else list(hidden)
            network = mlp(
                [x.shape[1], *widths, n_outputs],
                self.activation,
                density=self.density,
                initializer=self.initializer,
                seed=seed,
                dtype=self.dtype,
            )
            what = "the network"
        if (network.n_inputs, network.n_outputs) != (x.shape[1], n_outputs):
            raise DataError(
                f"{what} has {network.n_inputs} inputs and {network.n_outputs} outputs; the data need {x.shape[1]} "
                f"inputs, one for each feature, and {n_outputs} outputs"
            )
        weight = None if sample_weight is None else _check_sample_weight(sample_weight, x, ensure_non_negative=True)
        batch_size = min(200, len(x)) if self.batch_size == "auto" else self.batch_size
        if isinstance(batch_size, bool) or not isinstance(batch_size, int | np.integer) or batch_size < 1:
            raise DataError(f'batch_size must be a whole number ≥ 1 or "auto", not {batch_size!r}')
        of_a_step = min(batch_size, len(x)) * (1.0 if weight is None else float(weight.mean()))
        decay = self.alpha / of_a_step if of_a_step else 0.0
        self.history_ = fit(
            network,
            x,
            y,
            loss=loss,
            optimizer=Adam(self.learning_rate, weight_decay=decay),
            schedule=self.schedule,
            epochs=1 if once else self.max_iter,
            batch_size=int(batch_size),
            validation=self.validation_fraction if self.early_stopping and not once else None,
            patience=None if once else self.n_iter_no_change,
            tolerance=self.tol,
            clip_norm=self.clip_norm,
            sample_weight=weight,
            seed=seed,
            state=state,
            progress=self.verbose,
            threads=self.threads,
        )
        before = self.loss_curve_ if once and goes_on else []
        self.network_, self._state = network, state
        self.loss_curve_ = before + self.history_.loss
        self.loss_ = self.loss_curve_[-1]
        self.n_iter_ = len(self.loss_curve_)
        self.n_outputs_ = n_outputs

    def _samples(self, X: Any) -> NDArray[Any]:
        check_is_fitted(self)
        found: NDArray[Any] = validate_data(self, X, reset=False, dtype=[np.float64, np.float32])
        return found

    def _output(self, X: Any) -> NDArray[Any]:
        """(B, n_outputs) in float64."""
        x = self._samples(X)
        return self.network_.forward(x, threads=self.threads).output.astype(np.float64)

    def feature_sensitivity(self, X: Any) -> NDArray[Any]:
        """(B, n_outputs, n_features) ∂o(k)/∂x(i) of each sample: S(i, k) of the inputs for each output as target.

        Outputs are those of the network: logits for a classifier.
        """
        x = self._samples(X)
        outputs = self.network_.outputs.tolist()
        gradient = self.network_.backprop(x, outputs, threads=self.threads).input_gradient
        return np.ascontiguousarray(gradient.transpose(1, 0, 2))


class EdgewiseClassifier(ClassifierMixin, _Estimator):  # type: ignore[misc]
    """A network that tells classes apart, or finds which labels hold (multilabel: y is (B, L) of 0 and 1)."""

    def fit(self, X: Any, y: Any, sample_weight: ArrayLike | None = None) -> Self:
        """X: (B, n_features); y: (B,) classes of any kind, or (B, L) of 0 and 1."""
        x, y = self._read(X, y, reset=True)
        if self.multilabel_:
            self.classes_ = np.arange(y.shape[1])
        elif not (self.warm_start and hasattr(self, "network_")):
            self.classes_ = np.unique(y)
        elif not np.array_equal(np.unique(y), self.classes_):
            raise DataError(
                f"warm_start goes on with the classes {self.classes_.tolist()}; y holds {np.unique(y).tolist()}"
            )
        self._learn(x, y, sample_weight, once=False)
        return self

    def partial_fit(
        self, X: Any, y: Any, classes: ArrayLike | None = None, sample_weight: ArrayLike | None = None
    ) -> Self:
        """One epoch over some of the samples, from where the last call left off.

        classes : all that will ever come, in the first call; y of several columns has no need of it.
        """
        first = not hasattr(self, "network_")
        x, y = self._read(X, y, reset=first)
        if first and self.multilabel_:
            self.classes_ = np.arange(y.shape[1])
        elif first:
            if classes is None:
                raise DataError("the first call of partial_fit needs classes=, all that will ever come")
            self.classes_ = np.unique(np.asarray(classes))
        elif classes is not None and not np.array_equal(np.unique(np.asarray(classes)), self.classes_):
            raise DataError(
                f"classes are {self.classes_.tolist()} since the first call, not {np.unique(classes).tolist()}"
            )
        self._learn(x, y, sample_weight, once=True)
        return self

    def _read(self, X: Any, y: Any, *, reset: bool) -> tuple[NDArray[Any], NDArray[Any]]:
        x, y = validate_data(self, X, y, reset=reset, multi_output=True, dtype=[np.float64, np.float32])
        check_classification_targets(y)
        self.multilabel_ = type_of_target(y) == "multilabel-indicator"
        if y.ndim == 2 and not self.multilabel_:
            if y.shape[1] != 1:
                raise DataError("y has several columns of classes; a network learns one, or several of 0 and 1")
            warnings.warn(
                "A column-vector y was passed when a 1d array was expected; use y.ravel()",
                DataConversionWarning,
                stacklevel=3,
            )
            y = y.ravel()
        return x, y

    def _learn(self, x: NDArray[Any], y: NDArray[Any], sample_weight: ArrayLike | None, *, once: bool) -> None:
        if self.multilabel_:
            return self._train(x, y, y.shape[1], "binary_cross_entropy", sample_weight, once)
        index = np.minimum(np.searchsorted(self.classes_, y), len(self.classes_) - 1)
        new = self.classes_[index] != y
        if new.any():
            raise DataError(f"y holds {y[new][0]!r}, which is none of the classes {self.classes_.tolist()}")
        return self._train(x, index, len(self.classes_), "cross_entropy", sample_weight, once)

    def predict_proba(self, X: Any) -> NDArray[Any]:
        """(B, K) probability of each class; of each label, which need not sum to 1, if y held several."""
        probability: NDArray[Any] = np.exp(self.predict_log_proba(X))
        return probability

    def predict_log_proba(self, X: Any) -> NDArray[Any]:
        """The logarithm of `predict_proba`."""
        output = self._output(X)
        if self.multilabel_:
            return -np.logaddexp(0, -output)
        return log_softmax(output)

    def predict(self, X: Any) -> NDArray[Any]:
        """(B,) the most probable class; (B, L) labels that are more probable than not."""
        output = self._output(X)
        if self.multilabel_:
            return (output > 0).astype(int)
        found: NDArray[Any] = self.classes_[output.argmax(axis=1)]
        return found

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags


class EdgewiseRegressor(RegressorMixin, _Estimator):  # type: ignore[misc]
    """A network that predicts one number or several, by their squared error."""

    def fit(self, X: Any, y: Any, sample_weight: ArrayLike | None = None) -> Self:
        """X: (B, n_features); y: (B,) or (B, n_targets)."""
        return self._learn(X, y, sample_weight, once=False)

    def partial_fit(self, X: Any, y: Any, sample_weight: ArrayLike | None = None) -> Self:
        """One epoch over some of the samples, from where the last call left off."""
        return self._learn(X, y, sample_weight, once=True)

    def _learn(self, X: Any, y: Any, sample_weight: ArrayLike | None, *, once: bool) -> Self:
        reset = not (once and hasattr(self, "network_"))
        x, y = validate_data(self, X, y, reset=reset, multi_output=True, y_numeric=True, dtype=[np.float64, np.float32])
        self._one_target = y.ndim == 1
        targets = y.reshape(len(y), -1)
        self._train(x, targets, targets.shape[1], "squared_error", sample_weight, once)
        return self

    def predict(self, X: Any) -> NDArray[Any]:
        """(B,) or (B, n_targets), as y was."""
        output = self._output(X)
        return output[:, 0] if self._one_target else output

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags
