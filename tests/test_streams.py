"""Files as streams: the samples, their order, what is learnt from them, memory, and what comes of bad files."""

import json
import os
import re
import subprocess
import sys
from decimal import Decimal
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import datasets
from typer.testing import CliRunner

import edgewise as ew
from edgewise import csv_scan, data, parquet, streams
from edgewise.cli import app
from edgewise.pieces import Rows
from edgewise.streams import TableStream
from oracles import assert_close


def frame(n=3000, seed=0):
    rng = np.random.default_rng(seed)
    height = rng.normal(50, 20, n)
    return pl.DataFrame(
        {
            "number": np.arange(n),
            "height": height,
            "girth": rng.normal(size=n).astype("f4"),
            "leaf": np.array(["long", "round", "lobed"])[rng.integers(0, 3, n)],
            "evergreen": rng.uniform(size=n) < 0.3,
            "kind": np.where(height > 50, "tall", "short"),
        }
    )


def write(path, table, rows=400, **settings):
    if path.suffix == ".csv":
        table.write_csv(path)
    else:
        table.write_parquet(path, row_group_size=rows, **settings)
    return path


@pytest.fixture(autouse=True)
def _small_pieces(monkeypatch):
    monkeypatch.setattr(csv_scan, "PIECE_BYTES", 10_000)


either = pytest.mark.parametrize("suffix", [".parquet", ".csv"])


@pytest.fixture(params=[".parquet", ".csv"])
def trees(request, tmp_path):
    return write(tmp_path / f"trees{request.param}", frame())


@pytest.fixture
def parquet_trees(tmp_path):
    return write(tmp_path / "trees.parquet", frame())


def with_value(path, column, row, value):
    """The trees with another value in one cell."""
    table = frame()
    cells = table[column].to_list()
    cells[row] = value
    return write(path, table.with_columns(pl.Series(column, cells)))


def whole(stream, part="training"):
    """x and y of a part as the table in memory gives them, in the order of the file."""
    table = data.load_table(str(stream.file.path), stream.target)
    rows = np.flatnonzero(stream.part(0, table.n_rows)[part])
    return (
        stream.preprocessing.inputs(table.features, rows).astype(stream.dtype),
        stream.preprocessing.labels(table.target, rows),
    )


def joined(chunks):
    chunks = list(chunks)
    return np.concatenate([x for x, _ in chunks]), np.concatenate([y for _, y in chunks])


def by_number(x, y):
    order = np.argsort(x[:, 0])  # the column "number"
    return x[order], y[order]


# ---- samples and their order ----


@pytest.mark.parametrize("rows", [100, 3000])
@pytest.mark.parametrize("buffer_bytes", [1, 4000, 10**8])
def test_every_training_row_once_an_epoch_in_an_order_of_the_epoch(tmp_path, rows, buffer_bytes):
    path = write(tmp_path / "t.parquet", frame(600), rows)
    stream = TableStream(path, "kind", buffer_bytes=buffer_bytes)
    expected = whole(stream)
    epochs = [joined(stream.chunks(epoch)) for epoch in (0, 1, 0)]
    for x, y in epochs:
        assert len(x) == stream.n_samples
        for found, wanted in zip(by_number(x, y), expected, strict=True):
            assert np.array_equal(found, wanted)
    assert np.array_equal(epochs[0][0], epochs[2][0])
    assert buffer_bytes == 1 or not np.array_equal(epochs[0][0], epochs[1][0])
    assert not np.array_equal(joined(TableStream(path, "kind", seed=1).chunks(0))[1], epochs[0][1])


