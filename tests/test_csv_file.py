"""CSV files, whole and piece by piece: the values, whatever their form and wherever the file is cut; bad files."""

import csv
import io
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st
from typer.testing import CliRunner

import edgewise as ew
from edgewise import csv_file, csv_rows, csv_scan, data, streams
from edgewise.cli import app
from edgewise.csv_file import CsvFile
from edgewise.pieces import Rows
from edgewise.streams import TableStream


def written(path, content):
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


def read(path, piece_bytes=csv_scan.PIECE_BYTES):
    """The file, and of each column its values as Python has them, None where missing; from pieces of such a size."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(csv_scan, "PIECE_BYTES", piece_bytes)
        file = CsvFile(path)
        found = {name: [] for name in file.names}
        with file.read(file.names) as reading:
            for piece in reading:
                assert piece.first_row == len(next(iter(found.values())))
                for column in data.columns_of(piece):
                    values = column.values.tolist()
                    found[column.name] += [
                        None if gone else value for value, gone in zip(values, column.missing, strict=True)
                    ]
    assert file.n_rows == sum(file.group_rows) == len(next(iter(found.values())))
    return file, found


# ---- values ----

PLAIN = st.sampled_from(["1", "-2.5", "3e-4", ".5", "true", "False", "NA", "", "a", "ü ∞", "00012", "9007199254740993"])
QUOTED = st.text(alphabet='ab1,\n\r"é', max_size=6)
KINDS = {
    "number": st.sampled_from(["1", "-2.5", "3e-4", "+7", " 8", "", "NA"]),
    "truth": st.sampled_from(["true", "False", "TRUE", ""]),
    "word": PLAIN,
}


@st.composite
def tables(draw):
    """Rows of text as they are in the file, quoted and not, with line breaks of both kinds."""
    kinds = draw(st.lists(st.sampled_from([*KINDS, "quoted"]), min_size=2, max_size=4))
    n = draw(st.integers(1, 12))
    rows = []
    for _ in range(n):
        cells = []
        for kind in kinds:
            cell = draw(QUOTED if kind == "quoted" else KINDS[kind])
            doubled = cell.replace('"', '""')
            cells.append(f'"{doubled}"' if kind == "quoted" or draw(st.integers(0, 3)) == 0 else cell)
        rows.append(",".join(cells))
    end = draw(st.sampled_from(["\n", "\r\n"]))
    header = ",".join(f"c{k}" for k in range(len(kinds)))
    return end.join([header, *rows]) + draw(st.sampled_from(["", end]))


def number(cell):
    """Python takes blanks of all kinds, on both sides of a number; in a CSV file there are some before it alone."""
    if cell.lstrip(" \t") != cell.strip():
        raise ValueError
    return float(cell)


def by_hand(text):
    """The same from Python's reader of CSV files, and the rule that the first value of a column says what it holds."""
    header, *rows = csv.reader(io.StringIO(text, newline=""))
    found = {}
    for name, cells in zip(header, zip(*rows, strict=True), strict=True):
        cells = [None if cell in csv_scan.MISSING_WORDS else cell for cell in cells]
        known = [cell for cell in cells if cell]
        for kind in (number, lambda cell: {"true": 1.0, "false": 0.0}[cell.lower()]):
            try:
                found[name] = [None if not cell else kind(cell) for cell in cells]
                break
            except (ValueError, KeyError):
                continue
        else:
            found[name] = cells
        if not known:
            found[name] = None
    return found


@given(tables(), st.integers(1, 60))
def test_values_are_those_of_the_file_wherever_it_is_cut(tmp_path_factory, text, piece_bytes):
    path = written(tmp_path_factory.mktemp("csv") / "t.csv", text)
    file, found = read(path, piece_bytes)
    whole, at_once = read(path)
    assert (file.kinds, found) == (whole.kinds, at_once)
    assert len(whole.group_rows) <= 2  # the last row, where no line break ends it
    for name, values in by_hand(text).items():
        if values is None:
            assert file.kinds[name] == "(null)"
        elif file.kinds[name] == "word":  # where an empty cell is a word if there are quotes around it
            assert [value or "" for value in found[name]] == [value or "" for value in values]
        else:
            assert found[name] == values
    if "(null)" not in file.kinds.values():
        columns = data.read_columns(path)
        assert {
            c.name: [None if gone else v for v, gone in zip(c.values.tolist(), c.missing, strict=True)] for c in columns
        } == found


