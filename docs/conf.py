"""Sphinx settings: `make docs` builds the site offline from the root of the clone."""

from typing import Any

from docutils.nodes import SkipNode
from latex2mathml.converter import convert
from sphinx.application import Sphinx

from dbp_ros import __version__
from docs.reference_pages import fill_markers

project = "dbp_ros"
author = project_copyright = "The dbp_ros authors"
release = version = __version__
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
source_suffix = {".md": "markdown"}
default_role = "code"

myst_enable_extensions = ["deflist", "dollarmath"]
myst_heading_anchors = 3

autodoc_default_options = {"special-members": "__call__"}
autodoc_typehints = "description"
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
napoleon_numpy_docstring = False

html_theme = "pydata_sphinx_theme"
html_title = f"dbp_ros {release}"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_math_renderer = "mathml"
html_show_sphinx = False
html_theme_options = {
    "navbar_end": ["theme-switcher"],
    "footer_end": [],
    "navigation_with_keys": False,
    "secondary_sidebar_items": ["page-toc"],
    "show_toc_level": 2,
}


def setup(app: Sphinx) -> None:
    """Register the generated tables and the formulas."""
    app.connect("source-read", _fill)
    app.add_html_math_renderer("mathml", (_visit_inline, None), (_visit_block, None))


def _fill(_: Sphinx, name: str, source: list[str]) -> None:
    if not name.startswith("results/"):
        source[0] = fill_markers(source[0])


def _visit_inline(translator: Any, node: Any) -> None:
    _write(translator, node, "inline")


def _visit_block(translator: Any, node: Any) -> None:
    _write(translator, node, "block")


def _write(translator: Any, node: Any, display: str) -> None:
    translator.body.append(convert(node.astext(), display=display))
    raise SkipNode
