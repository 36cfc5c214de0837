"""`edgewise predict`."""

import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from edgewise.cli.app import Json, app
from edgewise.view import machine, text


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
