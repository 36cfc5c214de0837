"""Networks as Parquet: an edge list, see `edge_list`; for large ones that tables are made of, or made into."""

import io

from edgewise import parquet
from edgewise.description import Description
from edgewise.errors import FormatError
from edgewise.formats import edge_list
from edgewise.network import Network


def encode(network: Network) -> bytes:
    """The network as the bytes of a Parquet file; FormatError for what an edge list has no place for."""
    room = io.BytesIO()
    try:
        edge_list.frame(network).write_parquet(room)
    except UnicodeEncodeError:
        raise FormatError("a node's name cannot be written as UTF-8: it holds half a character") from None
    return room.getvalue()


def describe(content: bytes) -> Description:
    """The graph in the bytes of a Parquet file, which may have cycles; FormatError saying where it is wrong."""
    edge_list.library()
    return edge_list.describe(parquet.read(content))


def decode(content: bytes) -> Network:
    """The network in the bytes of a Parquet file; FormatError or GraphError saying where it is wrong."""
    return describe(content).network()
