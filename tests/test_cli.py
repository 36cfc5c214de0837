"""The command line, as a user runs it."""

import csv
import json
import os
import signal
import struct
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from tensorboardX.proto import event_pb2

import edgewise as ew
from command_line import as_json, fail, run, succeed
from edgewise import formats
from edgewise.data import Preprocessing

QUANTITIES = (
    *("value", "preactivation", "gate", "output", "sensitivity", "linear_sensitivity", "edge_derivative"),
    *("weight_gradient", "bias_gradient", "response_gradient", "input_gradient"),
    *("weight_gradient_per_sample", "bias_gradient_per_sample"),
)
COMMANDS = ("train", "predict", "backprop", "verify", "info", "convert")


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def diamond(**settings):
    return ew.Network(
        ["x", "x", "a", "b"],
        ["a", "b", "t", "t"],
        [0.5, -1.0, 2.0, 0.25],
        bias=[0, 0.1, 0, -0.2],
        activation=["identity", "tanh", "sigmoid", "identity"],
        names=["x", "a", "b", "t"],
        **settings,
    )


@pytest.fixture
def net(here):
    diamond().save("net.json")
    return Path("net.json")


def trees(n=60, seed=0):
    generator = np.random.default_rng(seed)
    height = generator.normal(size=n)
    return pl.DataFrame(
        {
            "height": height,
            "leaf": [("long", "round")[k % 2] for k in range(n)],
            "kind": ["tall" if h > 0 else "short" for h in height],
            "crown": 3 * height + 0.01 * generator.normal(size=n),
        }
    )


# ---- the option parser ----


def test_help_teaches_each_command_with_an_example():
    assert "edgewise train digits" in succeed("--help")
    for command in COMMANDS:
        assert command in succeed("--help")
        assert f"edgewise {command} " in succeed(command, "--help")


def test_no_command_shows_the_help():
    assert succeed() == succeed("--help")


def test_the_version_is_that_of_the_package():
    from importlib.metadata import version

    assert succeed("--version") == f"edgewise {version('edgewise')}\n"


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["fly"], "No such command 'fly'"),
        (["train"], "Missing argument 'DATA'"),
        (["train", "iris", "--epoch", "3"], "No such option"),
        (["train", "iris", "--epochs", "many"], "Invalid value for '--epochs'"),
        (["train", "iris", "--epochs", "0"], "Invalid value for '--epochs'"),
        (["train", "iris", "--hidden", "64;32"], "give widths separated by commas"),
        (["train", "iris", "--hidden", "0"], "a hidden layer has 1 to"),
        (["train", "iris", "--task", "sorting"], "must be classification or regression"),
        (["train", "iris", "--optimizer", "magic"], "no optimizer 'magic'; use sgd, adam, adamw"),
        (["train", "iris", "--weight-decay", "-1"], "weight_decay"),
        (["train", "iris", "--loss", "magic"], "magic"),
        (["train", "iris", "--activation", "magic"], "unknown activation 'magic'"),
        (["train", "iris", "--dtype", "int8"], "float32"),
        (["train", "iris", "--learning-rate", "-1"], "learning_rate"),
        (["train", "iris", "--schedule", "slow"], "there is no schedule 'slow'; use constant, step, cosine, plateau"),
        (["train", "iris", "--learning-rate", "nan"], "learning_rate"),
        (["train", "iris", "--test-share", "1"], "must lie between 0 and 1"),
        (["train", "iris", "--target", "colour"], "no column 'colour'; columns: 'sepal length (cm)'"),
        (["train", "diabetes", "--loss", "cross_entropy"], "the loss cross_entropy is for classes"),
        (["train", "iris", "--task", "regression"], "regression needs numbers"),
        (["train", "nowhere.csv"], "cannot read nowhere.csv"),
        (["train", "irises"], "neither bundled data"),
        (["train", "iris", "--network", "nowhere.json"], "nowhere.json"),
        (["info", "nowhere.json"], "nowhere.json"),
    ],
)
def test_a_mistake_is_told_of_in_one_line(here, words, message):
    assert message in fail(*words)
    assert list(here.iterdir()) == [], "nothing is written"


