"""The rows: what is timed, beside whom, what each figure is held to, and what limits it.

Each `limit` stands below the row's table in the report. It says why the figure is what it is and what would have to
change for it to be better; numbers that a run measures are in the table, never in the text.
"""

from benchmarks import networks, ours
from benchmarks.comparison import Comparison, Peer, every_sample, every_target, forward_only
from benchmarks.growth import Growth
from benchmarks.processes import Import, Memory
from benchmarks.results import Target
from benchmarks.streaming import Streaming

Row = Comparison | Growth | Import | Memory | Streaming

_TUNED = Peer("PyTorch, hand-written and tuned", "torch_dag.hand_written")


def _hand_written(must: float, aim: float) -> Peer:
    return Peer("PyTorch, hand-written", "torch_dag.hand_written_plain", must, aim)


GRAPHS: tuple[Row, ...] = (
    Comparison(
        "dag-20k-relu",
        "A call: random graph, 1,000 nodes, 20,000 arcs, B = 64, ReLU",
        """Weights and values together fit the second-level cache, so the limit is how fast rows of values can be loaded
        from it: an arc loads one row in the forward pass and one in the backward pass, and each load feeds two
        multiply-adds at most, where a matrix product feeds dozens from registers. Then come the gradients' sums over
        lanes, as far as they do not hide behind loads; the Python call; and bringing the gradients of two threads
        together and into the caller's order. PyTorch and JAX are limited by something else: several operations for
        each of the graph's many levels, each on a few thousand numbers.""",
        lambda: networks.random_dag(1_000, 20_000, 64),
        ours.call,
        (
            _hand_written(45, 70),
            _TUNED,
            Peer("PyTorch autograd", "torch_dag.autograd", 110, 180),
            Peer("PyTorch, torch.compile", "torch_dag.compiled", slow=True),
            Peer("JAX, jit", "jax_dag.segment_sum", 55, 85, slow=True),
            Peer("Connex", "connex_dag.call", 130, 200, slow=True),
        ),
    ),
    Comparison(
        "dag-20k-new-weights",
        "The same with other weights in every call",
        """In the row above, as in all rows of calls, the weights are the same in every call, as they are for a network
        that is looked into or evaluated: then it is enough to see that they are. Here one of them changes each time, as
        all would in a training loop of one's own, and they are copied and laid out again, by head and by tail.""",
        lambda: networks.random_dag(1_000, 20_000, 64),
        ours.call_with_new_weights,
        (Peer("PyTorch, hand-written", "torch_dag.hand_written_plain"),),
    ),
    Comparison(
        "dag-20k-mixed",
        "A call: random graph, 1,000 nodes, 20,000 arcs, B = 64, a third each of ReLU, tanh and sigmoid",
        """As above, and for two neurons in three an exponential per sample on top. It is computed in vector registers,
        but is still worth about as many instructions as a neuron's twenty arcs take per sample.""",
        lambda: networks.random_dag(1_000, 20_000, 64, mixed=True),
        ours.call,
        (_hand_written(30, 55), _TUNED),
    ),
    Comparison(
        "dag-200k",
        "A call: random graph, 10,000 nodes, 200,000 arcs, B = 64, ReLU",
        """A tile's values just fit the second-level cache; together with the stream of weights, indices and gradients
        they no longer do. The limit is between the second and the last level of cache: the number of loads that can be
        under way at once. The check of the weights and the gradients' way into the caller's order are visible too.""",
        lambda: networks.random_dag(10_000, 200_000, 64),
        ours.call,
        (_hand_written(22, 30), _TUNED),
    ),
    Comparison(
        "dag-1m",
        "A call: random graph, 10,000 nodes, 1,000,000 arcs, B = 64, ReLU",
        """The same number of values as in the row above, asked for five times as often. The weights, indices and
        gradients, which stream through once per tile of samples, now take more room than the values.""",
        lambda: networks.random_dag(10_000, 1_000_000, 64),
        ours.call,
        (_hand_written(19, 25), _TUNED),
    ),
    Comparison(
        "dag-20k-b256",
        "A call: random graph, 1,000 nodes, 20,000 arcs, B = 256, ReLU",
        """A larger batch allows wider tiles of samples, so that an arc's weight, index and loop cost are shared by more
        of them. What is left of the distance to a matrix product is that each loaded row is used once: there are no
        blocks of heads with the same tails in a random graph.""",
        lambda: networks.random_dag(1_000, 20_000, 256),
        ours.call,
        (_TUNED,),
        share=Target(35, 50),
    ),
    Comparison(
        "dag-2m-hidden",
        "A call: 100,000 nodes, 2,000,000 arcs within 1,000 nodes, ids shuffled, B = 64, ReLU",
        """Arcs are short, but the ids do not say so. The plan's order brings nodes that feed each other back together,
        after which most rows that arcs ask for are still in a near cache. What remains is the stream of weights,
        indices and gradients from memory.""",
        lambda: networks.local_dag(100_000, 2_000_000, 1_000, 64),
        ours.call,
        (_TUNED,),
        rate=Target(25, 40),
        heavy=True,
    ),
    Comparison(
        "dag-2m-random",
        "A call: 100,000 nodes, 2,000,000 arcs to any earlier node, B = 64, ReLU",
        """No order of the nodes helps here, since arcs go everywhere: nearly every row an arc asks for comes from the
        last-level cache or from memory, and the limit is how many such loads can be under way at once.""",
        lambda: networks.random_dag(100_000, 2_000_000, 64),
        ours.call,
        (_TUNED,),
        rate=Target(16, 22),
        heavy=True,
    ),
    Comparison(
        "dag-20k-forward",
        "The forward pass alone: random graph, 1,000 nodes, 20,000 arcs, B = 64, ReLU",
        """The first half of the first row, here for libraries that evolve networks and need nothing else. TensorNEAT
        looks for each node's arcs among all pairs of nodes, so that it can compile a graph that changes; neat-python
        is an interpreter's loop over arcs.""",
        lambda: networks.random_dag(1_000, 20_000, 64),
        ours.forward,
        (
            Peer("TensorNEAT", "tensorneat_dag.forward"),
            Peer("neat-python", "neat_dag.forward"),
        ),
        work=forward_only,
    ),
    Growth(
        "growth",
        "A call: time for each arc and sample, random graphs, twenty arcs a node, B = 64, ReLU",
        """Time for each arc and sample grows in steps, where the rows of values and sensitivities outgrow a level of
        cache. From the first size to the last, each arc asks for a row that is further away; the arithmetic and the
        plan's cost for each arc do not change. The last size's values would just fit the last-level cache if it
        were this machine's alone. What is seen there is memory: rows come at the rate at which the machine copies.""",
        (20_000, 200_000, 2_000_000, 20_000_000),
        Target(3),
    ),
)

