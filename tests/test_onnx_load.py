"""ONNX files as networks: equal to onnxruntime, heads cut off, one error for what cannot be."""

import io
import warnings

import numpy as np
import onnxruntime
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import nn

import edgewise as ew
from oracles import assert_close
from test_from_module import ACTIVATIONS, CASES, Residual, seeded

onnxruntime.set_default_logger_severity(4)


def runtime(model, *arrays):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    content = model if isinstance(model, bytes) else model.SerializeToString()
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    return session.run(None, {entry.name: a for entry, a in zip(session.get_inputs(), arrays, strict=True)})


def loaded(model, path):
    path.write_bytes(model if isinstance(model, bytes) else model.SerializeToString())
    return ew.load(path)


def program(nodes, shape, initializers=(), opset=17, batch="N", dtype=TensorProto.FLOAT, output="y", domains=()):
    """A model with one input x (batch, *shape) and one output."""
    value = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes,
        "g",
        [value("x", dtype, [batch, *shape])],
        [value(output, dtype, None)],
        [numpy_helper.from_array(np.asarray(array), name) for name, array in dict(initializers).items()],
    )
    imports = [helper.make_opsetid("", opset), *(helper.make_opsetid(domain, 1) for domain in domains)]
    return helper.make_model(graph, opset_imports=imports, ir_version=8)


def same_as_runtime(model, shape, path, dtype=np.float32, tolerance=1e-5, batch=4):
    x = np.random.default_rng(0).normal(size=(batch, *shape)).astype(dtype)
    net = loaded(model, path)
    assert net.dtype == dtype
    assert_close(net.forward(x.reshape(batch, -1)).output, runtime(model, x)[0].reshape(batch, -1), tolerance)
    return net


def a(*shape, seed=1, dtype=np.float32):
    return np.random.default_rng(seed).normal(size=shape).astype(dtype)


def node(operator, *inputs, outputs=("y",), **attributes):
    return helper.make_node(operator, list(inputs), list(outputs), **attributes)


ints = lambda *numbers: np.array(numbers, np.int64)  # noqa: E731

