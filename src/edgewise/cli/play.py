"""`edgewise play`: a network edited in the browser, with every quantity following."""

import threading
import webbrowser
from contextlib import suppress
from typing import Annotated

import typer

from edgewise import data
from edgewise.cli.app import app
from edgewise.errors import DataError, MissingDependencyError
from edgewise.play.opening import open_session


@app.command(epilog="Example: `edgewise play net.json`, or `edgewise play iris`")
def play(
    network: Annotated[
        str | None, typer.Argument(metavar="NETWORK", help="A network's file; may be left out before bundled data.")
    ] = None,
    source: Annotated[
        str | None, typer.Argument(metavar="DATA", help=f"{', '.join(data.BUNDLED)}, or a CSV or Parquet file.")
    ] = None,
    target: Annotated[
        str | None, typer.Option(help="Column to predict; needed for a file. Without data, the node t.")
    ] = None,
    loss: Annotated[str | None, typer.Option(help="Loss J; goes by the data if left out.")] = None,
    port: Annotated[int, typer.Option(min=0, max=65535, help="0 takes one that is free.")] = 0,
    open_page: Annotated[bool, typer.Option("--open/--no-open", help="Open the page in a browser.")] = True,
) -> None:
    """Edit and train a network in the browser: nodes, arcs, weights, activations, target; every number follows.

    The page is served to this machine alone, under an address that holds a secret. Ctrl-C ends it.
    """
    if network in data.BUNDLED:
        if source is not None:
            raise DataError(f"{network} is data, and so is {source}; give a network's file first, or one of the two")
        network, source = None, network
    try:
        from edgewise.play.server import serving
    except ImportError as error:
        raise MissingDependencyError(error.name or "starlette", "play", "edgewise play") from None
    session = open_session(network, source, target=target, loss=loss)
    with serving(session, port=port) as address:
        print(f"Edgewise is at {address}\nCtrl-C ends it.", flush=True)
        if open_page:
            webbrowser.open(address)
        with suppress(KeyboardInterrupt):
            threading.Event().wait()
