"""Tables: reading, deciding what is to be learnt, splitting, preprocessing, and what comes of bad files."""

import contextlib
import io
import json
import os

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import edgewise as ew
from edgewise import data, losses, parquet
from edgewise.data import Column, Preprocessing

SPECIES = ["oak", "elm", "ash"]


def frame(n=30):
    return pl.DataFrame(
        {
            "height": [float(k % 7) for k in range(n)],
            "leaf": [("long", "round")[k % 2] for k in range(n)],
            "flat": [3.5] * n,
            "evergreen": [k % 3 == 0 for k in range(n)],
            "species": [SPECIES[k % 3] for k in range(n)],
        }
    )


def write(path, table):
    table.write_parquet(path) if path.suffix == ".parquet" else table.write_csv(path)
    return str(path)


def column(name, values):
    values = np.asarray(values)
    kind = "truth" if values.dtype == bool else "number" if values.dtype.kind in "fi" else "word"
    stored = values.astype(object) if kind == "word" else values.astype(float)
    missing = np.array([v is None for v in values.tolist()]) if kind == "word" else np.isnan(stored)
    return Column(name, stored, missing, kind)


@pytest.mark.parametrize(
    ("name", "rows", "features", "task"),
    [
        ("digits", 1797, 64, "classification"),
        ("iris", 150, 4, "classification"),
        ("wine", 178, 13, "classification"),
        ("breast_cancer", 569, 30, "classification"),
        ("diabetes", 442, 10, "regression"),
    ],
)
def test_bundled_data_is_real_and_its_task_is_found(name, rows, features, task):
    table = data.load_table(name)
    assert (table.n_rows, len(table.features)) == (rows, features)
    assert data.decide_task(table.target) == task


def test_bundled_classes_carry_their_names():
    assert set(data.load_table("iris").target.values) == {"setosa", "versicolor", "virginica"}


@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".tsv"])
def test_files_of_each_kind_give_the_same_table(tmp_path, suffix):
    path = tmp_path / f"trees{suffix}"
    if suffix == ".tsv":
        frame().write_csv(path, separator="\t")
    else:
        write(path, frame())
    table = data.load_table(str(path), "species")
    assert [c.name for c in table.features] == ["height", "leaf", "flat", "evergreen"]
    assert [c.kind for c in table.features] == ["number", "word", "number", "truth"]
    assert table.target.values[:4].tolist() == ["oak", "elm", "ash", "oak"]


@pytest.mark.parametrize(
    ("values", "task"),
    [
        (["a", "b"] * 10, "classification"),
        ([True, False] * 10, "classification"),
        ([0, 1, 2, 3] * 10, "classification"),
        ([1.0, 2.0] * 10, "classification"),
        ([0.5, 1.0] * 10, "regression"),
        (list(range(40)), "regression"),
        (list(range(8)) * 3, "regression"),
    ],
)
def test_the_task_is_decided_from_the_target(values, task):
    assert data.decide_task(column("t", values)) == task


def test_a_requested_task_overrules_and_words_cannot_be_regressed_on():
    assert data.decide_task(column("t", [0, 1] * 10), "regression") == "regression"
    with pytest.raises(ew.DataError, match=r"'t' holds words \('a', …\): regression needs numbers"):
        data.decide_task(column("t", ["a", "b"] * 10), "regression")


# ---- splitting ----


@settings(max_examples=40, deadline=None)
@given(st.lists(st.integers(0, 4), min_size=10, max_size=200), st.floats(0.05, 0.6), st.integers(0, 2**32 - 1))
def test_a_split_divides_every_class_in_the_share_and_repeats_by_seed(labels, share, seed):
    names = np.array([str(k) for k in labels], dtype=object)
    if max(map(labels.count, labels)) == 1:
        with pytest.raises(ew.DataError, match="too few rows"):
            data.split(len(labels), share, seed, names)
        return
    first, second = data.split(len(labels), share, seed, names)
    assert sorted([*first, *second]) == list(range(len(labels)))
    for label in set(names):
        n, taken = (names == label).sum(), (names[second] == label).sum()
        assert abs(taken - n * share) <= 1
        assert taken < n
    again = data.split(len(labels), share, seed, names)
    assert np.array_equal(first, again[0])
    assert np.array_equal(second, again[1])


