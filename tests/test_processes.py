"""Training in several processes: the weights of one, a lost process told of, and a run that goes on."""

import contextlib
import itertools
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from typer.testing import CliRunner

import edgewise as ew
from edgewise import batches
from edgewise.batches import Target
from edgewise.cli import app
from oracles import assert_close

TORCHRUN = [sys.executable, "-m", "torch.distributed.run"]
SLOW = {"timeout": 240, "capture_output": True, "text": True}


def torchrun(*command, folder, restarts=0, size=2, machines=("--standalone",), **options):
    words = [*TORCHRUN, *machines, "--nproc-per-node", str(size), "--max-restarts", str(restarts), *command]
    return subprocess.Popen(
        words, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True, **options
    )


def finish(process, seconds=240):
    try:
        out, err = process.communicate(timeout=seconds)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
    return out, err


EDGEWISE = ["--no-python", sys.executable, "-m", "edgewise"]
RUN = ["train", "digits", "--dtype", "float64", "--hidden", "16", "--batch-size", "32", "--quiet"]


def alone(folder, *run):
    found = CliRunner().invoke(app, [*run, "--out", str(folder / "alone")])
    assert found.exit_code == 0, found.output
    return ew.load(folder / "alone" / "network.json")


# ---- shares ----


@pytest.mark.parametrize("n", [1, 5, 8, 9, 24, 31])
@pytest.mark.parametrize("size", [2, 3])
@pytest.mark.parametrize("how", ["held", "mapped", "streamed", "weighted"])
def test_shares_are_disjoint_and_make_up_every_step(n, size, how, tmp_path):
    net = ew.mlp([2, 1])
    x, y = np.arange(2.0 * n).reshape(n, 2), np.arange(float(n))[:, None]
    weight = np.linspace(1, 2, n) if how == "weighted" else None
    target = Target(net, ew.losses.get("squared_error"), None)
    if how == "mapped":
        np.save(tmp_path / "x.npy", x)
        x = np.load(tmp_path / "x.npy", mmap_mode="r")
    if how == "streamed":
        whole = batches.read(target, [(x[k : k + 5], y[k : k + 5]) for k in range(0, n, 5)], None, None)
    else:
        whole = batches.read(target, x, y, weight)
    step = 4 * size
    shares = [list(batches.share(whole, rank, size).chunks(1, 4, 7)) for rank in range(size)]
    assert len({sum(len(chunk.order) for chunk in share) for share in shares}) == 1
    assert how == "streamed" or sum(len(c.order) for c in shares[0]) == batches.share(whole, 0, size).n_samples

    def taken(share):
        """The y of each step, without what fills it."""
        for chunk in share:
            order = chunk.order
            for first in range(0, len(order), 4):
                rows = order[first : min(first + 4, len(order) - chunk.padding)]
                yield chunk.y[rows, 0].tolist()
            if chunk.padding:
                assert not chunk.weight[order[-chunk.padding :]].any()

    together = [sorted(itertools.chain(*parts)) for parts in zip(*map(taken, shares), strict=True)]
    expected = [
        sorted(chunk.y[chunk.order[first : first + step], 0].tolist())
        for chunk in whole.chunks(1, step, 7)
        for first in range(0, len(chunk.order), step)
    ]
    assert together == expected
    for rank in range(size):  # what all have together is in each process's hands, as one alone has it
        alone = [
            chunk.rows(slice(first, min(first + step, len(chunk.order))))
            for chunk in whole.chunks(1, step, 7)
            for first in range(0, len(chunk.order), step)
        ]
        found = [
            chunk.together(slice(first, min(first + 4, len(chunk.order))))
            for chunk in shares[rank]
            for first in range(0, len(chunk.order), 4)
        ]
        for of_all, rows in zip(found, alone, strict=True):
            for here, there in zip(of_all.rows(slice(len(of_all.order))), rows, strict=True):
                assert np.array_equal(here, there)


# ---- edgewise train --distributed ----


