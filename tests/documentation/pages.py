"""The pages of the project, and what they tell users to type."""

import json
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tests.conftest import ROOT

PATTERNS = (
    "*.md",
    "docs/**/*.md",
    "models/**/*.md",
    "examples/*.md",
    "examples/*.ipynb",
    "contrib/*/README.md",
)
SHELLS = ("sh", "bash", "console")
PROGRAM = "nima-pretrain"


class Command(NamedTuple):
    """A command of a page: arguments of nima-pretrain, without its name.

    Attributes:
        page: its path in the repository.
        arguments: the words after the name of the program.
        is_whole: whether it is in a block of commands; a mention in a text may be the name alone,
            without the arguments that the command needs.
    """

    page: str
    arguments: list[str]
    is_whole: bool = True

    def __str__(self) -> str:
        return f"{self.page}: {shlex.join(self.arguments)}"


def pages() -> list[Path]:
    """Returns all pages that users read."""
    return sorted({path for pattern in PATTERNS for path in ROOT.glob(pattern)})


def name_of(page: Path) -> str:
    """Returns the path of a page in the repository."""
    return page.relative_to(ROOT).as_posix()


def text_of(page: Path) -> str:
    """Returns the Markdown of a page; of a notebook that of its Markdown cells."""
    text = page.read_text(encoding="utf-8")
    if page.suffix != ".ipynb":
        return text
    cells = json.loads(text)["cells"]
    return "\n\n".join("".join(c["source"]) for c in cells if c["cell_type"] == "markdown")


def blocks(page: Path, *languages: str) -> list[str]:
    """Returns the fenced blocks of a page in any of the languages."""
    fenced = re.findall(r"^ *```(\w+)\n(.*?)^ *```$", text_of(page), re.DOTALL | re.MULTILINE)
    return [block for language, block in fenced if language in languages]


def inline_code(page: Path) -> list[str]:
    """Returns the code within the sentences of a page."""
    prose = re.sub(r"^ *```.*?^ *```$", "", text_of(page), flags=re.DOTALL | re.MULTILINE)
    return [" ".join(code.split()) for code in re.findall(r"(?<!`)`([^`]+)`(?!`)", prose)]


def lines_of(block: str) -> list[str]:
    """Returns the lines that a shell would run, continued ones as one."""
    return [line for line in block.replace("\\\n", " ").splitlines() if line.strip()]


def commands(page: Path) -> Iterator[Command]:
    """Yields the commands of nima-pretrain in the blocks and sentences of a page."""
    name = name_of(page)
    for block in blocks(page, *SHELLS):
        for line in lines_of(block):
            for words in simple_commands(line):
                if arguments := arguments_of(words):
                    yield Command(name, arguments)
    for code in inline_code(page):
        if code.startswith((f"{PROGRAM} ", "entrypoints/")) and "COMMAND" not in code:
            for words in simple_commands(code):
                if arguments := arguments_of(words):
                    yield Command(name, arguments, is_whole=False)


def simple_commands(line: str) -> Iterator[list[str]]:
    """Yields the words of each command of a pipeline or list, without assignments and comments."""
    lexer = shlex.shlex(line.removeprefix("$ "), posix=True, punctuation_chars=";&|<>")
    lexer.whitespace_split = True
    words: list[str] = []
    for word in [*lexer, ";"]:
        if word and set(word) <= set(";&|"):
            while words and re.match(r"[A-Z_]+=", words[0]):
                words.pop(0)
            yield words
            words = []
        else:
            words.append(word)


def arguments_of(words: list[str]) -> list[str]:
    """Returns the arguments that a command gives to nima-pretrain; none for another program."""
    if words[:2] == ["docker", "run"] and PROGRAM in words:
        words = words[words.index(PROGRAM) :]
    if words and words[0] == f"entrypoints/{PROGRAM}":
        words = [PROGRAM, *words[1:]]
    if words and words[0].startswith("entrypoints/"):
        words = [PROGRAM, words[0].removeprefix("entrypoints/"), *words[1:]]
    if not words or Path(words[0]).name != PROGRAM:
        return []
    cut = next((i for i, word in enumerate(words) if word and set(word) <= set("<>")), len(words))
    return words[1:cut]
