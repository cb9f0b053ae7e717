"""How Sphinx makes the site out of the pages that tools/make_site.py puts together."""

from docutils import nodes
from latex2mathml.converter import convert
from sphinx import addnodes

import tensorgrad

project = "tensorgrad"
author = "The authors of tensorgrad"
copyright = author
version = release = tensorgrad.__version__

extensions = ["myst_parser"]
myst_heading_anchors = 4
default_role = "py:obj"  # `name` is a link where there is such a name, else code
add_module_names = False
python_use_unqualified_type_names = True
toc_object_entries = False  # thousands of names, which each page would carry in its menu
highlight_language = "python"
pygments_style = "friendly"

html_theme = "furo"
html_title = "tensorgrad"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sphinx = False
html_show_copyright = False
html_math_renderer = "mathml"
html_theme_options = {
    "source_repository": "https://github.com/tensorgrad/tensorgrad",
    "source_branch": "main",
    "top_of_page_buttons": [],
}


def show_inline(writer, node: nodes.math) -> None:
    writer.body.append(convert(node.astext()))
    raise nodes.SkipNode


def show_block(writer, node: nodes.math_block) -> None:
    writer.body.append(f'<div class="math">{convert(node.astext(), display="block")}</div>')
    raise nodes.SkipNode


def keep_pythons_types(app, tree: nodes.document) -> None:
    """In annotations `int`, `float` and `bool` are Python's, not the dtypes that have these names."""
    for link in list(tree.findall(addnodes.pending_xref)):
        if link["reftarget"] in ("int", "float", "bool") and link.get("reftype") == "class":
            link.replace_self(nodes.Text(link["reftarget"]))


def setup(app) -> None:
    """Formulas are MathML, which browsers show by themselves: no script, nothing from the network."""
    app.connect("doctree-read", keep_pythons_types)
    app.add_html_math_renderer("mathml", (show_inline, None), (show_block, None))
