"""The losses on distorted views, one function each: from tensors and indices to a float32 scalar.

They are raw: summed over the terms of a photo and averaged over the photos; `balanced` makes them
comparable. The source is Pfister, Kobs and Hotho (2021) unless another one is named.

All take two optional weights of their terms:

* `differences`, (B, P) from `loss_layers.PairDifferences`: terms whose two views hardly differ are
  left out. None keeps all.
* `series_weights`, (B, S) floats, from `data.series_batches`: a term counts by the weight of its
  series. With S / k for k series sampled at random and 0 for the others, the expected loss and
  gradient are those of all series. None is 1 for all.
"""

from collections.abc import Mapping

import numpy as np
import tensorflow as tf

from nima_pretrain.distortions import Aspect
from nima_pretrain.distortions.bank import VOID_GREY_LEVELS
from nima_pretrain.pretext.targets import (
    ClassTerms,
    LevelTerms,
    Pairs,
    ViewTerms,
)


def ranking(
    scores: tf.Tensor,
    pairs: Pairs,
    margin: float = 0.2,
    differences: tf.Tensor | None = None,
    series_weights: tf.Tensor | None = None,
) -> tf.Tensor:
    """Returns the margin loss over all ordered pairs of views.

    max(0, f(worse) - f(better) + m), summed over the pairs, averaged over the photos. The
    paper's equation 1 has the difference reversed; its text, its code and RankIQA have this form.
    Equal scores give 500 m on the paper bank.

    Args:
        scores: (B, V) floats, the aesthetic score f of every view.
        pairs: from `targets.ranked_pairs`.
        margin: m, on the scale of the scores.
        differences: see the module.
        series_weights: see the module.
    """
    scores = tf.cast(scores, tf.float32)
    better = tf.gather(scores, pairs.better, axis=1)  # (B, P)
    worse = tf.gather(scores, pairs.worse, axis=1)  # (B, P)
    terms = tf.maximum(0.0, worse - better + margin)
    terms *= term_weights(np.arange(len(pairs.better)), pairs.series, differences, series_weights)
    return _sum_over_terms_mean_over_photos(terms)


def classification(
    logits: Mapping[str, tf.Tensor],
    terms_of: Mapping[Aspect, ClassTerms],
    differences: tf.Tensor | None = None,
    series_weights: tf.Tensor | None = None,
) -> tf.Tensor:
    """Returns the cross-entropy of classifying the distortion within its aspect.

    Summed over the distorted views, averaged over the photos; references have no class. Uniform
    predictions give about 339 on the paper bank.

    Args:
        logits: for every aspect (B, V, classes of the aspect) floats before the softmax.
        terms_of: from `targets.class_terms`.
        differences: see the module.
        series_weights: see the module.
    """
    total = tf.constant(0.0)
    for aspect, (views, labels, pairs, series) in terms_of.items():
        predicted = tf.gather(tf.cast(logits[aspect.value], tf.float32), views, axis=1)
        targets = tf.broadcast_to(labels, tf.shape(predicted)[:2])  # (B, N)
        terms = tf.nn.sparse_softmax_cross_entropy_with_logits(targets, predicted)  # (B, N)
        terms *= term_weights(pairs, series, differences, series_weights)
        total += _sum_over_terms_mean_over_photos(terms)
    return total


def regression(
    levels: tf.Tensor,
    terms: LevelTerms,
    differences: tf.Tensor | None = None,
    series_weights: tf.Tensor | None = None,
) -> tf.Tensor:
    """Returns the squared error of the distortion levels.

    For a view of distortion d only output d is used. The target is its level over the number of
    levels on that side, -1 to 1, and 0 for the reference, once per distortion. Summed over these
    terms, averaged over the photos. Zero outputs give about 76 on the paper bank.

    Args:
        levels: (B, V, distortions) floats, in the bank's order.
        terms: from `targets.level_terms`.
        differences: see the module.
        series_weights: see the module.
    """
    views, outputs, targets, pairs, series = terms
    chosen = tf.stack([views, outputs], axis=1)  # (N, 2)
    by_photo = tf.transpose(tf.cast(levels, tf.float32), [1, 2, 0])  # (V, D, B)
    predicted = tf.transpose(tf.gather_nd(by_photo, chosen))  # (B, N)
    errors = tf.square(predicted - targets)
    errors *= term_weights(pairs, series, differences, series_weights)
    return _sum_over_terms_mean_over_photos(errors)