DIABETES = ["train", "diabetes", *RUN[2:], "--epochs", "3"]
TABLE = ["train", "table.csv", "--target", "c", "--stream", *RUN[2:], "--epochs", "3"]
RUNS = {
    "plain": [*RUN, "--epochs", "3", "--schedule", "cosine"],
    "all that holds back": [
        *(*RUN, "--epochs", "2", "--dropout", "0.2", "--accumulate", "2", "--clip-norm", "0.5", "--average", "0.9"),
    ],
    "other arcs, watched": [*RUN, "--epochs", "4", "--density", "0.5", "--sparse", "rigl", "--watch"],
    "numbers": DIABETES,
    "numbers from a stream": TABLE,
}
# one after the other, each time joined anew
SEVERAL_RUNS = """
import json, os, sys
from typer.testing import CliRunner
from edgewise.cli import app
for port, words in json.loads(sys.argv[1]):
    os.environ["MASTER_PORT"] = str(port)
    found = CliRunner().invoke(app, words)
    print(json.dumps([found.exit_code, found.stdout, found.stderr]))
"""


def write_table(folder):
    rows = [f"{a},{b},{a * b}" for a, b in np.random.default_rng(0).normal(size=(300, 2)).round(6)]
    (folder / "table.csv").write_text("\n".join(["a,b,c", *rows]))


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """For each of RUNS a folder where two processes have run it, into "both", and what each of them said."""
    folder = tmp_path_factory.mktemp("runs")
    write_table(folder)
    work = [
        (port, [*words, "--out", str(folder / name / "both"), "--distributed"])
        for port, (name, words) in zip(free_ports(len(RUNS)), RUNS.items(), strict=True)
    ]
    both = started([folder] * 2, "-c", SEVERAL_RUNS, json.dumps(work))
    said = []
    for process in both:
        out, err = finish(process)
        assert process.returncode == 0, err
        said.append([json.loads(line) for line in out.splitlines()])
    return {name: (folder / name, parts) for name, *parts in zip(RUNS, *said, strict=True)}


@pytest.mark.parametrize("name", RUNS)
def test_two_processes_have_the_weights_of_one(runs, name, monkeypatch):
    folder, ((code, out, err), other) = runs[name]
    assert (code, other[0]) == (0, 0), err + other[2]
    assert out.count("held-out") == 1  # the first process alone speaks
    assert "held-out" not in other[1]
    monkeypatch.chdir(folder.parent)
    expected, found = alone(folder, *RUNS[name]), ew.load(folder / "both" / "network.json")
    assert np.array_equal(found.tail, expected.tail)
    assert np.array_equal(found.head, expected.head)
    assert_close(found.weight, expected.weight, 1e-9)
    assert_close(found.bias, expected.bias, 1e-9)
    assert_histories_close(folder)
    if "--watch" in RUNS[name]:
        one, two = (json.loads((folder / who / "watch.json").read_text()) for who in ("alone", "both"))
        assert len(two["moments"]) == len(one["moments"]) > 1
        for here, there in zip(two["moments"], one["moments"], strict=True):
            assert (here["step"], here["dead"]) == (there["step"], there["dead"])
            assert_close([*here["levels"][-1].values()], [*there["levels"][-1].values()], 1e-6)
    if "--stream" in RUNS[name]:
        assert json.loads((folder / "both" / "metrics.json").read_text())["settings"]["stream"]


def assert_histories_close(folder):
    histories = [np.genfromtxt(folder / who / "history.csv", delimiter=",", names=True) for who in ("alone", "both")]
    for column in ("loss", "metric", "validation_loss", "validation_metric"):
        assert_close(histories[1][column], histories[0][column], 1e-9)