def test_a_split_without_labels_has_the_share_and_depends_on_the_seed():
    first, second = data.split(100, 0.25, 0)
    assert (len(first), len(second)) == (75, 25)
    assert not np.array_equal(second, data.split(100, 0.25, 1)[1])


@pytest.mark.parametrize("share", [0.0, 1.0, -1.0, float("nan")])
def test_a_share_that_leaves_a_part_empty_is_refused(share):
    with pytest.raises(ew.DataError, match="must lie between 0 and 1"):
        data.split(10, share, 0)


# ---- preprocessing ----


def test_preprocessing_is_learnt_from_the_training_rows_alone(tmp_path):
    table = data.load_table(write(tmp_path / "t.csv", frame()), "species")
    rows = np.arange(12)
    learnt = Preprocessing.learn(table, rows, "classification")
    height = table.features[0].values
    x = learnt.inputs(table.features)
    np.testing.assert_allclose(x[:, 0], (height - height[:12].mean()) / height[:12].std(), rtol=1e-15, atol=1e-15)
    assert learnt.input_names == ("height", "leaf=long", "leaf=round", "flat", "evergreen")
    assert x[:2, 1:3].tolist() == [[1, 0], [0, 1]]
    assert not x[:, 3].any(), "a constant column becomes zeros"
    assert learnt.classes == ("ash", "elm", "oak")
    assert learnt.labels(table.target, np.arange(3)).tolist() == [2, 1, 0]


def test_a_word_not_seen_in_training_is_all_zeros():
    words = column("w", ["a", "b"] * 5 + ["c"])
    table = data.Table("t", (words,), column("t", [0, 1] * 5 + [1]))
    x = Preprocessing.learn(table, np.arange(10), "classification").inputs(table.features)
    assert x[-1].tolist() == [0, 0]


def test_classes_of_numbers_are_in_their_order():
    table = data.Table("t", (column("x", np.arange(40.0)),), column("t", [10, 9, 2, -1] * 10))
    assert Preprocessing.learn(table, np.arange(40), "classification").classes == ("-1", "2", "9", "10")


def test_a_number_to_predict_is_standardised():
    table = data.Table("t", (column("x", np.arange(10.0)),), column("t", np.arange(10.0) * 3 + 100))
    learnt = Preprocessing.learn(table, np.arange(10), "regression")
    y = learnt.labels(table.target, np.arange(10))
    assert abs(y.mean()) < 1e-15
    assert abs(y.std() - 1) < 1e-15
    assert learnt.target.mean == 113.5


@settings(max_examples=60, deadline=None)
@given(st.lists(st.floats(allow_nan=False, allow_infinity=False), min_size=2, max_size=20))
def test_standardising_gives_finite_inputs_for_any_numbers(values):
    table = data.Table("t", (column("x", values),), column("t", np.arange(len(values)) / 7))
    x = Preprocessing.learn(table, np.arange(len(values)), "regression").inputs(table.features)
    assert np.isfinite(x).all()
    assert abs(x.mean()) <= 1e-6
    assert (abs(x.std() - 1) <= 1e-6) or (np.ptp(x) <= 1e-9 * max(map(abs, values)))


def missing_values():
    number = column("age", [1.0, float("nan"), 3.0, 4.0] * 4)
    word = column("town", np.array(["x", "y", None, "y"] * 4, dtype=object))
    return data.Table("t", (number, word), column("t", [0, 1] * 8))


def test_a_missing_value_is_named_with_column_and_row():
    with pytest.raises(ew.DataError, match=r"column 'age', row 2: the value is missing \(and 3 more\).*--impute"):
        Preprocessing.learn(missing_values(), np.arange(16), "classification")


def test_missing_values_are_imputed_on_request_from_the_training_rows():
    table = missing_values()
    learnt = Preprocessing.learn(table, np.arange(3), "classification", impute=True)
    x = learnt.inputs(table.features)
    age, town = learnt.features
    assert (age.fill, town.fill) == (2.0, "x")
    assert x[1, 0] == 0
    assert x[2, 1:].tolist() == [1, 0]


def test_a_missing_target_is_never_imputed():
    table = data.Table("t", (column("x", np.arange(12.0)),), column("t", [1.5, float("nan")] * 6))
    with pytest.raises(ew.DataError, match=r"column 't', row 2: the value is missing.*must be removed"):
        Preprocessing.learn(table, np.arange(12), "regression", impute=True)


