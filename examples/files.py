"""A network in a file: JSON that NetworkX reads as it is, and safetensors for large ones."""

import json
from pathlib import Path

import networkx
import numpy as np

import edgewise as ew

net = ew.random_dag(50, 200, n_inputs=3, activation="relu", seed=0)
net.save("network.json")
net.save("network.safetensors")

graph = networkx.node_link_graph(json.loads(Path("network.json").read_text(encoding="utf-8")), edges="edges")
longest = networkx.dag_longest_path_length(graph, default_weight=1, weight=None)
print(f"NetworkX sees {graph.number_of_nodes()} nodes and a longest path of {longest} arcs")
for name in ("network.json", "network.safetensors"):
    again = ew.load(name)
    print(name, "is exact:", np.array_equal(again.weight, net.weight) and np.array_equal(again.tail, net.tail))