# operator, its further inputs, attributes, shape of x, opset
SINGLE = [
    ("Gemm", [a(5, 3), a(3)], {"alpha": 0.5, "beta": 2.0}, (5,), 9),
    ("Gemm", [a(3, 5), a(1, 3)], {"transB": 1}, (5,), 13),
    ("MatMul", [a(4, 6)], {}, (3, 4), 13),
    ("Add", [a(3, 1)], {}, (3, 4), 13),
    ("Sub", [a(4)], {}, (3, 4), 13),
    ("Mul", [a(1, 3, 4)], {}, (3, 4), 13),
    ("Div", [np.abs(a(3, 4)) + 1], {}, (3, 4), 13),
    ("Pow", [np.float32(2)], {}, (4,), 13),
    ("Pow", [np.float32(3)], {}, (4,), 13),
    ("Max", [a(4), a(3, 1)], {}, (3, 4), 13),
    ("Min", [a(4)], {}, (3, 4), 13),
    ("PRelu", [np.abs(a(3, 1))], {}, (3, 4), 16),
    ("Clip", [], {"min": -0.5, "max": 0.5}, (4,), 9),
    ("Clip", [np.float32(0), np.float32(6)], {}, (4,), 13),
    ("Clip", [np.float32(-1), np.float32(1)], {}, (4,), 13),
    ("LeakyRelu", [], {"alpha": 0.01}, (4,), 9),
    ("LeakyRelu", [], {"alpha": 0.3}, (4,), 9),
    ("Elu", [], {"alpha": 0.7}, (4,), 9),
    ("Selu", [], {}, (4,), 9),
    ("Celu", [], {"alpha": 0.6}, (4,), 13),
    ("HardSigmoid", [], {}, (4,), 9),
    ("HardSwish", [], {}, (4,), 14),
    ("Mish", [], {}, (4,), 18),
    ("Gelu", [], {}, (4,), 20),
    ("Gelu", [], {"approximate": "tanh"}, (4,), 20),
    *((name, [], {}, (4,), 9) for name in ("Relu", "Sigmoid", "Tanh", "Softplus", "Softsign", "Identity", "Neg")),
    *((name, [], {}, (4,), 9) for name in ("Abs", "Exp", "Sin", "Cos", "Reciprocal", "Dropout")),
    ("Conv", [a(4, 2, 3, 3), a(4)], {"pads": [1, 0, 1, 2], "strides": [2, 1]}, (2, 7, 6), 11),
    ("Conv", [a(4, 1, 3)], {"group": 2, "dilations": [2]}, (2, 9), 11),
    ("Conv", [a(2, 2, 2, 3)], {"auto_pad": "SAME_UPPER", "strides": [2, 2]}, (2, 5, 7), 11),
    ("Conv", [a(2, 2, 2, 3)], {"auto_pad": "SAME_LOWER"}, (2, 5, 7), 11),
    ("AveragePool", [], {"kernel_shape": [3, 2], "pads": [1, 0, 1, 1], "strides": [2, 2]}, (2, 7, 6), 11),
    ("AveragePool", [], {"kernel_shape": [3], "pads": [1, 1], "count_include_pad": 1}, (2, 7), 11),
    ("AveragePool", [], {"kernel_shape": [3], "strides": [2], "ceil_mode": 1}, (2, 8), 19),
    ("MaxPool", [], {"kernel_shape": [3, 3], "pads": [1, 1, 1, 1], "strides": [2, 2], "ceil_mode": 1}, (2, 7, 6), 11),
    ("GlobalAveragePool", [], {}, (2, 4, 3), 9),
    ("GlobalMaxPool", [], {}, (2, 4, 3), 9),
    ("BatchNormalization", [a(2), a(2), a(2), np.abs(a(2)) + 0.5], {"epsilon": 0.01}, (2, 4), 15),
    ("LayerNormalization", [a(4), a(4)], {}, (3, 4), 17),
    ("InstanceNormalization", [a(2), a(2)], {}, (2, 5), 9),
    ("ReduceMean", [], {"axes": [1], "keepdims": 0}, (3, 4), 11),
    ("ReduceMean", [ints(-1)], {}, (3, 4), 18),
    ("ReduceSum", [ints(1, 2)], {}, (3, 4), 13),
    ("ReduceMax", [], {"axes": [2]}, (3, 4), 13),
    ("ReduceMin", [], {"axes": [2]}, (3, 4), 13),
    ("ReduceProd", [], {"axes": [2]}, (3, 4), 13),
    ("Flatten", [], {"axis": 1}, (3, 4), 9),
    ("Reshape", [ints(0, -1, 2)], {}, (3, 4), 13),
    ("Transpose", [], {"perm": [0, 2, 1]}, (3, 4), 13),
    ("Squeeze", [], {"axes": [1]}, (1, 4), 11),
    ("Squeeze", [ints(1)], {}, (1, 4), 13),
    ("Unsqueeze", [ints(1)], {}, (4,), 13),
    ("Slice", [], {"starts": [1], "ends": [3], "axes": [1]}, (4,), 9),
    ("Slice", [ints(-1), ints(-10), ints(1), ints(-2)], {}, (5,), 13),
    ("Gather", [ints(2, 0)], {"axis": 1}, (4,), 13),
    ("Expand", [ints(1, 3, 4)], {}, (1, 4), 13),
    ("Tile", [ints(1, 2)], {}, (4,), 13),
    ("Pad", [ints(0, 1, 0, 2), np.float32(0.5)], {}, (4,), 13),
    ("Pad", [ints(0, 1, 0, 2)], {"mode": "reflect"}, (4,), 13),
    ("DepthToSpace", [], {"blocksize": 2}, (4, 2, 3), 13),
    ("Softmax", [], {"axis": 1}, (3, 4), 13),
    ("LogSoftmax", [], {"axis": -1}, (3, 4), 13),
]  # fmt: skip