# ---- train ----


def test_train_writes_everything_and_says_where(here):
    printed = succeed("train", "iris", "--epochs", 40, "--quiet")
    assert printed.startswith("held-out accuracy ")
    folder = here / "edgewise-run" / "iris"
    assert sorted(path.name for path in folder.iterdir()) == [
        "checkpoint.safetensors",
        "history.csv",
        "learning-curves.png",
        "metrics.json",
        "network.json",
        "preprocessing.json",
        "settings.json",
    ]
    metrics = json.loads((folder / "metrics.json").read_text())
    assert metrics["held_out"]["accuracy"] == pytest.approx(float(printed.split()[-1]), abs=5e-5)
    assert metrics["data"]["rows"] == {"training": 108, "validation": 12, "held_out": 30}
    with (folder / "history.csv").open() as file:
        assert len(list(csv.DictReader(file))) == metrics["training"]["epochs"]
    assert (folder / "learning-curves.png").read_bytes().startswith(b"\x89PNG")
    assert formats.load(folder / "network.json").n_inputs == 4


def test_train_reports_the_score_beside_the_baseline_and_the_levels(here):
    printed = succeed("train", "breast_cancer", "--hidden", "8,4", "--epochs", 10, "--out", "out")
    assert "held-out accuracy 0.9" in printed
    assert "baseline, always benign: 0.6" in printed
    levels = [row for row in map(str.split, printed.splitlines()) if len(row) == 7 and row[0].isdigit()]
    assert [(row[0], row[1], row[2]) for row in levels] == [
        ("0", "30", "input"),
        ("1", "8", "relu"),
        ("2", "4", "relu"),
        ("3", "2", "identity"),
    ]
    assert printed.rstrip().endswith("to out")


def test_the_written_files_give_the_reported_figures(here):
    """Held-out rows are drawn from the seed; the network and the preprocessing read back must do as well on them."""
    from edgewise import data

    metrics = as_json("train", "wine", "--epochs", 15, "--out", "out", "--seed", 3)
    table = data.load_table("wine")
    _, held_out = data.split(table.n_rows, 0.2, 3, data.class_labels(table.target))
    preprocessing = Preprocessing.from_dict(json.loads(Path("out/preprocessing.json").read_text()))
    network = formats.load("out/network.json").astype("float32")
    x = preprocessing.inputs(table.features, held_out).astype("float32")
    y = preprocessing.labels(table.target, held_out)
    assert metrics["held_out"]["accuracy"] == (network.forward(x).output.argmax(axis=1) == y).mean()
    bwd = network.backprop(x, y=y, loss="cross_entropy")
    assert metrics["held_out"]["loss"] == bwd.loss
    hidden = slice(13, 13 + 64)
    level = metrics["levels"][1]
    gate = bwd.gate[:, hidden]
    assert (level["nodes"], level["activation"]) == (64, "relu")
    assert level["mean_gate"] == pytest.approx(gate.mean())
    assert level["closed_gates"] == pytest.approx((gate == 0).mean())
    sensitivity, linear = bwd.sensitivity[:, hidden], bwd.linear_sensitivity[:, hidden]
    assert level["sensitivity"] == pytest.approx(np.sqrt((sensitivity.astype(float) ** 2).mean()))
    assert level["linear_sensitivity"] == pytest.approx(np.sqrt((linear.astype(float) ** 2).mean()))


def test_train_learns_digits_with_its_defaults(here):
    metrics = as_json("train", "digits")
    assert metrics["held_out"]["accuracy"] >= 0.96
    assert metrics["baseline"]["accuracy"] < 0.12
    assert (metrics["settings"]["hidden"], metrics["settings"]["activation"]) == ([64, 32], "relu")


