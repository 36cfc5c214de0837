"""The errors a user can meet: what is wrong, where, and what to do."""


class EdgewiseError(Exception):
    """Base of every error that Edgewise raises on purpose."""


class GraphError(EdgewiseError, ValueError):
    """The network cannot be: a cycle, an unknown node, a parameter that is not finite."""


class FormatError(EdgewiseError, ValueError):
    """A file does not hold what its format promises, or cannot be read or written."""


class DataError(EdgewiseError):
    """Numbers handed in do not fit: wrong shape, NaN, a label out of range."""


class MissingDependencyError(EdgewiseError, ImportError):
    """An optional package is needed here and is not installed."""

    def __init__(self, package: str, extra: str, purpose: str) -> None:
        super().__init__(f'{purpose} needs {package}: pip install "edgewise[{extra}]"')