@pytest.mark.parametrize("case", SINGLE, ids=[f"{k}-{case[0]}" for k, case in enumerate(SINGLE)])
def test_an_operator_is_what_onnxruntime_makes_of_it(case, tmp_path):
    operator, further, attributes, shape, opset = case
    names = [f"c{k}" for k in range(len(further))]
    model = program([node(operator, "x", *names, **attributes)], shape, dict(zip(names, further, strict=True)), opset)
    same_as_runtime(model, shape, tmp_path / "m.onnx")


def test_constants_on_the_other_side(tmp_path):
    for operator in ("Sub", "Div", "MatMul", "Mul"):
        model = program(
            [node("Exp", "x", outputs=["e"]), node(operator, "c", "e")],
            (3, 4),
            {"c": a(3, 3) if operator == "MatMul" else a(3, 4)},
        )
        same_as_runtime(model, (3, 4), tmp_path / "m.onnx")


def test_split_and_concat(tmp_path):
    model = program(
        [
            node("Split", "x", "sizes", outputs=["a", "b"], axis=1),
            node("Mul", "a", "a", outputs=["c"]),
            node("Concat", "b", "c", "k", axis=1),
        ],
        (5,),
        {"sizes": ints(2, 3), "k": np.ones((1, 0), np.float32)},
        batch=1,
    )
    same_as_runtime(model, (5,), tmp_path / "m.onnx", batch=1)


def test_shapes_are_calculated(tmp_path):
    nodes = [
        node("Shape", "x", outputs=["s"]),
        node("Gather", "s", "zero", outputs=["n"]),
        node("Unsqueeze", "n", "axis", outputs=["n1"]),
        node("Concat", "n1", "minus", outputs=["target"], axis=0),
        node("Reshape", "x", "target"),
    ]
    model = program(nodes, (2, 3), {"zero": np.int64(0), "axis": ints(0), "minus": ints(-1)})
    same_as_runtime(model, (2, 3), tmp_path / "m.onnx")


@pytest.mark.parametrize("form", ["silu", "gelu", "gelu of products", "median", "maxabs"])
def test_what_several_operators_are_together(form, tmp_path):
    root, half = np.float32(np.sqrt(2)), np.float32(0.5)
    one = np.float32(1)
    forms = {
        "silu": ([node("Sigmoid", "x", outputs=["s"]), node("Mul", "x", "s")], {}),
        "gelu": (
            [
                node("Div", "x", "root", outputs=["u"]),
                node("Erf", "u", outputs=["e"]),
                node("Add", "e", "one", outputs=["p"]),
                node("Mul", "x", "p", outputs=["m"]),
                node("Mul", "m", "half"),
            ],
            {"root": root, "half": half, "one": one},
        ),
        "gelu of products": (
            [
                node("Mul", "x", "inverse", outputs=["u"]),
                node("Mul", "half", "x", outputs=["h"]),
                node("Erf", "u", outputs=["e"]),
                node("Add", "one", "e", outputs=["p"]),
                node("Mul", "h", "p"),
            ],
            {"inverse": 1 / root, "half": half, "one": one},
        ),
        "median": (
            [
                node("TopK", "x", "n", outputs=["t", "places"], axis=-1),
                node("Gather", "t", "middle", outputs=["g"], axis=-1),
                node("ReduceMean", "g", axes=[-1], keepdims=0),
            ],
            {"n": ints(6), "middle": ints(2, 3)},
        ),
        "maxabs": (
            [
                node("Abs", "x", outputs=["m"]),
                node("ArgMax", "m", outputs=["i"], axis=-1, keepdims=1),
                node("GatherElements", "x", "i", axis=-1),
            ],
            {},
        ),
    }
    nodes, constants = forms[form]
    shape = (3, 6)
    net = same_as_runtime(program(nodes, shape, constants), shape, tmp_path / "m.onnx")
    assert form.split()[0] in {*net.activations, *net.aggregations}
    assert net.n_nodes - net.n_inputs == net.n_outputs