def test_train_learns_a_quantity(here):
    trees().write_csv("trees.csv")
    words = ["--target", "crown", "--hidden", "8", "--epochs", 150, "--learning-rate", 0.01, "--patience", 50]
    metrics = as_json("train", "trees.csv", *words)
    assert metrics["task"] == "regression"
    assert metrics["held_out"]["r2"] > 0.9
    assert metrics["baseline"]["r2"] <= 0
    assert Path("edgewise-run/trees/metrics.json").is_file()


@pytest.mark.parametrize("schedule", ["constant", "step", "cosine", "plateau"])
def test_train_by_a_schedule(here, schedule):
    metrics = as_json("train", "iris", "--epochs", 40, "--learning-rate", 0.02, "--schedule", schedule, "--out", "o")
    assert metrics["settings"]["schedule"] == schedule
    assert metrics["held_out"]["accuracy"] > 0.85
    header = Path("o/history.csv").read_text(encoding="utf-8").splitlines()[0]
    assert ("learning_rate" in header) == (schedule != "constant")


@pytest.mark.parametrize("loss", ["cross_entropy", "binary_cross_entropy", "hinge", "squared_error"])
def test_train_classifies_with_every_kind_of_loss(here, loss):
    trees().write_parquet("trees.parquet")
    words = ["--target", "kind", "--hidden", "8", "--epochs", 80, "--learning-rate", 0.01, "--loss", loss]
    metrics = as_json("train", "trees.parquet", *words)
    assert metrics["held_out"]["accuracy"] > 0.8
    assert metrics["settings"]["loss"] == loss


def test_the_same_seed_writes_the_same_bytes(here):
    for folder in ("a", "b"):
        succeed("train", "iris", "--epochs", 5, "--out", folder, "--quiet")
    a, b = (pl.read_csv(f"{folder}/history.csv").drop("seconds") for folder in "ab")
    assert a.equals(b)
    for name in ("network.json", "metrics.json", "preprocessing.json", "learning-curves.png"):
        assert Path("a", name).read_bytes() == Path("b", name).read_bytes()


def test_train_takes_a_network_of_ones_own(here):
    ew.random_dag(30, 120, n_inputs=4, n_outputs=3, activation="tanh", seed=1).save("own.json")
    metrics = as_json("train", "iris", "--network", "own.json", "--epochs", 60, "--learning-rate", 0.01, "--out", "o")
    assert metrics["network"]["edges"] == 120
    assert metrics["held_out"]["accuracy"] > 0.8
    ew.mlp([5, 3]).save("wide.json")
    assert "has 5 inputs, but iris makes 4" in fail("train", "iris", "--network", "wide.json")
    ew.mlp([4, 2]).save("few.json")
    assert "has 2 outputs, but 3 classes with cross_entropy needs 3" in fail("train", "iris", "--network", "few.json")
    assert "give no --hidden" in fail("train", "iris", "--network", "own.json", "--hidden", "3")


def test_missing_values_are_an_error_or_imputed(here):
    trees().with_columns(pl.when(pl.arange(0, 60) == 6).then(None).otherwise(pl.col("leaf")).alias("leaf")).write_csv(
        "trees.csv"
    )
    words = ["train", "trees.csv", "--target", "kind", "--epochs", 2]
    assert "column 'leaf', row 7: the value is missing" in fail(*words)
    assert as_json(*words, "--impute")["settings"]["impute"] is True


def test_a_divergent_training_is_told_of(here):
    words = ["train", "diabetes", "--optimizer", "sgd", "--learning-rate", "1e6", "--epochs", 3, "--activation", "cube"]
    assert "learning" in fail(*words)
    folder = here / "edgewise-run" / "diabetes"  # what there was before stays, to look into
    assert sorted(path.name for path in folder.iterdir()) == ["checkpoint.safetensors", "settings.json"]


def test_an_output_that_cannot_be_written_is_told_of(here):
    Path("file").write_text("in the way")
    assert "cannot make the folder file" in fail("train", "iris", "--epochs", 1, "--out", "file")