@pytest.mark.parametrize(("suffix", "size"), [(".csv", 2), (".parquet", 3)])
def test_a_streamed_file(tmp_path, suffix, size, monkeypatch):
    """What is reported of it too, and a process that is killed."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=(20_000, 3)).round(6)
    table = pl.DataFrame(
        {"a": x[:, 0], "b": x[:, 1], "word": np.where(x[:, 2] > 0, "yes", "no"), "c": x[:, 0] * x[:, 1]}
    )
    if suffix == ".csv":
        table.write_csv(tmp_path / "table.csv")
    else:
        table.write_parquet(tmp_path / "table.parquet", row_group_size=700)
    run = ["train", f"table{suffix}", "--target", "c", "--stream", "--dtype", "float64", "--hidden", "8"]
    run += ["--batch-size", "48", "--epochs", "4"]
    monkeypatch.chdir(tmp_path)
    one = alone(tmp_path, *run, "--quiet")
    more = ["--checkpoint-every", "100", "--json-lines", "--out", "both", "--distributed"]
    process = torchrun(*EDGEWISE, *run, *more, folder=tmp_path, restarts=1, size=size)
    try:
        wait_for((tmp_path / "both" / "checkpoint.safetensors.previous").exists)
        os.kill(workers(process.pid)[1], signal.SIGKILL)
    finally:
        out, err = finish(process)
    assert process.returncode == 0, err
    epochs = [json.loads(line)["epoch"] for line in out.splitlines() if '"open_gates"' in line]
    assert epochs == [0, 1, 2, 3]
    assert_histories_close(tmp_path)
    assert_close(ew.load(tmp_path / "both" / "network.json").weight, one.weight, 1e-9)
    assert (tmp_path / "alone" / "preprocessing.json").read_bytes() == (
        tmp_path / "both" / "preprocessing.json"
    ).read_bytes()
    one, more = (json.loads((tmp_path / name / "metrics.json").read_text()) for name in ("alone", "both"))
    for here, there in zip(*([run["held_out"], run["baseline"], *run["levels"]] for run in (more, one)), strict=True):
        assert here.keys() == there.keys()
        for what, value in there.items():
            assert here[what] == (pytest.approx(value, rel=1e-6) if isinstance(value, float) else value), what


def test_every_process_must_find_what_is_streamed(tmp_path):
    write_table(tmp_path)
    (tmp_path / "elsewhere").mkdir()
    out = ["--out", str(tmp_path / "run"), "--distributed"]
    both = started([tmp_path, tmp_path / "elsewhere"], "-m", "edgewise", *TABLE, *out)
    errors = [process.communicate(timeout=120)[1] for process in both]
    assert [process.returncode for process in both] == [2, 2]
    assert "another process could not read the data; its own message says why" in errors[0]
    assert "table.csv" in errors[1]


@pytest.mark.parametrize("change", [lambda text: text + "1,2,3\n", lambda text: text.replace("a,b,c", "a,d,c", 1)])
def test_processes_that_stream_different_files_are_told(tmp_path, change):
    write_table(tmp_path)
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere" / "table.csv").write_text(change((tmp_path / "table.csv").read_text() + "\n"))
    (tmp_path / "table.csv").write_text((tmp_path / "table.csv").read_text() + "\n")
    out = ["--out", str(tmp_path / "run"), "--distributed"]
    both = started([tmp_path, tmp_path / "elsewhere"], "-m", "edgewise", *TABLE, *out)
    errors = [process.communicate(timeout=120)[1] for process in both]
    assert [process.returncode for process in both] == [2, 2]
    for error in errors:
        assert "where the first process runs, and " in error
        assert "give all the same file" in error
    assert not (tmp_path / "run").exists()


def workers(parent):
    """By rank, the processes that torchrun has started, as /proc tells."""
    found = {}
    for folder in Path("/proc").iterdir():
        try:
            if int((folder / "stat").read_text().rsplit(")", 1)[1].split()[1]) != parent:
                continue
            environment = (folder / "environ").read_bytes().split(b"\0")
        except (OSError, ValueError, IndexError):
            continue
        for entry in environment:
            if entry.startswith(b"RANK="):
                found[int(entry[5:])] = int(folder.name)
    return found


def wait_for(condition, seconds=120):
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until, "it did not come to that"
        time.sleep(0.02)


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="needs Linux to find the processes")
def test_a_killed_process_is_started_again_and_the_run_goes_on(tmp_path):
    run = [word for word in RUN if word != "--quiet"] + ["--epochs", "40", "--patience", "40", "--json-lines"]
    expected = alone(tmp_path, *run)
    more = ["--checkpoint-every", "50", "--out", "both", "--distributed"]
    process = torchrun(*EDGEWISE, *run, *more, folder=tmp_path, restarts=1)
    try:
        wait_for((tmp_path / "both" / "checkpoint.safetensors.previous").exists)
        os.kill(workers(process.pid)[1], signal.SIGKILL)
    finally:
        out, err = finish(process)
    assert process.returncode == 0, err
    assert "Signal 9" in err or "SIGKILL" in err or "exitcode: -9" in err, err
    epochs = [json.loads(line)["epoch"] for line in out.splitlines() if '"open_gates"' in line]
    assert epochs.count(0) == 1  # it did not begin anew
    assert epochs[-1] == 39
    found = ew.load(tmp_path / "both" / "network.json")
    assert_close(found.weight, expected.weight, 1e-6)


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="needs Linux to find the processes")
def test_where_one_of_two_machines_loses_a_process_both_go_on(tmp_path):
    """Whose torchruns count their restarts each by itself: the other one has none."""
    run = [*RUN, "--epochs", "30", "--patience", "30"]
    expected = alone(tmp_path, *run)
    more = ["--checkpoint-every", "50", "--out", "both", "--distributed"]
    there = ["--nnodes", "2", "--rdzv-backend", "c10d", "--rdzv-endpoint", f"127.0.0.1:{free_ports(1)[0]}"]
    there += ["--rdzv-id", "1", "--local-addr", "127.0.0.1"]
    both = [
        torchrun(
            *EDGEWISE,
            *run,
            *more,
            folder=tmp_path,
            restarts=2,
            size=1,
            machines=[*there, "--rdzv-conf", f"is_host={n}"],
        )
        for n in (1, 0)
    ]
    try:
        wait_for((tmp_path / "both" / "checkpoint.safetensors.previous").exists)
        [[(rank, worker)]] = [list(workers(process.pid).items()) for process in both[1:]]
        os.kill(worker, signal.SIGKILL)
    finally:
        errors = [finish(process)[1] for process in both]
    assert [process.returncode for process in both] == [0, 0], errors
    assert "exitcode: -9" in errors[1]
    assert rank in (0, 1)
    assert_close(ew.load(tmp_path / "both" / "network.json").weight, expected.weight, 1e-9)


JOINED = """
import sys, time
import numpy as np
from edgewise import processes
with processes.join(seconds=5) as together:
    print("joined", flush=True)
    for k in range(10_000):
        together.add_up(np.ones(1000))
        time.sleep(0.01)
