"""The report: its data, its page, and what it does in a browser."""

import json

import numpy as np
import pytest
from typer.testing import CliRunner

import edgewise as ew
from edgewise.cli import app
from edgewise.diagnosis import overview
from edgewise.view import page
from test_view import data_of, hostile_net, strictly, unpacked


def diagnosed(activation="sigmoid", widths=(8, 8, 8, 8, 8, 3), **settings):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(64, widths[0])), rng.integers(0, widths[-1], 64)
    net = ew.mlp(list(widths), activation=activation, seed=0, **settings)
    return ew.diagnose(net, x, y, loss="cross_entropy")


def run(*words):
    found = CliRunner().invoke(app, list(map(str, words)))
    if found.exception is not None and not isinstance(found.exception, SystemExit):
        raise found.exception
    return found


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("runs") / "iris"
    assert run("train", "iris", "--epochs", 3, "--hidden", "8", "--quiet", "--out", folder).exit_code == 0
    return folder


# ---- the data ----


def test_a_reports_numbers_are_the_passes_own():
    report = diagnosed()
    found = strictly(page.machine.as_json(overview.of_report(report)))["report"]
    net, batch = report.network, report.batch
    bwd = net.backprop(batch.x, y=batch.y, loss=batch.loss)
    maps = {name: unpacked(array) for name, array in found["maps"].items()}
    neurons = ~net.is_input
    np.testing.assert_allclose(maps["value"], bwd.value.mean(axis=0), rtol=1e-6)
    np.testing.assert_allclose(maps["gate"][neurons], bwd.gate.mean(axis=0)[neurons], rtol=1e-6)
    assert np.isnan(maps["gate"][~neurons]).all()
    rms = np.sqrt(np.square(bwd.sensitivity).mean(axis=0))
    np.testing.assert_allclose(maps["total_db"], 20 * np.log10(rms), rtol=1e-5)
    assert found["loss"] == bwd.loss
    assert found["budget"] == report.budget.to_dict()
    assert [f["code"] for f in found["findings"]] == [f.code for f in report.findings]
    assert [unpacked(f["nodes"]).tolist() for f in found["findings"]] == [list(f.nodes) for f in report.findings]
    assert sum(len(f["trials"]) for f in found["findings"]) == len(report.trials) > 0


def test_every_number_is_in_one_bin_or_apart():
    rng = np.random.default_rng(0)
    net = ew.mlp([4, 6, 1], activation="relu", seed=0)  # whose closed gates make sensitivities of 0
    x = rng.normal(size=(50, 4))
    found = overview.of_target(net, x)["report"]
    width = np.bincount(unpacked(found["levels"]))
    for name, told in found["distributions"].items():
        counts = unpacked(told["counts"]).sum(axis=1) + told["apart"]
        inputs = np.array([0, 0, 4]) if name == "gate" else 0  # which have no gate
        assert counts.tolist() == ((width - inputs) * len(x)).tolist()
    assert found["distributions"]["sensitivity_db"]["apart"][1] == (net.backprop(x).sensitivity == 0)[:, 4:10].sum()


def test_numbers_that_are_none_are_told_as_words():
    net = ew.mlp([2, 3, 1], activation="relu", seed=0)
    net.weight[:] = 0  # so that nothing arrives: -inf dB
    text = page.html(overview.of_target(net, np.ones((3, 2))))
    assert data_of(text)["report"]["budget"]["total"]["total_db"] == "-inf"
    net.weight[0] = np.nan
    report = ew.diagnose(net, np.ones((3, 2)), np.ones((3, 1)), loss="squared_error")
    assert report.findings[0].code.startswith("not_finite")
    data_of(page.html(overview.of_report(report)))


def test_a_network_without_samples_is_shown_alone():
    found = overview.of_network(ew.mlp([2, 2, 1], seed=0))
    assert found["report"] == {"facts": [], "curves": None, "findings": None}