def history_of(folder):
    with Path(folder, "history.csv").open() as file:
        return [{k: v for k, v in row.items() if k != "seconds"} for row in csv.DictReader(file)]


def same_run(one, other):
    for name in ("network.json", "preprocessing.json", "metrics.json"):
        assert Path(one, name).read_bytes() == Path(other, name).read_bytes()
    assert history_of(one) == history_of(other)


RUN = ("train", "digits", "--hidden", "40,30", "--epochs", 25, "--patience", 30)


@pytest.mark.parametrize("signal_sent", [signal.SIGKILL, signal.SIGINT])
def test_a_run_that_is_stopped_goes_on(here, signal_sent):
    words = [*RUN, "--density", 0.2, "--sparse", "rigl", "--average", 0.95]
    succeed(*words, "--out", "whole", "--quiet")
    command = [sys.executable, "-m", "edgewise", *map(str, words), "--out", "cut", "--checkpoint-every", "40"]
    child = subprocess.Popen([*command, "--json-lines"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    for _ in range(8):
        assert json.loads(child.stdout.readline())["loss"] > 0
    child.send_signal(signal_sent)
    _, said = child.communicate(timeout=60)
    if signal_sent == signal.SIGINT:
        assert child.returncode == 130
        assert said.strip() == "edgewise: stopped; to go on: edgewise train --resume cut"
    assert not Path("cut/network.json").exists()
    printed = succeed("train", "--resume", "cut")
    assert "kept epoch" in printed
    same_run("whole", "cut")


def test_more_epochs_are_added(here):
    words = ["train", "iris", "--patience", 50, "--quiet"]
    succeed(*words, "--epochs", 12, "--out", "whole")
    succeed(*words, "--epochs", 5, "--out", "parts")
    succeed("train", "--resume", "parts", "--epochs", 12, "--quiet")
    same_run("whole", "parts")


def test_what_is_no_run_to_go_on_with(here):
    assert "nowhere is no run to go on with: cannot read nowhere/settings.json" in fail("train", "--resume", "nowhere")
    succeed("train", "iris", "--epochs", 1, "--out", "run", "--quiet")
    message = "--resume goes on with the run's own settings; of these --epochs alone may be given, not "
    assert message + "source" in fail("train", "wine", "--resume", "run")
    assert message + "batch_size" in fail("train", "--resume", "run", "--batch-size", 7)
    settings = Path("run/settings.json")
    content = settings.read_text()
    for damaged in (content[:-20], "[]", content.replace('"epochs"', '"epoch"'), content.replace('"iris"', "7")):
        settings.write_text(damaged)
        assert "settings.json is damaged" in fail("train", "--resume", "run")
    settings.write_text(content.replace('"seed": 0', '"seed": 1'))
    assert "is of another run: seed is 0 there and 1 here" in fail("train", "--resume", "run")


def test_a_line_of_json_after_every_epoch(here):
    lines = [json.loads(line) for line in succeed("train", "iris", "--epochs", 3, "--json-lines").splitlines()]
    assert [line["epoch"] for line in lines[:-1]] == [0, 1, 2]
    assert all(0 <= line["open_gates"] <= 1 and line["samples_per_second"] > 0 for line in lines[:-1])
    assert lines[-1]["held_out"]["accuracy"] > 0.3


def test_explain_a_run(here):
    succeed("train", "iris", "--epochs", 4, "--watch", "--out", "run", "--quiet")
    out = succeed("explain", "run")
    assert "rows held out of iris, target loss cross_entropy" in out
    assert "While it trained, from the loss to the inputs" in out
    found = json.loads(succeed("explain", "run", "--json"))
    assert {"findings", "trials", "spread_db", "watch", "by_node"} <= set(found)
    assert "has its own" in fail("explain", "run", "--loss", "hinge")
    (here / "run" / "watch.json").write_text('{"schema": 1, "moments": [{}]}')
    assert "does not hold what a watch saw" in fail("explain", "run")


def test_explain_a_network_and_a_table(here):
    rng = np.random.default_rng(0)
    rows = [f"{a:.5f},{b:.5f},{int(a > b)}" for a, b in rng.normal(size=(60, 2))]
    (here / "table.csv").write_text("\n".join(["a,b,c", *rows]))
    ew.mlp([2, 4, 2], activation="sigmoid", seed=0).save(here / "plain.json")
    out = succeed("explain", "plain.json", "table.csv", "--target", "c")
    assert "60 samples, target loss cross_entropy" in out
    assert "which column of table.csv is the target" in fail("explain", "plain.json", "table.csv")
    assert "give DATA, a table with the target, or --input" in fail("explain", "plain.json")
    ew.mlp([3, 4, 2], seed=0).save(here / "three.json")
    assert "beside 'a'; the network has 3 inputs" in fail("explain", "three.json", "table.csv", "--target", "a")
    succeed("train", "table.csv", "--target", "c", "--epochs", 2, "--out", "run", "--quiet")
    learnt = ("--preprocessing", "run/preprocessing.json")
    found = json.loads(succeed("explain", "run/network.json", "table.csv", "--target", "c", *learnt, "--json"))
    run = json.loads(succeed("explain", "run", "table.csv", "--json"))
    assert found["total"]["total_db"] == pytest.approx(run["total"]["total_db"], abs=1e-3)


def test_watching_a_run(here):
    out = succeed("train", "iris", "--epochs", 4, "--watch", "--out", "run")
    assert "watched every 50 steps" in out
    watched = json.loads((here / "run" / "watch.json").read_text())
    assert (watched["schema"], watched["every"], watched["moments"][0]["step"]) == (1, 50, 0)


def test_scalars_for_tensorboard(here):
    succeed("train", "iris", "--epochs", 4, "--tensorboard", "events", "--out", "run", "--quiet")
    (file,) = Path("events").iterdir()
    content = file.read_bytes()
    found, at = {}, 0
    while at < len(content):  # TFRecord: length, its checksum, an event, its checksum
        (length,) = struct.unpack_from("<Q", content, at)
        event = event_pb2.Event.FromString(content[at + 12 : at + 12 + length])
        at += length + 16
        for value in event.summary.value:
            found.setdefault(value.tag, []).append((event.step, value.simple_value))
    assert [step for step, _ in found["loss"]] == [0, 1, 2, 3]
    assert [value for _, value in found["loss"]] == pytest.approx([float(row["loss"]) for row in history_of("run")])
    assert {"metric", "validation_loss", "open_gates", "samples_per_second"} <= set(found)


@pytest.mark.parametrize("way", ["none", "rigl", "set", "gradual"])
def test_train_a_share_of_the_arcs(here, way):
    metrics = as_json("train", "digits", "--density", 0.1, "--sparse", way, "--epochs", 20, "--learning-rate", 0.01)
    assert metrics["network"]["edges"] == pytest.approx(0.1 * (64 * 64 + 64 * 32 + 32 * 10), abs=1)
    assert metrics["held_out"]["accuracy"] > 0.85


def test_train_holds_back_in_many_ways(here):
    metrics = as_json("train", "wine", "--accumulate", 2, "--clip-norm", 1, "--l1", 1e-4, "--dropout", 0.2,
                      "--label-smoothing", 0.1, "--average", 0.9, "--batch-size", 8)  # fmt: skip
    assert metrics["held_out"]["accuracy"] > 0.9
    assert metrics["settings"]["dropout"] == 0.2


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--sparse", "magic"], "there is no way 'magic' of changing arcs; use none, rigl, set, gradual"),
        (["--sparse", "rigl"], "--sparse rigl needs a --density below 1"),
        (["--density", 0], "density must be a number above 0"),
        (["--dropout", 1], "dropout must be"),
        (["--label-smoothing", 0.1, "--loss", "hinge"], "--label-smoothing is for cross_entropy; the loss is hinge"),
    ],
)
def test_ways_that_make_no_sense(here, words, message):
    assert message in fail("train", "iris", *words)


