"""The command line: train, predict, backprop, verify, info, convert.

Results go to stdout, with --json as one JSON document and nothing else. An error is one line on stderr and exit code
2; `verify` exits with 1 when the computations disagree.
"""

import json
import math
import os
import sys
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from contextlib import nullcontext
from dataclasses import asdict, replace
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any, TextIO

import numpy as np
import typer
from typer.core import TyperGroup

from edgewise import data, formats, losses, paths, processes
from edgewise.arrays import FloatArray
from edgewise.errors import DataError, EdgewiseError, FormatError
from edgewise.history import EpochRecord
from edgewise.network import Network
from edgewise.results import BackwardPass
from edgewise.view import machine, text
from edgewise.view.tensorboard import Scalars
from edgewise.view.text import Cell, TextTable

ROWS_SHOWN, SAMPLES_SHOWN, PAIRS_SHOWN = 40, 3, 100
OUT_FOLDER = "edgewise-run"


class _Commands(TyperGroup):
    """Tells of a user's mistake in one line."""

    def main(self, *args: Any, **settings: Any) -> Any:
        for stream in (sys.stdout, sys.stderr):
            if hasattr(stream, "reconfigure"):  # a terminal without Greek letters still gets its numbers
                stream.reconfigure(errors="backslashreplace")
        settings["standalone_mode"] = False
        warnings.showwarning = _warn
        try:
            code = super().main(*args, **settings)
        except EdgewiseError as error:
            message = str(error)
        except (typer.Abort, KeyboardInterrupt):
            print("edgewise: stopped", file=sys.stderr)
            sys.exit(130)
        except BrokenPipeError:  # whoever reads stdout has seen enough
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            sys.exit(1)
        except Exception as error:
            if not hasattr(error, "format_message"):  # what the option parser raises has it; all else is a bug
                raise
            message = error.format_message().rstrip(".") + "; see --help"
        else:
            sys.exit(code if isinstance(code, int) else 0)
        print(f"edgewise: error: {text.printable(' '.join(message.split()))}", file=sys.stderr)
        sys.exit(2)


def _warn(
    message: Warning | str,
    category: type[Warning],
    filename: str,
    lineno: int,
    file: TextIO | None = None,
    line: str | None = None,
) -> None:
    print(f"edgewise: warning: {text.printable(' '.join(str(message).split()))}", file=sys.stderr)


app = typer.Typer(
    cls=_Commands,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",
    context_settings={"help_option_names": ["-h", "--help"]},
)

Json = Annotated[bool, typer.Option("--json", help="Print one JSON document and nothing else.")]
NetworkFile = Annotated[
    Path, typer.Argument(metavar="NETWORK", help="A network: .json, .safetensors, .graphml, .csv, .parquet or .onnx.")
]


def _show_version(wanted: bool) -> None:
    if wanted:
        print(f"edgewise {version('edgewise')}")
        raise typer.Exit


