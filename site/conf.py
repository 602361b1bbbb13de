"""What Sphinx makes of the pages that `pages.py` collects."""

import tomllib
from pathlib import Path

with (Path(__file__).parents[1] / "pyproject.toml").open("rb") as file:
    _facts = tomllib.load(file)["project"]

project = _facts["name"]
author = ", ".join(one["name"] for one in _facts["authors"])
copyright = author

extensions = ["myst_parser", "numpydoc", "sphinx.ext.autodoc"]
# The front page includes it.
exclude_patterns = ["README.md"]
# Quotation marks are parts of commands and of TOML.
smartquotes = False

myst_heading_anchors = 4
myst_enable_extensions = ["colon_fence", "deflist"]

# `reports.table` in a docstring is a link where there is such a page, and code otherwise.
default_role = "py:obj"
add_module_names = False
toc_object_entries_show_parents = "hide"
autodoc_typehints = "none"
numpydoc_show_class_members = False

html_theme = "pydata_sphinx_theme"
html_title = project
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = False
html_context = {"default_mode": "auto"}
# A summary needs a request, which browsers refuse to pages that are read from disk.
html_show_search_summary = False
html_theme_options = {
    "navbar_end": ["theme-switcher"],
    "footer_start": ["copyright"],
    "footer_end": [],
    "header_links_before_dropdown": 7,
    "secondary_sidebar_items": ["page-toc"],
}
# A page without others beside it has nothing to show at its left, and the code of lectures needs the room.
html_sidebars = {
    name: [] for name in ("index", "gallery", "search", "genindex", "py-modindex", "docs/*_hour")
}
