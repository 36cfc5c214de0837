"""The report: its data, its page, and what it does in a browser."""

import json
import re

import numpy as np
import pytest

import edgewise as ew
from command_line import run
from edgewise.diagnosis import overview
from edgewise.view import page, scene
from test_view import data_of, hostile_net, strictly, unpacked


def diagnosed(activation="sigmoid", widths=(8, 8, 8, 8, 8, 3), **settings):
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(64, widths[0])), rng.integers(0, widths[-1], 64)
    net = ew.mlp(list(widths), activation=activation, seed=0, **settings)
    return ew.diagnose(net, x, y, loss="cross_entropy")


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
    np.testing.assert_allclose(maps["share"], report.nodes["share"], rtol=1e-6)
    assert found["spread_db"] == report.spread
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
    assert found["distributions"].pop("levels") == [0, 1, 2]
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


def large(n_nodes, n_outputs, names=None):
    """A diagnosis of 100,000 arcs, of whose numbers few are 0 or the same."""
    rng = np.random.default_rng(0)
    net = ew.random_dag(n_nodes, 100_000, n_inputs=10, n_outputs=n_outputs, activation="tanh", seed=0)
    net.bias[:] = np.where(net.is_input, 0, rng.normal(size=n_nodes))
    net.response[:] = np.where(net.is_input, 1, rng.normal(size=n_nodes))
    x, y = rng.normal(size=(8, 10)), rng.normal(size=(8, n_outputs))
    return ew.diagnose(net.replace(names=names), x, y, loss="squared_error")


@pytest.mark.parametrize(
    ("n_nodes", "n_outputs"), [(500, 1), (10_000, 1), (40_000, 1), (40_000, 20_000), (99_000, 50_000)]
)
def test_a_report_of_100_000_arcs_is_at_most_5_mb(n_nodes, n_outputs, tmp_path):
    report = large(n_nodes, n_outputs, names=[f"unit{k}" for k in np.random.default_rng(1).permutation(n_nodes)])
    report.save(tmp_path / "report.html")
    assert (tmp_path / "report.html").stat().st_size <= 5_000_000
    shown = data_of((tmp_path / "report.html").read_text(encoding="utf-8"))["report"]
    assert shown["budget"] == report.budget.to_dict()


def test_a_map_of_many_nodes_holds_the_mean_of_each_cell():
    report = large(15_000, 7_000)
    net, depth = report.network, report.budget.depth
    found = overview.of_report(report)["report"]
    each, shown = found["maps_each"], unpacked(found["maps"]["total_db"])
    told = report.budget.of_nodes()["total_db"]
    assert each > 1
    means = []
    for level in range(depth.max() + 1):
        nodes = np.flatnonzero(depth == level)
        nodes = nodes[np.lexsort((nodes, scene.across(net)[nodes]))]
        means += [told[nodes[k : k + each]].mean() for k in range(0, len(nodes), each)]
    assert len(means) <= overview.MOST_CELLS
    np.testing.assert_allclose(shown, means, rtol=1e-5)


