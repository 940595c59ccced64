"""The wheel, at the highest level of compression: with its weights it comes close to 25 MB.

All settings are in pyproject.toml, which has none for the level.
"""

from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile

from setuptools import setup
from setuptools.command.bdist_wheel import bdist_wheel


class SmallWheel(bdist_wheel):
    """Builds a wheel, and writes it anew at level 9."""

    def run(self) -> None:
        """Builds the wheel."""
        super().run()
        for kind, _, name in self.distribution.dist_files:
            if kind == "bdist_wheel":
                _compress(Path(name))


def _compress(wheel: Path) -> None:
    beside = wheel.with_suffix(".partial")
    with ZipFile(wheel) as old, ZipFile(beside, "w") as new:
        for member in old.infolist():
            new.writestr(member, old.read(member), ZIP_DEFLATED, 9)
    beside.replace(wheel)


setup(cmdclass={"bdist_wheel": SmallWheel})
