"""`edgewise train`."""

import sys
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any

import typer

from edgewise import data, processes
from edgewise.cli.app import OUT_FOLDER, Json, app
from edgewise.diagnosis import Watch
from edgewise.errors import DataError
from edgewise.formats import atomic
from edgewise.history import EpochRecord
from edgewise.view import machine, text
from edgewise.view.tensorboard import Scalars
from edgewise.view.text import TextTable

WATCH = "watch.json"
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
    lanes: Annotated[
        int | None,
        typer.Option(
            min=1,
            help="Of what is streamed, see docs/scaling.md: as many as --distributed processes, or twice or three "
            "times, have each read its share alone.",
            rich_help_panel=DATA_PANEL,
        ),
    ] = None,
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
    watch: Annotated[
        bool,
        typer.Option(
            "--watch",
            help="Look at gradients, gates and updates of every 50th step; writes watch.json.",
            rich_help_panel=RUN_PANEL,
        ),
    ] = False,
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
            lanes=lanes,
        )
    watching = Watch() if watch else None
    on_epoch: list[Callable[[EpochRecord], Any]] = []
    if json_lines:
        on_epoch.append(lambda record: print(machine.as_json(record.to_dict(), indent=None), flush=True))
    try:
        with processes.join() if distributed else nullcontext() as together:
            speaks = together is None or together.is_first
            goes_on = resume is not None or (together is not None and together.restarted)
            with Scalars(tensorboard) if speaks and tensorboard is not None else nullcontext() as scalars:
                report = training_report.train(
                    settings,
                    folder=folder,
                    checkpoint_every=checkpoint_every,
                    resume=goes_on and training_report.has_begun(folder),
                    callbacks=[] if watching is None else [watching],
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
    if watching is not None:
        written["watch"] = folder / WATCH
        atomic.write_text(written["watch"], machine.as_json(watching.to_dict()) + "\n")
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
    if watching is not None:
        console.print(f"\n{_seen(watching)}")
    console.print(f"wrote {', '.join(path.name for path in written.values())} to {text.printable(str(folder))}")


def _seen(watch: Watch) -> str:
    """What a watch saw, in a few lines."""
    first, last = watch.moments[0], watch.moments[-1]
    lines = [
        f"watched every {watch.every} steps: from the loss to the inputs the gradient changed by "
        f"{first.total()[3]:+.0f} dB at first, by {last.total()[3]:+.0f} dB in the end;",
        f"open gates {first.open_gates:.0%} at first, {last.open_gates:.0%} in the end",
    ]
    for finding in watch.report().findings:
        if finding.severity != "note":
            lines.append(f"{finding.severity}: {finding.code}, cause: {finding.cause}: {finding.says}")
    return "\n".join(lines)


WITH_RESUME = (
    *("resume", "epochs", "checkpoint_every", "watch", "tensorboard", "distributed", "json_lines", "quiet", "as_json"),
)


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
