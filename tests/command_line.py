"""The command line, as users call it."""

import json

from typer.testing import CliRunner

from edgewise.cli import app


def run(*words):
    """What a command ends in; an error that it does not tell of is raised."""
    result = CliRunner().invoke(app, [str(word) for word in words])
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def completed(*words):
    result = run(*words)
    assert result.exit_code == 0, result.output
    return result


def succeed(*words):
    """What a command prints."""
    return completed(*words).stdout


def as_json(*words):
    def refuse(constant):
        raise AssertionError(f"{constant} is not JSON")

    return json.loads(succeed(*words, "--json"), parse_constant=refuse)


def fail(*words):
    """The message of a user's mistake: one line on stderr, nothing on stdout, exit code 2."""
    result = run(*words)
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    assert result.stderr.startswith("edgewise: error: ")
    assert result.stderr.count("\n") == 1
    return result.stderr