@pytest.mark.parametrize("size", [5, 7])
@pytest.mark.parametrize("buffer_bytes", [4000, 10**6])
def test_lanes_for_any_number_of_processes(tmp_path, size, buffer_bytes):
    """What they have together is what one has, in turn."""
    stream = TableStream(write(tmp_path / "t.parquet", frame(600), 20), "kind", buffer_bytes=buffer_bytes, lanes=size)
    x, y = joined(stream.chunks(0))
    found = np.empty_like(x), np.empty_like(y)
    for rank in range(size):
        chunks = list(stream.share(rank, size).chunks(0))
        weights = np.concatenate([np.ones(len(chunk[0])) if len(chunk) == 2 else chunk[2] for chunk in chunks])
        assert sum(weights) == len(x[rank::size])
        for whole, part in zip(found, zip(*(chunk[:2] for chunk in chunks), strict=True), strict=True):
            whole[rank::size] = np.concatenate(part)[weights == 1]
    assert np.array_equal(found[0], x)
    assert np.array_equal(found[1], y)
    with pytest.warns(RuntimeWarning, match=rf"3 processes share {size} lanes: each reads {size} of them. .*--lanes 3"):
        stream.share(0, 3)


@either
def test_a_buffer_mixes_what_is_far_apart(tmp_path, suffix):
    stream = TableStream(write(tmp_path / f"t{suffix}", frame(), 100), "kind", buffer_bytes=60_000)
    chunks = [x[:, 0] for x, _ in stream.chunks(0)]
    assert len(chunks) > 4
    assert all(len(x) * 7 * 4 <= 60_000 / 4 for x in chunks)
    # numbers of all rows have deviation 1: within a chunk they lie far apart, and the first is not the first rows
    assert all(x.std() > 0.4 for x in chunks)


def test_parts_are_those_of_the_seed_whatever_the_buffer(trees):
    first, second = (TableStream(trees, "kind", buffer_bytes=size) for size in (2000, 10**7))
    parts = first.part(0, 3000)
    assert sum(rows.astype(int) for rows in parts.values()).tolist() == [1] * 3000
    assert {name: rows.sum() for name, rows in parts.items()} == first.n_rows
    assert 200 < first.n_rows["validation"] < 400
    assert 200 < first.n_rows["test"] < 400
    for name, rows in parts.items():
        assert np.array_equal(rows, second.part(0, 3000)[name])
        assert np.array_equal(rows[1000:1100], second.part(1000, 100)[name])
    for found, wanted in zip(first.validation, whole(first, "validation"), strict=True):
        assert np.array_equal(found, wanted)
    for found, wanted in zip(joined(first.test.chunks(3)), whole(first, "test"), strict=True):
        assert np.array_equal(found, wanted)
    assert TableStream(trees, "kind", seed=1).n_rows != first.n_rows


def test_validation_is_bounded(trees, monkeypatch):
    everything = TableStream(trees, "kind", test_share=0)
    monkeypatch.setattr(streams, "VALIDATION_BYTES", 50 * 7 * 4)
    bounded = TableStream(trees, "kind", test_share=0)
    assert 20 < len(bounded.validation[0]) < 90 < everything.n_rows["validation"]
    assert sum(bounded.n_rows.values()) == sum(everything.n_rows.values()) == 3000


@either
@pytest.mark.parametrize("impute", [False, True])
@pytest.mark.parametrize("target", ["kind", "height", "evergreen"])
def test_what_is_learnt_is_what_the_whole_table_teaches(tmp_path, suffix, target, impute):
    table = frame()
    if impute:
        gap = np.arange(3000) % 7 == 3
        table = table.with_columns(
            pl.when(pl.Series(gap)).then(None).otherwise(pl.col(name)).alias(name) for name in ("girth", "leaf")
        )
    path = write(tmp_path / f"t{suffix}", table)
    stream = TableStream(path, target, impute=impute)
    read = data.load_table(str(path), target)
    task = data.decide_task(read.target)
    rows = np.flatnonzero(stream.part(0, 3000)["training"])
    expected = data.Preprocessing.learn(read, rows, task, impute=impute).to_dict()
    found = stream.preprocessing.to_dict()
    pairs = zip(
        [*found.pop("features"), found.pop("target")], [*expected.pop("features"), expected.pop("target")], strict=True
    )
    for one, other in pairs:
        assert one.keys() == other.keys()
        for name, value in one.items():
            assert value == (pytest.approx(other[name], rel=1e-12) if isinstance(value, float) else other[name])
    assert found == expected
    if task == "classification":
        words = data.class_words(read.target, rows).tolist()
        assert stream.class_counts == {name: words.count(name) for name in stream.preprocessing.classes}