@pytest.mark.parametrize("impute", [False, True])
@pytest.mark.parametrize("task", ["classification", "regression"])
def test_preprocessing_survives_json(impute, task):
    table = data.Table(
        "t", (column("a", np.arange(20.0)), column("b", ["x", "y"] * 10)), column("t", list(range(4)) * 5)
    )
    learnt = Preprocessing.learn(table, np.arange(20), task, impute=impute)
    text = json.dumps(learnt.to_dict(), allow_nan=False)
    assert Preprocessing.from_dict(json.loads(text)) == learnt


def json_values():
    leaves = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4)
    return st.recursive(leaves, lambda v: st.lists(v, max_size=3) | st.dictionaries(st.text(max_size=4), v, max_size=3))


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_a_hostile_preprocessing_is_a_format_error(draw):
    table = data.Table("t", (column("a", np.arange(20.0)), column("b", ["x", "y"] * 10)), column("t", [0, 1] * 10))
    content = Preprocessing.learn(table, np.arange(20), "classification").to_dict()
    place = draw.draw(st.sampled_from([(), ("features",), ("target",), ("features", 0), ("features", 1)]))
    holder = content
    for key in place:
        holder = holder[key]
    if isinstance(holder, dict):
        holder[draw.draw(st.sampled_from(sorted(holder)))] = draw.draw(json_values())
    else:
        holder[0] = draw.draw(json_values())
    with contextlib.suppress(ew.FormatError):
        assert isinstance(Preprocessing.from_dict(content), Preprocessing)


# ---- what a loss wants ----


def test_targets_are_encoded_as_each_loss_wants_them():
    labels = np.array([0, 1, 1])
    assert data.encode_target(losses.get("cross_entropy"), 2, labels, 2).tolist() == [0, 1, 1]
    assert data.encode_target(losses.get("binary_cross_entropy"), 2, labels, 1).tolist() == [[0], [1], [1]]
    assert data.encode_target(losses.get("hinge"), 2, labels, 1).tolist() == [[-1], [1], [1]]
    assert data.encode_target(losses.get("hinge"), 3, labels, 3).tolist() == [[1, -1, -1], [-1, 1, -1], [-1, 1, -1]]
    assert data.encode_target(losses.get("squared_error"), 2, labels, 2).tolist() == [[1, 0], [0, 1], [0, 1]]
    assert data.encode_target(losses.get("huber"), None, np.array([0.5]), 1).tolist() == [[0.5]]


def test_one_output_decides_by_its_sign_and_several_by_the_largest():
    assert data.predicted_classes(np.array([[-0.1], [0.2]])).tolist() == [0, 1]
    assert data.predicted_classes(np.array([[1.0, 3.0, 2.0]])).tolist() == [1]


# ---- bad data ----


def refused(tmp_path, text, target="t", name="d.csv", error=ew.DataError):
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(error) as caught:
        data.load_table(str(path), target)
    return str(caught.value)


def test_bad_files_are_told_of(tmp_path):
    rows = "\n".join(f"{k},{k % 2}" for k in range(12))
    assert "columns: 'x', 't'" in refused(tmp_path, f"x,t\n{rows}", target="y")
    assert "Name it with --target; columns: 'x', 't'" in refused(tmp_path, f"x,t\n{rows}", target=None)
    assert "is empty" in refused(tmp_path, "")
    assert "is empty" in refused(tmp_path, "x,t\n")
    assert "has 1 rows; at least 10" in refused(tmp_path, "x,t\n1,2\n")
    assert "only the column 't'" in refused(tmp_path, "t\n" + "1\n" * 12)
    assert "column 'x', row 13: inf is not a finite number" in refused(tmp_path, f"x,t\n{rows}\ninf,1\n")
    assert "column 'x' holds no value" in refused(tmp_path, "x,t\n" + ",1\n" * 12)
    assert "as CSV" in refused(tmp_path, f"x,t\n{rows}\n1,2,3,4\n", error=ew.FormatError)
    assert "as Parquet" in refused(tmp_path, "PAR1 no", name="d.parquet", error=ew.FormatError)


