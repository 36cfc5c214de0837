"""Networks as CSV: an edge list, see `edge_list`.

Cells are read as text, so that the name 007 stays 007, and numbers are written so that they read back exactly. A CSV
file does not say how precise its numbers are: those of a float32 network are read as float64, being the same.
"""

import io

from edgewise.description import Description
from edgewise.errors import FormatError
from edgewise.formats import edge_list
from edgewise.network import Network


def encode(network: Network) -> bytes:
    """The network as UTF-8 CSV; FormatError for what an edge list has no place for."""
    pl = edge_list.library()
    try:
        table = edge_list.frame(network).with_columns(pl.col(pl.Float32).cast(pl.Float64))
    except UnicodeEncodeError:
        raise FormatError("a node's name cannot be written as UTF-8: it holds half a character") from None
    text: str = table.write_csv()
    return text.encode("utf-8")


def describe(content: bytes) -> Description:
    """The graph in UTF-8 CSV with a header, which may have cycles; FormatError saying where it is wrong."""
    pl = edge_list.library()
    if not content.strip():
        raise FormatError(
            "it is empty; an edge list begins with the names of its columns, such as source,target,weight"
        )
    try:
        table = pl.read_csv(io.BytesIO(content), infer_schema_length=0)
    except BaseException as error:
        raise edge_list.refuse(error, "CSV") from None
    return edge_list.describe(table)


def decode(content: bytes) -> Network:
    """The network in UTF-8 CSV; FormatError or GraphError saying where it is wrong."""
    return describe(content).network()
