"""Random ONNX programs: what they are as networks, and as ONNX again, beside onnxruntime."""

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from test_onnx_load import a, loaded, node, program, runtime

ACTIVATIONS = ("Relu", "Sigmoid", "Tanh", "LeakyRelu", "Elu", "Selu", "Softplus", "Softsign", "Abs", "Neg", "Identity")


class Program:
    """Operators one after another, with the shapes of what they make."""

    def __init__(self, shape):
        self.shape, self.name = shape, "x"
        self.nodes, self.constants, self.made = [], {}, [("x", shape)]

    def constant(self, array):
        name = f"c{len(self.constants)}"
        self.constants[name] = array
        return name

    def add(self, operator, *more, shape=None, **attributes):
        before, self.name = self.name, f"t{len(self.nodes)}"
        self.nodes.append(node(operator, before, *more, outputs=(self.name,), **attributes))
        self.shape = self.shape if shape is None else shape
        self.made.append((self.name, self.shape))

    def model(self, opset):
        self.nodes.append(node("Identity", self.name))
        return program(self.nodes, self.made[0][1], self.constants, opset=opset)


def activation(draw, p):
    name = draw(st.sampled_from(ACTIVATIONS))
    p.add(name, **({"alpha": 0.3} if name in ("LeakyRelu", "Elu") and draw(st.booleans()) else {}))


def scaled(draw, p):
    per_channel = (p.shape[0],) if len(p.shape) == 1 else (p.shape[0], 1, 1)
    shape = draw(st.sampled_from([(), per_channel, p.shape]))
    p.add(draw(st.sampled_from(["Mul", "Add", "Sub"])), p.constant(a(*shape, seed=draw(st.integers(0, 99)))))


def with_another(draw, p):
    """An earlier tensor, added to this one, multiplied with it, or put beside it."""
    others = [name for name, shape in p.made[:-1] if shape == p.shape]
    if not others:
        return activation(draw, p)
    operator = draw(st.sampled_from(["Add", "Sub", "Mul", "Concat"]))
    other = draw(st.sampled_from(others))
    if operator == "Concat":
        return p.add("Concat", other, shape=(2 * p.shape[0], *p.shape[1:]), axis=1)
    return p.add(operator, other)


def gemm(draw, p):
    n, m, seed = p.shape[0], draw(st.integers(1, 6)), draw(st.integers(0, 99))
    if draw(st.booleans()):
        matrix = a(n, m, seed=seed) / np.float32(np.sqrt(n))
        transposed = draw(st.booleans())
        name = p.constant(np.ascontiguousarray(matrix.T) if transposed else matrix)
        p.add(
            "Gemm", name, p.constant(a(m)), shape=(m,), transB=int(transposed), alpha=draw(st.sampled_from([1.0, 0.5]))
        )
    else:
        p.add("MatMul", p.constant(a(n, m, seed=seed) / np.float32(np.sqrt(n))), shape=(m,))


def normalised(draw, p):
    c, seed = p.shape[0], draw(st.integers(0, 99))
    names = [p.constant(a(c, seed=seed + k)) for k in range(3)] + [p.constant(np.abs(a(c, seed=seed + 3)) + 1)]
    p.add("BatchNormalization", *names)


def folded(draw, p):
    n = p.shape[0]
    sides = [(c, h) for c in range(1, n + 1) for h in range(1, n + 1) if n % (c * h) == 0]
    c, h = draw(st.sampled_from(sides))
    shape = (c, h, n // (c * h))
    p.add("Reshape", p.constant(np.array([-1, *shape], np.int64)), shape=shape)


def convolved(draw, p):
    c, h, w = p.shape
    groups = draw(st.sampled_from([g for g in (1, c) if c % g == 0]))
    out = groups * draw(st.integers(1, 2))
    kernel = [min(draw(st.integers(1, 3)), side + 1) for side in (h, w)]
    stride, pad = draw(st.integers(1, 2)), draw(st.integers(0, 1))
    sides = [(side + 2 * pad - k) // stride + 1 for side, k in zip((h, w), kernel, strict=True)]
    if min(sides) < 1 or any(side + 2 * pad < k for side, k in zip((h, w), kernel, strict=True)):
        activation(draw, p)
        return
    weight = p.constant(a(out, c // groups, *kernel, seed=draw(st.integers(0, 99))))
    bias = [p.constant(a(out))] if draw(st.booleans()) else []
    shape = (out, *sides)
    p.add("Conv", weight, *bias, shape=shape, group=groups, strides=[stride] * 2, pads=[pad] * 4, kernel_shape=kernel)


def pooled(draw, p):
    c, h, w = p.shape
    if draw(st.booleans()) or min(h, w) < 2:
        return p.add("GlobalAveragePool", shape=(c, 1, 1))
    stride = draw(st.integers(1, 2))
    shape = (c, (h - 2) // stride + 1, (w - 2) // stride + 1)
    return p.add(
        draw(st.sampled_from(["MaxPool", "AveragePool"])), shape=shape, kernel_shape=[2, 2], strides=[stride] * 2
    )


def flattened(draw, p):
    p.add("Flatten", shape=(int(np.prod(p.shape)),))


def turned(draw, p):
    order = draw(st.permutations([0, 1, 2]))
    p.add("Transpose", shape=tuple(p.shape[k] for k in order), perm=[0, *(k + 1 for k in order)])


FLAT = (gemm, gemm, activation, activation, scaled, with_another, with_another, normalised, folded)
DEEP = (convolved, convolved, pooled, activation, scaled, with_another, normalised, flattened, turned)


@st.composite
def programs(draw):
    flat = draw(st.booleans())
    p = Program((draw(st.integers(1, 6)),) if flat else tuple(draw(st.integers(1, 4)) for _ in range(3)))
    for _ in range(draw(st.integers(1, 8))):
        draw(st.sampled_from(FLAT if len(p.shape) == 1 else DEEP))(draw, p)
    return p.model(draw(st.sampled_from([9, 11, 13, 17]))), p.made[0][1]


@given(programs(), st.integers(0, 2**16))
@settings(deadline=None)
def test_a_program_is_a_network_and_a_program_again(tmp_path_factory, case, seed):
    model, shape = case
    x = np.random.default_rng(seed).normal(size=(3, *shape)).astype(np.float32)
    expected = runtime(model, x)[0].reshape(3, -1)
    path = tmp_path_factory.getbasetemp() / "random.onnx"
    net = loaded(model, path)
    scale = max(np.abs(expected).max(), 1e-3)
    # the network adds in another order; what cancels to nothing is exact to the size of what cancels
    largest = max(scale, np.abs(net.forward(x.reshape(3, -1)).value).max())
    assert np.abs(net.forward(x.reshape(3, -1)).output - expected).max() <= 1e-5 * largest
    net.save(path)
    again = runtime(path.read_bytes(), x.reshape(3, -1))[0]
    assert np.abs(again - expected).max() <= 1e-5 * largest
