"""Penultimate features projected to the plane, and metrics of how well they cluster."""

from collections.abc import Mapping

import numpy as np
from joblib import Parallel, cpu_count, delayed
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE
from sklearn.metrics import silhouette_score
from sklearn.neighbors import NearestNeighbors
from threadpoolctl import threadpool_limits

from tinyres.common.errors import UserError
from tinyres.params import Embed
from tinyres.params.preflight import perplexity_refused

Features = NDArray[np.float32]
Groups = NDArray[np.int64]

COMPONENTS = 50  # principal components that t-SNE starts from; van der Maaten and Hinton (2008) reduce to 30

ANGLE = 0.7
"""Barnes-Hut's angle: the largest apparent size at which distant points are treated as one (L. van der Maaten,
"Accelerating t-SNE using Tree-Based Algorithms", JMLR 15, 2014). scikit-learn's default of 0.5 takes half as long again
for practically the same map: for 10,000 images it keeps 44.9 % of the ten nearest neighbours instead of 44.8 %, at a
divergence of 2.12 instead of 2.16 nats."""

ONE_PROCESS = 1_000_000
"""Points times iterations, all networks together, up to which they are projected one after the other in this process:
500 points of each of two networks in 1,000 iterations. These take 2.6 s of a core for a network, and a process of its
own takes 2.4 s to import what it needs, so from there on two processes on two cores are faster."""


def project_side_by_side(features: Mapping[str, Features], embed: Embed, seed: int) -> dict[str, Features]:
    """Project each network's features (N×D, by name) with `project`, the same bytes in one process or in several.

    Each network has its own process, one per core at a time, unless there is too little to do (`ONE_PROCESS`).

    Raises:
        UserError: The perplexity is not below the number of images.
    """
    work = embed.iterations * sum(map(len, features.values()))
    processes = 1 if work <= ONE_PROCESS else min(len(features), cpu_count())
    points = Parallel(processes)(delayed(project)(each, embed, seed) for each in features.values())
    return dict(zip(features, points, strict=True))


def project(features: Features, embed: Embed, seed: int) -> Features:
    """Project features (N×D) to the plane (N×2) by t-SNE of their principal components.

    L. van der Maaten and G. Hinton, "Visualizing Data using t-SNE", JMLR 9, 2008.

    It runs on one thread. With several, sums are rounded differently for each number of threads, t-SNE's own even in
    varying order, and the gradient steps amplify a difference in the last bit until the whole map differs.

    Raises:
        UserError: The perplexity is not below the number of images.
    """
    if embed.perplexity >= len(features):
        raise UserError(perplexity_refused(embed.perplexity, len(features)))
    components = min(COMPONENTS, *features.shape)
    with threadpool_limits(1):
        reduced = PCA(components, svd_solver="full", random_state=seed).fit_transform(features)
        tsne = TSNE(perplexity=embed.perplexity, max_iter=embed.iterations, angle=ANGLE, init="pca", random_state=seed)
        return tsne.fit_transform(reduced).astype(np.float32)


def clustering(features: Features, groupings: Mapping[str, Groups], neighbours: int) -> dict[str, float]:
    """Measure how well groups of images cluster in the feature space itself, not in its projection.

    Each grouping yields `<name>_knn`, the accuracy of a k-nearest-neighbour vote among the other images (ties go to the
    smaller label), and `<name>_silhouette` in [−1, 1] (P. J. Rousseeuw, 1987, doi:10.1016/0377-0427(87)90125-7). A
    grouping into one group, or into single images, is left out because neither metric means anything there.

    Args:
        features: The features (N×D).
        groupings: By name, such as `class` or `superclass`, the group of each image (N).
        neighbours: k.
    """
    nearest = NearestNeighbors(n_neighbors=min(neighbours, len(features) - 1)).fit(features).kneighbors()[1]
    figures = {}
    for name, groups in groupings.items():
        if not 1 < len(np.unique(groups)) < len(groups):
            continue
        votes = np.stack([np.bincount(row, minlength=groups.max() + 1) for row in groups[nearest]])
        figures[f"{name}_knn"] = float((votes.argmax(axis=1) == groups).mean())
        figures[f"{name}_silhouette"] = float(silhouette_score(features, groups))
    return figures
