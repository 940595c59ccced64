"""Targets of fuzzing: the files that people and servers hand to the program, and their readers."""

import json
import random
from abc import ABC, abstractmethod
from pathlib import Path

import h5py
import numpy as np

from nima_pretrain.data.file_lists import SplitFiles
from nima_pretrain.data.rating_formats import read_rows
from nima_pretrain.data.ratings import ScoreScale
from nima_pretrain.data.split import list_photos
from nima_pretrain.library import journal
from nima_pretrain.library.undo import undo_stars
from nima_pretrain.library.xmp import Rating, rating_of, with_rating
from nima_pretrain.prediction.files import ScoreFile
from nima_pretrain.prediction.formats import Csv, Json, JsonLines, ScoreFormat
from nima_pretrain.prediction.score_row import ScoreRow
from nima_pretrain.weights.manifest import Manifest, Place, Published, read_manifest
from nima_pretrain.weights.reading import read_side_car
from nima_pretrain.weights.side_car import BackboneCard, Card, NimaCard, PretextCard, sha256_of
from tests.fuzz.mutations import mutated_bytes, mutated_json, mutated_text
from tests.fuzz.strict import readings
from tests.library.packets import PACKETS

NETWORK = {"width": 0.35, "input_size": 32}


class Target(ABC):
    """A kind of file.

    Args:
        folder: an empty folder of its own, for the file and what it needs beside it.
    """

    name: str

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @abstractmethod
    def content(self, rng: random.Random) -> bytes:
        """Returns a mutated file."""

    @abstractmethod
    def read(self, content: bytes) -> None:
        """Writes and reads a file.

        Raises:
            InputError: it is refused.
            AssertionError: it is taken, and should not have been.
        """


AVA = "1 953619 0 1 5 17 38 36 15 6 5 1 1 22 1396\n2 953958 10 7 15 26 26 21 10 8 1 2 1 21 1396\n"


class RatingsFiles(Target):
    """Ratings in all formats, against the strict readers."""

    name = "ratings"
    seeds = (
        AVA,
        "5.51 I01_01_1.bmp\n5.56 I01_01_2.bmp\n",
        "path,mean,std,split\na,3,1,train\nb,3.5,0.5,test\n",
        "path;p1;p2;p3\na;1;2;3\nb;0.5;0.25;0.25\n",
        json.dumps(
            [
                {"image_id": "a", "label": [1, 2], "split": "train", "category": "sea"},
                {"image_id": "b", "label": [0.5, 0.5], "split": "test"},
            ]
        ),
    )

    def content(self, rng: random.Random) -> bytes:
        text = rng.choice(self.seeds)
        is_json = text[0] == "[" and rng.random() < 0.7
        text = (mutated_json if is_json else mutated_text)(text, rng)
        return text.encode("utf-8", "replace")

    def read(self, content: bytes) -> None:
        file = self.folder / "ratings"
        file.write_bytes(content)
        has_means = b"mean" in content[:20]
        rows = read_rows(file, ScoreScale(5) if has_means else None)
        assert all(len(problem.reason) < 1000 for problem in rows.problems)
        assert (rows.distributions >= 0).all()
        assert abs(rows.distributions.sum(axis=1) - 1).max(initial=0) < 1e-6
        if rows.problems:
            return
        given = list(zip(rows.ids, rows.distributions, strict=True))
        for entries in readings(content.decode("utf-8")):
            if len(entries) == len(given) and all(
                entry.fits(*row, rows.scale.scores)
                for entry, row in zip(entries, given, strict=True)
            ):
                return
        raise AssertionError("it was taken, though no strict reader reads it the same")


class FileLists(Target):
    """File lists of training and validation photos."""

    name = "file lists"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        for name in ("a.jpg", "b c.jpg", "folder/d.jpg", "e.jpg"):
            (folder / name).parent.mkdir(exist_ok=True)
            (folder / name).touch()
        (folder / "validation.txt").write_text("e.jpg\n")

    def content(self, rng: random.Random) -> bytes:
        return mutated_text("a.jpg\nb c.jpg\nfolder/d.jpg\n", rng).encode("utf-8", "replace")

    def read(self, content: bytes) -> None:
        file = self.folder / "training.txt"
        file.write_bytes(content)
        listed = list_photos(self.folder, SplitFiles(file, self.folder / "validation.txt"))
        lines = content.removeprefix("\ufeff".encode()).replace(b"\r", b"\n").split(b"\n")
        names = [line.decode() for line in lines if line.decode().strip()]
        assert list(listed.names[:-1]) == names