def exported(module, x, dynamo, opset=None, free=True):
    buffer = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        shapes = {}
        if free:
            shapes = (
                {"dynamic_shapes": ({0: torch.export.Dim("batch")},)}
                if dynamo
                else {"dynamic_axes": {"x": {0: "batch"}}}
            )
        program = torch.onnx.export(
            module,
            (x,),
            *(() if dynamo else (buffer,)),
            input_names=["x"],
            dynamo=dynamo,
            opset_version=opset,
            verbose=False,
            **shapes,
        )
    return program.model_proto.SerializeToString() if dynamo else buffer.getvalue()


@pytest.mark.parametrize(
    "name", [name for name in CASES if name not in ("adaptive_max", "pools", "softmax", "log_softmax")]
)
@pytest.mark.parametrize("free", [True, False])
def test_what_pytorch_exports(name, free, tmp_path):
    make, shape = CASES[name]
    module, x = seeded(make, *shape, double=False)
    x = x if free else x[:1]
    content = exported(module, x, dynamo=False, opset=17, free=free)
    net = loaded(content, tmp_path / "m.onnx")
    assert_close(
        net.forward(x.numpy().reshape(len(x), -1)).output, runtime(content, x.numpy())[0].reshape(len(x), -1), 1e-5
    )


@pytest.mark.parametrize("make", [CASES["cnn"], (Residual, (6,))], ids=["cnn", "residual"])
def test_what_pytorch_exports_by_dynamo(make, tmp_path):
    module, x = seeded(make[0], *make[1], double=False)
    content = exported(module, x, dynamo=True)
    net = loaded(content, tmp_path / "m.onnx")
    assert_close(net.forward(x.numpy().reshape(5, -1)).output, runtime(content, x.numpy())[0], 1e-5)


def test_activations_that_pytorch_exports(tmp_path):
    for activation in ACTIVATIONS:
        module, x = seeded(lambda: nn.Sequential(nn.Linear(4, 5), activation), 4, double=False)  # noqa: B023
        content = exported(module, x, dynamo=False, opset=17)
        net = loaded(content, tmp_path / "m.onnx")
        assert_close(net.forward(x.numpy()).output, runtime(content, x.numpy())[0], 1e-5)


def learnt(kind, classes, **more):
    from sklearn.neural_network import MLPClassifier, MLPRegressor
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    rng = np.random.default_rng(0)
    x = rng.normal(3, 2, (120, 4))
    score = x @ rng.normal(size=(4, classes or 2))
    y = score.argmax(1) if classes else score
    estimator = (MLPClassifier if kind == "classifier" else MLPRegressor)(
        hidden_layer_sizes=(8, 6), max_iter=60, random_state=0, **more
    )
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return make_pipeline(StandardScaler(), estimator).fit(x, y), x


@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("zipmap", [True, False])
def test_classifiers_of_scikit_learn(classes, zipmap, tmp_path):
    from skl2onnx import to_onnx

    model, x = learnt("classifier", classes, activation="tanh")
    options = {id(model): {"zipmap": zipmap}}
    content = to_onnx(model, x[:1].astype(np.float32), options=options).SerializeToString()
    with pytest.warns(UserWarning, match="left out") as warned:
        net = loaded(content, tmp_path / "m.onnx")
    assert len(warned) == 1
    message = str(warned[0].message)
    assert "ArgMax" in message
    assert ("Softmax" in message) == (classes > 2)
    output = net.forward(x.astype(np.float32)).output
    assert output.shape == (120, classes)
    if classes > 2:
        output = np.exp(output - output.max(1, keepdims=True))
        output /= output.sum(1, keepdims=True)
    assert_close(output, model.predict_proba(x), 1e-5)
    assert warned[0].filename == __file__