@settings(deadline=None)
@given(
    st.lists(st.floats(-1e300, 1e300), min_size=1, max_size=30),
    st.lists(st.integers(0, 30), max_size=5),
)
def test_moments_of_pieces_are_those_of_all(values, cuts):
    pieces, at_once = data.Moments(), data.Moments()
    for part in np.split(np.array(values), sorted(cuts)):
        pieces.add(part)
    at_once.add(np.array(values))
    largest = max(map(abs, values))
    mean, scale = pieces.mean_and_scale()
    assert mean == pytest.approx(at_once.mean_and_scale()[0], abs=1e-14 * largest)
    assert pieces.squares == pytest.approx(at_once.squares, rel=1e-9, abs=1e-14)
    assert scale > 0


# ---- training ----


@either
def test_digits_are_learnt_from_a_file(tmp_path, suffix):
    bunch = datasets.load_digits()
    table = pl.DataFrame(bunch.data, schema=[f"p{k}" for k in range(64)]).with_columns(target=pl.Series(bunch.target))
    stream = TableStream(write(tmp_path / f"digits{suffix}", table, 300), "target", buffer_bytes=100_000)
    assert stream.preprocessing.classes == tuple("0123456789")
    net = ew.mlp([64, 32, 10], dtype="float32", seed=0)
    ew.fit(net, stream, loss="cross_entropy", validation=stream.validation, epochs=15, progress=False)
    x, y = joined(stream.test.chunks(0))
    assert (data.predicted_classes(net.forward(x).output) == y).mean() > 0.9


@pytest.mark.parametrize("place", [3, 31])
def test_training_is_taken_up_in_the_middle_of_a_stream(trees, tmp_path, place):
    class Stop(Exception):
        pass

    def stop(record):
        if record.step == place:
            raise Stop

    def trained(**more):
        net = ew.mlp([7, 6, 2], seed=0)
        stream = TableStream(trees, "kind", buffer_bytes=20_000)
        ew.fit(net, stream, loss="cross_entropy", epochs=2, batch_size=100, progress=False, **more)
        return net.weight.tobytes() + net.bias.tobytes()

    with pytest.raises(Stop):
        trained(checkpoint=ew.Checkpoint(tmp_path / "state", steps=1), callbacks=[stop])
    assert trained(resume=tmp_path / "state") == trained()


def test_a_checkpoint_refuses_another_stream_by_name(trees, tmp_path):
    def trained(path, more=None, **settings):
        net = ew.mlp([7, 6, 2], seed=0)
        stream = TableStream(path, "kind", **settings)
        ew.fit(net, stream, loss="cross_entropy", epochs=1, batch_size=100, progress=False, **more)

    state = tmp_path / "state"
    trained(trees, {"checkpoint": ew.Checkpoint(state)})
    (tmp_path / "elsewhere").mkdir()
    copy = tmp_path / "elsewhere" / trees.name
    copy.write_bytes(trees.read_bytes())
    trained(copy, {"resume": state})
    other = write(tmp_path / f"other{trees.suffix}", frame())
    changed = write(copy, frame().with_columns(pl.col("girth").shift(1, fill_value=0.0)))
    for path, size in ((other, streams.BUFFER_BYTES), (changed, streams.BUFFER_BYTES), (trees, 9999)):
        with pytest.raises(ew.DataError, match=rf"of another run: .* is {trees.name} \(3000 .* and {path.name} \(3000"):
            trained(path, {"resume": state}, buffer_bytes=size)