"""


def free_ports(count):
    with contextlib.ExitStack() as all_at_once:
        free = [all_at_once.enter_context(socket.socket()) for _ in range(count)]
        for one in free:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in free]


def started(folders, *command):
    """One process in each folder, as torchrun would start them."""
    (port,), size = free_ports(1), str(len(folders))
    where = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    shared = {**os.environ, **where, "WORLD_SIZE": size, "LOCAL_WORLD_SIZE": size, "OMP_NUM_THREADS": "1"}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True, "start_new_session": True}
    return [
        subprocess.Popen([sys.executable, *command], env=shared | {"RANK": str(rank)}, cwd=folder, **pipes)
        for rank, folder in enumerate(folders)
    ]


@pytest.mark.parametrize("there", [True, False])
def test_only_the_first_process_reads_the_table(tmp_path, there):
    here, elsewhere = tmp_path / "here", tmp_path / "elsewhere"
    here.mkdir()
    elsewhere.mkdir()
    if there:
        rng = np.random.default_rng(0)
        rows = [f"{a:.6f},{b:.6f},{a * b:.6f}" for a, b in rng.normal(size=(200, 2))]
        (here / "table.csv").write_text("\n".join(["a,b,c", *rows]))
    out = str(tmp_path / "run")
    train = ["-m", "edgewise", "train", "table.csv", "--target", "c", "--epochs", "2", "--batch-size", "10", "--quiet"]
    both = started([here, elsewhere], *train, "--out", out, "--distributed")
    errors = [process.communicate(timeout=120)[1] for process in both]
    if there:
        assert [process.returncode for process in both] == [0, 0], errors
        assert json.loads((tmp_path / "run" / "metrics.json").read_text())["data"]["rows"]["training"] == 144
    else:
        assert [process.returncode for process in both] == [2, 2]
        assert "table.csv" in errors[0]
        assert "the first process could not prepare the data; its own message says why" in errors[1]
    assert not (tmp_path / "run" / "shared").exists()


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGSTOP], ids=["killed", "hung"])
def test_the_others_say_so_within_a_bounded_time(tmp_path, how):
    both = started([tmp_path] * 2, "-c", JOINED)
    try:
        for process in both:
            assert process.stdout.readline() == "joined\n"
        began = time.monotonic()
        both[1].send_signal(how)
        _, err = both[0].communicate(timeout=60)
        assert time.monotonic() - began < 20
        assert both[0].returncode == 1
        assert "EdgewiseError: process 0 of 2 lost another one, or waited for it too long" in err
    finally:
        for process in both:
            process.kill()
            process.communicate()


def test_what_cannot_be_shared_is_said(tmp_path):
    process = torchrun(*EDGEWISE, *RUN, "--batch-size", "33", "--distributed", folder=tmp_path)
    _, err = finish(process)
    assert process.returncode != 0
    assert "edgewise: error: 2 processes cannot share minibatches of 33 samples evenly" in err


def test_without_torchrun_it_says_how(tmp_path):
    command = [sys.executable, "-m", "edgewise", *RUN, "--distributed"]
    found = subprocess.run(command, cwd=tmp_path, **SLOW)
    assert found.returncode == 2
    assert "RANK, WORLD_SIZE, MASTER_ADDR, MASTER_PORT are not set: start the processes with torchrun" in found.stderr


# ---- fit in two processes beside fit in one ----

FITS = Path(__file__).with_name("fits.py")
ERRORS = {
    "other callbacks": "callbacks, epochs or patience differ between the 2 processes",
    "other checkpoints": "checkpoints differ between the 2 processes",
    "other rows": "the samples of an epoch differ between the 2 processes",
    "fewer rows": "the samples of an epoch differ between the 2 processes",
    "other labels": "data, network or settings differ between the 2 processes",
    "other settings": "data, network or settings differ between the 2 processes",
    "other parameters": "parameters differ between the 2 processes",
}


@pytest.fixture(scope="module")
def fits(tmp_path_factory):
    folder = tmp_path_factory.mktemp("fits")
    alone = subprocess.run([sys.executable, FITS], cwd=folder, **SLOW)
    assert alone.returncode == 0, alone.stderr
    process = torchrun(str(FITS), folder=folder)
    _, err = finish(process)
    assert process.returncode == 0, err

    def read(name, who):
        if who is None:
            return folder
        with np.load(folder / f"{name}.{who}.npz") as found:
            return dict(found)

    return read


@pytest.mark.parametrize(
    "name",
    [
        *("seen", "stopped", "state", "streamed", "streamed rigl", "rigl", "rigl all", "set", "pruning"),
        *("resumed", "resumed numbers", "small"),
        *("file.csv", "file.parquet", "file read by each", "file resumed.csv", "file resumed.parquet"),
    ],
)
def test_two_processes_fit_as_one(fits, name):
    """The same samples seen, the same arcs, the same history, the same weights up to the order of additions."""
    expected, *both = (fits(name, who) for who in ("alone", 0, 1))
    for found in both:
        assert found.keys() == expected.keys()
        for what, array in expected.items():
            if array.dtype.kind in "ib":
                assert np.array_equal(found[what], array), what
            else:
                assert_close(found[what], array, 1e-8)
    for what in expected:
        assert both[0][what].tobytes() == both[1][what].tobytes(), what


FILES = ("file.csv", "file.parquet", "file resumed.csv")


@pytest.fixture(scope="module")
def three(fits, tmp_path_factory):
    folder = tmp_path_factory.mktemp("three")
    _, err = finish(process := torchrun(str(FITS), *FILES, folder=folder, size=3))
    assert process.returncode == 0, err
    return folder


@pytest.mark.parametrize("name", FILES)
def test_three_processes_fit_from_a_file_as_one(fits, three, name):
    expected = fits(name, "alone")
    for rank in range(3):
        with np.load(three / f"{name}.{rank}.npz") as found:
            assert set(found) == set(expected)
            for what, array in expected.items():
                assert_close(found[what], array, 1e-8)


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
@pytest.mark.parametrize("size", [2, 3])
def test_each_process_reads_its_share_of_a_file(fits, three, suffix, size):
    folder = three if size == 3 else fits("", None)
    read = [json.loads((folder / f"reads{suffix}.{rank}.json").read_text()) for rank in range(size)]
    [alone, n_bytes, n_groups, n_lanes] = json.loads((fits("", None) / f"reads{suffix}.alone.json").read_text())
    assert n_lanes == 6
    assert n_groups > 20
    assert (n_bytes > 0) == (suffix == ".csv")
    assert sum(each[1] for each in read) == n_bytes
    assert max(each[1] for each in read) <= n_bytes * (1 / size + 2 / n_groups)
    passes = [*zip(*(each[0] for each in read), strict=True)]
    assert len(passes) == len(alone) == 1 + 3 + 3  # learning, three epochs, and what is measured after each
    for number, groups in enumerate(passes):
        assert sorted(set().union(*groups)) == [*range(n_groups)]
        trained_on = number % 2 == 1
        assert sum(map(len, groups)) <= n_groups + (n_lanes - 1 if trained_on else 0)
        assert max(map(len, groups)) <= n_groups / size + (n_lanes / size + 1 if trained_on else 1)


@pytest.mark.parametrize("name", ["opened", "opened odd"])
def test_a_csv_file_is_found_by_two_to_be_what_it_is(fits, name):
    alone, *both = (fits(name, who)["found"].tobytes() for who in ("alone", 0, 1))
    assert both == [alone, alone]
    assert (b"value='so', row=1502, kind='number'" in alone) == (name == "opened odd")


def test_a_bad_row_of_a_csv_file_that_two_open_is_named(fits):
    alone, first, second = (fits("opened bad", who)["found"].tobytes().decode() for who in ("alone", 0, 1))
    assert alone == first == "row 1502 has 7 values, and the header 6"
    assert "another process" in second


@pytest.mark.parametrize("name", ["resumed", "resumed numbers", "interrupted", "timed"])
def test_broken_off_in_the_middle_of_an_epoch(fits, name):
    """That the history is the same to the last bit has been asserted there."""
    for who in (0, 1):
        steps, _, within = fits(name, who)["at"]
        assert steps > 0
        assert within
        assert {"resumed": 15, "resumed numbers": 15, "interrupted": 18, "timed": 17}[name] == steps


@pytest.mark.parametrize("name", ERRORS)
def test_processes_that_are_not_alike_are_stopped(fits, name):
    for who in (0, 1):
        assert ERRORS[name] in str(fits(name, who)["error"])


# ---- GraphModule under DistributedDataParallel ----

PARALLEL = Path(__file__).with_name("parallel.py")


def test_graph_module_under_ddp(tmp_path):
    import parallel

    expected = parallel.trained(0, 1, lambda model: model)
    process = torchrun(str(PARALLEL), folder=tmp_path)
    _, err = finish(process)
    assert process.returncode == 0, err
    assert_close(np.load(tmp_path / "weight.npy"), expected, 1e-9)
