"""How Sphinx makes the documentation site from the guide and the docstrings.

    make docs

writes build/docs/index.html. The guide stays Markdown that reads well by itself.
"""

from __future__ import annotations

import os
import re
import sys
from dataclasses import MISSING, Field, fields, is_dataclass
from pathlib import Path
from typing import Any, Final

from docutils import nodes
from sphinx.addnodes import pending_xref
from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment

ROOT: Final = Path(__file__).parents[1]

sys.path.insert(0, str(ROOT))

from txengineio import __version__  # noqa: E402

project = "txengineio"
author = copyright = "txengineio contributors"
version = release = __version__

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx.ext.intersphinx",
    "sphinxcontrib.mermaid",
]
root_doc = "index"
exclude_patterns = ["proxies"]
html_theme = "furo"
html_title = f"txengineio {version}"
pygments_style = "friendly"
pygments_dark_style = "monokai"

myst_heading_anchors = 3
myst_fence_as_directive = ["mermaid"]

autodoc_default_options = {"member-order": "bysource"}
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented_params"
autodoc_class_signature = "mixed"
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True
napoleon_use_rtype = False
default_role = "py:obj"

# Only where there is a network: the build must not depend on other sites.
if os.environ.get("READTHEDOCS"):
    intersphinx_mapping = {
        "python": ("https://docs.python.org/3", None),
        "twisted": ("https://docs.twisted.org/en/stable/api/", None),
    }


# A link out of the guide leads to a file of the source that is no page of the site.
_OUTSIDE: Final = re.compile(r"\[([^\]]+)\]\(\.\./((?:\w+/)*\w+\.md)(?:#[\w-]*)?\)")
_REPRESENTATION: Final = re.compile(
    r"<(?:InterfaceClass |class '|function )[\w.]*?(\w+)'?>"
)
_QUALIFIED: Final = re.compile(r"~(?:\w+\.)+(?=\w)")
_OPTIONS: Final = ("Options", ".Limits", "Compression")
_PAGE: Final = re.compile(r"^\| \[[^\]]+\]\(([\w-]+)\.md\)", re.MULTILINE)

_TABLE_OF_CONTENTS: Final = """
```{{toctree}}
:hidden:
:caption: Guide

{pages}
```

```{{toctree}}
:hidden:
:maxdepth: 2

api/index
```
"""


def _adapt(_app: Sphinx, name: str, source: list[str]) -> None:
    """Make a page of the site from one that is read as Markdown elsewhere, too."""
    if "/" in name:
        return
    text = _OUTSIDE.sub(r"\1 (`\2` in the source)", source[0])
    if name == root_doc:
        # The table of the page says in which order the others are to be read.
        text += _TABLE_OF_CONTENTS.format(pages="\n".join(_PAGE.findall(text)))
    source[0] = text


def _keep_colons(
    _app: Sphinx,
    what: str,
    _name: str,
    _object: object,
    _options: Any,
    lines: list[str],
) -> None:
    """Undo that Napoleon takes what is before a colon for the type of an attribute."""
    types = [each for each in lines if each.startswith(":type: ")]
    if what in {"attribute", "data", "property"} and types:
        lines.remove(types[0])
        lines[0] = f"{types[0].removeprefix(':type: ')}: {lines[0]}"


def _list_options(
    _app: Sphinx,
    _what: str,
    name: str,
    group: Any,
    _options: Any,
    lines: list[str],
) -> None:
    """Make an entry of each option, with its type and default, which a search finds."""
    if not name.endswith(_OPTIONS) or not is_dataclass(group):
        return
    options = {each.name: each for each in fields(group)}
    written: list[str] = []
    for line in lines:
        found = re.match(r":ivar (\w+): (.*)", line)
        if found is not None:
            written += ["", *_head_of(options[found[1]]), f"   {found[2]}"]
        elif line.startswith(" ") and written:
            written[-1] += f" {line.strip()}"
        else:
            written += ["", line] if line.startswith(":") else [line]
    lines[:] = written


def _head_of(option: Field[Any]) -> list[str]:
    value = option.default
    if option.default_factory is not MISSING:
        value = option.default_factory()
    shown = f"{value:_}" if type(value) is int else repr(value)
    told = [] if is_dataclass(value) else [f"   :value: {shown}"]
    return [f".. attribute:: {option.name}", f"   :type: {option.type}", *told, ""]


def _shorten(
    _app: Sphinx, _what: str, name: str, *_more: object
) -> tuple[str, None] | None:
    """Leave the signatures of groups of options out: their attributes tell all."""
    return ("", None) if name.endswith(_OPTIONS) else None


def _find_by_last_name(
    _app: Sphinx, env: BuildEnvironment, node: pending_xref, content: nodes.Element
) -> nodes.Element | None:
    """Resolve names as docstrings have them: `Engine` for `txengineio.Engine`."""
    if node.get("refdomain") != "py" or node.get("refspecific"):
        return None
    domain: Any = env.domains["py"]
    name = node["reftarget"].removesuffix("()")
    found = [each for each in domain.objects if f".{each}".endswith(f".{name}")]
    if not found:
        return None
    # The public name of what has several.
    node["reftarget"] = min(found, key=len)
    resolved: nodes.Element | None = domain.resolve_xref(
        env, node["refdoc"], env.app.builder, "obj", node["reftarget"], node, content
    )
    return resolved


def _name_objects(_app: Sphinx, doctree: nodes.document) -> None:
    """Write names where Sphinx has written representations, or could read no types."""
    for text in list(doctree.findall(nodes.Text)):
        named = _QUALIFIED.sub("", _REPRESENTATION.sub(r"\1", text))
        if named != text:
            text.parent.replace(text, nodes.Text(named))


def setup(app: Sphinx) -> None:
    """Connect what is above; Sphinx calls this."""
    app.connect("source-read", _adapt)
    app.connect("autodoc-process-docstring", _keep_colons, priority=900)
    app.connect("autodoc-process-docstring", _list_options, priority=900)
    app.connect("autodoc-process-signature", _shorten)
    app.connect("doctree-read", _name_objects)
    app.connect("missing-reference", _find_by_last_name)