def cross_photo_ranking(
    scores: tf.Tensor,
    pairs: Pairs,
    margin: float = 0.2,
    differences: tf.Tensor | None = None,
    series_weights: tf.Tensor | None = None,
) -> tf.Tensor:
    """Returns the margin loss over all ordered pairs of views of *different* photos.

    max(0, f_b(worse) - f_a(better) + m), summed over the pairs, averaged over all ordered
    pairs of photos a != b: a stronger distortion should score below a weaker one of any other
    photo. The paper names the idea in its conclusion, without an equation. The scale is that of
    `ranking`: equal scores give 500 m on the paper bank. A single photo gives 0.

    Takes memory for B^2 P numbers: 32,000 for 8 photos, little beside their views.

    Args:
        scores: (B, V) floats, the aesthetic score f of every view.
        pairs: from `targets.ranked_pairs`.
        margin: m, on the scale of the scores.
        differences: see the module.
        series_weights: see the module.
    """
    scores = tf.cast(scores, tf.float32)
    better = tf.gather(scores, pairs.better, axis=1)[:, None]  # (B, 1, P) of photo a
    worse = tf.gather(scores, pairs.worse, axis=1)[None]  # (1, B, P) of photo b
    terms = tf.maximum(0.0, worse - better + margin)  # (B, B, P)
    weights = term_weights(np.arange(len(pairs.better)), pairs.series, differences, series_weights)
    terms *= _products(weights)
    return _mean_over_pairs_of_photos(tf.reduce_sum(terms, axis=2))


def level_consistency(
    scores: tf.Tensor,
    terms: ViewTerms,
    differences: tf.Tensor | None = None,
    series_weights: tf.Tensor | None = None,
) -> tf.Tensor:
    """Returns the squared difference of different photos' scores at the same distortion and level.

    (f_a(view) - f_b(view))^2, summed over the distorted views, averaged over all pairs of photos
    a != b. The paper names the idea in its conclusion, without an equation. A single photo gives
    0; the maximum is the number of distorted views, 171 for the paper bank.

    Takes memory for B^2 N numbers, for N distorted views.

    Args:
        scores: (B, V) floats, the aesthetic score f of every view.
        terms: from `targets.distorted_views`.
        differences: see the module.
        series_weights: see the module.
    """
    views, pairs, series = terms
    of_view = tf.gather(tf.cast(scores, tf.float32), views, axis=1)  # (B, N)
    apart = tf.square(of_view[:, None] - of_view[None])  # (B, B, N)
    apart *= _products(term_weights(pairs, series, differences, series_weights))
    return _mean_over_pairs_of_photos(tf.reduce_sum(apart, axis=2))


def balanced(loss: tf.Tensor, temperature: float = 50.0) -> tf.Tensor:
    """Returns h(L) = exp(L / T), which gives harder tasks larger gradients.

    Liang and Zhang (2020).

    Args:
        loss: scalar, summed over terms and averaged over photos.
        temperature: T.
    """
    return tf.exp(tf.cast(loss, tf.float32) / temperature)


def term_weights(
    pairs: np.ndarray,
    series: np.ndarray,
    differences: tf.Tensor | None,
    series_weights: tf.Tensor | None,
) -> tf.Tensor:
    """Returns the weights of terms, (B, N) float32; the scalar 1.0 if all are 1.

    Args:
        pairs: (N,) indices of pairs; a term whose views differ by less than `VOID_GREY_LEVELS` has
            weight 0; -1 means no pair.
        series: (N,) indices of series, or (N, K) for terms that K series share.
        differences: see the module.
        series_weights: see the module.
    """
    weights = tf.constant(1.0)
    if differences is not None:
        differs = tf.gather(differences, np.maximum(pairs, 0), axis=1) >= VOID_GREY_LEVELS
        weights *= tf.cast(differs | (pairs < 0), tf.float32)
    if series_weights is not None:
        of_series = tf.gather(tf.cast(series_weights, tf.float32), series, axis=1)
        weights *= of_series if series.ndim == 1 else tf.reduce_mean(of_series, axis=2)
    return weights


def _products(weights: tf.Tensor) -> tf.Tensor:
    """Returns the products of the weights (B, N) of two photos, (B, B, N); 1.0 for a scalar."""
    return weights[:, None] * weights[None] if weights.shape.rank else weights


def _mean_over_pairs_of_photos(terms: tf.Tensor) -> tf.Tensor:
    """Returns the mean of the off-diagonal elements of (B, B)."""
    num_photos = tf.shape(terms)[0]
    others = terms * (1 - tf.eye(num_photos))
    num_pairs = num_photos * (num_photos - 1)
    return tf.reduce_sum(others) / tf.cast(tf.maximum(num_pairs, 1), tf.float32)


def _sum_over_terms_mean_over_photos(terms: tf.Tensor) -> tf.Tensor:
    return tf.reduce_mean(tf.reduce_sum(terms, axis=1))
