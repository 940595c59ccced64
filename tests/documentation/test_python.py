"""The Python of the pages: it compiles, and its imports, names and keywords exist."""

import ast
import inspect
import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import nima_pretrain
from tests.conftest import ROOT
from tests.documentation.pages import blocks, name_of, pages

PAGES = [page for page in pages() if blocks(page, "python")]


def imported(tree: ast.AST) -> dict[str, Any]:
    """Returns the objects that a program imports, under its names for them.

    Raises:
        ImportError, AttributeError: one of them does not exist.
    """
    found: dict[str, Any] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                module = import_module(alias.name)
                name = alias.asname or alias.name.split(".")[0]
                found[name] = module if alias.asname else import_module(name)
        elif isinstance(node, ast.ImportFrom):
            for alias in node.names:
                found[alias.asname or alias.name] = member(
                    import_module(str(node.module)), alias.name
                )
    return found


def member(owner: Any, name: str) -> Any:
    """Returns an attribute, or a module of a package that was not imported before."""
    if isinstance(owner, ModuleType) and not hasattr(owner, name):
        return import_module(f"{owner.__name__}.{name}")
    return getattr(owner, name)


def resolved(node: ast.expr, names: dict[str, Any]) -> Any:
    """Returns the imported object that an expression such as `losses.ranking` means, or None."""
    if isinstance(node, ast.Name):
        return names.get(node.id)
    if isinstance(node, ast.Attribute):
        owner = resolved(node.value, names)
        if isinstance(owner, ModuleType | type):
            return member(owner, node.attr)
    return None


def calls(tree: ast.AST, names: dict[str, Any]) -> Iterator[tuple[Any, ast.Call]]:
    """Yields the calls of imported functions and classes."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            function = resolved(node.func, names)
            if callable(function):
                yield function, node


def check(source: str) -> None:
    """Raises an error if a program would fail for its imports or the arguments of its calls."""
    tree = ast.parse(source)
    names = imported(tree)
    for function, call in calls(tree, names):
        try:
            signature = inspect.signature(function)
        except ValueError:  # functions written in C need not have one
            continue
        signature.bind(*call.args, **{str(keyword.arg): None for keyword in call.keywords})


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_python_of_a_page_fits_the_package(page: Path):
    # Later blocks of a page use what earlier ones imported.
    check("\n".join(blocks(page, "python")))


def test_the_guide_lists_every_public_function_and_keywords_that_exist():
    guide = (ROOT / "docs" / "api.md").read_text()
    listed = dict(re.findall(r"^\| `(\w+)\((.*?)\)`", guide, re.MULTILINE))
    assert set(listed) == set(nima_pretrain._FUNCTIONS)
    for name, parameters in listed.items():
        known = inspect.signature(getattr(nima_pretrain, name)).parameters
        named = re.findall(r"(?:^|, )(\w+)", parameters)
        assert set(named) <= set(known), name


@pytest.mark.parametrize(
    ("source", "error"),
    [
        ("from nima_pretrain import predct", ImportError),
        ("from nima_pretrain.config import Config2", ImportError),
        ("import nima_pretrain\nnima_pretrain.predct('a')", ImportError),
        ("from nima_pretrain import predict\npredict('a', tops=3)", TypeError),
        ("from nima_pretrain.config import FinetuneConfig\nFinetuneConfig(widths=1)", TypeError),
        ("for", SyntaxError),
    ],
)
def test_wrong_python_would_be_found(source, error):
    with pytest.raises(error):
        check(source)
