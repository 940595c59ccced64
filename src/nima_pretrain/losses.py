"""The losses, one equation each: tensors in, a scalar out, in float32.

Those of distorted views are raw: summed over the terms of a photo and averaged over the photos;
`balanced` makes them comparable. Where no other source is named, it is Pfister, Kobs and Hotho
(2021).
"""

from typing import NamedTuple

import numpy as np
import tensorflow as tf

from nima_pretrain.distortions import VOID_GREY_LEVELS, Aspect, DistortionBank


class Taught(NamedTuple):
    """What a teacher says of photos.

    Attributes:
        prediction: (B, n) floats, p_T.
        feature: (B, d) floats, f_T.
        weights: (B, 3) floats, of labels, feature and prediction; 0 where a photo has none.
    """

    prediction: tf.Tensor
    feature: tf.Tensor
    weights: tf.Tensor


def ranking(
    scores: tf.Tensor,
    bank: DistortionBank,
    margin: float = 0.2,
    differences: tf.Tensor | None = None,
) -> tf.Tensor:
    """Returns the margin loss over all ordered pairs of views.

    max(0, f(worse) - f(better) + m), summed over the bank's pairs, averaged over the photos. The
    paper's equation 1 has the difference reversed; its text, its code and RankIQA agree on this.
    When all scores are equal the paper bank gives 500 m.

    Args:
        scores: (B, V) floats, the aesthetic score f of every view.
        bank: says which views are ranked.
        margin: m, on the scale of the scores.
        differences: (B, P) from `layers.PairDifferences`; pairs of views that hardly differ are
            left out. None keeps all pairs.
    """
    scores = tf.cast(scores, tf.float32)
    better = tf.gather(scores, bank.pairs.better, axis=1)  # (B, P)
    worse = tf.gather(scores, bank.pairs.worse, axis=1)  # (B, P)
    terms = tf.maximum(0.0, worse - better + margin)
    terms *= differing(differences, np.arange(len(bank.pairs.better)))
    return _sum_over_terms_mean_over_photos(terms)


def classification(
    logits: dict[str, tf.Tensor],
    bank: DistortionBank,
    differences: tf.Tensor | None = None,
) -> tf.Tensor:
    """Returns the cross-entropy of naming the distortion, each aspect among its own.

    Summed over the distorted views, averaged over the photos; references have no class. Uniform
    predictions give about 339 on the paper bank.

    Args:
        logits: for every aspect (B, V, classes of the aspect) floats before the softmax.
        bank: says which view belongs to which class.
        differences: (B, P) from `layers.PairDifferences`; views that hardly differ from their
            reference are left out. None keeps all.
    """
    total = tf.constant(0.0)
    for aspect in Aspect:
        views, labels, pairs = bank.class_terms[aspect]
        predicted = tf.gather(tf.cast(logits[aspect.value], tf.float32), views, axis=1)
        targets = tf.broadcast_to(labels, tf.shape(predicted)[:2])  # (B, N)
        terms = tf.nn.sparse_softmax_cross_entropy_with_logits(targets, predicted)  # (B, N)
        terms *= differing(differences, pairs)
        total += _sum_over_terms_mean_over_photos(terms)
    return total


def regression(
    levels: tf.Tensor, bank: DistortionBank, differences: tf.Tensor | None = None
) -> tf.Tensor:
    """Returns the squared error of the distortion levels.

    For a view of distortion d only output d counts; the target is its level over the number of
    levels on that side, -1 to 1, and 0 on the reference, once for every distortion. Summed over
    these terms, averaged over the photos. Zero outputs give about 76 on the paper bank.

    Args:
        levels: (B, V, distortions) floats, in the bank's order.
        bank: says which view has which target.
        differences: (B, P) from `layers.PairDifferences`; distorted views that hardly differ from
            their reference are left out. None keeps all.
    """
    views, outputs, targets, pairs = bank.regression_terms
    chosen = tf.stack([views, outputs], axis=1)  # (N, 2)
    by_photo = tf.transpose(tf.cast(levels, tf.float32), [1, 2, 0])  # (V, D, B)
    predicted = tf.transpose(tf.gather_nd(by_photo, chosen))  # (B, N)
    terms = tf.square(predicted - targets)
    terms *= differing(differences, pairs)
    return _sum_over_terms_mean_over_photos(terms)