def test_regressors_of_scikit_learn(tmp_path):
    from skl2onnx import to_onnx

    model, x = learnt("regressor", 0, activation="logistic")
    content = to_onnx(model, x[:1].astype(np.float32)).SerializeToString()
    net = loaded(content, tmp_path / "m.onnx")
    assert_close(
        net.forward(x.astype(np.float32)).output, model.predict(x), 1e-5
    )  # though the file's Reshape says (-1, 1)
    double = to_onnx(model, x[:1]).SerializeToString()
    net = loaded(double, tmp_path / "m.onnx")
    assert net.dtype == np.float64


def test_linear_models_of_scikit_learn(tmp_path):
    from skl2onnx import to_onnx
    from sklearn.linear_model import LinearRegression, LogisticRegression

    x = np.random.default_rng(0).normal(size=(60, 3)).astype(np.float32)
    y = x @ np.array([1.0, -2, 0.5])
    line = LinearRegression().fit(x, y)
    net = loaded(to_onnx(line, x[:1]).SerializeToString(), tmp_path / "m.onnx")
    assert_close(net.forward(x).output[:, 0], line.predict(x), 1e-5)
    logistic = LogisticRegression().fit(x, np.digitize(y, [-1, 1]))
    with pytest.warns(UserWarning, match="Softmax"):
        net = loaded(to_onnx(logistic, x[:1]).SerializeToString(), tmp_path / "m.onnx")
    assert (net.forward(x).output.argmax(1) == logistic.predict(x)).all()


def test_a_softmax_at_the_end_is_dropped_and_said_so_and_one_in_the_middle_is_not(tmp_path):
    w = a(4, 3)
    last = program([node("MatMul", "x", "w", outputs=["s"]), node("Softmax", "s", axis=-1)], (4,), {"w": w})
    with pytest.warns(UserWarning, match="Softmax .it belongs to the loss"):
        net = loaded(last, tmp_path / "m.onnx")
    x = a(5, 4)
    assert_close(net.forward(x).output, x @ w, 1e-6)
    middle = program([node("Softmax", "x", outputs=["p"], axis=-1), node("MatMul", "p", "w")], (4,), {"w": w})
    same_as_runtime(middle, (4,), tmp_path / "m.onnx")


@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("typed", [True, False])
def test_numbers_are_read_in_every_form(dtype, typed, tmp_path):
    w = a(3, 2).astype(dtype)
    code = helper.np_dtype_to_tensor_dtype(w.dtype)
    model = program([node("MatMul", "x", "w")], (3,), {}, dtype=code)
    model.graph.initializer.append(
        helper.make_tensor("w", code, w.shape, w.ravel().tolist()) if typed else numpy_helper.from_array(w, "w")
    )
    model.graph.input.append(helper.make_tensor_value_info("w", code, w.shape))  # as old exporters list them
    net = loaded(model, tmp_path / "m.onnx")
    assert net.dtype == (np.float64 if dtype == np.float64 else np.float32)
    assert sorted(net.weight.tolist()) == sorted(w.ravel().astype(net.dtype).tolist())


def test_a_batch_that_is_fixed(tmp_path):
    for batch in (1, 3):
        model = program(
            [node("Reshape", "x", "s", outputs=["r"]), node("MatMul", "r", "w")],
            (2, 2),
            {"s": ints(batch, 4), "w": a(4, 2)},
            batch=batch,
        )
        same_as_runtime(model, (2, 2), tmp_path / "m.onnx", batch=batch)


def test_zeros_are_absent_and_kernels_are_tied(tmp_path):
    w = a(2, 1, 3)
    w[0, 0, 1] = 0
    net = loaded(program([node("Conv", "x", "w")], (1, 6), {"w": w}), tmp_path / "m.onnx")
    assert net.n_edges == 4 * 5
    assert len(np.unique(net.tie)) == 5