@app.callback(invoke_without_command=True, epilog="Example: `edgewise train digits`")
def _edgewise(
    context: typer.Context,
    version: Annotated[
        bool, typer.Option("--version", callback=_show_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """Backpropagation on any feed-forward graph, with every quantity of the theory in the open."""
    if context.invoked_subcommand is None:
        print(context.get_help())


# ---- train ----

DATA_PANEL, STEPS_PANEL, RESTRAINT_PANEL, RUN_PANEL = "What to train", "Steps", "Holding back", "The run"


@app.command(epilog="Example: `edgewise train flowers.csv --target species --hidden 16,8 --activation tanh`")
def train(
    context: typer.Context,
    source: Annotated[
        str | None, typer.Argument(metavar="DATA", help=f"{', '.join(data.BUNDLED)}, or a CSV or Parquet file.")
    ] = None,
    target: Annotated[
        str | None, typer.Option(help="Column to predict; needed for a file.", rich_help_panel=DATA_PANEL)
    ] = None,
    task: Annotated[
        str | None,
        typer.Option(
            help="classification or regression; decided from the target if left out.", rich_help_panel=DATA_PANEL
        ),
    ] = None,
    impute: Annotated[
        bool,
        typer.Option(
            "--impute",
            help="Fill missing values in with the mean or the most frequent word.",
            rich_help_panel=DATA_PANEL,
        ),
    ] = False,
    test_share: Annotated[
        float, typer.Option(help="Share of the rows held out for the final test.", rich_help_panel=DATA_PANEL)
    ] = 0.2,
    stream: Annotated[
        bool,
        typer.Option(
            "--stream",
            help="Read a CSV or Parquet file piece by piece, as is done anyway where it is large.",
            rich_help_panel=DATA_PANEL,
        ),
    ] = False,
    network: Annotated[
        Path | None, typer.Option(help="Train this network instead of a layerwise one.", rich_help_panel=DATA_PANEL)
    ] = None,
    hidden: Annotated[
        str | None,
        typer.Option(
            help="Widths of the hidden layers, 64,32 if left out; none for no hidden layer.", rich_help_panel=DATA_PANEL
        ),
    ] = None,
    activation: Annotated[
        str | None, typer.Option(help="Of the hidden layers; relu if left out.", rich_help_panel=DATA_PANEL)
    ] = None,
    density: Annotated[
        float,
        typer.Option(
            help="Share of the arcs between layers that there are, or with gradual are left.",
            rich_help_panel=DATA_PANEL,
        ),
    ] = 1.0,
    dtype: Annotated[str, typer.Option(help="float32 or float64.", rich_help_panel=DATA_PANEL)] = "float32",
    loss: Annotated[
        str | None,
        typer.Option(
            help="cross_entropy for classes, squared_error for numbers, if left out.", rich_help_panel=STEPS_PANEL
        ),
    ] = None,
    epochs: Annotated[
        int, typer.Option(min=1, help="Most passes over the training part.", rich_help_panel=STEPS_PANEL)
    ] = 60,
    batch_size: Annotated[int, typer.Option(min=1, help="Samples per step.", rich_help_panel=STEPS_PANEL)] = 32,
    accumulate: Annotated[
        int, typer.Option(min=1, help="Minibatches that make one step.", rich_help_panel=STEPS_PANEL)
    ] = 1,
    optimizer: Annotated[str, typer.Option(help="sgd, adam or adamw.", rich_help_panel=STEPS_PANEL)] = "adamw",
    learning_rate: Annotated[
        float, typer.Option(help="Step size of the optimizer.", rich_help_panel=STEPS_PANEL)
    ] = 2e-3,
    schedule: Annotated[
        str,
        typer.Option(
            help="How the step size changes: constant, step, cosine (with a warm-up) or plateau.",
            rich_help_panel=STEPS_PANEL,
        ),
    ] = "constant",
    clip_norm: Annotated[
        float | None, typer.Option(help="Longest gradient; a longer one is cut to this.", rich_help_panel=STEPS_PANEL)
    ] = None,
    sparse: Annotated[
        str,
        typer.Option(
            help="How the arcs change while training: none, rigl, set, or gradual (pruning).",
            rich_help_panel=STEPS_PANEL,
        ),
    ] = "none",
    patience: Annotated[
        int,
        typer.Option(min=1, help="Epochs without progress in validation before stopping.", rich_help_panel=STEPS_PANEL),
    ] = 15,
    seed: Annotated[
        int,
        typer.Option(min=0, help="Decides the split, the first weights and the order.", rich_help_panel=STEPS_PANEL),
    ] = 0,
    weight_decay: Annotated[
        float | None,
        typer.Option(
            help="Pull of the weights to 0; 0.3 for adamw, 0 for the others, if left out.",
            rich_help_panel=RESTRAINT_PANEL,
        ),
    ] = None,
    l1: Annotated[
        float,
        typer.Option(
            "--l1", help="Pull of each weight to 0, of the same strength for all.", rich_help_panel=RESTRAINT_PANEL
        ),
    ] = 0.0,
    dropout: Annotated[
        float,
        typer.Option(
            help="Probability with which a hidden node is left out of a sample.", rich_help_panel=RESTRAINT_PANEL
        ),
    ] = 0.0,
    label_smoothing: Annotated[
        float,
        typer.Option(help="Share of each label that is spread over all classes.", rich_help_panel=RESTRAINT_PANEL),
    ] = 0.0,
    average: Annotated[
        float | None,
        typer.Option(
            help="Keep a moving average of the parameters, such as 0.999, and use it.", rich_help_panel=RESTRAINT_PANEL
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            help=f"Folder for the results; {OUT_FOLDER}/ and the name of the data if left out.",
            rich_help_panel=RUN_PANEL,
        ),
    ] = None,
    resume: Annotated[
        Path | None,
        typer.Option(
            metavar="RUN", help="Go on with the run in this folder; its settings are used.", rich_help_panel=RUN_PANEL
        ),
    ] = None,
    checkpoint_every: Annotated[
        int | None,
        typer.Option(
            min=1, help="Steps between two saved states; every five minutes if left out.", rich_help_panel=RUN_PANEL
        ),
    ] = None,
    tensorboard: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER", help="Write scalars for TensorBoard into this folder.", rich_help_panel=RUN_PANEL
        ),
    ] = None,
    distributed: Annotated[
        bool,
        typer.Option(
            "--distributed",
            help="Train together with the other processes that torchrun has started.",
            rich_help_panel=RUN_PANEL,
        ),
    ] = False,
    json_lines: Annotated[
        bool,
        typer.Option(
            "--json-lines",
            help="Print a line of JSON after every epoch, and the report as the last.",
            rich_help_panel=RUN_PANEL,
        ),
    ] = False,
    quiet: Annotated[
        bool, typer.Option("--quiet", help="Print the held-out score only, and no progress.", rich_help_panel=RUN_PANEL)
    ] = False,
    as_json: Json = False,
) -> None:
    """Train a network on a table and report how it does on rows it has not seen.

    Numeric columns are standardised, columns of words become one input per word, as learnt from the training part
    alone. Writes network.json, preprocessing.json, history.csv, metrics.json and learning-curves.png, and while it
    trains settings.json and checkpoint.safetensors: if it is stopped, by whatever, `edgewise train --resume RUN` goes
    on and ends with the same bits.
    """
    from edgewise import training_report

    if resume is not None:
        _check_resumed(context)
        folder, settings = resume, training_report.read_settings(resume)
        if _given(context, "epochs"):
            settings = replace(settings, epochs=epochs)
    elif source is None:
        raise DataError("Missing argument 'DATA': what to train on, or --resume RUN; see --help")
    else:
        folder = Path(OUT_FOLDER, Path(source).stem) if out is None else out
        settings = training_report.Settings(
            data=source,
            target=target,
            task=_task(task),
            hidden=None if hidden is None else _widths(hidden),
            network=None if network is None else str(network),
            activation=activation,
            loss=loss,
            epochs=epochs,
            batch_size=batch_size,
            optimizer=optimizer,
            learning_rate=learning_rate,
            schedule=schedule,
            weight_decay=weight_decay,
            patience=patience,
            seed=seed,
            dtype=dtype,
            impute=impute,
            accumulate=accumulate,
            clip_norm=clip_norm,
            l1=l1,
            dropout=dropout,
            label_smoothing=label_smoothing,
            average=average,
            density=density,
            sparse=sparse,
            test_share=test_share,
            stream=stream,
        )
    on_epoch: list[Callable[[EpochRecord], Any]] = []
    if json_lines:
        on_epoch.append(lambda record: print(machine.as_json(record.to_dict(), indent=None), flush=True))
    try:
        with processes.join() if distributed else nullcontext() as together:
            speaks = together is None or together.is_first
            goes_on = resume is not None or (distributed and processes.restarted())
            with Scalars(tensorboard) if speaks and tensorboard is not None else nullcontext() as scalars:
                report = training_report.train(
                    settings,
                    folder=folder,
                    checkpoint_every=checkpoint_every,
                    resume=goes_on and training_report.has_begun(folder),
                    on_epoch=(on_epoch if scalars is None else [*on_epoch, scalars]) if speaks else [],
                    progress=speaks and not (quiet or as_json or json_lines),
                    processes=together,
                )
        if not speaks:
            return
    except KeyboardInterrupt:
        print(f"edgewise: stopped; to go on: edgewise train --resume {text.printable(str(folder))}", file=sys.stderr)
        raise typer.Exit(130) from None
    written = training_report.write(report, folder)
    if as_json or json_lines:
        found = report.metrics | {"files": {what: str(path) for what, path in written.items()}}
        print(machine.as_json(found, indent=None if json_lines else 2))
        return
    console = text.console(sys.stdout)
    name = report.score_name
    result = f"held-out {name} {report.score:.4f}"
    if quiet:
        console.print(result)
        return
    rows, sizes = report.metrics["data"]["rows"], report.metrics["network"]
    kept = report.metrics["training"]
    console.print(f"{rows['training']} rows to train, {rows['validation']} to validate, {rows['held_out']} held out")
    console.print(
        f"{sizes['nodes']} nodes, {sizes['edges']} edges; {kept['epochs']} epochs, "
        + ("kept the last" if kept["best_epoch"] is None else f"kept epoch {kept['best_epoch']}")
    )
    always = text.printable(report.baseline_predicts)
    console.print(f"{result}   (baseline, always {always}: {report.baseline:.4f})\n")
    text.show(
        console,
        TextTable(
            "Levels after training, over held-out samples (S: sensitivity of the loss)",
            ("level", "nodes", "activation", "mean gate", "closed gates", "rms S(j)", "rms S(j⁻)"),
            [
                (
                    level.level,
                    level.nodes,
                    level.activation,
                    level.mean_gate,
                    None if level.closed_gates is None else f"{level.closed_gates:.1%}",
                    level.sensitivity,
                    level.linear_sensitivity,
                )
                for level in report.levels
            ],
        ),
    )
    console.print(f"wrote {', '.join(path.name for path in written.values())} to {text.printable(str(folder))}")


WITH_RESUME = ("resume", "epochs", "checkpoint_every", "tensorboard", "distributed", "json_lines", "quiet", "as_json")


def _given(context: typer.Context, name: str) -> bool:
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


def _check_resumed(context: typer.Context) -> None:
    for name in context.params:
        if name not in WITH_RESUME and _given(context, name):
            raise DataError(
                f"--resume goes on with the run's own settings; of these --epochs alone may be given, not {name}"
            )


def _task(word: str | None) -> data.Task | None:
    match word:
        case None | "classification" | "regression":
            return word
    raise DataError(f"--task is {word!r}; it must be classification or regression")


def _widths(words: str) -> tuple[int, ...]:
    if words.strip().lower() == "none":
        return ()
    try:
        return tuple(int(word) for word in words.split(","))
    except ValueError:
        raise DataError(f"--hidden is {words!r}; give widths separated by commas, such as 64,32, or none") from None


# ---- predict ----


@app.command(epilog="Example: `edgewise predict edgewise-run/flowers new-flowers.csv --out predicted.csv`")
def predict(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="The folder that `edgewise train` wrote.")],
    source: Annotated[
        str,
        typer.Argument(
            metavar="DATA", help="CSV, Parquet or bundled: the columns that were learnt from, in any order; others too."
        ),
    ],
    out: Annotated[
        Path | None, typer.Option(help="A .csv or .parquet file to write; CSV on stdout if left out.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Say what a trained network predicts for each row of a table.

    The first column is the prediction, under the name of the target. For classes, a column of probabilities follows for
    each, called target=class, where the loss knows of any (cross_entropy, binary_cross_entropy). A number is in the
    units of the column it was learnt from.

    Rows become inputs by what was learnt in training. A word that was not there then is all zeros, and is told of on
    stderr. If DATA has the target too, the score over its rows is told as well.
    """
    from edgewise import prediction

    predictions = prediction.Predictions(prediction.Run.load(run), source)
    rows: list[dict[str, Any]] = []
    if out is not None:
        prediction.write(predictions, out)
    elif as_json:
        for piece in predictions:
            columns = [piece.values, *([] if piece.probabilities is None else piece.probabilities.T)]
            rows += [dict(zip(predictions.names, row, strict=True)) for row in zip(*columns, strict=True)]
    else:
        for lines in prediction.csv_pieces(predictions):
            print(lines, end="")
    if as_json:
        found: dict[str, Any] = {"predictions": rows} if out is None else {"written": str(out)}
        found |= {"rows": predictions.rows, "score": None, "unknown": [asdict(u) for u in predictions.unknown.values()]}
        if predictions.score is not None:
            name = "r2" if predictions.score_name == "R²" else predictions.score_name
            found["score"] = {name: predictions.score, "rows": predictions.rows_scored}
        print(machine.as_json(found))
        return
    target = predictions.run.preprocessing.target.name
    for unknown in predictions.unknown.values():
        what = "counts as wrong" if unknown.column == target else "is all zeros to the network"
        held = "row holds" if unknown.rows == 1 else "rows hold"
        print(
            text.printable(
                f"edgewise: warning: column {unknown.column!r}: {unknown.rows} {held} a word that was not learnt "
                f"from, which {what}; the first is {unknown.word!r} in row {unknown.first_row}"
            ),
            file=sys.stderr,
        )
    if predictions.score is not None:
        print(f"{predictions.score_name} {predictions.score:.4f} over {predictions.rows_scored} rows", file=sys.stderr)
    if out is not None:
        print(text.printable(f"wrote {out}: {predictions.rows} rows"))


# ---- backprop ----


@app.command(epilog="Example: `edgewise backprop net.json --input x.csv --loss squared_error --labels y.csv`")
def backprop(
    network: NetworkFile,
    input: Annotated[Path, typer.Option(help="CSV or Parquet, one sample per row, one column per input.")],
    target: Annotated[str | None, typer.Option(help="Node t whose sensitivities S(i,t) are wanted.")] = None,
    loss: Annotated[str | None, typer.Option(help="Loss J as the target instead; needs --labels.")] = None,
    labels: Annotated[Path | None, typer.Option(help="CSV or Parquet: what the outputs should be.")] = None,
    preprocessing: Annotated[
        Path | None, typer.Option(help="preprocessing.json of a training run, for input as it was before.")
    ] = None,
    as_json: Json = False,
) -> None:
    """Run both passes and show every quantity: values, gates, sensitivities, edge derivatives, gradients.

    Gradients of weights and biases are means over the samples; all else is per sample.
    """
    net = formats.load(network)
    x = _read_inputs(net, input, preprocessing)
    if (loss is None) != (labels is None):
        raise DataError("--loss and --labels go together: give both or neither")
    if loss is not None and labels is not None:
        if target is not None:
            raise DataError("give either --target or --loss: with a loss, J itself is the target")
        y = data.read_numbers(labels)
        run = net.backprop(x, y=y[:, 0] if losses.get(loss).labels == "index" and y.shape[1] == 1 else y, loss=loss)
        name = f"loss {loss}"
    else:
        node = _target(net, target)
        run = net.backprop(x, node)
        name = net.names[node]
    if as_json:
        print(machine.as_json(_quantities(net, run, loss, name), indent=None))
        return
    console = text.console(sys.stdout)
    console.print(
        f"{len(x)} {'sample' if len(x) == 1 else 'samples'}, target {text.printable(name)}"
        + ("" if run.loss is None else f": {run.loss:.6g}")
    )
    for table in _mean_tables(net, run):
        text.show(console, table)
    for b in range(min(len(x), SAMPLES_SHOWN)):
        for table in _sample_tables(net, run, b):
            text.show(console, table)
    if len(x) > SAMPLES_SHOWN:
        console.print(f"… {SAMPLES_SHOWN} of {len(x):,} samples shown; --json gives all of them")


def _read_inputs(net: Network, path: Path, preprocessing: Path | None) -> FloatArray:
    """(B, n_inputs) from a file of inputs, or of raw columns where a preprocessing says how they become inputs."""
    if preprocessing is None:
        x = data.read_numbers(path, [net.names[j] for j in net.inputs])
    else:
        try:
            content = json.loads(preprocessing.read_bytes())
        except OSError as error:
            raise FormatError(f"cannot read {preprocessing}: {error.strerror or error}") from None
        except (ValueError, RecursionError) as error:
            raise FormatError(f"{preprocessing} is not JSON: {error}") from None
        x = data.Preprocessing.from_dict(content).inputs(data.read_columns(path))
    if x.shape[1] != net.n_inputs:
        names = ", ".join(net.names[j] for j in net.inputs[:10]) + (", …" if net.n_inputs > 10 else "")
        raise DataError(f"{path} gives {x.shape[1]} inputs; the network has {net.n_inputs}: {names}")
    return x


def _target(net: Network, word: str | None) -> int:
    """The node called `word`, by name or index; the only output if None."""
    if word is None:
        if net.n_outputs == 1:
            return int(net.outputs[0])
        names = ", ".join(net.names[j] for j in net.outputs[:10]) + (", …" if net.n_outputs > 10 else "")
        raise DataError(f"the network has {net.n_outputs} outputs; say which with --target NODE: {names}")
    if word not in net.names and word.isdecimal() and len(word) < 12:
        return net.node(int(word))
    return net.node(word)


def _quantities(net: Network, run: BackwardPass, loss: str | None, target: str) -> dict[str, Any]:
    """Every quantity, in the order of nodes, edges and samples that the document itself states."""
    return {
        "nodes": net.names,
        "edges": [(net.names[i], net.names[j]) for i, j in zip(net.tail, net.head, strict=True)],
        "inputs": [net.names[j] for j in net.inputs],
        "outputs": [net.names[j] for j in net.outputs],
        "target": None if loss is not None else target,
        "loss": None if loss is None else {"name": loss, "mean": run.loss, "per_sample": run.loss_per_sample},
        "reduction": "mean",
        "weight": net.weight,
        "bias": net.bias,
        "response": net.response,
        "value": run.value,
        "preactivation": run.preactivation,
        "gate": run.gate,
        "output": run.output,
        "sensitivity": run.sensitivity,
        "linear_sensitivity": run.linear_sensitivity,
        "edge_derivative": run.edge_derivative,
        "weight_gradient": run.weight_gradient,
        "bias_gradient": run.bias_gradient,
        "response_gradient": run.response_gradient,
        "input_gradient": run.input_gradient,
        "weight_gradient_per_sample": run.weight_gradient_per_sample,
        "bias_gradient_per_sample": run.bias_gradient_per_sample,
    }


def _mean_tables(net: Network, run: BackwardPass) -> tuple[TextTable, TextTable]:
    nodes, edges = range(min(net.n_nodes, ROWS_SHOWN)), range(min(net.n_edges, ROWS_SHOWN))
    per_node = [
        (
            net.names[j],
            "input" if net.is_input[j] else net.activations[j],
            None if net.is_input[j] else float(net.bias[j]),
            None if net.is_input[j] else float(run.bias_gradient[j]),
            None if net.is_input[j] else float(net.response[j]),
            None if net.is_input[j] else float(run.response_gradient[j]),
        )
        for j in nodes
    ]
    per_edge = [(e, *_ends(net, e), float(net.weight[e]), float(run.weight_gradient[e])) for e in edges]
    return (
        TextTable(
            "Nodes, gradients averaged over the samples",
            ("node", "activation", "bias b", "∂/∂b", "response r", "∂/∂r"),
            per_node,
            net.n_nodes,
        ),
        TextTable(
            "Edges, gradients averaged over the samples",
            ("edge", "tail i", "head j", "weight w", "∂/∂w"),
            per_edge,
            net.n_edges,
        ),
    )


def _sample_tables(net: Network, run: BackwardPass, b: int) -> tuple[TextTable, TextTable]:
    quantities = (run.value, run.preactivation, run.gate, run.sensitivity, run.linear_sensitivity)
    per_node: list[tuple[Cell, ...]] = [
        (net.names[j], *(float(q[b, j]) for q in quantities)) for j in range(min(net.n_nodes, ROWS_SHOWN))
    ]
    per_edge = [
        (e, *_ends(net, e), float(run.edge_derivative[b, e]), float(run.weight_gradient_per_sample[b, e]))
        for e in range(min(net.n_edges, ROWS_SHOWN))
    ]
    return (
        TextTable(
            f"Sample {b + 1}, nodes",
            ("node", "value y", "preactivation s", "gate Φ′(s)", "S(j,t)", "S(j⁻,t)"),
            per_node,
            net.n_nodes,
        ),
        TextTable(f"Sample {b + 1}, edges", ("edge", "tail i", "head j", "z(i,j)", "∂/∂w"), per_edge, net.n_edges),
    )


def _ends(net: Network, e: int) -> tuple[str, str]:
    return net.names[net.tail[e]], net.names[net.head[e]]


# ---- info ----


@app.command(epilog="Example: `edgewise info net.json`")
def info(network: NetworkFile, as_json: Json = False) -> None:
    """Show what a network is made of: nodes, edges, depth, paths, activations, dead ends."""
    net = formats.load(network)
    facts = _facts(net)
    if as_json:
        print(machine.as_json(facts))
        return
    console = text.console(sys.stdout)
    rows = [
        ("nodes", f"{net.n_nodes:,}"),
        ("edges", f"{net.n_edges:,}"),
        ("inputs", f"{net.n_inputs:,}"),
        ("outputs", f"{net.n_outputs:,}"),
        ("depth (arcs on the longest path to an output)", str(facts["depth"])),
        ("paths from inputs to outputs", _long(facts["paths"]["total"])),
        ("activations", _counts(facts["activations"])),
        ("aggregations", _counts(facts["aggregations"])),
        ("tied parameters", str(facts["tied_parameters"] or "none")),
        ("reach no output", _names(facts["dead_ends"]["reach_no_output"])),
        ("not reached from an input", _names(facts["dead_ends"]["not_reached_from_inputs"])),
        ("dtype", facts["dtype"]),
    ]
    text.show(console, TextTable(text.printable(str(network)), ("", ""), rows))
    pairs = facts["paths"]["pairs"]
    if pairs is not None and len(pairs) > 1:
        shown = [(pair["input"], pair["output"], _long(pair["paths"])) for pair in pairs[:ROWS_SHOWN]]
        text.show(console, TextTable("Paths", ("input", "output", "paths"), shown, len(pairs)))


def _facts(net: Network) -> dict[str, Any]:
    neurons = np.flatnonzero(~net.is_input)
    pairs = None
    if net.n_inputs * net.n_outputs <= PAIRS_SHOWN:
        pairs = [
            {"input": net.names[i], "output": net.names[t], "paths": paths.count_paths(net, int(i), int(t))}
            for i in net.inputs
            for t in net.outputs
        ]
    return {
        "nodes": net.n_nodes,
        "edges": net.n_edges,
        "inputs": [net.names[j] for j in net.inputs],
        "outputs": [net.names[j] for j in net.outputs],
        "depth": int(net.depth.max()),
        "paths": {"total": _all_paths(net), "pairs": pairs},
        "activations": _tally(net.activations[j] for j in neurons),
        "aggregations": _tally(net.aggregations[j] for j in neurons),
        "tied_parameters": 0 if net.tie is None else len(set(net.tie.tolist())),
        "dead_ends": {
            "reach_no_output": [net.names[j] for j in np.flatnonzero(net.depth < 0)],
            "not_reached_from_inputs": [net.names[j] for j in _unreached(net)],
        },
        "dtype": str(net.dtype),
    }


def _all_paths(net: Network) -> int:
    """The number of paths from any input to any output, summed backwards over the out-arcs."""
    to_output = [0] * net.n_nodes
    for t in net.outputs.tolist():
        to_output[t] = 1
    tail, head = net.tail.tolist(), net.head.tolist()
    for e in reversed(net.plan.out_edge.tolist()):  # by position of the tail, so that every head is done
        to_output[tail[e]] += to_output[head[e]]
    return sum(to_output[i] for i in net.inputs.tolist())


def _unreached(net: Network) -> list[int]:
    """The nodes to which no path leads from any input."""
    reached = net.is_input.tolist()
    tail, head = net.tail.tolist(), net.head.tolist()
    for e in net.plan.out_edge.tolist():
        reached[head[e]] = reached[head[e]] or reached[tail[e]]
    return [j for j, found in enumerate(reached) if not found]


def _tally(words: Iterable[str]) -> dict[str, int]:
    return dict(Counter(words).most_common())


def _counts(tally: dict[str, int]) -> str:
    return ", ".join(f"{word} {count:,}" for word, count in tally.items()) or "none"


def _names(names: Sequence[str]) -> str:
    if not names:
        return "none"
    return f"{len(names):,}: {', '.join(names[:10])}" + (", …" if len(names) > 10 else "")


def _long(count: int) -> str:
    """A count in full up to 30 digits, beyond that its order of magnitude."""
    return f"{count:,}" if count < 10**30 else f"about 10^{int((count.bit_length() - 1) * math.log10(2))}"


# ---- verify ----


@app.command(epilog="Example: `edgewise verify net.json --target o1`")
def verify(
    network: NetworkFile,
    input: Annotated[
        Path | None, typer.Option(help="CSV or Parquet of samples; random ones, standard normal, if left out.")
    ] = None,
    target: Annotated[str | None, typer.Option(help="Node t; every output in turn if left out.")] = None,
    samples: Annotated[int, typer.Option(min=1, help="How many random samples.")] = 3,
    seed: Annotated[int, typer.Option(min=0, help="Decides the random samples.")] = 0,
    as_json: Json = False,
) -> None:
    """Compute the sensitivities in every way there is and compare: recursion, paths, differences, decoupled network.

    Exit code 1 if they disagree.
    """
    from edgewise.verify import verify as compare

    net = formats.load(network)
    if input is None:
        x = np.random.default_rng(seed).standard_normal((samples, net.n_inputs))
    else:
        x = _read_inputs(net, input, None)
    nodes = net.outputs.tolist() if target is None else [_target(net, target)]
    reports = {net.names[node]: compare(net, x, target=node) for node in nodes}
    ok = all(report.ok for report in reports.values())
    if as_json:
        print(machine.as_json({"ok": ok, "targets": {name: report.to_dict() for name, report in reports.items()}}))
    else:
        for report in reports.values():
            print(report)
    if not ok:
        raise typer.Exit(1)


# ---- convert ----


@app.command(epilog="Example: `edgewise convert net.json net.safetensors`")
def convert(
    a: Annotated[Path, typer.Argument(metavar="A", help="The network to read, as its suffix says.")],
    b: Annotated[
        Path,
        typer.Argument(metavar="B", help="The file to write: .json, .safetensors, .graphml, .csv, .parquet or .onnx."),
    ],
    as_json: Json = False,
) -> None:
    """Write a network in another format."""
    net = formats.load(a)
    formats.save(net, b)
    if as_json:
        print(machine.as_json({"written": str(b), "nodes": net.n_nodes, "edges": net.n_edges}))
    else:
        print(text.printable(f"wrote {b}: {net.n_nodes:,} nodes, {net.n_edges:,} edges"))
