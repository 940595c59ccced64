"""Optimisers as the paper uses them; the only module that knows tensorflow-addons.

Weight decay is added to the gradient, as PyTorch's RMSprop and Adam do it, with which the paper
trained. Keras' own `weight_decay` is a different thing: it shrinks the weights beside the update,
here by a factor of ten thousand less.
"""

import warnings
from collections.abc import Iterable, Sequence
from typing import Any

import keras

from nima_pretrain.config import FinetuneConfig, PretrainConfig


class _AddsDecayToGradient:
    """Mixed into a Keras optimiser: every gradient g of a variable v becomes g + decay * v."""

    l2_decay = 0.0

    def apply_gradients(self, grads_and_vars: Iterable[tuple[Any, Any]], **options: Any) -> Any:
        decayed = [
            (gradient + self.l2_decay * variable, variable)
            for gradient, variable in grads_and_vars
            if gradient is not None
        ]
        return super().apply_gradients(decayed, **options)  # type: ignore[misc]


class _RMSprop(_AddsDecayToGradient, keras.optimizers.RMSprop):
    pass


class _Adam(_AddsDecayToGradient, keras.optimizers.Adam):
    pass


def pretext_optimizer(config: PretrainConfig) -> keras.optimizers.Optimizer:
    """Returns RMSProp with the config's decay, momentum, weight decay and learning rate."""
    optimizer = _RMSprop(config.learning_rate, rho=config.rho, momentum=config.momentum)
    optimizer.l2_decay = config.weight_decay
    if config.precision == "mixed_float16":
        return keras.mixed_precision.LossScaleOptimizer(optimizer)
    return optimizer


def head_optimizer(config: FinetuneConfig) -> keras.optimizers.Optimizer:
    """Returns Adam for the head alone, while the backbone is frozen."""
    return _adam(config.head_learning_rate, config.weight_decay)


def backbone_and_head_optimizer(
    backbone: list[keras.layers.Layer], head: list[keras.layers.Layer], config: FinetuneConfig
) -> keras.optimizers.Optimizer:
    """Returns two Adams with rates of their own, one for the layers of each part."""
    head_rate = config.free_head_learning_rate or config.head_learning_rate
    with warnings.catch_warnings():
        # The addons announce their end at every import.
        warnings.simplefilter("ignore")
        from tensorflow_addons.optimizers import MultiOptimizer
    return MultiOptimizer(
        [
            (_adam(config.backbone_learning_rate, config.weight_decay), backbone),
            (_adam(head_rate, config.weight_decay), head),
        ]
    )


def learning_rates(optimizer: keras.optimizers.Optimizer) -> list[float]:
    """Returns the learning rate of every part of an optimiser."""
    return [float(part.learning_rate.numpy()) for part in _parts(optimizer)]


def scale_learning_rates(optimizer: keras.optimizers.Optimizer, factor: float) -> None:
    """Multiplies the learning rate of every part of an optimiser; takes effect at the next step."""
    for part in _parts(optimizer):
        part.learning_rate.assign(part.learning_rate * factor)


def set_learning_rates(optimizer: keras.optimizers.Optimizer, rates: Sequence[float]) -> None:
    """Sets the learning rate of every part of an optimiser; takes effect at the next step."""
    for part, rate in zip(_parts(optimizer), rates, strict=True):
        part.learning_rate.assign(rate)


def steps_of(optimizer: keras.optimizers.Optimizer) -> int:
    """Returns how many steps an optimiser has made."""
    return int(_parts(optimizer)[0].iterations.numpy())


def state_of(optimizer: keras.optimizers.Optimizer, trained: Sequence[Any]) -> list[Any]:
    """Returns all variables of an optimiser: what its next step depends on.

    Args:
        optimizer: it is built where it is not yet.
        trained: the variables that it trains.
    """
    state = []
    for part, names in _parts_and_names(optimizer):
        part.build([variable for variable in trained if names is None or variable.name in names])
        state += [*part.variables, part.learning_rate]
    if isinstance(optimizer, keras.mixed_precision.LossScaleOptimizer):
        # The current scale moves too, and Keras 2 shows it as a tensor only.
        state += [optimizer._loss_scale._current_loss_scale, optimizer.dynamic_counter]
    return state


def _adam(learning_rate: float, weight_decay: float) -> keras.optimizers.Optimizer:
    optimizer = _Adam(learning_rate)
    optimizer.l2_decay = weight_decay
    return optimizer


def _parts(optimizer: keras.optimizers.Optimizer) -> list[keras.optimizers.Optimizer]:
    return [part for part, _ in _parts_and_names(optimizer)]


def _parts_and_names(
    optimizer: keras.optimizers.Optimizer,
) -> list[tuple[keras.optimizers.Optimizer, list[str] | None]]:
    """The optimisers of a `MultiOptimizer` with the names of their variables; or the one, alone."""
    specs = getattr(optimizer, "optimizer_specs", None)
    return (
        [(spec["optimizer"], spec["weights"]) for spec in specs] if specs else [(optimizer, None)]
    )