class ScoreFiles(Target):
    """Score files that `predict --resume` goes on with."""

    name = "score files"
    rows = (
        ScoreRow('a, "b".jpg', 3.25, 1.5, 40.0, (0.25, 0.25, 0.5), weights="0123abcd"),
        ScoreRow("b\nc.jpg", status="error", error="empty", bytes=0, modified="2020-01-01"),
        ScoreRow("d.jpg", 1.0, 0.5, None, (1.0, 0.0, 0.0), note="a note", bytes=10),
    )

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.styles: tuple[ScoreFormat, ...] = (Csv(3), Json(), JsonLines())
        self.seeds = []
        for style in self.styles:
            with ScoreFile(folder / "whole", style) as file:
                for row in self.rows:
                    file.append(row)
            self.seeds.append((folder / "whole").read_bytes())

    def content(self, rng: random.Random) -> bytes:
        number = rng.randrange(len(self.styles))
        seed = self.seeds[number]
        if number == 2 and rng.random() < 0.5:
            lines = [mutated_json(line.decode(), rng) for line in seed.splitlines()]
            changed = "\n".join(lines).encode() + b"\n"
        elif rng.random() < 0.5:
            changed = mutated_text(seed.decode(), rng).encode("utf-8", "replace")
        else:
            changed = mutated_bytes(seed, rng)
        return bytes([number]) + changed

    def read(self, content: bytes) -> None:
        path = self.folder / "scores"
        path.write_bytes(content[1:])
        style = self.styles[content[0]]
        with ScoreFile(path, style, resume=True) as file:
            rows = list(file)
            for row in rows:
                assert isinstance(row.path, str)
                assert isinstance(row.weights, str)
                assert (row.status == "ok") == (row.mean is not None), row
                assert row.mean is None or np.isfinite(row.mean), row
            file.append(self.rows[0])
        with ScoreFile(path, style, resume=True) as again:
            assert list(again) == [*rows, self.rows[0]]


class SideCars(Target):
    """Side-cars of all kinds, beside weights files."""

    name = "side-cars"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.weights = folder / "model.h5"
        with h5py.File(self.weights, "w") as file:
            file.attrs["layer_names"] = [b"none"]
        self.seeds = [card.model_dump_json() for card in cards_for(sha256_of(self.weights))]

    def content(self, rng: random.Random) -> bytes:
        mutate = mutated_json if rng.random() < 0.8 else mutated_text
        return mutate(rng.choice(self.seeds), rng).encode("utf-8", "replace")

    def read(self, content: bytes) -> None:
        self.weights.with_suffix(".json").write_bytes(content)
        check_card(read_side_car(self.weights, Card))


class Manifests(Target):
    """Lists of published weights."""

    name = "manifests"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        sha256 = "0" * 64
        entries = tuple(
            Published(name=f"{card.kind}-1", address="x.h5", bytes=5, sha256=sha256, side_car=card)
            for card in cards_for(sha256)
        )
        self.seed = Manifest(weights=entries).model_dump_json()

    def content(self, rng: random.Random) -> bytes:
        mutate = mutated_json if rng.random() < 0.8 else mutated_text
        return mutate(self.seed, rng).encode("utf-8", "replace")

    def read(self, content: bytes) -> None:
        (self.folder / "weights.json").write_bytes(content)
        manifest = read_manifest(self.folder)
        for base in (str(self.folder), "http://127.0.0.1/"):
            for entry in manifest.weights:
                assert entry.name == Path(entry.name).name
                assert Place(manifest, base).address_of(entry)
                check_card(entry.side_car)


class WeightsFiles(Target):
    """Weights files, loaded into a small network."""

    name = "weights files"

    def __init__(self, folder: Path) -> None:
        import keras

        from nima_pretrain.weights.h5 import save_layers

        super().__init__(folder)
        self.model = keras.Sequential(
            [
                keras.Input((8, 8, 3)),
                keras.layers.Conv2D(4, 3, name="conv"),
                keras.layers.BatchNormalization(name="norm"),
                keras.layers.Dense(2, name="head"),
            ]
        )
        save_layers(self.model, folder / "whole.h5")
        self.seed = (folder / "whole.h5").read_bytes()

    def content(self, rng: random.Random) -> bytes:
        return mutated_bytes(self.seed, rng)

    def read(self, content: bytes) -> None:
        from nima_pretrain.weights import idealo
        from nima_pretrain.weights.store import load_weights

        path = self.folder / "weights.h5"
        path.write_bytes(content)
        assert idealo.side_car_of(path) is None
        load_weights(self.model, path)
        assert all(np.isfinite(value).all() for value in self.model.get_weights())