@pytest.mark.parametrize(
    ("loss", "n_outputs", "y"),
    [
        ("cross_entropy", 2, [1, 0]),
        ("binary_cross_entropy", 1, [[1], [0]]),
        ("binary_cross_entropy", 2, [[0, 1], [1, 0]]),
        ("hinge", 1, [[1], [-1]]),
    ],
)
def test_y_is_what_the_loss_wants(trees, loss, n_outputs, y):
    stream = TableStream(trees, "kind").encoded(loss, n_outputs)
    first = joined(stream.test.chunks(0))
    tall = first[0][:, 1] > (50 - stream.preprocessing.features[1].mean) / stream.preprocessing.features[1].scale
    assert np.array_equal(first[1], np.where(tall.reshape(-1, *[1] * (np.ndim(y) - 1)), y[0], y[1]))


MEASURE = """
import json, resource, sys
import edgewise as ew
from edgewise.streams import TableStream

def most():
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmHWM")) >> 10

net = ew.mlp([40, 4, 1], dtype="float32")
before = most()
stream = TableStream(sys.argv[1], "y", buffer_bytes=1 << 23, validation_share=0.02)
ew.fit(net, stream, loss="squared_error", validation=stream.validation, epochs=1, batch_size=256, progress=False)
del stream
child = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss >> 10
print(json.dumps([before, most(), child]))
"""


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="memory is read from Linux' /proc")
def test_memory_is_bounded_by_the_buffer_also_in_one_huge_row_group(tmp_path):
    rng, found = np.random.default_rng(0), {}
    for n in (20_000, 600_000):
        path = tmp_path / f"{n}.parquet"
        table = {f"x{k}": rng.normal(size=n).astype("f4") for k in range(40)} | {"y": rng.normal(size=n).astype("f4")}
        write(path, pl.DataFrame(table), n, compression="uncompressed")
        done = subprocess.run([sys.executable, "-c", MEASURE, path], capture_output=True, text=True, check=True)
        found[n] = json.loads(done.stdout)
    assert path.stat().st_size > 95e6
    before, after, child = found[600_000]
    assert after - before < 60
    assert child < found[20_000][2] + 80


# ---- the reader ----


def test_kinds_of_columns_are_read_as_the_whole_file_is(tmp_path):
    table = pl.DataFrame(
        {
            "i8": pl.Series([1, None, -3] * 10, dtype=pl.Int8),
            "u64": pl.Series([2**60, 1, 7] * 10, dtype=pl.UInt64),
            "f4": pl.Series([0.1, float("nan"), 3] * 10, dtype=pl.Float32),
            "f8": pl.Series([0.1, None, 3e300] * 10),
            "truth": [True, None, False] * 10,
            "word": ["a", None, "ü\0"] * 10,
            "category": pl.Series(["a", None, "b"] * 10, dtype=pl.Categorical),
            "a.b": [1.0, 2.0, 3.0] * 10,
            "a": [4.0, 5.0, 6.0] * 10,
            "money": pl.Series([Decimal("1.25"), None, Decimal("7.50")] * 10, dtype=pl.Decimal(10, 2)),
        }
    )
    path = write(tmp_path / "t.parquet", table, 7)
    file = parquet.ParquetFile(path)
    assert (file.n_rows, file.group_rows) == (30, (7, 7, 7, 7, 2))
    expected = data.read_columns(path)
    with file.read(file.names) as reading:
        pieces = [(piece.first_row, data.columns_of(piece)) for piece in reading]
    assert [first for first, _ in pieces] == [0, 7, 14, 21, 28]
    for k, column in enumerate(expected):
        found = [columns[k] for _, columns in pieces]
        assert {(c.name, c.kind) for c in found} == {(column.name, column.kind)}
        missing = np.concatenate([c.missing for c in found])
        assert np.array_equal(missing, column.missing)
        assert np.array_equal(np.concatenate([c.values for c in found])[~missing], column.values[~missing])
    with file.read(["a"], [Rows(4, 0, 2), Rows(0, 0, 7)]) as reading:
        assert [(p.first_row, p.columns[0].numbers.tolist()) for p in reading] == [
            (28, [5, 6]),
            (0, [4, 5, 6, 4, 5, 6, 4]),
        ]


