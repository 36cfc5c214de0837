"""The view in a notebook, by anywidget, wherever that runs: Jupyter, VS Code, Colab, marimo."""

import json
from functools import cache
from typing import TYPE_CHECKING, Any

from edgewise.errors import MissingDependencyError
from edgewise.view import machine, module

if TYPE_CHECKING:
    from anywidget import AnyWidget


def show(data: dict[str, Any]) -> "AnyWidget":
    """A widget that shows `data`, as `view.scene` makes it; its trait `data` can be set to show something else.

    Raises MissingDependencyError where anywidget is not installed.
    """
    widget: AnyWidget = _view()(data=strictly_plain(data))
    return widget


def strictly_plain(data: dict[str, Any]) -> dict[str, Any]:
    """The data as they are after JSON, in which a widget's traits travel: what JSON does not know has become words."""
    plain: dict[str, Any] = json.loads(machine.as_json(data, indent=None))
    return plain


@cache
def _view() -> Any:
    """The widget's class, made when it is first needed."""
    try:
        import anywidget
        import traitlets
    except ImportError:
        raise MissingDependencyError("anywidget", "notebook", "showing something in a notebook") from None

    class View(anywidget.AnyWidget):
        _esm = module.esm()
        _css = module.css()
        data = traitlets.Dict().tag(sync=True)

    return View