def cross_photo_ranking(
    scores: tf.Tensor,
    bank: DistortionBank,
    margin: float = 0.2,
    differences: tf.Tensor | None = None,
) -> tf.Tensor:
    """Returns the margin loss over all ordered pairs of views of *different* photos.

    max(0, f_b(worse) - f_a(better) + m), summed over the bank's pairs, averaged over all ordered
    pairs of photos a != b: more of a distortion in one photo is to score below less of it in any
    other. The paper names the idea in its conclusion, without an equation. On the scale of
    `ranking`: equal scores give 500 m on the paper bank. One photo alone gives 0.

    Takes B^2 P numbers at once: 32,000 for 8 photos, nothing beside their views.

    Args:
        scores: (B, V) floats, the aesthetic score f of every view.
        bank: says which views are ranked.
        margin: m, on the scale of the scores.
        differences: (B, P) from `layers.PairDifferences`; a pair counts where its views differ in
            both photos. None keeps all pairs.
    """
    scores = tf.cast(scores, tf.float32)
    better = tf.gather(scores, bank.pairs.better, axis=1)[:, None]  # (B, 1, P) of photo a
    worse = tf.gather(scores, bank.pairs.worse, axis=1)[None]  # (1, B, P) of photo b
    terms = tf.maximum(0.0, worse - better + margin)  # (B, B, P)
    if differences is not None:
        differs = differing(differences, np.arange(len(bank.pairs.better)))  # (B, P)
        terms *= differs[:, None] * differs[None]
    return _mean_over_pairs_of_photos(tf.reduce_sum(terms, axis=2))


def level_consistency(
    scores: tf.Tensor, bank: DistortionBank, differences: tf.Tensor | None = None
) -> tf.Tensor:
    """Returns how far the scores of different photos are apart at the same distortion and level.

    (f_a(view) - f_b(view))^2, summed over the distorted views, averaged over all pairs of photos
    a != b. The paper names the idea in its conclusion, without an equation. One photo alone gives
    0; at most it is the number of distorted views, 171 for the paper bank.

    Takes B^2 N numbers at once, for N distorted views.

    Args:
        scores: (B, V) floats, the aesthetic score f of every view.
        bank: says which views are distorted.
        differences: (B, P) from `layers.PairDifferences`; a view counts where it differs from its
            reference in both photos. None keeps all views.
    """
    views, pairs = bank.distorted_views
    of_view = tf.gather(tf.cast(scores, tf.float32), views, axis=1)  # (B, N)
    terms = tf.square(of_view[:, None] - of_view[None])  # (B, B, N)
    if differences is not None:
        differs = differing(differences, pairs)  # (B, N)
        terms *= differs[:, None] * differs[None]
    return _mean_over_pairs_of_photos(tf.reduce_sum(terms, axis=2))


def rotation(logits: tf.Tensor) -> tf.Tensor:
    """Returns the cross-entropy of naming the rotation, averaged over all views.

    Gidaris, Singh and Komodakis (2018), equation 3. Uniform predictions give log 4.

    Args:
        logits: (B, R, R) floats before the softmax; view r was turned by r steps.
    """
    logits = tf.cast(logits, tf.float32)
    turns = tf.broadcast_to(tf.range(tf.shape(logits)[1]), tf.shape(logits)[:2])  # (B, R)
    return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(turns, logits))


def nt_xent(projections: tf.Tensor, temperature: float = 0.5) -> tf.Tensor:
    """Returns the normalised, temperature-scaled cross-entropy of finding a view's partner.

    Chen, Kornblith, Norouzi and Hinton (2020), equation 1: each of the 2 B views has its partner to
    be found among the 2 B - 1 others by cosine similarity; averaged over the views.

    Args:
        projections: (B, 2, d) floats, of the two views of every photo.
        temperature: what similarities are divided by.
    """
    similarities = view_similarities(projections) / temperature
    partners = partners_of(projections)
    return tf.reduce_mean(tf.nn.sparse_softmax_cross_entropy_with_logits(partners, similarities))


def view_similarities(projections: tf.Tensor) -> tf.Tensor:
    """Returns cosine similarities (2 B, 2 B) of all views, first views first, -1e9 with itself.

    Args:
        projections: (B, 2, d) floats.
    """
    views = tf.concat(tf.unstack(tf.cast(projections, tf.float32), axis=1), axis=0)  # (2 B, d)
    views = tf.math.l2_normalize(views, axis=1)
    similarities = tf.matmul(views, views, transpose_b=True)
    return tf.linalg.set_diag(similarities, tf.fill(tf.shape(similarities)[:1], -1e9))


