"""Hook of mkdocs: the page reference.md, the public names of the package with their docstrings."""

from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files

import nima_pretrain

# Beside the public functions: classes and functions that they take and return.
SECTIONS: dict[str, dict[str, tuple[str, ...]]] = {
    "Scores": {
        "nima_pretrain.prediction.scorer": ("Scorer",),
        "nima_pretrain.prediction.scoring": ("Score",),
        "nima_pretrain.errors": ("InputError", "PhotoError"),
    },
    "Ratings": {
        "nima_pretrain.data.rating_files": ("load_ratings",),
        "nima_pretrain.data.ratings": ("Ratings", "ScoreScale"),
    },
    "Results": {
        "nima_pretrain.training.results": ("PretrainResults", "FinetuneResults"),
        "nima_pretrain.evaluation.results": ("EvaluationResults",),
    },
    "Distortions": {
        "nima_pretrain.distortions": ("DistortionBank", "Distortion", "Series", "View", "Aspect"),
    },
    "Networks": {
        "nima_pretrain.networks.backbone": ("build_backbone",),
        "nima_pretrain.networks.nima": ("build_nima",),
        "nima_pretrain.pretext.ranking": ("build_pretext_model",),
        "nima_pretrain.weights.store": ("load_model", "save_weights"),
    },
    "Losses": {
        "nima_pretrain.losses": ("ranking", "classification", "regression"),
        "nima_pretrain.pretext.distortion_losses": ("balanced",),
        "nima_pretrain.networks.emd": ("earth_movers_distance",),
    },
    "Configs": {"nima_pretrain.config": ("load_config",)},
    "Pretext methods": {"nima_pretrain.pretext.method": ("Method", "Progress")},
}


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds the page."""
    files.append(File.generated(config, "reference.md", content=reference()))
    return files


def reference() -> str:
    """Returns the page, for mkdocstrings to fill in."""
    functions = ["## Functions"]
    functions += [
        entry(f"nima_pretrain.{path}", f"nima_pretrain.{name}")
        for name, path in sorted(nima_pretrain._FUNCTIONS.items())
    ]
    for title, modules in SECTIONS.items():
        functions.append(f"## {title}")
        functions += [
            entry(f"{module}.{name}", name) for module, names in modules.items() for name in names
        ]
    return "\n\n".join(["# Python functions", *functions])


def entry(path: str, heading: str) -> str:
    """Returns the directive for one object."""
    return f"::: {path}\n    options:\n      heading: {heading}\n      toc_label: {heading}"