SPARSE_LAYERS: tuple[Row, ...] = (
    *(
        Comparison(
            f"sparse-mlp-{percent}",
            f"A call: layers 784-1024-1024-256, {percent} % of the arcs missing at random, B = 128, ReLU",
            text,
            lambda share=percent / 100: networks.sparse(784, 1024, 1024, 256, sparsity=share, batch=128),
            ours.call,
            (
                Peer("PyTorch, dense", "torch_layers.call", *dense),
                Peer("SparseProp", "sparseprop_layers.call", *sparse),
            ),
        )
        for percent, dense, sparse, text in (
            (
                80,
                (1.8, 2.5),
                (3, 4),
                """Here a dense product does five times the work, at several times the rate: a matrix product uses each
                loaded number many times from registers, an arc only once or twice. Rows of values come from the
                second-level cache.""",
            ),
            (
                95,
                (6, 8),
                (5, 6.5),
                """As above with a quarter of the arcs: what every node costs, whatever its arcs, starts to count.""",
            ),
            (
                99,
                (15, 20),
                (9, 11),
                """With about ten arcs a node, what counts is each node's own work: the activation, its gate, and
                storing values and sensitivities.""",
            ),
        )
    ),
    *(
        Comparison(
            f"sparse-layer-{percent}",
            f"A call with the input gradient: one layer, 768 to 3072, {percent} % of the arcs missing, B = 902",
            text,
            lambda share=percent / 100: networks.sparse(768, 3072, sparsity=share, batch=902),
            ours.call_with_input_gradient,
            (
                Peer("PyTorch, dense", "torch_layers.call_with_input_gradient", *dense),
                Peer("SparseProp", "sparseprop_layers.call_with_input_gradient"),
            ),
        )
        for percent, dense, text in (
            (
                90,
                (1.5, 2.5),
                """One of SparseProp's own sizes. The batch is large enough for a matrix product to run at its full
                rate, so this is the dense side's best case; the sparse side loads rows from the second-level cache.""",
            ),
            (
                95,
                (3, 5),
                """Half the arcs of the row above. The loss, its gradient and the outputs, which are the same for every
                sparsity, are now a visible part of both sides' time.""",
            ),
            (
                99,
                (8, 15),
                """What is left is mostly memory: the outputs and their sensitivities are written and read, and there is
                little arithmetic for each of them.""",
            ),
        )
    ),
)

