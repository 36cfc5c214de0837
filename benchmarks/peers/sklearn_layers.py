"""scikit-learn's multilayer perceptron."""

import warnings
from typing import Any

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier

from benchmarks.networks import Training
from benchmarks.ours import final_loss
from benchmarks.side import Side


def fit(problem: Training) -> Side:
    """`MLPClassifier.fit` for as many epochs, without weight decay and without stopping early."""

    def classifier(**settings: Any) -> MLPClassifier:
        return MLPClassifier(
            problem.sizes[1:-1],
            activation=problem.activation,
            solver="adam",
            alpha=0.0,
            batch_size=problem.batch_size,
            learning_rate_init=problem.learning_rate,
            tol=0.0,
            n_iter_no_change=problem.epochs,
            random_state=0,
            **settings,
        )

    def fitted(model: MLPClassifier) -> MLPClassifier:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            return model.fit(problem.x, problem.y)

    def check() -> dict[str, Any]:
        model = fitted(classifier(max_iter=1, warm_start=True, shuffle=False))
        model.coefs_ = [weight.T.copy() for weight in problem.weights()]
        model.intercepts_ = [bias.copy() for bias in problem.biases()]
        fitted(model.set_params(max_iter=problem.epochs))
        with np.errstate(divide="ignore"):
            return {"final loss": final_loss(problem, model.predict_log_proba(problem.x))}

    return Side(lambda: fitted(classifier(max_iter=problem.epochs)), check, steps=problem.steps)