def test_of_very_many_levels_several_are_one():
    rng = np.random.default_rng(0)
    n = 2 * overview.MOST_LEVELS + 5
    net = ew.Network(np.arange(n - 1), np.arange(1, n), rng.choice([-1.1, 0.9], n - 1), activation="identity")
    found = overview.of_target(net, rng.normal(size=(4, 1)))["report"]
    rows = ew.gradient_budget(net, rng.normal(size=(4, 1))).rows
    assert found["levels_every"] == 3
    assert len(found["budget"]["rows"]) == -(-n // 3) <= overview.MOST_LEVELS
    assert unpacked(found["levels"]).tolist() == [(n - 1 - j) // 3 for j in range(n)]
    assert [row["n_nodes"] for row in found["budget"]["rows"]] == [3] * (n // 3) + [n % 3] * (n % 3 > 0)
    assert sum(row["weights_db"] for row in found["budget"]["rows"]) == pytest.approx(
        sum(row.weights_db for row in rows), rel=1e-9
    )
    shown = found["distributions"]["levels"]
    assert (shown[0], shown[-1], len(shown)) == (0, -(-n // 3) - 1, overview.DISTRIBUTIONS)
    assert unpacked(found["distributions"]["value"]["counts"]).shape[0] == overview.DISTRIBUTIONS


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


def test_a_run_whose_data_have_changed_asks_for_rows(tmp_path):
    rng = np.random.default_rng(0)
    rows = [f"{a},{b},{a + b}" for a, b in rng.normal(size=(60, 2))]
    table, folder = tmp_path / "t.csv", tmp_path / "run"
    table.write_text("\n".join(["a,</script>,t", *rows]))
    assert run("train", table, "--target", "t", "--epochs", 2, "--quiet", "--out", folder).exit_code == 0
    assert run("report", folder, "--out", tmp_path / "r.html").exit_code == 0
    shown = data_of((tmp_path / "r.html").read_text(encoding="utf-8"))["report"]
    assert dict(shown["facts"])["held-out R²"]
    assert shown["curves"]["metric_name"] == "R²"
    table.write_text("\n".join(["a,</script>,t", *rows[:40]]))
    found = run("report", folder, "--out", tmp_path / "r.html")
    assert found.exit_code == 2
    assert "no longer the table" in found.stderr
    assert run("report", folder, table, "--out", tmp_path / "r.html").exit_code == 0
    (folder / "settings.json").unlink()
    assert "say which rows to look at with DATA" in run("report", folder, "--out", tmp_path / "r.html").stderr
    (folder / "history.csv").write_text("epoch\nx\n")
    assert "no history of a run" in run("report", folder, table, "--out", tmp_path / "r.html").stderr


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
        (("{run}", "--out", "{tmp}/r.json"), "give it a name that ends in .html"),
        (("{net}", "--out", "{tmp}/report"), "give it a name that ends in .html"),
    ],
)
def test_a_wrong_question_gets_one_clear_error(trained, tmp_path, words, says):
    net = trained / "network.json"
    found = run("report", "--out", tmp_path / "r.html", *(w.format(run=trained, net=net, tmp=tmp_path) for w in words))
    assert found.exit_code == 2
    assert says in found.stderr
    assert list(tmp_path.iterdir()) == []


# ---- in a browser ----


@pytest.fixture
def opened(tab, tmp_path):
    def open_page(data):
        page.write(tmp_path / "report.html", data)
        return tab.open(tmp_path / "report.html")

    return open_page


def sections(shown):
    return shown.eval_on_selector_all(".ew-view > section:not([hidden])", "all => all.map(s => s.ariaLabel)")


def lit(shown):
    """The nodes that are chosen, as the bar says, and the levels that are lit in the waterfall."""
    words = shown.text_content(".ew-chosen [role=status]")
    levels = shown.eval_on_selector_all(
        ".ew-waterfall .ew-level", "all => all.flatMap((g, k) => g.classList.contains('ew-lit') ? [k] : [])"
    )
    return int(words.split()[0].replace(",", "")) if words else 0, levels


def pixels(shown, number):
    """What is painted in one of the maps."""
    return shown.evaluate(f"document.querySelectorAll('.ew-map')[{number}].toDataURL()")


def test_a_section_is_shown_for_each_part_that_is_there(opened):
    report = diagnosed()
    curves = {"epoch": [0, 1], "loss": [2.0, float("nan")], "metric": [0.1, 0.2], "metric_name": "accuracy"}
    shown = opened(overview.of_report(report, curves=curves | {"best_epoch": 0}))
    assert sections(shown) == [
        *("Summary", "Findings", "Learning curves", "Gradient budget", "Network"),
        *("Level by node", "Distributions"),
    ]
    shown = opened(overview.of_network(report.network))
    assert sections(shown) == ["Summary", "Network"]
    shown = opened(overview.of_target(report.network, report.batch.x, report.network.outputs[0]))
    assert sections(shown) == ["Summary", "Gradient budget", "Network", "Level by node", "Distributions"]


def test_a_findings_nodes_light_up_everywhere(opened):
    report = diagnosed()
    finding = report.findings[0]
    assert finding.code == "vanishing_gradient"
    shown = opened(overview.of_report(report))
    before = [pixels(shown, k) for k in range(5)]
    button = shown.locator(".ew-finding .ew-button").first
    button.click()
    assert button.get_attribute("aria-pressed") == "true"
    n = sum(report.budget.rows[level].n_nodes for level in finding.levels)
    assert lit(shown) == (n, list(finding.levels))
    assert all(pixels(shown, k) != before[k] for k in range(5))
    shown.click(".ew-chosen button")
    assert lit(shown) == (0, [])
    assert button.get_attribute("aria-pressed") == "false"
    assert [pixels(shown, k) for k in range(5)] == before


def test_levels_and_nodes_are_chosen_by_mouse_and_by_keyboard(opened):
    shown = opened(overview.of_report(diagnosed()))
    shown.locator(".ew-waterfall .ew-level").nth(2).focus()
    shown.keyboard.press("Enter")
    assert lit(shown) == (8, [2])
    shown.locator(".ew-budget .ew-link").nth(1).click()
    assert lit(shown) == (8, [1])
    shown.locator(".ew-distributions .ew-level").first.click()
    assert lit(shown) == (3, [0])
    grid = shown.locator(".ew-map").first
    grid.focus()
    assert "level 0" in shown.locator(".ew-heat .ew-readout").first.text_content()
    for key in ("ArrowDown", "ArrowDown", "ArrowRight", "Enter"):
        shown.keyboard.press(key)
    assert lit(shown) == (1, [2])
    shown.keyboard.press("Escape")
    assert lit(shown) == (0, [])
    grid.click(position={"x": 34 + 5, "y": 5})  # the first node of the target's own level
    assert lit(shown) == (1, [0])


def test_the_numbers_shown_are_the_reports(opened):
    report = diagnosed()
    shown = opened(overview.of_report(report))
    rows = shown.locator(".ew-budget tbody tr").all_inner_texts()
    for row, words in zip([*report.budget.rows, report.budget.total], rows, strict=True):
        told = [float(word.replace("−", "-").removesuffix(" dB")) for word in words.split("\t")[2:]]
        assert told == pytest.approx([row.weights_db, row.gates_db, row.interference_db, row.total_db], abs=0.0501)
    finding = report.findings[0]
    card = shown.locator(".ew-finding").first.inner_text()
    assert finding.says in card
    assert finding.remedy in card
    tried = [trial for trial in report.trials if trial.finding is finding]
    assert shown.locator(".ew-finding").first.locator(".ew-trials tbody tr").count() == len(tried) > 0
    assert shown.locator(".ew-map").count() == 6
    assert "Samples differ" in shown.inner_text(".ew-budget-section")
    map_label = shown.locator(".ew-map").nth(3).get_attribute("aria-label")
    assert "−" in map_label
    assert " dB" in map_label


def test_curves_are_read_epoch_by_epoch(opened):
    curves = {"epoch": [0, 1, 2], "loss": [2.0, 1.0, 0.25], "metric": [0.1, 0.2, 0.5]}
    shown = opened(overview.of_network(diagnosed().network, curves=curves | {"metric_name": "R²", "best_epoch": None}))
    chart = shown.locator(".ew-curves .ew-chart").first
    chart.focus()
    shown.keyboard.press("Home")
    shown.keyboard.press("ArrowRight")
    assert shown.locator(".ew-curves .ew-readout").first.text_content() == "epoch 1: training 1"
    chart.hover()
    assert shown.locator(".ew-curves .ew-readout").first.text_content().startswith("epoch ")


def test_a_report_of_infinite_numbers_is_drawn(opened):
    net = ew.mlp([3, 4, 4, 2], activation="relu", seed=0)
    net.weight[:] = 0
    rng = np.random.default_rng(0)
    report = ew.diagnose(net, rng.normal(size=(9, 3)), rng.normal(size=(9, 2)), loss="squared_error")
    shown = opened(overview.of_report(report))
    assert "−∞ dB" in shown.inner_text(".ew-budget")
    assert "NaN" not in shown.eval_on_selector_all("svg *", "all => all.map(e => e.outerHTML).join()")


def test_hostile_names_and_facts_are_inert(opened):
    net = hostile_net()
    hostile = "</script><img src=x onerror=alert(1)>\u202e" + "w" * 10_000
    shown = opened(overview.of_target(net, np.ones((2, net.n_inputs)), facts=[(hostile, hostile)]))
    assert shown.evaluate("document.images.length") == 0
    shown.locator(".ew-waterfall .ew-level").nth(1).click()
    assert lit(shown) == (net.n_inputs, [1])
    assert shown.evaluate("document.documentElement.scrollWidth") <= 1200


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_text_reads_on_its_ground(opened, scheme):
    report = diagnosed()
    shown = opened(overview.of_report(report))
    shown.emulate_media(color_scheme=scheme)
    shown.locator(".ew-finding .ew-button").first.click()
    contrasts = shown.evaluate(CONTRASTS)
    assert len(contrasts) > 50
    assert min(contrasts.values()) >= 4.5, min(contrasts, key=contrasts.get)


CONTRASTS = """() => {
  const light = (colour) => {
    const [r, g, b] = colour.match(/[\\d.]+/g).slice(0, 3).map((c) => c / 255)
      .map((c) => (c <= 0.04045 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4));
    return 0.2126 * r + 0.7152 * g + 0.0722 * b;
  };
  const ground = (element) => {
    for (let e = element; e; e = e.parentElement) {
      const colour = getComputedStyle(e).backgroundColor;
      if (!/, 0\\)$/.test(colour)) return colour;
    }
    return "rgb(255, 255, 255)";
  };
  const found = {};
  for (const element of document.querySelectorAll(".ew-view *")) {
    const own = [...element.childNodes].some((n) => n.nodeType === 3 && n.data.trim());
    if (!own || !element.getClientRects().length || element.matches("option, title, :disabled")) continue;
    const style = getComputedStyle(element);
    const ink = element instanceof SVGElement ? style.fill : style.color;
    const [a, b] = [light(ink), light(ground(element))].sort((p, q) => p - q);
    found[`${element.tagName} ${element.className.baseVal ?? element.className}: ${element.textContent.slice(0, 40)}`] =
      (b + 0.05) / (a + 0.05);
  }
  return found;
}"""


def test_on_paper_everything_is_light_and_nothing_is_cut(opened):
    shown = opened(overview.of_report(diagnosed()))
    shown.emulate_media(media="print", color_scheme="dark")
    assert shown.evaluate(
        "getComputedStyle(document.querySelector('.ew-view')).getPropertyValue('--paper').trim()"
    ) == ("#ffffff")
    assert shown.evaluate("getComputedStyle(document.querySelector('.ew-scroll')).overflowY") == "visible"
    assert not shown.locator(".ew-finding .ew-button").first.is_visible()
    assert shown.pdf().startswith(b"%PDF")


def test_the_network_is_printed_in_light_colours_whatever_the_screen_has(opened):
    shown = opened(overview.of_report(diagnosed()))
    pictures = []
    for scheme in ("light", "dark"):
        shown.emulate_media(media="screen", color_scheme=scheme)
        shown.reload()
        for media in ("screen", "print"):
            shown.emulate_media(media=media, color_scheme=scheme)
            shown.evaluate("new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)))")
            pictures.append(shown.evaluate("document.querySelector('.ew-canvas').toDataURL()"))
    assert pictures[0] != pictures[2]
    assert pictures[1] == pictures[3]


def test_behind_what_is_lost_for_good_no_bars_are_drawn(opened):
    rng = np.random.default_rng(0)
    net = ew.mlp([3, 4, 4, 4, 2], activation="relu", seed=0)
    net.bias[:] = -100  # every gate is closed
    report = ew.diagnose(net, rng.normal(size=(9, 3)), rng.normal(size=(9, 2)), loss="squared_error")
    lost = [row.total_db for row in report.budget.rows].index(-np.inf)
    assert 0 < lost < len(report.budget.rows) - 1
    shown = opened(overview.of_report(report))
    levels = shown.locator(".ew-waterfall .ew-level")
    drawn = [levels.nth(k).locator(".ew-bar").count() for k in range(levels.count())]
    assert drawn == [3] * (lost + 1) + [0] * (len(report.budget.rows) - lost - 1)


def test_sensitivities_that_are_infinite_are_no_reason_to_warn():
    net = ew.mlp([3, 4, 1], activation="exp", seed=0)
    net.weight[:] = 1e3
    data_of(page.html(overview.of_target(net, np.ones((2, 3)))))


def test_a_large_report_is_drawn_and_chosen_in(opened):
    report = large(40_000, 20_000)
    shown = opened(overview.of_report(report))
    assert shown.locator(".ew-matrix").is_visible()
    assert shown.locator(".ew-map").count() == 6
    assert len({pixels(shown, k) for k in range(6)}) == 6
    grid = shown.locator(".ew-map").first
    grid.focus()
    readout = shown.locator(".ew-heat .ew-readout").first
    assert "nodes, their mean" in readout.text_content()
    shown.keyboard.press("Enter")
    chosen, levels = lit(shown)
    assert levels == [0]
    assert chosen % overview.of_report(report)["report"]["maps_each"] == 0
    shown.locator(".ew-waterfall .ew-level").nth(1).click()
    assert lit(shown) == (report.budget.rows[1].n_nodes, [1])
    shown.locator(".ew-finding .ew-button:not(:disabled)").first.click()
    finding = next(finding for finding in report.findings if finding.nodes)
    assert lit(shown)[0] == len(finding.nodes)
    shown.click(".ew-chosen button")
    shown.focus(".ew-canvas")
    shown.keyboard.press("n")
    assert "S(0, J)" in shown.inner_text(".ew-panel")


def test_a_chain_of_thousands_of_levels_is_drawn(opened):
    n = 5 * overview.MOST_LEVELS
    net = ew.Network(np.arange(n - 1), np.arange(1, n), np.ones(n - 1), activation="identity")
    shown = opened(overview.of_target(net, np.ones((2, 1))))
    assert shown.locator(".ew-waterfall .ew-level").count() == overview.MOST_LEVELS
    assert shown.locator(".ew-matrix").bounding_box()["height"] < 1000
    assert "5 together" in shown.inner_text(".ew-matrices")
    shown.locator(".ew-budget .ew-link").nth(1).click()
    assert lit(shown) == (5, [1])
    assert shown.locator(".ew-budget .ew-link").nth(1).text_content() == "level 5–9"
    shown.click(".ew-matrix", position={"x": 40 + 285, "y": 20 + 285})  # half of the way
    assert lit(shown)[0] == 1
    level = int(re.search(r"level (\d+)", shown.inner_text(".ew-panel"))[1])
    assert level == pytest.approx(n / 2, abs=0.01 * n)


def test_a_long_network_of_many_levels_is_drawn(opened):
    rng = np.random.default_rng(0)
    net = ew.random_dag(1_500, 20_000, n_inputs=10, seed=0)
    report = ew.diagnose(net, rng.normal(size=(8, 10)), rng.normal(size=(8, net.n_outputs)), loss="squared_error")
    shown = opened(overview.of_report(report))
    assert shown.locator(".ew-waterfall .ew-level").count() == len(report.budget.rows)
    shown.locator(".ew-map").first.focus()
    shown.keyboard.press("ArrowDown")
    assert "level 1" in shown.locator(".ew-heat .ew-readout").first.text_content()