DENSE: tuple[Row, ...] = (
    Comparison(
        "dense-2-16-16-1",
        "A call: dense 2-16-16-1, B = 32, ReLU",
        """The arithmetic takes a microsecond or two; the rest of the time is that of a Python call: reading the
        arguments, checking x and y, and making two arrays for the result. PyTorch pays this for each operation of its
        forward and backward pass.""",
        lambda: networks.dense(2, 16, 16, 1, batch=32),
        ours.call,
        (
            Peer("PyTorch", "torch_layers.call", 8, 14),
            Peer("JAX, jit", "jax_layers.call"),
        ),
    ),
    Comparison(
        "step-2-16-16-1",
        "A training step: dense 2-16-16-1, minibatches of 32, SGD",
        """A whole epoch runs in the core, so a step costs its arithmetic: the two passes and the update. What remains
        above that is gathering the minibatch's rows, and what happens around each of the sixteen epochs of a call:
        drawing its order, its loss and R². JAX comes near when a whole epoch is compiled as one function; its usual loop, like PyTorch's,
        pays for every call from Python. micrograd makes a Python object of every number; the figure it is held to is
        nearer to the time of the arithmetic alone than a whole step comes.""",
        lambda: networks.regression(2, 16, 16, 1, batch_size=32, samples=2048, epochs=16),
        ours.step,
        (
            Peer("PyTorch", "torch_layers.step", 35, 60),
            Peer("PyTorch, fused optimizer", "torch_layers.step_fused"),
            Peer("JAX, jit of a step", "jax_layers.step", 20, 35),
            Peer("JAX, jit of an epoch", "jax_layers.step_scanned"),
            Peer("micrograd", "micrograd_layers.step", 20_000, 40_000),
        ),
    ),
    Comparison(
        "dense-64-32-32-10",
        "A call: dense 64-32-32-10, B = 64, ReLU",
        """Layers this small stay in the first-level cache. A good part of the time is still the Python call.""",
        lambda: networks.dense(64, 32, 32, 10, batch=64),
        ours.call,
        (
            Peer("PyTorch", "torch_layers.call", 4.5, 7),
            Peer("JAX, jit", "jax_layers.call"),
        ),
    ),
    Comparison(
        "step-64-32-32-10",
        "A training step: dense 64-32-32-10, minibatches of 64, SGD",
        """The arithmetic of small matrix products in the first-level cache, on one core or two as the minibatch allows;
        no Python between steps.""",
        lambda: networks.regression(64, 32, 32, 10, batch_size=64, samples=2048, epochs=16),
        ours.step,
        (
            Peer("PyTorch", "torch_layers.step", 7, 11),
            Peer("PyTorch, fused optimizer", "torch_layers.step_fused"),
            Peer("JAX, jit of a step", "jax_layers.step"),
            Peer("JAX, jit of an epoch", "jax_layers.step_scanned"),
        ),
    ),
    Comparison(
        "dense-100x32",
        "A call: dense, 100 layers of 32, B = 64, ReLU",
        """A deep narrow network is all overhead for a library that pays per layer. Edgewise pays none: a thread takes a
        tile of samples through all layers and back, and meets the others only at the end. The weights of all layers
        together do not fit the first-level cache.""",
        lambda: networks.dense(*[32] * 101, batch=64),
        ours.call,
        (
            Peer("PyTorch", "torch_layers.call", 14, 25),
            Peer("JAX, jit", "jax_layers.call", 3, 5),
        ),
    ),
    *(
        Comparison(
            f"dense-{name}",
            f"A call: dense {'-'.join(map(str, sizes))}, B = {batch}, ReLU",
            text,
            lambda sizes=sizes, batch=batch: networks.dense(*sizes, batch=batch),
            ours.call,
            (
                Peer("PyTorch", "torch_layers.call", *target),
                Peer("JAX, jit", "jax_layers.call"),
            ),
        )
        for name, sizes, batch, target, text in (
            (
                "784-128-10",
                (784, 128, 10),
                64,
                (1.1, 1.4),
                """Nearly all of it is two matrix products with the first layer's weights. Around them are the
                transposition of x, the check that the weights are still the same, and the Python call.""",
            ),
            (
                "784-512-512-10",
                (784, 512, 512, 10),
                128,
                (0.9, 1.1),
                """Matrix products, by a kernel of our own. That of PyTorch is a little faster; what is saved here are
                passes over the data around them: gradients go straight to the caller's array.""",
            ),
            (
                "784-1024x3-10",
                (784, 1024, 1024, 1024, 10),
                256,
                (0.9, 1.05),
                """As above. The product itself runs at about four fifths of the rate of PyTorch's. Neither pieces
                that fit the first-level cache nor asking it ahead changed that; weights read at a stride may.""",
            ),
        )
    ),
)