def test_an_empty_row_group_is_skipped(tmp_path):
    table, path = frame(60).to_arrow(), tmp_path / "t.parquet"
    with pa.parquet.ParquetWriter(path, table.schema) as writer:
        for rows in (30, 0, 30):
            writer.write_table(table.slice(30 if rows == 0 else 0, rows))
    stream = TableStream(path, "kind")
    assert stream.file.group_rows == (30, 0, 30)
    assert len(joined(stream.chunks(0))[0]) == stream.n_samples > 30


def children():
    return Path(f"/proc/self/task/{os.getpid()}/children").read_text().split()


@pytest.mark.skipif(
    not Path(f"/proc/self/task/{os.getpid()}/children").exists(), reason="processes are counted in Linux' /proc"
)
def test_no_process_stays_when_a_pass_is_abandoned(parquet_trees):
    before = children()
    stream = TableStream(parquet_trees, "kind", buffer_bytes=2000)
    chunks = stream.chunks(0)
    next(chunks)
    assert len(children()) == len(before) + 1
    chunks.close()
    test = stream.test.chunks(0)
    next(test)
    assert len(children()) == len(before) + 1
    del test
    assert children() == before
    assert len(joined(stream.chunks(0))[0]) == stream.n_samples
    assert len(children()) == len(before) + 1  # waits for the next pass
    del stream, chunks
    assert children() == before


# ---- bad input ----


@either
@pytest.mark.parametrize(
    ("column", "row", "value", "message"),
    [
        ("height", 2950, None, "column 'height', row 2951: the value is missing; fill it in, remove the row"),
        ("girth", 2950, float("nan"), "column 'girth', row 2951: the value is missing"),
        ("height", 2950, float("inf"), "column 'height', row 2951: inf is not a finite number"),
        ("leaf", 2950, None, "column 'leaf', row 2951: the value is missing"),
        ("kind", 2950, None, "column 'kind', row 2951: the value is missing; a row without target must be removed"),
    ],
)
def test_what_is_wrong_in_a_late_row_is_named(tmp_path, suffix, column, row, value, message):
    with pytest.raises(ew.DataError, match=message):
        TableStream(with_value(tmp_path / f"t{suffix}", column, row, value), "kind")


@pytest.mark.parametrize("part", ["validation", "test"])
def test_a_class_that_is_only_held_out_is_named(trees, tmp_path, part):
    row = int(np.flatnonzero(TableStream(trees, "kind").part(0, 3000)[part])[-1])
    with pytest.raises(ew.DataError, match=f"'kind', row {row + 1}: the class 'bent' is in no row of the training"):
        TableStream(with_value(tmp_path / f"t{trees.suffix}", "kind", row, "bent"), "kind")


@pytest.mark.parametrize(
    ("more", "target", "given", "message"),
    [
        ({"list": [[1, 2]] * 50}, "kind", {}, "column 'list' holds (large_)?list<.*; turn it into numbers or words"),
        ({"when": pl.Series([0] * 50, dtype=pl.Datetime)}, "kind", {}, "column 'when' holds timestamp"),
        ({"void": pl.Series([None] * 50, dtype=pl.Null)}, "kind", {}, "'void' holds no value at all; remove it"),
        ({"void": pl.Series([None] * 50, dtype=pl.Int8)}, "kind", {"impute": True}, "'void' has no value in the rows"),
        ({"id": [f"w{k}" for k in range(50)]}, "kind", {}, "'id' has .* different words in .* an identifier"),
        ({"same": [1.5] * 50}, "same", {"task": "regression"}, "the target 'same' is 1.5 in every row"),
        ({"same": ["a"] * 50}, "same", {}, "the target 'same' has one class only, 'a'"),
        ({"id": [f"w{k}" for k in range(50)]}, "id", {}, "'id' has 50 different values in 50 rows: too many"),
        ({}, "kind", {"task": "regression"}, "the target 'kind' holds words"),
        ({}, "sort", {}, "has no column 'sort'; columns: 'number', "),
        ({}, "kind", {"validation_share": 0.5, "test_share": 0.5}, "leave nothing to train on"),
        ({}, "kind", {"seed": -1}, "the seed -1 must be at least 0"),
        ({}, "kind", {"lanes": 2}, "2 lanes are asked for; .* has 1 groups of rows, and so 1 to 1 lanes are possible"),
        ({}, "kind", {"lanes": 0}, "0 lanes are asked for"),
    ],
)
def test_tables_that_cannot_be_learnt_from(tmp_path, more, target, given, message):
    path = write(tmp_path / "t.parquet", frame(50).with_columns(**{k: pl.Series(v) for k, v in more.items()}))
    with pytest.raises(ew.DataError, match=message):
        TableStream(path, target, **given)