def partners_of(projections: tf.Tensor) -> tf.Tensor:
    """Returns where each view's partner stands, (2 B,) int32, in the order of the similarities."""
    num_photos = tf.shape(projections)[0]
    return tf.concat([tf.range(num_photos) + num_photos, tf.range(num_photos)], axis=0)


def balanced(loss: tf.Tensor, temperature: float = 50.0) -> tf.Tensor:
    """Returns h(L) = exp(L / T), which gives harder tasks larger gradients.

    Liang and Zhang (2020). The loss must be summed over terms and averaged over photos before.
    """
    return tf.exp(tf.cast(loss, tf.float32) / temperature)


def earth_movers_distance(y_true: tf.Tensor, y_pred: tf.Tensor, r: float = 2.0) -> tf.Tensor:
    """Returns the earth mover's distance between score distributions.

    (mean over bins of |CDF difference|^r)^(1/r) for each photo, averaged over the photos (Talebi
    and Milanfar 2018, equation 1). The code published with the first paper takes one root over
    the whole batch instead; we do not.

    Args:
        y_true: (B, n) floats, rows sum to 1.
        y_pred: the same.
        r: 2 to train with, as NIMA; 1 is the plain distance.
    """
    return tf.reduce_mean(_distances(y_true, y_pred, r))


def distillation(
    labels: tf.Tensor, prediction: tf.Tensor, feature: tf.Tensor, taught: Taught
) -> tf.Tensor:
    """Returns the loss of a student that learns from labels and from a teacher.

    EMD(y, p_S) + a |f_S - f_T|^2 / d + b EMD(p_T, p_S), features scaled to length 1, with a and b
    in the weights; each term is averaged over the photos that have it. A reconstruction after the
    abstract of Hou, Ding, Lin, Liu and Fang (2022): their weights are not known.

    Args:
        labels: (B, n) floats, y; rows without ratings may hold anything.
        prediction: (B, n) floats, p_S.
        feature: (B, d) floats, f_S.
        taught: what the teacher says, and how much each term counts.
    """
    terms = (
        _distances(labels, prediction, 2.0),
        tf.reduce_mean(tf.square(_unit(feature) - _unit(taught.feature)), axis=-1),
        _distances(taught.prediction, prediction, 2.0),
    )
    weights = tf.cast(taught.weights, tf.float32)  # (B, 3)
    counts = tf.reduce_sum(tf.cast(weights > 0, tf.float32), axis=0)
    sums = tf.reduce_sum(weights * tf.stack(terms, axis=1), axis=0)
    return tf.reduce_sum(sums / tf.maximum(counts, 1.0))


def _distances(y_true: tf.Tensor, y_pred: tf.Tensor, r: float) -> tf.Tensor:
    """The earth mover's distance of each photo, (B,)."""
    difference = tf.cumsum(tf.cast(y_true, tf.float32) - tf.cast(y_pred, tf.float32), axis=-1)
    mean = tf.reduce_mean(tf.abs(difference) ** r, axis=-1)
    # The root's slope at 0 is infinite; a photo predicted exactly pulls nowhere.
    return tf.maximum(mean, 1e-12) ** (1 / r)


def _unit(feature: tf.Tensor) -> tf.Tensor:
    return tf.math.l2_normalize(tf.cast(feature, tf.float32), axis=-1)


def differing(differences: tf.Tensor | None, pairs: np.ndarray) -> tf.Tensor:
    """Returns 1.0 where the views of a pair differ enough to learn from, else 0.0: (B, N).

    Args:
        differences: (B, P) mean absolute differences in grey levels; None for 1.0 everywhere.
        pairs: (N,) indices; -1 stands for no pair, and gives 1.0.
    """
    if differences is None:
        return tf.constant(1.0)
    differs = tf.gather(differences, np.maximum(pairs, 0), axis=1) >= VOID_GREY_LEVELS
    return tf.cast(differs | (pairs < 0), tf.float32)


def _mean_over_pairs_of_photos(terms: tf.Tensor) -> tf.Tensor:
    """The mean of what is not on the diagonal of (B, B)."""
    num_photos = tf.shape(terms)[0]
    others = terms * (1 - tf.eye(num_photos))
    num_pairs = num_photos * (num_photos - 1)
    return tf.reduce_sum(others) / tf.cast(tf.maximum(num_pairs, 1), tf.float32)


def _sum_over_terms_mean_over_photos(terms: tf.Tensor) -> tf.Tensor:
    return tf.reduce_mean(tf.reduce_sum(terms, axis=1))
