"""Optimizers of the paper, for Keras 2 and 3.

Separate learning rates for parts of a network need tensorflow-addons in Keras 2, while Keras 3
supports them itself. `gradients` makes the steps.

Weight decay is added to the gradient, as in PyTorch's RMSprop and Adam, with which the paper
trained. Keras' own `weight_decay` differs: it shrinks the weights directly, here by a factor of
ten thousand less.
"""

import warnings
from collections.abc import Sequence
from typing import Any

import keras

from nima_pretrain.config import FinetuneConfig, OrderConfig

_OF_KERAS_3 = hasattr(keras.optimizers, "MultiOptimizer")


class _DecayInGradient:
    """A mixin of Keras optimizers: every gradient g of a variable v becomes g + decay * v."""

    l2_decay = 0.0

    def update_step(self, gradient: Any, variable: Any, *rate: Any) -> None:
        # Keras 3 passes the learning rate, too.
        super().update_step(gradient + self.l2_decay * variable, variable, *rate)  # type: ignore[misc]


class DecayingRMSprop(_DecayInGradient, keras.optimizers.RMSprop):
    """RMSProp with weight decay."""


class DecayingAdam(_DecayInGradient, keras.optimizers.Adam):
    """Adam with weight decay, not AdamW."""


class DecayingSGD(_DecayInGradient, keras.optimizers.SGD):
    """Stochastic gradient descent with weight decay."""


def rmsprop(
    learning_rate: float,
    rho: float,
    momentum: float,
    weight_decay: float,
    clip_norm: float | None = None,
) -> keras.optimizers.Optimizer:
    """Returns RMSProp.

    Args:
        learning_rate: of the first step.
        rho: its decay of squared gradients.
        momentum: its momentum.
        weight_decay: added to the gradient, see the module.
        clip_norm: largest norm of the gradient of all variables; None for any.
    """
    optimizer = DecayingRMSprop(
        learning_rate, rho=rho, momentum=momentum, global_clipnorm=clip_norm
    )
    optimizer.l2_decay = weight_decay
    return optimizer


def nesterov(
    learning_rate: float, momentum: float, weight_decay: float
) -> keras.optimizers.Optimizer:
    """Returns stochastic gradient descent with Nesterov momentum."""
    optimizer = DecayingSGD(learning_rate, momentum=momentum, nesterov=momentum > 0)
    optimizer.l2_decay = weight_decay
    return optimizer


def adam(
    learning_rate: float | Any, weight_decay: float, clip_norm: float | None = None
) -> keras.optimizers.Optimizer:
    """Returns Adam with a learning rate, or with a Keras schedule of one; see `rmsprop`."""
    optimizer = DecayingAdam(learning_rate, global_clipnorm=clip_norm)
    optimizer.l2_decay = weight_decay
    return optimizer


def with_loss_scale(
    optimizer: keras.optimizers.Optimizer, precision: str
) -> keras.optimizers.Optimizer:
    """Returns the optimizer, wrapped for loss scaling if the precision is mixed_float16."""
    if precision == "mixed_float16":
        return keras.mixed_precision.LossScaleOptimizer(optimizer)
    return optimizer


def head_optimizer(config: FinetuneConfig) -> keras.optimizers.Optimizer:
    """Returns Adam for the head alone, on a frozen backbone."""
    return adam(config.head_learning_rate, config.weight_decay)


def backbone_and_head_optimizer(
    backbone: list[keras.layers.Layer], head: list[keras.layers.Layer], config: FinetuneConfig
) -> keras.optimizers.Optimizer:
    """Returns an optimizer with a separate Adam and learning rate for backbone and head."""
    head_rate = config.free_head_learning_rate or config.head_learning_rate
    of_backbone = adam(_decaying(config.backbone_learning_rate, config), config.weight_decay)
    of_head = adam(_decaying(head_rate, config), config.weight_decay)
    return _one_of_two(of_backbone, of_head, backbone, head)


