"""The view's ES modules as one text, for hosts that take one: a page, or anywidget.

The files of `web/` are joined in the order of their imports. What they import from each other is then in one scope, so
the lines that import and export go; no two files may use the same name at their top (the tests see to it).
"""

import re
from functools import cache
from importlib.resources import files

ENTRY = "view.js"
_IMPORT = re.compile(r'^import\s+\{[^}]*\}\s+from\s+"\./([\w-]+\.js)";\n', re.M)
_EXPORT = re.compile(r"^export (?=function|async function|const|class)", re.M)
_DEFAULT = re.compile(r"^export default \{ render \};\n", re.M)


def source(name: str) -> str:
    """The text of one file of `web/`."""
    return files("edgewise.view").joinpath("web", name).read_text(encoding="utf-8")


def in_order(entry: str = ENTRY) -> list[str]:
    """The files that `entry` needs, itself last, each after all that it imports."""
    found: list[str] = []

    def visit(name: str) -> None:
        if name not in found:
            for needed in _IMPORT.findall(source(name)):
                visit(needed)
            found.append(name)

    visit(entry)
    return found


@cache
def joined(entry: str = ENTRY) -> str:
    """All of `in_order` as one text without imports or exports, in which `render` is defined."""
    parts = (source(name) for name in in_order(entry))
    return "\n".join(_DEFAULT.sub("", _EXPORT.sub("", _IMPORT.sub("", part))).strip("\n") for part in parts) + "\n"


@cache
def esm() -> str:
    """The view as one ES module that exports `default { render }`, as anywidget wants it (`_esm`)."""
    return joined() + "\nexport default { render };\n"


@cache
def css() -> str:
    """The style sheet that goes with it (`_css`)."""
    return source("view.css")
