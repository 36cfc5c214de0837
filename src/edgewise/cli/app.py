"""The command `edgewise` itself: its errors, warnings and version."""

import os
import sys
import warnings
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Any, TextIO

import typer
from typer.core import TyperGroup

from edgewise.errors import EdgewiseError
from edgewise.view import text

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