def test_hostile_names_stay_data_in_a_report():
    net = hostile_net()
    text = page.html(overview.of_target(net, np.ones((2, net.n_inputs))))
    assert text.count("<script") == 2


def test_a_report_of_100_000_arcs_is_at_most_5_mb(tmp_path):
    rng = np.random.default_rng(0)
    net = ew.random_dag(2_000, 100_000, n_inputs=10, seed=0)
    assert net.n_edges >= 100_000
    y = rng.normal(size=(8, net.n_outputs))
    report = ew.diagnose(net, rng.normal(size=(8, net.n_inputs)), y, loss="squared_error")
    report.save(tmp_path / "report.html")
    assert (tmp_path / "report.html").stat().st_size <= 5_000_000


# ---- files ----


def test_a_report_is_saved_by_suffix(tmp_path):
    report = diagnosed()
    report.save(tmp_path / "report.html")
    shown = data_of((tmp_path / "report.html").read_text(encoding="utf-8"))["report"]
    report.save(tmp_path / "report.json")
    plain = strictly((tmp_path / "report.json").read_text(encoding="utf-8"))
    assert shown["budget"] == plain["budget"] == report.to_dict()["budget"]
    with pytest.raises(ew.FormatError, match=r"\.html or \.json"):
        report.save(tmp_path / "report.pdf")


def test_a_runs_report_is_over_the_rows_held_out(trained, tmp_path):
    found = run("report", trained, "--out", tmp_path / "r.html", "--json")
    assert found.exit_code == 0, found.stderr
    assert json.loads(found.stdout)["bytes"] == (tmp_path / "r.html").stat().st_size
    shown = data_of((tmp_path / "r.html").read_text(encoding="utf-8"))["report"]
    metrics = json.loads((trained / "metrics.json").read_bytes())
    assert shown["n_samples"] == metrics["data"]["rows"]["held_out"]
    assert shown["loss"] == pytest.approx(metrics["held_out"]["loss"], rel=1e-4)
    assert shown["curves"]["epoch"] == [0, 1, 2]
    assert len(shown["curves"]["validation_loss"]) == 3
    facts = dict(shown["facts"])
    assert facts["held-out accuracy"] == f"{metrics['held_out']['accuracy']:.4f}"


def test_a_runs_report_of_another_table(trained, tmp_path):
    assert run("report", trained, "iris", "--out", tmp_path / "r.html").exit_code == 0
    assert data_of((tmp_path / "r.html").read_text(encoding="utf-8"))["report"]["n_samples"] == 150


def test_a_networks_report_with_and_without_labels(tmp_path):
    net = ew.mlp([2, 3, 1], activation="tanh", seed=0)
    net.save(tmp_path / "net.json")
    (tmp_path / "x.csv").write_text("1,2\n3,4\n")
    (tmp_path / "y.csv").write_text("t\n1\n2\n")
    for words, findings in (
        ((), None),
        ((tmp_path / "x.csv",), None),
        ((tmp_path / "x.csv", "--loss", "squared_error", "--labels", tmp_path / "y.csv"), list),
    ):
        found = run("report", tmp_path / "net.json", *words, "--out", tmp_path / "r.html")
        assert found.exit_code == 0, found.stderr
        shown = data_of((tmp_path / "r.html").read_text(encoding="utf-8"))["report"]
        assert shown["findings"] is None if findings is None else isinstance(shown["findings"], findings)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (("{run}", "--target", "0"), "give none of them"),
        (("{net}", "--target", "5"), "give DATA with them"),
        (("{run}/nowhere",), "nowhere"),
    ],
)
def test_a_wrong_question_gets_one_clear_error(trained, tmp_path, words, says):
    net = trained / "network.json"
    found = run("report", *(word.format(run=trained, net=net) for word in words), "--out", tmp_path / "r.html")
    assert found.exit_code == 2
    assert says in found.stderr
    assert not (tmp_path / "r.html").exists()