# ---- backprop ----


def test_backprop_prints_every_quantity_as_json(here, net):
    Path("x.csv").write_text("x\n0.3\n-1\n")
    found = as_json("backprop", net, "--input", "x.csv", "--target", "t")
    bwd = diamond().backprop([[0.3], [-1.0]], "t")
    for name in QUANTITIES:
        np.testing.assert_array_equal(found[name], getattr(bwd, name), err_msg=name)
    assert found["nodes"] == ["x", "a", "b", "t"]
    assert found["edges"] == [["x", "a"], ["x", "b"], ["a", "t"], ["b", "t"]]
    assert (found["target"], found["loss"]) == ("t", None)


def test_backprop_takes_a_loss_as_target(here, net):
    Path("x.csv").write_text("0.3\n-1\n")
    Path("y.csv").write_text("1\n0\n")
    words = ["backprop", net, "--input", "x.csv", "--loss", "squared_error", "--labels", "y.csv"]
    found = as_json(*words)
    bwd = diamond().backprop([[0.3], [-1.0]], y=[[1], [0]], loss="squared_error")
    assert found["loss"]["mean"] == bwd.loss
    np.testing.assert_array_equal(found["sensitivity"], bwd.sensitivity)
    assert f"target loss squared_error: {bwd.loss:.6g}" in succeed(*words)


