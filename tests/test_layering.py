"""Imports point one way, and heavy or dying packages stay behind their seams."""

import ast
from functools import cache
from pathlib import Path

import pytest

from tests.conftest import ROOT

PACKAGE = ROOT / "src" / "nima_pretrain"
MODULES = sorted(PACKAGE.rglob("*.py"))

# The tree, from the ground up. A module may import from its own floor and from those below.
FLOORS = (
    {"errors"},
    {"files", "locks", "progress", "metrics"},
    {"report"},
    {"config"},
    {"distortions"},
    {"data"},
    {"networks"},
    {"pretext"},
    {"losses"},
    {"weights"},
    {"prediction"},
    {"evaluation"},
    {"training"},
    {"distillation"},
    {"reproduction"},
    {"exporting"},
    {"library"},
    {"cli"},
)
MOST_LINES = 250
# One method, one file: with its config and its line in the registry.
ROTNET = {"config/pretext.py", "pretext/methods.py", "pretext/rotnet.py"}


def floor_of(part: str) -> int:
    (floor,) = (index for index, parts in enumerate(FLOORS) if part in parts)
    return floor


@cache
def imports_of(module: Path) -> frozenset[str]:
    names = set()
    for node in ast.walk(ast.parse(module.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module == "nima_pretrain":
            names |= {f"nima_pretrain.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
    return frozenset(names)


def part_of(name: str) -> str:
    return name.split(".")[1]


def dotted(module: Path) -> str:
    parts = module.relative_to(PACKAGE.parent).with_suffix("").parts
    return ".".join(parts).removesuffix(".__init__")


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


def test_only_the_tasks_on_a_cluster_know_ray():
    assert users_of("ray") == {"reproduction/ray_tasks.py"}


def test_pixels_and_files_know_no_networks():
    for package in ("tensorflow", "keras"):
        for user in users_of(package):
            assert user.split("/")[0] not in ("distortions", "data"), user


def test_losses_and_layers_know_no_files():
    for name in ("losses.py", "networks/layers.py", "networks/emd.py", "pretext/tasks.py"):
        parts = {part_of(n) for n in imports_of(PACKAGE / name) if n.startswith("nima_pretrain.")}
        assert not parts & {"data", "files", "weights"}, name


def test_the_tree_has_as_many_rooms_as_it_is_drawn_with():
    rooms = {own_part(module) for module in MODULES} - {"__init__"}
    assert rooms == set().union(*FLOORS)
    assert len(rooms) <= 21


def test_no_two_modules_import_each_other():
    graph = {
        module: {
            other
            for other in MODULES
            for name in imports_of(module)
            if name == dotted(other) and other != module
        }
        for module in MODULES
        # `nima_pretrain` and `networks` look names up on first use.
        if module.name != "__init__.py"
    }
    finished: set[Path] = set()

    def visit(module: Path, path: tuple[Path, ...]) -> None:
        assert module not in path, [dotted(m) for m in (*path, module)]
        if module not in finished:
            for other in graph.get(module, ()):
                visit(other, (*path, module))
            finished.add(module)

    for module in graph:
        visit(module, ())


def test_files_hold_one_idea_each():
    long = {
        module.relative_to(PACKAGE).as_posix()
        for module in MODULES
        if len(module.read_text().splitlines()) > MOST_LINES
    }
    assert not long


def test_a_method_is_named_in_its_file_its_config_and_the_registry_alone():
    naming = {
        module.relative_to(PACKAGE).as_posix()
        for module in MODULES
        if "rotnet" in module.read_text().lower()
    }
    assert naming == ROTNET


def test_there_is_no_module_for_odds_and_ends():
    assert not [module for module in MODULES if module.stem in ("utils", "helpers", "common")]