def test_a_path_is_told_of_when_it_cannot_be_read(tmp_path):
    with pytest.raises(ew.FormatError, match="No such file"):
        data.load_table(str(tmp_path / "nowhere.csv"), "t")
    (tmp_path / "folder.csv").mkdir()
    with pytest.raises(ew.FormatError, match="directory"):
        data.load_table(str(tmp_path / "folder.csv"), "t")
    with pytest.raises(ew.DataError, match="neither bundled data"):
        data.load_table("digitz")


def test_a_path_is_no_pattern(tmp_path):
    write(tmp_path / "a.csv", frame())
    with pytest.raises(ew.FormatError, match="No such file"):
        data.load_table(str(tmp_path / "*.csv"), "species")


def test_columns_that_nothing_can_be_learnt_from_are_told_of(tmp_path):
    dates = frame().with_columns(pl.date_range(pl.date(2020, 1, 1), pl.date(2020, 1, 30)).alias("day"))
    with pytest.raises(ew.DataError, match="column 'day' holds Date"):
        data.load_table(write(tmp_path / "d.parquet", dates), "species")
    ids = data.Table("t", (column("id", [f"p{k}" for k in range(20)]),), column("t", [0, 1] * 10))
    with pytest.raises(ew.DataError, match="'id' has 20 different words in 20 rows: it looks like an identifier"):
        Preprocessing.learn(ids, np.arange(20), "classification")


@pytest.mark.parametrize(
    ("values", "task", "message"),
    [
        (["a"] * 12, "classification", "one class only, 'a'"),
        ([1.5] * 12, "regression", "is 1.5 in every row"),
        (np.arange(12.0), "classification", "12 different values in 12 rows: too many for classes"),
    ],
)
def test_targets_that_cannot_be_learnt_are_told_of(values, task, message):
    table = data.Table("t", (column("x", np.arange(12.0)),), column("t", values))
    with pytest.raises(ew.DataError, match=message):
        Preprocessing.learn(table, np.arange(12), task)


def test_columns_must_be_those_learnt_from():
    table = data.Table("t", (column("x", np.arange(12.0)),), column("t", [0, 1] * 6))
    learnt = Preprocessing.learn(table, np.arange(12), "classification")
    with pytest.raises(ew.DataError, match="no column 'x'; columns: 'y'"):
        learnt.inputs([column("y", np.arange(12.0))])
    with pytest.raises(ew.DataError, match="holds words"):
        learnt.inputs([column("x", ["a", "b"])])
    with pytest.raises(ew.DataError, match=r"row 2: 1e\+300 is too far"):
        learnt.inputs([column("x", [1.0, 1e300])])


def test_a_class_that_was_not_learnt_is_named():
    table = data.Table("t", (column("x", np.arange(12.0)),), column("t", ["a", "b", "a", "b", "a", "c"] * 2))
    learnt = Preprocessing.learn(table, np.arange(5), "classification")
    with pytest.raises(ew.DataError, match=r"column 't', row 6: the class 'c' is not one of those learnt: 'a', 'b'"):
        learnt.labels(table.target, np.arange(12))


# ---- frames ----


def test_a_frame_gives_the_table_of_the_same_file(tmp_path):
    from_file = data.load_table(write(tmp_path / "t.parquet", frame()), "species")
    from_frame = data.table(frame(), "species")
    for a, b in zip((*from_file.features, from_file.target), (*from_frame.features, from_frame.target), strict=True):
        assert (a.name, a.kind, a.values.tolist()) == (b.name, b.kind, b.values.tolist())
    rows = np.arange(20)
    learnt = Preprocessing.learn(from_frame, rows, "classification")
    assert learnt == Preprocessing.learn(from_file, rows, "classification")
    np.testing.assert_array_equal(learnt.inputs(data.columns(frame().head(3))), learnt.inputs(from_file.features)[:3])


def test_a_pandas_frame_keeps_words_numbers_and_what_is_missing():
    pandas = pytest.importorskip("pandas")
    given = pandas.DataFrame({"n": [1.0, None], "w": ["a", None], "b": [True, False]})
    n, w, b = data.columns(given)
    assert (n.kind, w.kind, b.kind) == ("number", "word", "truth")
    assert n.missing.tolist() == w.missing.tolist() == [False, True]


