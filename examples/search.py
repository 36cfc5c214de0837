"""A search over settings, and a population of networks, on whatever joblib has: processes, threads, a cluster.

Ray and other backends of joblib are used in the same way, and so are the clusters of Dask: give Client their address.
"""

import importlib.util
import time

import joblib
import numpy as np
from sklearn.datasets import load_digits
from sklearn.model_selection import RandomizedSearchCV

import edgewise as ew
from edgewise.sklearn import EdgewiseClassifier

x, y = load_digits(return_X_y=True)
x = x / 16
settings = {
    "hidden_layer_sizes": [(16,), (32,), (32, 16)],
    "activation": ["relu", "tanh"],
    "learning_rate": [0.003, 0.01, 0.03],
}


def search():
    estimator = EdgewiseClassifier(max_iter=15, threads=1, random_state=0)  # one thread each: the search has the others
    found = RandomizedSearchCV(estimator, settings, n_iter=4, cv=3, random_state=0, n_jobs=2).fit(x, y)
    return found.best_params_, found.best_score_


def train(net):
    """For another process or machine: networks are sent there, and back, trained."""
    history = ew.fit(net, x, y, epochs=3, threads=1, progress=False)
    return net, history.loss[-1]


if __name__ == "__main__":
    results = {}
    for backend in ("loky", "threading"):
        with joblib.parallel_config(backend=backend):
            began = time.perf_counter()
            results[backend] = search()
            print(f"{backend}: {time.perf_counter() - began:.1f} s")
    if importlib.util.find_spec("distributed"):
        from distributed import Client, LocalCluster

        cluster = LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None)
        with cluster, Client(cluster), joblib.parallel_config(backend="dask"):
            began = time.perf_counter()
            results["dask"] = search()
            print(f"dask: {time.perf_counter() - began:.1f} s")
    best, score = results["loky"]
    print(f"best: {best}, accuracy {score:.3f}; the same everywhere: {len(set(map(str, results.values()))) == 1}")

    population = [ew.random_dag(120, 900, n_inputs=64, n_outputs=10, seed=k) for k in range(6)]
    trained = joblib.Parallel(n_jobs=2)(joblib.delayed(train)(net) for net in population)
    print("losses of a population:", np.round([loss for _, loss in trained], 2))