def ordering_optimizer(
    backbone: list[keras.layers.Layer],
    head: list[keras.layers.Layer],
    config: OrderConfig,
    steps: int,
) -> keras.optimizers.Optimizer:
    """Returns Adam for backbone and head, whose rates rise, then fall to 0 in a cosine."""

    def part(rate: float) -> keras.optimizers.Optimizer:
        rise = min(config.warmup_steps, steps - 1)
        schedule = keras.optimizers.schedules.CosineDecay(
            0.0 if rise else rate, steps - rise, warmup_target=rate, warmup_steps=rise
        )
        return adam(schedule, 0.0, config.clip_norm)

    of_backbone, of_head = part(config.backbone_learning_rate), part(config.head_learning_rate)
    return _one_of_two(of_backbone, of_head, backbone, head)


def learning_rates(optimizer: keras.optimizers.Optimizer) -> list[float]:
    """Returns the learning rate of every part of an optimizer; under a schedule, the last one."""
    return [float(_rate_of(part)) for part in _parts(optimizer)]


def scale_learning_rates(optimizer: keras.optimizers.Optimizer, factor: float) -> None:
    """Multiplies the learning rate of every part of an optimizer, from the next step on."""
    for part in _parts(optimizer):
        part.learning_rate.assign(part.learning_rate * factor)


def state_of(optimizer: keras.optimizers.Optimizer, trained: Sequence[Any]) -> list[Any]:
    """Returns all variables that an optimizer's next step depends on.

    Args:
        optimizer: built here if it is not yet.
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
        # The current scale changes too, and Keras 2 exposes it only as a tensor.
        state += [optimizer._loss_scale._current_loss_scale, optimizer.dynamic_counter]
    return state


def _one_of_two(
    of_backbone: keras.optimizers.Optimizer,
    of_head: keras.optimizers.Optimizer,
    backbone: list[keras.layers.Layer],
    head: list[keras.layers.Layer],
) -> keras.optimizers.Optimizer:
    """Returns one optimizer of two, each for its own layers."""
    if _OF_KERAS_3:
        paths = [variable.path for layer in backbone for variable in layer.variables]
        by_path = dict.fromkeys(paths, of_backbone)
        return keras.optimizers.MultiOptimizer(keras.optimizers.OptimizerMap(of_head, by_path))
    with warnings.catch_warnings():
        # The addons warn of their end of life at every import.
        warnings.simplefilter("ignore")
        from tensorflow_addons.optimizers import MultiOptimizer
    optimizer = MultiOptimizer([(of_backbone, backbone), (of_head, head)])
    # Creates the counter now. Otherwise the first step creates it and is traced twice, which takes
    # 15 seconds on one core.
    optimizer.iterations.assign(0)
    return optimizer


def _decaying(rate: float, config: FinetuneConfig) -> float | Any:
    """Returns a schedule rate / (1 + decay * steps), as in idealo's recipe, if there is a decay."""
    if not config.learning_rate_decay:
        return rate
    return keras.optimizers.schedules.InverseTimeDecay(
        rate, decay_steps=1, decay_rate=config.learning_rate_decay
    )


def _rate_of(part: keras.optimizers.Optimizer) -> Any:
    is_scheduled = _OF_KERAS_3 and isinstance(
        part._learning_rate, keras.optimizers.schedules.LearningRateSchedule
    )
    if is_scheduled:
        # Keras 3 computes the rate of the next step, Keras 2 keeps that of the last one.
        return part._learning_rate(max(int(part.iterations.numpy()) - 1, 0))
    return part.learning_rate.numpy()


def _parts(optimizer: keras.optimizers.Optimizer) -> list[keras.optimizers.Optimizer]:
    """Returns the optimizers of a `MultiOptimizer` of Keras 3 or the addons; else the given one."""
    if hasattr(optimizer, "optimizer_specs"):
        return [spec["optimizer"] for spec in optimizer.optimizer_specs]
    return getattr(optimizer, "optimizers", [optimizer])
