"""Networks as a table with a row per arc: what CSV and Parquet files of networks hold.

The columns `source` and `target` must be there, names or whole numbers. `weight` and `tie` belong to the arc. A row
without a source tells of the node `target`: its `kind`, `activation`, `aggregation`, `bias`, `response` and `bias_tie`.
Other columns are ignored, and so is what a cell does not say.

Nodes are in the order of their own rows; those without one come after them, by number if all their names are whole
numbers, else as they first occur, sources before targets.
"""

from typing import Any

import numpy as np

from edgewise import description
from edgewise.description import EDGE_KEYS, NODE_KEYS, Column, Description, shown
from edgewise.errors import FormatError, MissingDependencyError
from edgewise.network import Network

_NUMBERS = ("weight", "bias", "response")
_WHOLE = ("tie", "bias_tie")


def library() -> Any:
    try:
        import polars
    except ImportError:
        raise MissingDependencyError("polars", "cli", "a network as an edge list") from None
    return polars


def frame(network: Network) -> Any:
    """The polars DataFrame of a network; FormatError for what it has no place for."""
    pl = library()
    description.refuse_not_finite(network)
    said = description.graph_attributes(network)
    for key in ("inputs", "outputs"):
        if key in said:
            raise FormatError(
                f"the network's {key} are not all nodes of that kind in their order, which an edge list cannot say: "
                "save it as .json, .graphml or .safetensors"
            )
    n, e = network.n_nodes, network.n_edges
    names = pl.Series("target", network.names, pl.String)
    columns = {
        "source": pl.concat([pl.Series([None] * n, dtype=pl.String), names.gather(network.tail)]),
        "target": pl.concat([names, names.gather(network.head)]),
        "weight": pl.concat([_nothing(n, network.weight), pl.Series(network.weight)]),
    }
    if network.tie is not None:
        columns["tie"] = pl.concat([_nothing(n, network.tie), pl.Series(network.tie)])
    nodes = description.node_attributes(network)
    for key in NODE_KEYS:
        if any(key in node for node in nodes):
            kind = pl.Series(network.weight).dtype if key in _NUMBERS else pl.Int32 if key in _WHOLE else pl.String
            columns[key] = pl.Series([node.get(key) for node in nodes] + [None] * e, dtype=kind)
    return pl.DataFrame(columns)


def _nothing(n: int, like: Any) -> Any:
    pl = library()
    return pl.Series([None] * n, dtype=pl.Series(like).dtype)


def describe(table: Any) -> Description:
    """The graph in a polars DataFrame; FormatError saying in which row it is wrong, counted from 1."""
    pl = library()
    missing = [name for name in ("source", "target") if name not in table.columns]
    if missing:
        raise FormatError(
            f"there is no column {' and no column '.join(missing)}; an edge list has source and target, and perhaps "
            f"{', '.join((*EDGE_KEYS, *NODE_KEYS))}. Its columns are {', '.join(table.columns[:10])}"
        )
    for name in ("source", "target"):
        if not (table[name].dtype == pl.String or table[name].dtype.is_integer() or table[name].dtype == pl.Null):
            raise FormatError(f"{name} must hold names or whole numbers, not {table[name].dtype}")
    ends = table.select(pl.col("source", "target").cast(pl.String)).with_row_index("row")
    nowhere = ends.filter(pl.col("target").is_null())
    if len(nowhere):
        raise FormatError(f"row {nowhere['row'][0] + 1}: target is missing")
    nodes = ends.filter(pl.col("source").is_null())
    arcs = ends.filter(pl.col("source").is_not_null())
    own = nodes["target"]
    if own.n_unique() < len(own):
        row = nodes.filter(own.is_duplicated())["row"][1]
        raise FormatError(f"row {row + 1}: the node {shown(ends['target'][row])} has a row already")
    others = pl.concat([arcs["source"], arcs["target"]]).unique(maintain_order=True)
    others = others.filter(~others.is_in(own.implode()))
    if others.str.contains(r"^(0|[1-9][0-9]{0,17})$").all():
        others = others.cast(pl.Int64).sort().cast(pl.String)
    names = pl.concat([own, others])
    place = pl.DataFrame({"name": names, "place": np.arange(len(names), dtype=np.int32)})

    def places(end: str) -> Any:
        found = arcs.select(pl.col(end).alias("name")).join(place, on="name", how="left", maintain_order="left")
        return found["place"].to_numpy().astype(np.int32)

    node_rows, arc_rows = nodes["row"].to_numpy(), arcs["row"].to_numpy()

    def column(key: str, rows: Any, more: int = 0) -> Column:
        series = _column(table[key], key)
        part = series.gather(rows)
        if not more and part.dtype.is_numeric() and not part.null_count():
            return part.to_numpy().copy()
        return part.to_list() + [None] * more

    weight = _column(table["weight"], "weight") if "weight" in table.columns else None
    return description.describe(
        names.to_list(),
        places("source"),
        places("target"),
        {key: column(key, node_rows, len(others)) for key in NODE_KEYS if key in table.columns},
        {key: column(key, arc_rows) for key in EDGE_KEYS if key in table.columns},
        dtype="float32" if weight is not None and weight.dtype == pl.Float32 else None,
        node_place=lambda j: f"row {node_rows[j] + 1}",
        edge_place=lambda k: f"row {arc_rows[k] + 1}",
    )


def _column(series: Any, key: str) -> Any:
    """A column's numbers where they were text, as in a CSV file."""
    pl = library()
    wanted = pl.Float64 if key in _NUMBERS else pl.Int64 if key in _WHOLE else None
    if series.dtype != pl.String or wanted is None:
        return series
    numbers = series.str.strip_chars().cast(wanted, strict=False)
    wrong = (numbers.is_null() & series.is_not_null()).arg_true()
    if len(wrong):
        what = "a number" if wanted == pl.Float64 else "a whole number"
        raise FormatError(f"row {wrong[0] + 1}: {key} {shown(series[wrong[0]])} must be {what}")
    return numbers


def refuse(error: BaseException, kind: str) -> FormatError:
    """What polars raised for a file it cannot read; its panics on a damaged one are not even Exceptions."""
    if not isinstance(error, Exception) and type(error).__name__ != "PanicException":
        raise error
    reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
    return FormatError(f"it cannot be read as {kind}: {reason[:200]}")