@either
def test_no_rows(tmp_path, suffix):
    with pytest.raises(ew.DataError, match="has 0 rows; at least 10"):
        TableStream(write(tmp_path / f"t{suffix}", frame(0)), "kind")


def test_files_that_are_none(tmp_path, parquet_trees):
    content = parquet_trees.read_bytes()
    for name, bad in {
        "short": content[:-1000],
        "half": content[: len(content) // 2],
        "text": b"a,b\n1,2\n" * 20,
    }.items():
        (tmp_path / name).write_bytes(bad)
        with pytest.raises(ew.FormatError, match=f"cannot read .*{name} as Parquet: "):
            TableStream(tmp_path / name, "kind")
    with pytest.raises(ew.FormatError, match=r"cannot read .*none: No such file"):
        TableStream(tmp_path / "none", "kind")
    with pytest.raises(ew.FormatError, match="cannot read"):
        TableStream(tmp_path, "kind")


def test_damaged_files_are_errors_or_other_numbers_but_never_a_crash(tmp_path, parquet_trees):
    content, rng = parquet_trees.read_bytes(), np.random.default_rng(0)
    failed = 0
    for k in range(8):
        bad = bytearray(content)
        start = int(rng.integers(4, len(bad) - 8)) if k % 2 else len(bad) - int(rng.integers(9, 3000))
        for place in range(start, min(start + 8, len(bad) - 8)):
            bad[place] ^= int(rng.integers(1, 256))
        path = tmp_path / f"{k}.parquet"
        path.write_bytes(bad)
        try:
            for _ in TableStream(path, "kind").chunks(0):
                pass
        except ew.EdgewiseError:
            failed += 1
    assert failed > 2


def test_a_file_that_changes_is_an_error(trees):
    stream = TableStream(trees, "kind")
    chunks = stream.chunks(0)
    next(chunks)
    times = trees.stat().st_atime_ns, trees.stat().st_mtime_ns
    with open(trees, "r+b") as file:
        file.seek(trees.stat().st_size // 2)
        file.write(bytes(4000))
    changed = "was changed while it was being read; start again"
    with pytest.raises(ew.FormatError, match=f"{trees.name} {changed}"):
        list(stream.chunks(1))
    os.utime(trees, ns=times)  # damage that does not show from outside
    with pytest.raises(ew.FormatError, match=f"cannot read .*{trees.name} as Parquet: |{trees.name} {changed}"):
        list(stream.chunks(1))
    chunks.close()


def test_a_reader_that_breaks_off_is_an_error(parquet_trees):
    file = parquet.ParquetFile(parquet_trees)
    with file.read(file.names) as reading:
        pieces = iter(reading)
        next(pieces)
        reading.stop()
        with pytest.raises(ew.FormatError, match="its reader broke off; the file is damaged"):
            list(pieces)


@pytest.mark.skipif(sys.platform != "linux", reason="elsewhere a process may have what it wants")
def test_a_reader_that_needs_too_much_memory_is_an_error(tmp_path, monkeypatch):
    monkeypatch.setattr(parquet, "READER_BYTES", 200 << 20)
    path = write(tmp_path / "t.parquet", pl.DataFrame({"word": ["a" * (150 << 20)], "y": [1.0]}))
    assert path.stat().st_size < 1 << 20
    file = parquet.ParquetFile(path)
    with file.read(file.names) as reading, pytest.raises(ew.FormatError, match="its reader needs more than 200 MiB"):
        list(reading)


def test_without_pyarrow_the_extra_is_named(parquet_trees, monkeypatch):
    monkeypatch.setattr(parquet.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ew.MissingDependencyError, match=r'needs pyarrow: pip install "edgewise\[parquet\]"'):
        TableStream(parquet_trees, "kind")


# ---- the command line ----


def train(*words):
    return CliRunner().invoke(app, ["train", *map(str, words), "--epochs", "4", "--json"])


@pytest.mark.parametrize("target", ["kind", "height"])
def test_train_streams_when_it_is_told_to_or_the_file_is_large(trees, tmp_path, monkeypatch, target):
    words = trees, "--target", target, "--hidden", "16", "--out"
    told = train(*words, tmp_path / "told", "--stream")
    assert told.exit_code == 0, told.output
    in_memory = json.loads(train(*words, tmp_path / "memory").stdout)
    monkeypatch.setattr(streams, "STREAM_BYTES", 3000 * 6 * 8 - 1)
    large = json.loads(train(*words, tmp_path / "large").stdout)
    told = json.loads(told.stdout)
    assert [found["settings"]["stream"] for found in (told, in_memory, large)] == [True, False, True]
    assert told["held_out"] == large["held_out"]
    name = "accuracy" if target == "kind" else "r2"
    assert told["held_out"][name] > told["baseline"][name] + 0.3
    stream = TableStream(trees, target, validation_share=0.1 * 0.8, test_share=0.2)
    rows = stream.n_rows
    assert told["data"]["rows"] == {
        "training": rows["training"],
        "validation": rows["validation"],
        "held_out": rows["test"],
    }
    # the file written gives the figures told
    net = ew.load(tmp_path / "told" / "network.json").astype("float32")
    x, y = joined(stream.test.chunks(0))
    output, loss = net.forward(x).output, told["settings"]["loss"]
    assert_close(told["held_out"]["loss"], net.backprop(x, y=y, loss=loss).loss, 1e-6)
    if target == "kind":
        assert told["held_out"][name] == (output.argmax(axis=1) == y).mean()
    else:
        r2 = 1 - ((output[:, 0] - y) ** 2).sum() / ((y - y.mean()) ** 2).sum()
        assert told["held_out"][name] == pytest.approx(r2, rel=1e-6)
    assert len(told["levels"]) == 3


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["iris", "--stream"], "only files whose names end in .csv, .* can be streamed, and iris is none"),
        (["none.csv", "--target", "y", "--stream"], "cannot read none.csv: No such file"),
        (["none.parquet", "--target", "y", "--stream"], "cannot read none.parquet: No such file"),
        (
            ["{trees}", "--target", "kind", "--lanes", "2"],
            "read at once, without lanes; leave out --lanes, or add --str",
        ),
        (["{trees}", "--stream", "--target", "kind", "--lanes", "99"], "99 lanes are asked for; .* groups of rows"),
        (["{trees}", "--stream"], "which column of .* is the target.*'number', 'height'"),
        (["{trees}", "--stream", "--target", "kind", "--test-share", "1"], "a share of 1.0 leaves one part empty"),
    ],
)
def test_what_cannot_be_streamed(trees, words, message):
    result = train(*[word.format(trees=trees) for word in words])
    assert result.exit_code == 2
    assert re.search(message, result.stderr), result.stderr


def test_a_csv_file_larger_than_memory_is_an_error_that_says_what_to_do(tmp_path, monkeypatch):
    frame(50).write_csv(tmp_path / "t.csv")
    monkeypatch.setattr(data.tables, "memory_bytes", lambda: 1000)
    with pytest.raises(ew.DataError, match=r"t.csv is too large to be read into memory; .*TableStream"):
        data.load_table(str(tmp_path / "t.csv"), "kind")
