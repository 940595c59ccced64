"""Optimisers as the paper uses them, of Keras 2 and 3.

No other module knows that a rate for each part of a network is a matter of tensorflow-addons in
Keras 2 and of Keras itself in Keras 3.

Weight decay is added to the gradient, as PyTorch's RMSprop and Adam do it, with which the paper
trained. Keras' own `weight_decay` is a different thing: it shrinks the weights beside the update,
here by a factor of ten thousand less.
"""

import warnings
from collections.abc import Sequence
from typing import Any

import keras

from nima_pretrain.config import FinetuneConfig

_OF_KERAS_3 = hasattr(keras.optimizers, "MultiOptimizer")


class _DecayInGradient:
    """Mixed into a Keras optimiser: every gradient g of a variable v becomes g + decay * v."""

    l2_decay = 0.0

    def update_step(self, gradient: Any, variable: Any, *rate: Any) -> None:
        # Keras 3 gives the learning rate, too.
        super().update_step(gradient + self.l2_decay * variable, variable, *rate)  # type: ignore[misc]


class DecayingRMSprop(_DecayInGradient, keras.optimizers.RMSprop):
    """RMSProp with weight decay."""


class DecayingAdam(_DecayInGradient, keras.optimizers.Adam):
    """Adam with weight decay, not AdamW."""


class DecayingSGD(_DecayInGradient, keras.optimizers.SGD):
    """Stochastic gradient descent with weight decay."""


def rmsprop(
    learning_rate: float, rho: float, momentum: float, weight_decay: float
) -> keras.optimizers.Optimizer:
    """Returns RMSProp; rho is its decay of squared gradients."""
    optimizer = DecayingRMSprop(learning_rate, rho=rho, momentum=momentum)
    optimizer.l2_decay = weight_decay
    return optimizer


def nesterov(
    learning_rate: float, momentum: float, weight_decay: float
) -> keras.optimizers.Optimizer:
    """Returns stochastic gradient descent with Nesterov's momentum."""
    optimizer = DecayingSGD(learning_rate, momentum=momentum, nesterov=momentum > 0)
    optimizer.l2_decay = weight_decay
    return optimizer


def adam(learning_rate: float, weight_decay: float) -> keras.optimizers.Optimizer:
    """Returns Adam."""
    optimizer = DecayingAdam(learning_rate)
    optimizer.l2_decay = weight_decay
    return optimizer


def with_loss_scale(
    optimizer: keras.optimizers.Optimizer, precision: str
) -> keras.optimizers.Optimizer:
    """Returns an optimiser for a network that computes in some precision."""
    if precision == "mixed_float16":
        return keras.mixed_precision.LossScaleOptimizer(optimizer)
    return optimizer


def head_optimizer(config: FinetuneConfig) -> keras.optimizers.Optimizer:
    """Returns Adam for the head alone, while the backbone is frozen."""
    return adam(config.head_learning_rate, config.weight_decay)


def backbone_and_head_optimizer(
    backbone: list[keras.layers.Layer], head: list[keras.layers.Layer], config: FinetuneConfig
) -> keras.optimizers.Optimizer:
    """Returns two Adams with rates of their own, one for the layers of each part."""
    head_rate = config.free_head_learning_rate or config.head_learning_rate
    of_backbone = adam(config.backbone_learning_rate, config.weight_decay)
    of_head = adam(head_rate, config.weight_decay)
    if _OF_KERAS_3:
        paths = [variable.path for layer in backbone for variable in layer.variables]
        by_path = dict.fromkeys(paths, of_backbone)
        return keras.optimizers.MultiOptimizer(keras.optimizers.OptimizerMap(of_head, by_path))
    with warnings.catch_warnings():
        # The addons announce their end at every import.
        warnings.simplefilter("ignore")
        from tensorflow_addons.optimizers import MultiOptimizer
    optimizer = MultiOptimizer([(of_backbone, backbone), (of_head, head)])
    # The counter that is made here would otherwise be made in the first step, and that step
    # traced twice: 15 seconds on one core.
    optimizer.iterations.assign(0)
    return optimizer


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
    if _OF_KERAS_3:
        if not optimizer.built:
            optimizer.build(trained)
        return optimizer.variables
    state = []
    names = [variable.name for variable in trained]
    specs = getattr(optimizer, "optimizer_specs", [{"optimizer": optimizer, "weights": names}])
    for spec in specs:
        part = spec["optimizer"]
        part.build([variable for variable in trained if variable.name in spec["weights"]])
        state += [*part.variables, part.learning_rate]
    if isinstance(optimizer, keras.mixed_precision.LossScaleOptimizer):
        # The current scale moves too, and Keras 2 shows it as a tensor only.
        state += [optimizer._loss_scale._current_loss_scale, optimizer.dynamic_counter]
    return state


def _parts(optimizer: keras.optimizers.Optimizer) -> list[keras.optimizers.Optimizer]:
    """The optimisers of a `MultiOptimizer`, of Keras 3 or of the addons; or the one, alone."""
    if hasattr(optimizer, "optimizer_specs"):
        return [spec["optimizer"] for spec in optimizer.optimizer_specs]
    return getattr(optimizer, "optimizers", [optimizer])
