"""Imports point one way, and heavy or dying packages stay behind their seams."""

import ast
from pathlib import Path

import pytest

from tests.conftest import ROOT

PACKAGE = ROOT / "src" / "nima_pretrain"
MODULES = sorted(PACKAGE.rglob("*.py"))

# The tree, from the ground up. A module may import from its own floor and from those below.
FLOORS = (
    {"errors"},
    {"files", "progress", "metrics"},
    {"report"},
    {"config"},
    {"distortions"},
    {"data"},
    {"losses"},
    {"networks"},
    {"pretext"},
    {"weights"},
    {"prediction"},
    {"evaluation"},
    {"training"},
    {"distillation"},
    {"reproduction"},
    {"cli"},
)


def floor_of(part: str) -> int:
    (floor,) = (index for index, parts in enumerate(FLOORS) if part in parts)
    return floor


def imports_of(module: Path) -> set[str]:
    names = set()
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module == "nima_pretrain":
            names |= {f"nima_pretrain.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
    return names


def part_of(name: str) -> str:
    return name.split(".")[1]


def own_part(module: Path) -> str:
    return module.relative_to(PACKAGE).parts[0].removesuffix(".py")


@pytest.mark.parametrize(
    "module", MODULES, ids=lambda module: module.relative_to(PACKAGE).as_posix()
)
def test_imports_point_downwards(module):
    if module == PACKAGE / "__init__.py":
        return
    for name in imports_of(module):
        if name.startswith("nima_pretrain.") and part_of(name) != "__version__":
            assert floor_of(part_of(name)) <= floor_of(own_part(module)), name


def users_of(package: str) -> set[str]:
    return {
        module.relative_to(PACKAGE).as_posix()
        for module in MODULES
        if any(name.split(".")[0] == package for name in imports_of(module))
    }


def test_only_the_optimizers_know_tensorflow_addons():
    assert users_of("tensorflow_addons") == {"networks/optimizers.py"}


def test_only_the_technical_distortions_know_imagecorruptions():
    assert users_of("imagecorruptions") == {"distortions/technical.py"}


def test_pixels_and_files_know_no_networks():
    for package in ("tensorflow", "keras"):
        for user in users_of(package):
            assert user.split("/")[0] not in ("distortions", "data"), user


def test_losses_and_layers_know_no_files():
    for name in ("losses.py", "networks/layers.py", "pretext/tasks.py"):
        parts = {part_of(n) for n in imports_of(PACKAGE / name) if n.startswith("nima_pretrain.")}
        assert not parts & {"data", "files", "weights"}, name


def test_there_is_no_module_for_odds_and_ends():
    assert not [module for module in MODULES if module.stem in ("utils", "helpers", "common")]