def test_line_breaks_and_quotes_in_words(tmp_path):
    path = written(tmp_path / "t.csv", 'a,b\r\n"x\r\ny",2\r\n"z, ""w""",4\r\n"",6\r\n,8\r\n')
    for piece_bytes in range(1, 40):
        assert read(path, piece_bytes)[1] == {"a": ["x\r\ny", 'z, "w"', "", None], "b": [2, 4, 6, 8]}


@pytest.mark.parametrize(
    ("text", "kinds"),
    [
        ("\ufeffa,b\n1,2\n", {"a": "number", "b": "number"}),
        ("\n\r\na,b\n1,2\n", {"a": "number", "b": "number"}),
        ('"a\nb",b\n1,true\n', {"a\nb": "number", "b": "truth"}),
        ("a,b\n,x\n1,\n", {"a": "number", "b": "word"}),
        ("a,b\n1,2\ntrue,x\n", {"a": "word", "b": "word"}),
        ("a,a\n1,x\n", {"a": "number", "a_duplicated_0": "word"}),
    ],
)
def test_headers_and_kinds(tmp_path, text, kinds):
    for piece_bytes in (1, 1000):
        assert read(written(tmp_path / "t.csv", text), piece_bytes)[0].kinds == kinds
    assert csv_file.names(tmp_path / "t.csv") == tuple(kinds)


def test_tabs_are_between_the_values_of_a_tsv_file(tmp_path):
    assert read(written(tmp_path / "t.tsv", "a\tb\n1,5\t2\n"))[1] == {"a": ["1,5"], "b": [2]}


def test_a_row_that_is_too_short_lacks_its_last_values(tmp_path):
    assert read(written(tmp_path / "t.csv", "a,b\n1,2\n3\n"))[1] == {"a": [1, 3], "b": [2, None]}


def test_some_columns_of_some_pieces(tmp_path, monkeypatch):
    monkeypatch.setattr(csv_scan, "PIECE_BYTES", 8)
    file = CsvFile(written(tmp_path / "t.csv", "a,b,c\n1,x,2\n3,y,4\n5,z,6\n"))
    assert file.group_rows == (1, 1, 1)
    with file.read(["c", "b"], [Rows(2, 0, 1), Rows(0, 0, 1)]) as reading:
        pieces = [(piece.first_row, [c.values.tolist() for c in data.columns_of(piece)]) for piece in reading]
    assert pieces == [(2, [[6], ["z"]]), (0, [[2], ["x"]])]


# ---- gone through by several ----


def found_by(path, size):
    """What each of so many processes finds in its part."""
    quotes = [csv_scan._looked_at_first(path, rank, size)[0] for rank in range(size)]
    return [csv_scan.go_through(path, rank, size, sum(quotes[:rank]) % 2 == 1) for rank in range(size)]


@given(tables(), st.integers(1, 60), st.integers(2, 6))
def test_several_find_together_what_one_does(tmp_path_factory, text, piece_bytes, size):
    path = written(tmp_path_factory.mktemp("csv") / "t.csv", text)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(csv_scan, "PIECE_BYTES", piece_bytes)
        whole = csv_scan.go_through(path)
        parts = found_by(path, size)
    parts = [csv_scan.Found.from_text(part.to_text()) for part in parts]
    assert sum(part.n_rows for part in parts) == whole.n_rows
    together = csv_scan.Found.joined(parts)
    if together is not None:
        assert together == whole
    else:  # only where a column begins with values that are no words, and goes on with others
        assert any(kind == "word" for kind in whole.kinds.values())


@pytest.mark.parametrize(
    "values", ["w1 w2 w3 w4", "1 2 3 4", "true false true true", "NA NA 1 2", "1 2 NA NA", "x 1 2 3"]
)
def test_what_several_find_fits_together(tmp_path, monkeypatch, values):
    monkeypatch.setattr(csv_scan, "PIECE_BYTES", 100)
    cells = [f"{value},{k}\n" for value in values.split() for k in range(100)]
    path = written(tmp_path / "t.csv", "a,b\n" + "".join(cells))
    parts = found_by(path, 4)
    assert all(70 <= part.n_rows <= 130 for part in parts)
    assert csv_scan.Found.joined(parts) == csv_scan.go_through(path)


@pytest.mark.parametrize("values", ["1 2 3 x", "true true 1 0", "1 2 true 3"])
def test_a_column_that_several_find_to_be_of_more_than_one_kind(tmp_path, monkeypatch, values):
    monkeypatch.setattr(csv_scan, "PIECE_BYTES", 100)
    cells = [f"{value},{k}\n" for value in values.split() for k in range(100)]
    assert csv_scan.Found.joined(found_by(written(tmp_path / "t.csv", "a,b\n" + "".join(cells)), 4)) is None