QUANTITIES: tuple[Row, ...] = (
    Comparison(
        "sensitivities",
        "All S(i, t) for the 10 outputs: dense 64-64-64-64-64-10, tanh, B = 128",
        """Targets are further lanes of one backward pass, and gates come over to them tile by tile. The result holds a
        number for each target, sample and node, and writing it is a good part of the time.""",
        lambda: networks.dense(64, 64, 64, 64, 64, 10, batch=128, activation="tanh"),
        ours.sensitivities,
        (
            Peer("PyTorch, 10 calls of autograd.grad", "torch_layers.sensitivities", 2.5, 5),
            Peer("PyTorch, one batched call", "torch_layers.sensitivities_batched"),
        ),
        work=every_target,
    ),
    Comparison(
        "per-sample",
        "The weight gradients of each sample: dense 64-64-64-64-64-10, tanh, cross-entropy, B = 128",
        """Memory: the result has a number for each sample and arc, and writing it takes longer than computing it.""",
        lambda: networks.dense(64, 64, 64, 64, 64, 10, batch=128, activation="tanh", loss="cross_entropy"),
        ours.per_sample,
        (Peer("PyTorch, vmap of grad", "torch_layers.per_sample", 2, 3),),
        work=every_sample,
    ),
    Comparison(
        "fit-digits",
        "A training step of fit: digits, dense 64-64-32-10, minibatches of 32, Adam",
        """Small matrix products in the first-level cache, then Adam's update, whose square roots and divisions are a
        good part of a step at this batch size. What is compared is the final loss.""",
        lambda: networks.digits(64, 32, batch_size=32, epochs=20),
        ours.fit,
        (
            Peer("PyTorch", "torch_layers.fit", 10, 20),
            Peer("PyTorch, fused optimizer", "torch_layers.fit_fused"),
            Peer("scikit-learn", "sklearn_layers.fit", 5, 10),
        ),
        tolerance=0.02,
    ),
)

PROCESS: tuple[Row, ...] = (
    Import(
        "import",
        "Importing Edgewise, in a fresh process",
        """Most of it is NumPy and SciPy; optional packages are imported where they are first used.""",
        Target(0.2),
    ),
    Memory(
        "memory",
        "Training 20,000,000 arcs: 1,000,000 nodes, B = 32, Adam, float32",
        """Each arc has a weight, a gradient and Adam's two moments, its two ends as given, and its place in the plan
        by head and by tail; values and sensitivities are for one minibatch. As the operating system counts it.""",
        20_000_000,
        32,
        Target(4),
    ),
    Streaming(
        "streaming",
        "An epoch on a Parquet file of 2 GiB: 64 numbers a row, dense 64-32-1, B = 256, Adam, float32",
        """One process decodes the file and sends its columns, another standardises them, mixes rows in a buffer of
        256 MiB and trains, the last at the same time as the others. As the operating system counts memory; what both
        processes share, such as libraries, is counted twice.""",
        2 << 30,
        Target(1),
        heavy=True,
    ),
)

ALL: tuple[Row, ...] = (*GRAPHS, *SPARSE_LAYERS, *DENSE, *QUANTITIES, *PROCESS)
