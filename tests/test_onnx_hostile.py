"""ONNX files that are damaged or lie: one error that says what is wrong, never another, and never much memory."""

import contextlib
import resource
import warnings

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

import edgewise as ew

FLOAT = TensorProto.FLOAT


def model(nodes, weights, shape=("N", 4), **attributes):
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", FLOAT, shape)],
        [helper.make_tensor_value_info("y", FLOAT, None)],
        [numpy_helper.from_array(array, name) for name, array in weights.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8, **attributes)


def convolution():
    rng = np.random.default_rng(0)
    return model(
        [
            helper.make_node("Conv", ["x", "k", "b"], ["c"], pads=[1, 1, 1, 1], strides=[2, 2]),
            helper.make_node("Relu", ["c"], ["r"]),
            helper.make_node("MaxPool", ["r"], ["p"], kernel_shape=[2, 2]),
            helper.make_node("Flatten", ["p"], ["f"]),
            helper.make_node("Gemm", ["f", "w", "v"], ["g"], transB=1),
            helper.make_node("Softmax", ["g"], ["y"]),
        ],
        {
            "k": rng.normal(size=(2, 1, 3, 3)).astype("f"),
            "b": rng.normal(size=2).astype("f"),
            "w": rng.normal(size=(3, 18)).astype("f"),
            "v": rng.normal(size=3).astype("f"),
        },
        ("N", 1, 8, 8),
    )


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    path = tmp_path_factory.mktemp("valid") / "m.onnx"
    ew.random_dag(30, 120, n_inputs=4, n_outputs=2, activation="tanh", dtype="float32", seed=0).save(path)
    return [path.read_bytes(), convolution().SerializeToString()]


def load(content, path):
    path.write_bytes(content)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ew.load(path)


def test_they_are_valid_as_they_are(files, tmp_path):
    assert [load(content, tmp_path / "m.onnx").n_inputs for content in files] == [4, 64]


@settings(max_examples=400)
@given(st.data())
def test_damaged_files(files, tmp_path_factory, data):
    content = bytearray(data.draw(st.sampled_from(files), label="file"))
    for _ in range(data.draw(st.integers(1, 6), label="changes")):
        at = data.draw(st.integers(0, len(content) - 1), label="at")
        change = data.draw(st.sampled_from(["byte", "cut", "insert", "repeat"]), label="change")
        if change == "byte":
            content[at] = data.draw(st.integers(0, 255), label="byte")
        elif change == "cut":
            del content[at : at + data.draw(st.integers(1, 40), label="length")]
        elif change == "insert":
            content[at:at] = data.draw(st.binary(min_size=1, max_size=12), label="bytes")
        else:
            content[at:at] = content[at : at + 30]
        if not content:
            break
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with contextlib.suppress(ew.FormatError, ew.GraphError):
        load(bytes(content), tmp_path_factory.mktemp("damaged") / "m.onnx")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 500_000  # KiB


def external(model):
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="../../etc/passwd")
    return model


def absurd_dims(model):
    model.graph.initializer[0].dims[:] = [2**40, 2**20]
    return model


def negative_dims(model):
    model.graph.initializer[0].dims[:] = [-3, 4]
    return model


def too_few_bytes(model):
    model.graph.initializer[0].raw_data = b"\0" * 5
    return model


def cycle(model):
    model.graph.node[0].input[0] = model.graph.node[-1].output[0]
    return model


def missing(model):
    del model.graph.initializer[0]
    return model


def produced_twice(model):
    model.graph.node[1].output[0] = model.graph.node[0].output[0]
    return model


def huge_input(model):
    model.graph.input[0].type.tensor_type.shape.dim[1].dim_value = 2**40
    return model


def no_outputs(model):
    del model.graph.output[:]
    return model


def not_numbers(model):
    model.graph.initializer[0].raw_data = np.full(18, np.nan, "f").tobytes()
    return model


def huge_kernel(model):
    model.graph.node[2].attribute[0].ints[:] = [2**31, 2**31]
    return model


def huge_pads(model):
    model.graph.node[0].attribute[0].ints[:] = [2**30] * 4
    return model


def no_strides(model):
    model.graph.node[0].attribute[1].ints[:] = [0, 0]
    return model


LIES = [
    *(external, absurd_dims, negative_dims, too_few_bytes, cycle, missing, produced_twice, huge_input, no_outputs),
    *(not_numbers, huge_kernel, huge_pads, no_strides),
]


@pytest.mark.parametrize("lie", LIES, ids=lambda lie: lie.__name__)
def test_files_that_lie(lie, tmp_path):
    content = lie(convolution()).SerializeToString()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises((ew.FormatError, ew.GraphError), match=r"m\.onnx: "):
        load(content, tmp_path / "m.onnx")
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 500_000


@pytest.mark.parametrize("content", [b"", b"\0", b"nothing of the kind", b"\x08" * 1000, bytes(range(256)) * 40])
def test_files_of_another_kind(content, tmp_path):
    with pytest.raises(ew.FormatError, match=r"m\.onnx: "):
        load(content, tmp_path / "m.onnx")


def test_a_program_within_a_program_is_named(tmp_path):
    branch = helper.make_graph([helper.make_node("Identity", ["x"], ["b"])], "then", [], [
        helper.make_tensor_value_info("b", FLOAT, None)
    ])  # fmt: skip
    nodes = [helper.make_node("If", ["c"], ["y"], then_branch=branch, else_branch=branch)]
    content = model(nodes, {"c": np.array(True)}).SerializeToString()
    with pytest.raises(ew.FormatError, match="If"):
        load(content, tmp_path / "m.onnx")
    assert onnx.load_from_string(content).graph.node[0].op_type == "If"