def test_a_quote_open_at_the_border_of_parts(tmp_path, monkeypatch):
    """Of a row that is longer than what is looked at before a part at first."""
    monkeypatch.setattr(csv_scan, "PIECE_BYTES", 50_000)
    word = "x\n" * 100_000
    path = written(tmp_path / "t.csv", f'a,b\n1,{"y" * 10}\n2,"{word}"\n3,z\n' + "4,z\n" * 10_000)
    assert csv_scan.Found.joined(found_by(path, 3)) == csv_scan.go_through(path)
    monkeypatch.setattr(csv_rows, "ROW_BYTES", 100_000)
    with pytest.raises(ew.FormatError, match="a quote in row 2 is not closed"):
        CsvFile(path)


# ---- bad files ----


@pytest.mark.parametrize("piece_bytes", [1, 1 << 21])
@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ("x,1,2\n", "row 201 has 3 values, and the header 2"),
        ('"x"y,1\n', "row 201 has a quote within a value; such a value needs quotes around it, and its own doubled"),
        ('5" pipe,1\n6" pipe,1\n', "row 201 has a quote within a value"),
        ('"x\ny"z,1\n', "row 201 has a quote within a value"),
        ('"x,1\nz,2\n', "a quote in row 201 is not closed"),
        (b"ab\xff,1\n", r"row 201 is no UTF-8: it has the bytes b'\\xff' after 'ab'"),
    ],
)
def test_a_bad_row_is_named(tmp_path, monkeypatch, rows, message, piece_bytes):
    monkeypatch.setattr(csv_scan, "PIECE_BYTES", piece_bytes)
    good = b'"a\nb",1\nc,2\n' * 100
    rows = rows if isinstance(rows, bytes) else rows.encode()
    path = written(tmp_path / "t.csv", b"word,number\n" + good + rows + (b"" if b'"x,1' in rows else good))
    for attempt in (CsvFile, data.read_columns, lambda path: TableStream(path, "number")):
        with pytest.raises(ew.FormatError, match=r"cannot read .*t.csv as CSV: " + message):
            attempt(path)


@pytest.mark.parametrize(
    ("content", "error", "message"),
    [
        (b"", ew.DataError, "is empty: it has no row of data"),
        (b"\n\r\n", ew.DataError, "is empty: it has no row of data"),
        (b"a,y\n", ew.DataError, "has 0 rows; at least 10"),
        (b"a,y", ew.DataError, "has 0 rows; at least 10"),
        (b'"a,y\n1,2\n', ew.FormatError, "a quote in the header is not closed"),
        (b"a\xff,y\n1,2\n", ew.FormatError, "the header is no UTF-8"),
        (b"a,a,a_duplicated_0\n1,2,3\n", ew.FormatError, "column name 'a'"),
    ],
)
def test_files_with_no_data(tmp_path, content, error, message):
    with pytest.raises(error, match=message):
        TableStream(written(tmp_path / "t.csv", content), "y")


def test_a_row_without_end_is_taken_for_an_open_quote(tmp_path, monkeypatch):
    monkeypatch.setattr(csv_scan, "PIECE_BYTES", 10)
    monkeypatch.setattr(csv_rows, "ROW_BYTES", 100)
    path = written(tmp_path / "t.csv", "a,y\n" + "1,2\n" * 50 + '"' + "x,1\n" * 50 + '",2\n')
    with pytest.raises(ew.FormatError, match="a quote in row 51 is not closed"):
        CsvFile(path)


def numbers_then(value, n=3000):
    rows = [f"{k / 7!r},{k % 2},{k * k}" for k in range(n)]
    rows[2500] = value
    return "\n".join(["x,y,z", *rows])


@pytest.mark.parametrize(
    ("row", "target", "given", "message"),
    [
        ("oops,1,4", "y", {}, r"'x' has .*identifier.* because of 'oops' in row 2501: those before are num"),
        ("3.5,1,oops", "z", {}, "'z' has more than 1000 .* because of 'oops' in row 2501: those before are numbers"),
        ("3.5,1,true", "z", {"task": "regression"}, "regression needs numbers .* because of 'true' in row 2501"),
        ("3.5,oops,4", "y", {}, "'y', row 2501: the class 'oops' is in no row of the training part"),
        ("3.5,,4", "y", {}, "column 'y', row 2501: the value is missing; a row without target must be removed"),
        ("inf,1,4", "y", {}, "column 'x', row 2501: inf is not a finite number"),
        ("3.5,1", "y", {}, "column 'z', row 2501: the value is missing"),
    ],
)
def test_a_value_that_is_not_as_those_before_is_named(tmp_path, monkeypatch, row, target, given, message):
    monkeypatch.setattr(csv_scan, "PIECE_BYTES", 5000)
    path = written(tmp_path / "t.csv", numbers_then(row))
    if "training part" in message:  # for a seed that holds the row out
        given = {"seed": next(s for s in range(99) if streams._uniform(s, 2500, 1)[0] < 0.2)}
    with pytest.raises(ew.DataError, match=message):
        TableStream(path, target, **given)


