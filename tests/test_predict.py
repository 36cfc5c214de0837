"""`edgewise predict`: what a trained network says of new rows, as CSV, Parquet and JSON."""

import io
import json
import shutil
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from sklearn import datasets

import edgewise as ew
from command_line import completed, fail
from edgewise import data, prediction, streams
from edgewise.prediction import Predictions, Run


def plants(n=200, seed=0):
    rng = np.random.default_rng(seed)
    height = rng.normal(50, 20, n)
    return pl.DataFrame(
        {
            "height": height,
            "leaf": np.array(["long", "round"])[rng.integers(0, 2, n)],
            "weight": 1000 + 3 * height + rng.normal(size=n),
            "kind": np.where(height > 50, "tall", "short"),
        }
    )


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Folders of runs, by what they predict."""
    folder = tmp_path_factory.mktemp("runs")
    plants().write_csv(folder / "plants.csv")
    plants().drop("kind").write_csv(folder / "weights.csv")
    completed("train", folder / "plants.csv", "--target", "kind", "--out", folder / "kind", "--epochs", 30, "--quiet")
    completed(
        "train", folder / "weights.csv", "--target", "weight", "--out", folder / "weight", "--epochs", 30, "--quiet"
    )
    for loss in ("binary_cross_entropy", "hinge"):
        words = "--target", "kind", "--out", folder / loss, "--loss", loss, "--epochs", 30, "--quiet"
        completed("train", folder / "plants.csv", *words)
    return folder


@pytest.fixture
def new(tmp_path):
    path = tmp_path / "new.csv"
    plants(50, 1).drop("kind").write_csv(path)
    return path


def expected(folder, table):
    """Outputs for a frame, without the code under test."""
    preprocessing = data.Preprocessing.from_dict(json.loads((folder / "preprocessing.json").read_text()))
    x = preprocessing.inputs(data.columns(table)).astype("float32")
    return preprocessing, ew.load(folder / "network.json").astype("float32").forward(x).output.astype("f8")


# ---- what is written ----


def test_classes_and_their_probabilities(trained, new, tmp_path):
    table = plants(50, 1)
    preprocessing, output = expected(trained / "kind", table)
    softmax = np.exp(output) / np.exp(output).sum(axis=1, keepdims=True)
    printed = completed("predict", trained / "kind", new)
    assert printed.stderr == ""
    written = completed("predict", trained / "kind", new, "--out", tmp_path / "out.csv")
    assert written.stdout == f"wrote {tmp_path / 'out.csv'}: 50 rows\n"
    completed("predict", trained / "kind", new, "--out", tmp_path / "out.parquet")
    assert (tmp_path / "out.csv").read_text() == printed.stdout
    for found in (pl.read_csv(io.StringIO(printed.stdout)), pl.read_parquet(tmp_path / "out.parquet")):
        assert found.columns == ["kind", "kind=short", "kind=tall"]
        assert np.allclose(found[:, 1:].to_numpy(), softmax, rtol=1e-12)
        assert found["kind"].to_list() == [preprocessing.classes[k] for k in output.argmax(axis=1)]
        assert (found["kind"] == table["kind"]).mean() > 0.9


def test_numbers_come_in_the_units_of_the_target(trained, new, tmp_path):
    table = plants(50, 1)
    preprocessing, output = expected(trained / "weight", table)
    for name in ("out.csv", "out.parquet"):
        result = completed("predict", trained / "weight", new, "--out", tmp_path / name)
        found = pl.read_csv(tmp_path / name) if name == "out.csv" else pl.read_parquet(tmp_path / name)
        assert found.columns == ["weight"]
        target = preprocessing.target
        assert np.allclose(found["weight"], output[:, 0] * target.scale + target.mean, rtol=1e-12)
        error = found["weight"] - table["weight"]
        assert error.std() < 0.5 * table["weight"].std()
        r2 = 1 - (error**2).sum() / ((table["weight"] - table["weight"].mean()) ** 2).sum()
        assert result.stderr == f"R² {r2:.4f} over 50 rows\n"


def test_the_score_is_that_of_the_rows_whose_target_is_there(trained, tmp_path):
    table = plants(50, 1)
    some = table.with_columns(pl.when(pl.Series(np.arange(50) < 20)).then("kind").alias("kind"))
    some.write_csv(tmp_path / "some.csv")
    result = completed("predict", trained / "kind", tmp_path / "some.csv")
    found = pl.read_csv(io.StringIO(result.stdout))
    assert result.stderr == f"accuracy {(found['kind'] == table['kind'])[:20].mean():.4f} over 20 rows\n"


def test_json(trained, new, tmp_path):
    found = json.loads(completed("predict", trained / "kind", new, "--json").stdout)
    assert (found["rows"], found["score"], found["unknown"]) == (50, None, [])
    _, output = expected(trained / "kind", plants(50, 1))
    assert list(found["predictions"][0]) == ["kind", "kind=short", "kind=tall"]
    assert [row["kind"] == "tall" for row in found["predictions"]] == (output[:, 1] > output[:, 0]).tolist()
    found = json.loads(completed("predict", trained / "weight", new, "--json", "--out", tmp_path / "o.csv").stdout)
    assert found["written"] == str(tmp_path / "o.csv")
    assert found["score"]["r2"] > 0.5
    assert found["score"]["rows"] == 50


def test_probabilities_of_other_losses(trained, new):
    _, output = expected(trained / "binary_cross_entropy", plants(50, 1))
    found = pl.read_csv(io.StringIO(completed("predict", trained / "binary_cross_entropy", new).stdout))
    assert np.allclose(found["kind=tall"], 1 / (1 + np.exp(-output[:, 0])))
    assert np.allclose(found["kind=short"] + found["kind=tall"], 1)
    assert ((found["kind"] == "tall") == (found["kind=tall"] > 0.5)).all()
    assert completed("predict", trained / "hinge", new).stdout.startswith("kind\n")


def test_bundled_data_and_a_real_parquet_file(tmp_path):
    completed("train", "digits", "--out", tmp_path / "digits", "--epochs", 15, "--quiet")
    bunch = datasets.load_digits()
    table = pl.DataFrame(bunch.data, schema=list(bunch.feature_names)).with_columns(pl.Series("target", bunch.target))
    table.select(reversed(table.columns)).write_parquet(tmp_path / "digits.parquet")  # columns are known by name
    file = json.loads(completed("predict", tmp_path / "digits", tmp_path / "digits.parquet", "--json").stdout)
    name = json.loads(completed("predict", tmp_path / "digits", "digits", "--json").stdout)
    assert file == name
    right = np.mean([int(row["target"]) == label for row, label in zip(file["predictions"], bunch.target, strict=True)])
    assert file["score"] == {"accuracy": pytest.approx(right), "rows": 1797}
    assert right > 0.95
    assert all(abs(sum(row[f"target={k}"] for k in range(10)) - 1) < 1e-9 for row in file["predictions"])


@pytest.mark.parametrize("name", ["kind", "weight"])
def test_a_large_file_is_streamed_and_gives_the_same(trained, tmp_path, monkeypatch, name):
    path = tmp_path / "large.parquet"
    plants(3000, 2).with_columns(day=pl.Series([0] * 3000, dtype=pl.Date)).write_parquet(path, row_group_size=700)
    monkeypatch.setattr(prediction, "ROWS_AT_ONCE", 1000)
    at_once = completed("predict", trained / name, path, "--out", tmp_path / "a.parquet")
    monkeypatch.setattr(streams, "STREAM_BYTES", 1000)
    assert streams.too_large(str(path))
    streamed = completed("predict", trained / name, path, "--out", tmp_path / "b.parquet")
    assert streamed.stderr == at_once.stderr != ""
    first, second = pl.read_parquet(tmp_path / "a.parquet"), pl.read_parquet(tmp_path / "b.parquet")
    assert first.height == 3000
    assert first.columns == second.columns
    assert (first[name] == second[name]).all() if name == "kind" else np.allclose(first[name], second[name])


# ---- what was not there to be learnt from ----


def test_words_never_seen_are_counted(trained, tmp_path, monkeypatch):
    table = plants(50, 1)
    leaf, kind = table["leaf"].to_list(), table["kind"].to_list()
    leaf[3], leaf[7], kind[4] = "lobed", "pinnate", "bent"
    odd = table.with_columns(pl.Series("leaf", leaf), pl.Series("kind", kind))
    odd.write_parquet(tmp_path / "odd.parquet", row_group_size=5)
    result = completed("predict", trained / "kind", tmp_path / "odd.parquet")
    first, second, score = result.stderr.splitlines()
    assert first == (
        "edgewise: warning: column 'leaf': 2 rows hold a word that was not learnt from, which is all zeros "
        "to the network; the first is 'lobed' in row 4"
    )
    assert (
        "column 'kind': 1 row holds a word that was not learnt from, which counts as wrong; the first is 'bent'"
        in second
    )
    found = pl.read_csv(io.StringIO(result.stdout))
    assert score == f"accuracy {(found['kind'] == odd['kind']).mean():.4f} over 50 rows"
    as_json = json.loads(completed("predict", trained / "kind", tmp_path / "odd.parquet", "--json").stdout)
    assert as_json["unknown"][0] == {"column": "leaf", "rows": 2, "word": "lobed", "first_row": 4}
    monkeypatch.setattr(streams, "STREAM_BYTES", 64)
    assert completed("predict", trained / "kind", tmp_path / "odd.parquet").stderr == result.stderr


# ---- errors ----


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda t: t.drop("leaf"), "has no column 'leaf'; columns: 'height', 'weight', 'kind'"),
        (lambda t: t.with_columns(height=pl.Series(["1.5"] * 9 + ["high"] + ["2"] * 40)),
         "column 'height' holds words where numbers were learnt from: 'high' in row 10"),
        (lambda t: t.with_columns(leaf=pl.Series(range(50))), "column 'leaf' holds numbers where words were learnt"),
        (lambda t: t.with_columns(height=pl.Series([1.0] * 44 + [None] + [1.0] * 5)),
         "column 'height', row 45: the value is missing; fill it in"),
        (lambda t: t.with_columns(height=pl.Series([1.0] * 44 + [float("inf")] + [1.0] * 5)),
         "column 'height', row 45: inf is not a finite number"),
        (lambda t: t.with_columns(height=pl.Series([[1.0]] * 50)), "column 'height' holds"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("streamed", [False, True])
def test_tables_that_do_not_fit(trained, tmp_path, monkeypatch, change, message, streamed):
    change(plants(50, 1)).write_parquet(tmp_path / "bad.parquet", row_group_size=20)
    if streamed:
        monkeypatch.setattr(streams, "STREAM_BYTES", 64)
    out = tmp_path / "out.csv"
    out.write_text("before")
    assert message in fail("predict", trained / "kind", tmp_path / "bad.parquet", "--out", out)
    assert out.read_text() == "before"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["bad.parquet", "out.csv"]


def test_folders_that_are_no_run(trained, tmp_path, new):
    assert "is no folder that `edgewise train` wrote: there is no preprocessing.json" in fail("predict", tmp_path, new)
    shutil.copytree(trained / "kind", tmp_path / "run")
    metrics = tmp_path / "run" / "metrics.json"
    for content, message in [
        ("{", "metrics.json is not JSON"),
        ("[]", "does not say by which loss"),
        ('{"settings": {"loss": "love", "dtype": "float32"}}', "does not say by which loss"),
        ('{"settings": {"loss": ["hinge"], "dtype": {}}}', "does not say by which loss"),
    ]:
        metrics.write_text(content)
        assert message in fail("predict", tmp_path / "run", new)
    shutil.copy(trained / "kind" / "metrics.json", metrics)
    shutil.copy(trained / "weight" / "network.json", tmp_path / "run" / "network.json")
    assert "are not of one run: network.json has 3 inputs and 1 outputs" in fail("predict", tmp_path / "run", new)
    (tmp_path / "run" / "network.json").unlink()
    assert "there is no network.json in it" in fail("predict", tmp_path / "run", new)


def test_files_that_cannot_be_written_or_read(trained, tmp_path, new):
    assert "predictions are written to .csv, .parquet" in fail("predict", trained / "kind", new, "--out", "x.txt")
    assert "cannot write" in fail("predict", trained / "kind", new, "--out", tmp_path / "none" / "x.csv")
    assert "cannot read" in fail("predict", trained / "kind", tmp_path / "none.csv")
    assert "nor a file whose name ends in" in fail("predict", trained / "kind", "flowers")


def test_a_target_of_words_where_numbers_were_learnt(trained, tmp_path):
    plants(50, 1).with_columns(weight=pl.lit("heavy")).write_csv(tmp_path / "t.csv")
    assert "the target 'weight' holds words" in fail("predict", trained / "weight", tmp_path / "t.csv")


def test_from_python(trained, new):
    predictions = Predictions(Run.load(trained / "kind"), str(new))
    pieces = list(predictions)
    assert sum(len(piece.values) for piece in pieces) == predictions.rows == 50
    assert predictions.score is None
    assert Path(new).exists()