def test_biases_of_a_channel_are_tied(tmp_path):
    numbers = {"w": a(2, 1, 3), "b": a(2), "s": a(2), "t": a(2), "m": a(2), "v": np.abs(a(2)) + 1}
    alone = [node("Conv", "x", "w", "b")]
    normalised = [
        node("Conv", "x", "w", outputs=["c"]),
        node("BatchNormalization", "c", "s", "t", "m", "v", outputs=["n"]),
        node("Relu", "n"),
    ]
    for nodes in (alone, normalised):
        net = loaded(program(nodes, (1, 6), numbers), tmp_path / "m.onnx")
        assert net.n_nodes == 6 + 8
        assert net.bias_tie[6:].tolist() == [6] * 4 + [7] * 4
        assert len(np.unique(net.bias[6:])) == 2


def test_one_error_names_every_unsupported_operator(tmp_path):
    model = program(
        [
            node("Det", "x", outputs=["a"]),
            node("CumSum", "x", "k", outputs=["b"]),
            node("Conv", "x", "w", outputs=["c"]),
            node("Concat", "a", "b", "c", axis=1),
        ],
        (3, 3),
        {"k": np.int64(1), "w": a(2, 5, 3)},
    )
    with pytest.raises(ew.FormatError) as error:
        loaded(model, tmp_path / "m.onnx")
    for part in ("Det (node 0", "CumSum (node 1", "Conv (node 2", "a convolution of"):
        assert part in str(error.value)
    assert "Concat" not in str(error.value)
    assert "m.onnx" in str(error.value)


@pytest.mark.parametrize(
    "nodes",
    [
        [node("ReduceMean", "x", axes=[0], keepdims=1, outputs=["m"]), node("Sub", "x", "m")],
        [node("Transpose", "x", perm=[1, 0], outputs=["t"]), node("MatMul", "x", "t")],
    ],
)
def test_mixing_samples_is_an_error(nodes, tmp_path):
    with pytest.raises(ew.FormatError, match="mixes samples"):
        loaded(program(nodes, (3,)), tmp_path / "m.onnx")


def test_a_value_is_never_taken_for_one_that_is_gone(tmp_path):
    tails = [node("Sigmoid", "x", outputs=[""]), node("Sigmoid", "x", outputs=[""])]  # that nobody can read
    nodes = [entry for k in range(9) for entry in (*tails, node("Tanh", "x", outputs=[f"t{k}"]))]
    nodes += [node("Mul", "x", f"t{k}", outputs=[f"p{k}"]) for k in range(9)]
    net = loaded(program([*nodes, node("Sum", *(f"p{k}" for k in range(9)))], [3]), tmp_path / "m.onnx")
    x = a(4, 3)
    assert_close(net.forward(x).output, 9 * x * np.tanh(x), 1e-5)


def test_operators_of_others_are_not_taken_for_those_of_onnx(tmp_path):
    for operator in ("Identity", "Dropout"):
        with pytest.raises(ew.FormatError, match=operator):
            loaded(program([node(operator, "x", domain="com.mine")], [3], domains=["com.mine"]), tmp_path / "m.onnx")


def test_a_median_of_what_no_network_can_express_is_named(tmp_path):
    nodes = [
        node("CumSum", "x", "one", outputs=["s"]),
        node("TopK", "s", "k", outputs=["o", ""], axis=1),
        node("Gather", "o", "middle", outputs=["m"], axis=1),
        node("ReduceMean", "m", axes=[1]),
    ]
    constants = {"one": np.array(1), "k": np.array([3]), "middle": np.array([1, 1])}
    with pytest.raises(ew.FormatError, match="CumSum"):
        loaded(program(nodes, [3], constants), tmp_path / "m.onnx")