def test_codes_some_of_which_are_numbers_are_words(tmp_path, monkeypatch):
    monkeypatch.setattr(csv_scan, "PIECE_BYTES", 500)
    rows = [f"{('12', '7', '12', 'B3')[k % 4 if k > 1000 else k % 2]},{k % 2}" for k in range(2000)]
    stream = TableStream(written(tmp_path / "t.csv", "\n".join(["code,y", *rows])), "y")
    assert stream.preprocessing.input_names == ("code=12", "code=7", "code=B3")


@pytest.mark.parametrize("hidden", [False, True])
def test_a_file_that_changes_is_an_error(tmp_path, monkeypatch, hidden):
    monkeypatch.setattr(csv_scan, "PIECE_BYTES", 1000)
    path = written(tmp_path / "t.csv", numbers_then("3.5,1,4"))
    stream = TableStream(path, "y", buffer_bytes=1)
    before = path.stat()
    chunks = stream.chunks(0)
    next(chunks)
    with open(path, "r+b") as file:
        file.write(b"x,y,z\n1")
    if hidden:  # from outside
        os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))
    with pytest.raises(ew.FormatError, match=r"t.csv was changed while it was being read; start again"):
        list(stream.chunks(1))


# ---- the command line ----


def trees(n=4000, seed=0):
    rng = np.random.default_rng(seed)
    height = rng.normal(50, 20, n)
    leaf = np.array(["long", 'round, or "so"', "lobed\nwith a line"])[rng.integers(0, 3, n)]
    return pl.DataFrame({"height": height, "leaf": leaf, "kind": np.where(height > 50, "tall", "short")})


def run(*words):
    result = CliRunner().invoke(app, [*map(str, words)])
    assert result.exit_code == 0, result.output
    return result.stdout


def test_train_and_predict_stream_a_large_file_by_themselves(tmp_path, monkeypatch):
    trees().write_csv(tmp_path / "t.csv")
    words = "train", tmp_path / "t.csv", "--target", "kind", "--hidden", "8", "--epochs", 3, "--json", "--out"
    in_memory = json.loads(run(*words, tmp_path / "memory"))
    told = json.loads(run(*words, tmp_path / "told", "--stream"))
    predict = "predict", tmp_path / "told", tmp_path / "t.csv"
    expected = run(*predict)
    monkeypatch.setattr(streams, "STREAM_BYTES", 4000 * 3 * 8 - 9000)  # the line breaks in words count too
    monkeypatch.setattr(csv_scan, "PIECE_BYTES", 20_000)
    assert streams.too_large(str(tmp_path / "t.csv"))
    large = json.loads(run(*words, tmp_path / "large"))
    assert [found["settings"]["stream"] for found in (in_memory, told, large)] == [False, True, True]
    assert told["held_out"] == pytest.approx(large["held_out"], abs=0.02)
    assert told["data"]["rows"] == large["data"]["rows"]
    assert run(*predict) == expected


@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL")
def test_a_stream_that_is_killed_is_taken_up_to_the_bit(tmp_path):
    trees(30_000).write_csv(tmp_path / "t.csv")
    words = "train", tmp_path / "t.csv", "--target", "kind", "--hidden", "8", "--epochs", 6, "--patience", 9, "--stream"
    run(*words, "--quiet", "--out", tmp_path / "whole")
    command = [sys.executable, "-m", "edgewise", *map(str, words), "--out", str(tmp_path / "cut")]
    child = subprocess.Popen([*command, "--checkpoint-every", "100", "--json-lines"], stdout=subprocess.PIPE, text=True)
    for _ in range(2):
        assert json.loads(child.stdout.readline())["loss"] > 0
    child.send_signal(signal.SIGKILL)
    child.communicate(timeout=60)
    assert not Path(tmp_path, "cut", "network.json").exists()
    run("train", "--resume", tmp_path / "cut")
    for name in ("network.json", "preprocessing.json", "metrics.json"):
        assert (tmp_path / "whole" / name).read_bytes() == (tmp_path / "cut" / name).read_bytes()