def test_explain_shows_the_budget(here, net):
    Path("x.csv").write_text("0.3\n-1\n")
    Path("y.csv").write_text("1\n0\n")
    words = ["explain", net, "--input", "x.csv", "--loss", "squared_error", "--labels", "y.csv"]
    found = as_json(*words)
    budget = ew.gradient_budget(diamond(), [[0.3], [-1.0]], y=[[1], [0]], loss="squared_error")
    assert found["rows"] == [row.to_dict() for row in budget.rows]
    assert found["by_node"]["gates_db"] == budget.of_nodes()["gates_db"].tolist()
    report = ew.diagnose(diamond(), [[0.3], [-1.0]], [[1], [0]], loss="squared_error")
    assert [f["code"] for f in found["findings"]] == [f.code for f in report.findings]
    printed = succeed(*words)
    assert all(f.code in printed for f in report.findings)
    assert "2 samples, target loss squared_error, in decibels" in printed
    for row in budget.rows:
        assert str(round(row.total_db, 1) + 0.0) in printed
    assert "Nodes that lose most to gates" in printed
    assert as_json("explain", net, "--input", "x.csv", "--target", "t")["target"] == "t"
    assert "go together" in fail("explain", net, "--input", "x.csv", "--loss", "squared_error")


def test_backprop_shows_tables_and_says_when_they_are_cut(here, net):
    Path("x.csv").write_text("\n".join(["x", *map(str, range(5))]))
    printed = succeed("backprop", net, "--input", "x.csv")
    bwd = diamond().backprop([[0.0]], "t")
    for number in (*bwd.value[0], *bwd.sensitivity[0], *bwd.edge_derivative[0]):
        assert f"{number:.6g}" in printed
    assert "Sample 3, edges" in printed
    assert "Sample 4" not in printed
    assert "… 3 of 5 samples shown; --json gives all of them" in printed
    ew.mlp([1, 60, 1]).save("big.json")
    assert "… 40 of 62 rows shown" in succeed("backprop", "big.json", "--input", "x.csv")


