"""A wiring with feedback, three ways to a network; the unrolled one learns to count."""

import networkx as nx
import numpy as np

import edgewise as ew

wiring = nx.gn_graph(30, seed=1, create_using=nx.DiGraph)  # each new node points to an older one
wiring.add_edges_from((j, i) for i, j in list(wiring.edges)[::3])  # and a third of them is pointed back at
for method in ("drop", "condense", "unroll"):
    made = ew.feed_forward(wiring, method)
    print(f"{method:8} {made.network}, {len(made.dropped)} of {wiring.number_of_edges()} arcs dropped")

# one neuron that remembers: after each step, how many ones there have been
counter = nx.DiGraph([("x", "h", {"weight": 0.3}), ("h", "h", {"weight": 0.5})])
counter.nodes["h"].update(kind="output", activation="identity")
net = ew.feed_forward(counter, "unroll", steps=6, sequence=True).network
x = np.random.default_rng(0).integers(0, 2, (200, 6)).astype(float)
ew.fit(net, x, x.cumsum(axis=1), optimizer=ew.Adam(0.02), epochs=60, progress=False)
print("ones so far in 1 0 1 1 0 1:", net.forward([1, 0, 1, 1, 0, 1]).output.round(1))
print(f"{net.n_edges} arcs, {len(np.unique(net.weight))} weights: {np.unique(net.weight).round(2)}")
