"""The command `edgewise`, also as `python -m edgewise`."""

import sys


def main() -> int:
    """Runs the command line; returns 2, after one line on how to install it, where typer or rich are missing."""
    try:
        import rich  # noqa: F401
        import typer  # noqa: F401
    except ImportError:
        print(
            'edgewise: error: the command line needs typer and rich: pip install "edgewise[cli]"',
            file=sys.stderr,
        )
        return 2
    from edgewise.cli import app

    app()
    return 0


if __name__ == "__main__":
    sys.exit(main())