def test_backprop_reads_the_raw_columns_of_a_trained_network(here):
    trees().write_csv("trees.csv")
    succeed("train", "trees.csv", "--target", "crown", "--hidden", "4", "--epochs", 2, "--out", "o", "--quiet")
    trees().head(3).write_csv("x.csv")
    words = ["backprop", "o/network.json", "--input", "x.csv", "--preprocessing", "o/preprocessing.json"]
    preprocessing = Preprocessing.from_dict(json.loads(Path("o/preprocessing.json").read_text()))
    height = preprocessing.features[0]
    standardised = (trees()["height"][:3].to_numpy() - height.mean) / height.scale
    np.testing.assert_allclose(np.array(as_json(*words)["value"])[:, 0], standardised, rtol=1e-6)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--input", "none.csv"], "cannot read none.csv"),
        (["--input", "two.csv"], "two.csv gives 2 inputs; the network has 1: x"),
        (["--input", "x.csv", "--target", "q"], "'q'"),
        (["--input", "x.csv", "--target", "99"], "99"),
        (["--input", "x.csv", "--loss", "squared_error"], "--loss and --labels go together"),
        (["--input", "x.csv", "--loss", "squared_error", "--labels", "two.csv"], "shape (1, 2)"),
        (["--input", "x.csv", "--loss", "hinge", "--labels", "x.csv", "--target", "t"], "either --target or --loss"),
        (["--input", "x.csv", "--preprocessing", "x.csv"], "no preprocessing file"),
    ],
)
def test_a_mistake_in_backprop_is_told_of(here, net, words, message):
    Path("x.csv").write_text("1\n")
    Path("two.csv").write_text("1,2\n")
    assert message in fail("backprop", net, *words)


def test_backprop_asks_which_of_several_outputs(here):
    ew.mlp([1, 3]).save("net.json")
    Path("x.csv").write_text("1\n")
    assert "3 outputs; say which with --target NODE: 1, 2, 3" in fail("backprop", "net.json", "--input", "x.csv")
    assert as_json("backprop", "net.json", "--input", "x.csv", "--target", 2)["target"] == "2"


def test_numbers_that_json_lacks_are_written_as_words(here):
    ew.Network([0], [1], [1.0], activation="exp").save("net.json")
    Path("x.csv").write_text("1000\n")
    assert as_json("backprop", "net.json", "--input", "x.csv")["value"] == [[1000.0, "inf"]]


# ---- verify ----


def test_verify_agrees_on_a_sound_network(here, net):
    assert as_json("verify", net)["ok"] is True
    assert set(as_json("verify", net, "--target", "a")["targets"]) == {"a"}
    assert succeed("verify", net).strip()