def test_a_frame_without_the_target_or_without_rows_is_told_of():
    with pytest.raises(ew.DataError, match="no column 'y'; columns: 'height'"):
        data.table(frame(), "y")
    with pytest.raises(ew.DataError, match="the frame is empty"):
        data.columns(frame().clear())


# ---- numbers alone ----


def test_numbers_with_and_without_a_header(tmp_path):
    path = tmp_path / "x.csv"
    path.write_text("1,2\n3,4\n")
    assert data.read_numbers(path, ["a", "b"]).tolist() == [[1, 2], [3, 4]]
    path.write_text("b,a\n1,2\n3,4\n")
    assert data.read_numbers(path, ["a", "b"]).tolist() == [[2, 1], [4, 3]]
    assert data.read_numbers(path, ["0", "1"]).tolist() == [[1, 2], [3, 4]]
    pl.DataFrame({"b": [1.0], "a": [2.0]}).write_parquet(tmp_path / "x.parquet")
    assert data.read_numbers(tmp_path / "x.parquet", ["a", "b"]).tolist() == [[2, 1]]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("1,2\n3,x\n", "column 2, row 2: 'x' is not a number"),
        ("1,2\n3,\n", "column '2', row 2: the value is missing"),
        ("1,2\n3,inf\n", "column '2', row 2: inf is not a finite number"),
        ("a,b\n1,x\n", "column 'b' holds words"),
        ("", "is empty"),
    ],
)
def test_what_is_no_number_is_named(tmp_path, text, message):
    path = tmp_path / "x.csv"
    path.write_text(text)
    with pytest.raises(ew.DataError, match=message):
        data.read_numbers(path)


# ---- hostile files ----


def parquet_bytes():
    buffer = io.BytesIO()
    frame().write_parquet(buffer)
    return buffer.getvalue()


def consume(path):
    """All that a training run does with a file before it trains."""
    table = data.load_table(str(path), "species")
    task = data.decide_task(table.target)
    labels = data.class_labels(table.target) if task == "classification" else None
    first, _ = data.split(table.n_rows, 0.2, 0, labels)
    learnt = Preprocessing.learn(table, first, task)
    assert np.isfinite(learnt.inputs(table.features)).all()


def damage_and_consume(path, whole, draw):
    content = bytearray(whole[: draw.draw(st.integers(0, len(whole)))] if draw.draw(st.booleans()) else whole)
    for _ in range(draw.draw(st.integers(0, 4))):
        if content:
            content[draw.draw(st.integers(0, len(content) - 1))] = draw.draw(st.integers(0, 255))
    path.write_bytes(content)
    with contextlib.suppress(ew.EdgewiseError):
        consume(path)


@settings(max_examples=80)
@given(st.data())
def test_a_damaged_csv_is_an_edgewise_error_at_most(tmp_path_factory, draw):
    damage_and_consume(tmp_path_factory.mktemp("damaged") / "d.csv", frame().write_csv().encode(), draw)


@settings(max_examples=25)  # each reads in a process of its own
@given(st.data())
def test_a_damaged_parquet_is_an_edgewise_error_at_most(tmp_path_factory, draw):
    damage_and_consume(tmp_path_factory.mktemp("damaged") / "d.parquet", parquet_bytes(), draw)


def test_a_reader_that_gives_up_its_process_is_an_error_here(tmp_path, monkeypatch):
    monkeypatch.setattr(parquet, "_CHILD", "import os; os.abort()")
    (tmp_path / "x.parquet").write_bytes(parquet_bytes())
    with pytest.raises(ew.FormatError, match="its reader broke off; the file is damaged"):
        data.load_table(str(tmp_path / "x.parquet"), "species")


@settings(max_examples=80, deadline=None)
@given(st.binary(max_size=200) | st.text(alphabet='",\n\r\t;ab1.e-∞\0', max_size=200).map(str.encode))
def test_any_bytes_as_csv_are_an_edgewise_error_at_most(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("bytes") / "d.csv"
    path.write_bytes(content)
    for read in (consume, data.read_numbers):
        with contextlib.suppress(ew.EdgewiseError):
            read(path)


def test_a_name_with_a_null_character_is_a_format_error():
    with pytest.raises(ew.FormatError, match="cannot read"):
        data.load_table(f"a\0b{os.extsep}csv", "t")
