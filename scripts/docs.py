"""Render the guides and the reference of what is public, with pdoc.

A warning is an error, and so is a link that leads nowhere, or a reference that is left
as its source text.
"""

import importlib
import inspect
import re
import shutil
import sys
import warnings
from functools import cached_property
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, get_args
from urllib.parse import unquote, urldefrag

import pdoc
from jinja2 import pass_context
from markupsafe import Markup
from numpy.typing import ArrayLike
from pdoc.render_helpers import format_signature, to_markdown_with_context

import fastem

FOLDER = Path("docs-output")

# Pages are the packages that the first one lists. The others, and all modules, are
# rooms of the house that nobody needs to know who fits a mixture.
GUIDES = (
    "fastem",
    *re.findall(r"^- `(fastem\.\w+)`", fastem.__doc__ or "", re.MULTILINE),
)
WITH_NAMES = {"fastem", "fastem.dask"}  # of the others only the text is shown

# A role that pdoc does not know, or a name of ours that it could not link.
UNRESOLVED = r":\w+:<code>.*?</code>|<code>fastem\.[\w.]+(?:\(\))?</code>"


class WholeClass(pdoc.doc.Class):
    """A class with the methods of its bases: users do not see where these stand."""

    @cached_property
    def _member_objects(self) -> dict[str, Any]:
        own = self.obj.__dict__
        return dict(
            sorted(super()._member_objects.items(), key=lambda m: m[0] not in own)
        )

    @cached_property
    def _var_annotations(self) -> dict[str, Any]:
        """None: attributes are told of in the docstrings of classes."""
        return {}

    @cached_property
    def members(self) -> dict[str, pdoc.doc.Doc[Any]]:
        """With the constructor of the estimator, whose text is that of the class."""
        members = super().members
        if self.name == fastem.GaussianMixture.__name__:
            members["__init__"].docstring = "@public"
        return members

    def _taken_from(self, member_name: str, obj: Any) -> tuple[str, str]:
        module, name = super()._taken_from(member_name, obj)
        if member_name.endswith("_request"):  # scikit-learn's, for metadata routing
            return "sklearn", name
        if module.split(".")[0] == "fastem":
            return self.modulename, f"{self.qualname}.{member_name}"
        return module, name

    @cached_property
    def bases(self) -> list[tuple[str, str, str]]:
        """Only those that users have heard of."""
        return [base for base in super().bases if base[0].split(".")[0] != "fastem"]


class Written:
    """An annotation as it is written in the source."""

    def __init__(self, text: str) -> None:
        self._text = text

    def __repr__(self) -> str:
        return self._text


def readable_signature(signature: inspect.Signature, colon: bool) -> Markup:
    """Say ArrayLike, not the dozen types that it stands for."""
    like_arrays = set(get_args(ArrayLike))

    def readable(annotation: Any) -> Any:
        kinds = get_args(annotation)
        if not all(kind in kinds for kind in like_arrays):
            return annotation
        return Written("ArrayLike | None" if type(None) in kinds else "ArrayLike")

    # Not signature.replace: that would forget that long ones take several lines.
    shown = type(signature)(
        [
            p.replace(annotation=readable(p.annotation))
            for p in signature.parameters.values()
        ],
        return_annotation=signature.return_annotation,
    )
    return format_signature(shown, colon)


@pass_context
def readable_markdown(context: Any, docstring: str) -> str:
    """Keep numbered references, and leave out what an example says to its test."""
    docstring = re.sub(r"^\.\. \[(\d+)\] ", r"\1. ", docstring, flags=re.MULTILINE)
    docstring = re.sub(r"\[(\d+)\]_", r"[\1]", docstring)
    docstring = docstring.replace("  # doctest: +SKIP", "")
    return to_markdown_with_context(context, docstring)


class Page(HTMLParser):
    """Links, places that can be linked to, and text of a page."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.links: set[str] = set()
        self.anchors: set[str] = set()
        self.text = path.read_text(encoding="utf-8")
        self.feed(self.text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Note links and anchors."""
        for name, value in attrs:
            if name == "id" and value:
                self.anchors.add(value)
            elif name == "href" and tag == "a" and value:
                self.links.add(value)


def main() -> None:
    """Render, and check what was rendered."""
    warnings.simplefilter("error")
    shutil.rmtree(FOLDER, ignore_errors=True)
    pdoc.doc.Class = WholeClass  # type: ignore[misc]
    pdoc.render.env.filters["format_signature"] = readable_signature
    pdoc.render.env.filters["to_markdown"] = readable_markdown
    fastem.__all__.sort(key=lambda name: name != "GaussianMixture")  # it comes first
    for name in set(GUIDES) - WITH_NAMES:
        importlib.import_module(name).__all__ = []  # type: ignore[attr-defined]
    pdoc.render.configure(
        docformat="numpy",
        include_undocumented=False,
        show_source=False,
        footer_text="Gaussian mixture models, fitted fast and right",
    )
    # A package that is called: its page is the guide, and the function has a place
    # among the others.
    vars(fastem)["report"] = importlib.import_module("fastem.report.reporting").report
    pages = [name for name in GUIDES if name.rpartition(".")[2] not in fastem.__all__]
    pdoc.pdoc(*pages, output_directory=FOLDER)
    problems = find_problems()
    if problems:
        sys.exit("\n".join(problems))
    print(f"Wrote {FOLDER / 'fastem.html'}")


def find_problems() -> list[str]:
    """Links to nowhere, and references that pdoc did not understand."""
    pages = {path: Page(path) for path in FOLDER.rglob("*.html")}
    problems = []
    for path, page in pages.items():
        for link in page.links:
            if link.startswith(("http:", "https:", "data:")):
                continue
            file, anchor = urldefrag(link)
            target = (path.parent / unquote(file)).resolve() if file else path.resolve()
            known = {other.resolve(): other for other in pages}
            if target not in known:
                problems.append(f"{path}: no page for the link {link}")
            elif anchor and anchor not in pages[known[target]].anchors:
                problems.append(f"{path}: no place for the link {link}")
        problems += [
            f"{path}: {left} was not understood"
            for left in re.findall(UNRESOLVED, page.text)
        ]
    return problems


if __name__ == "__main__":
    main()