def test_verify_exits_with_1_where_computations_disagree(here, net, monkeypatch):
    from edgewise import activations

    row = activations.register("crooked", np.tanh, np.cos)
    ew.Network([0], [1], [0.7], activation=row.name).save("bad.json")
    result = run("verify", "bad.json", "--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout)["ok"] is False


# ---- info and convert ----


def test_info_tells_of_paths_and_dead_ends(here):
    ew.Network(
        ["x", "x", "a", "b", "a", "k"],
        ["a", "b", "t", "t", "lost", "t"],
        1.0,
        activation=["identity", "tanh", "tanh", "relu", "relu", "relu"],
        names=["x", "a", "b", "t", "lost", "k"],
        inputs=["x"],
        outputs=["t"],
    ).save("net.json")
    facts = as_json("info", "net.json")
    assert (facts["nodes"], facts["edges"], facts["depth"]) == (6, 6, 2)
    assert facts["paths"] == {"total": 2, "pairs": [{"input": "x", "output": "t", "paths": 2}]}
    assert facts["activations"] == {"relu": 3, "tanh": 2}
    assert facts["dead_ends"] == {"reach_no_output": ["lost"], "not_reached_from_inputs": ["k"]}
    printed = succeed("info", "net.json")
    assert "1: lost" in printed
    assert "relu 3, tanh 2" in printed


def test_info_counts_paths_of_a_layerwise_network_in_total(here):
    ew.mlp([20, 30, 10]).save("net.json")
    facts = as_json("info", "net.json")
    assert facts["paths"] == {"total": 20 * 30 * 10, "pairs": None}
    ew.mlp([2, 3, 3, 2]).save("net.json")
    facts = as_json("info", "net.json")
    assert facts["paths"]["total"] == sum(pair["paths"] for pair in facts["paths"]["pairs"]) == 36


def test_info_counts_more_paths_than_any_float_holds(here):
    """A chain of 20,000 doubled arcs has 2^20000 paths."""
    n = 20_000
    tail = np.repeat(np.arange(n), 2)
    ew.Network(tail, tail + 1, 0.5).save("net.json")
    assert int(as_json("info", "net.json")["paths"]["total"], 16) == 2**n
    assert "about 10^6020" in succeed("info", "net.json")


def test_a_name_cannot_steer_the_terminal(here):
    ew.Network(["\x1b[31m[red]x"], ["t\n"], [1.0], names=["\x1b[31m[red]x", "t\n"]).save("net.json")
    Path("x.csv").write_text("1\n")
    printed = succeed("backprop", "net.json", "--input", "x.csv")
    assert "\x1b" not in printed
    assert r"\x1b[31m[red]x" in printed


def test_convert_keeps_the_network_whole(here, net):
    assert "wrote net.safetensors: 4 nodes, 4 edges" in succeed("convert", net, "net.safetensors")
    assert as_json("convert", "net.safetensors", "again.json") == {"written": "again.json", "nodes": 4, "edges": 4}
    a, b = formats.load(net), formats.load("again.json")
    np.testing.assert_array_equal(a.weight, b.weight)
    assert a.names == b.names
    assert a.activations == b.activations


def test_convert_refuses_what_it_cannot_write(here, net):
    assert "net.png" in fail("convert", net, "net.png")
    assert "nowhere" in fail("convert", net, "nowhere/net.json")
    Path("bad.json").write_text('{"nodes": [')
    assert "bad.json" in fail("convert", "bad.json", "b.json")
    assert not Path("b.json").exists()


# ---- as a process ----


def process(*words, code="import sys; from edgewise.__main__ import main; sys.exit(main())"):
    return subprocess.run([sys.executable, "-c", code, *words], capture_output=True, encoding="utf-8", check=False)


def test_the_process_has_exit_codes_and_keeps_streams_apart(here, net):
    good = subprocess.run(
        [sys.executable, "-m", "edgewise", "info", str(net), "--json"],
        capture_output=True,
        encoding="utf-8",
        check=True,
    )
    assert json.loads(good.stdout)["nodes"] == 4
    assert good.stderr == ""
    bad = process("info", "nowhere.json")
    assert (bad.returncode, bad.stdout) == (2, "")
    assert bad.stderr.startswith("edgewise: error: ")
    assert bad.stderr.count("\n") == 1
    assert process("--nonsense").returncode == 2


@pytest.mark.parametrize("package", ["typer", "rich"])
def test_without_its_packages_the_command_says_how_to_get_them(package):
    code = f"import sys; sys.modules[{package!r}] = None\nfrom edgewise.__main__ import main; sys.exit(main())"
    result = process("info", code=code)
    assert (result.returncode, result.stdout) == (2, "")
    assert result.stderr == 'edgewise: error: the command line needs typer and rich: pip install "edgewise[cli]"\n'


@pytest.mark.parametrize(
    ("package", "words"),
    [
        ("polars", ["train", "d.csv"]),
        ("sklearn", ["train", "iris"]),
        ("matplotlib", ["train", "iris", "--epochs", "1"]),
    ],
)
def test_a_missing_package_is_one_line(here, package, words):
    Path("d.csv").write_text("a,b\n1,2\n")
    code = (
        f"import sys; sys.modules[{package!r}] = None; sys.modules['matplotlib.figure'] = None\n"
        "from edgewise.__main__ import main; sys.exit(main())"
    )
    result = process(*words, code=code)
    assert result.returncode == 2
    assert 'pip install "edgewise[cli]"' in result.stderr.splitlines()[-1]


def test_a_terminal_without_greek_letters_still_gets_its_numbers(here, net):
    Path("x.csv").write_text("1\n")
    result = subprocess.run(
        [sys.executable, "-m", "edgewise", "backprop", str(net), "--input", "x.csv"],
        capture_output=True,
        env=os.environ | {"PYTHONIOENCODING": "ascii"},
        check=True,
    )
    assert b"\\u03a6" in result.stdout
