"""A network from a NetworkX graph, drawn as one would any graph; and from the matrix of a random one."""

import networkx as nx
import numpy as np

import edgewise as ew

graph = nx.DiGraph()
graph.add_nodes_from(["h1", "h2"], activation="tanh")
graph.add_node("o", activation="sigmoid")
graph.add_weighted_edges_from([("x1", "h1", 1.0), ("x2", "h1", -1.0), ("x1", "h2", -1.0), ("x2", "h2", 1.0)])
graph.add_weighted_edges_from([("h1", "o", 1.0), ("h2", "o", 1.0), ("x1", "o", 0.1)])
net = ew.from_networkx(graph, inputs=["x1", "x2"])

x = np.array([[0, 0], [0, 1], [1, 0], [1, 1.0]])
y = np.array([0, 1, 1, 0])[:, None]  # exclusive or
ew.fit(net, x, y, loss="squared_error", optimizer=ew.Adam(0.05), epochs=500, progress=False)
print("exclusive or:", net.forward(x).output.ravel().round(2))

back = ew.to_networkx(net)
for i, j, arc in back.edges(data=True):
    print(f"{i} -> {j}: {arc['weight']:+.2f}")
print("longest path:", nx.dag_longest_path(back, weight=None))