class XmpPackets(Target):
    """XMP packets, which a rating is merged into."""

    name = "XMP packets"
    seeds = tuple(PACKETS.values())
    # Text that may stand between elements.
    pieces = (
        *("<!-- <a b='-'> -->", "<![CDATA[<a b='>]]>", '<?a <b c="?>', "text > &lt; &#10;"),
        *('<a b = "/>" c=\'"\'/>', "<a\n>\n</a\n>", "<a xmlns='b' c=''><d/></a>", ""),
    )

    def content(self, rng: random.Random) -> bytes:
        seed = rng.choice(self.seeds)
        if seed[:2] in (b"\xff\xfe", b"\xfe\xff") or rng.random() < 0.2:
            return mutated_bytes(seed, rng)
        text = seed.decode()
        if rng.random() < 0.2:
            return mutated_text(text, rng).encode("utf-8", "replace")
        lines = text.replace("><", ">\n<").splitlines(keepends=True)
        for _ in range(rng.randint(1, 3)):
            number = rng.randrange(len(lines))
            lines[number] = rng.choice([lines[number] * 2, "", lines[number] + "%s"])
        text = "".join(lines)
        return text.replace("%s", rng.choice(self.pieces)).encode()

    def read(self, content: bytes) -> None:
        rating_of(content, "packet")
        by_model = with_rating(content, 3, by_model=True, name="packet")
        assert rating_of(by_model, "packet") == Rating(3, by_model=True)
        by_person = with_rating(by_model, 4, by_model=False, name="packet")
        assert rating_of(by_person, "packet") == Rating(4, by_model=False)
        assert abs(len(by_person) - len(content)) < 1000


class Journals(Target):
    """Journals of stars, whose sidecars are restored."""

    name = "journals of stars"

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.sidecar = folder / "photos" / "a.jpg.xmp"
        self.sidecar.parent.mkdir()
        for before, after in ((b"first", b"second"), (b"second", b"third"), (None, b"new")):
            journal.record(self.sidecar, before, after)
        self.seed = (self.sidecar.parent / journal.NAME).read_text()
        self.others = (folder / "home.xmp", folder / "photos" / "b.txt")
        for path in self.others:
            path.write_bytes(b"third")

    def content(self, rng: random.Random) -> bytes:
        if rng.random() < 0.5:
            return mutated_text(self.seed, rng).encode("utf-8", "replace")
        lines = self.seed.splitlines()
        number = rng.randrange(len(lines))
        lines[number] = mutated_json(lines[number], rng)
        return "\n".join([*lines, ""]).encode()

    def read(self, content: bytes) -> None:
        (self.sidecar.parent / journal.NAME).write_bytes(content)
        self.sidecar.write_bytes(b"third")
        undo_stars(self.sidecar.parent)
        assert all(path.read_bytes() == b"third" for path in self.others)


TARGETS: tuple[type[Target], ...] = (
    RatingsFiles,
    FileLists,
    ScoreFiles,
    SideCars,
    Manifests,
    WeightsFiles,
    XmpPackets,
    Journals,
)


def cards_for(sha256: str) -> list[BackboneCard | PretextCard | NimaCard]:
    """Returns a side-car of each kind, with a value in every field."""
    common = {
        "network": NETWORK,
        "sha256": sha256,
        "training_data": {"photos": 3},
        "metrics": {"loss": 0.5},
    }
    nima = {
        "scale": {"bins": 5, "low": 1, "high": 5},
        "training_scores": [1.0, 2.0, 5.0],
        "reference_scores": {"a.png": {"sha256": "1", "mean": 3.0}},
    }
    pretext = {"bank": "paper", "tasks": ["regression"], "usual_levels": [[0.0, 1.0]] * 16}
    return [
        BackboneCard.model_validate(common),
        PretextCard.model_validate(common | pretext),
        NimaCard.model_validate(common | nima),
    ]


def check_card(card: Card) -> None:
    """Checks what the program relies on in a side-car that was taken."""
    assert 0 < card.network.width <= 10
    assert 32 <= card.network.input_size <= 2048
    if isinstance(card, NimaCard):
        scores = card.score_scale.scores
        assert np.isfinite(scores).all()
        assert (np.diff(scores) > 0).all()
        assert np.isfinite(card.training_scores or ()).all()
        assert all(np.isfinite(known.mean) for known in card.reference_scores.values())
    if isinstance(card, PretextCard):
        assert np.isfinite(card.usual_levels or ()).all()
    assert np.isfinite(list(card.metrics.values())).all()
