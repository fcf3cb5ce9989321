"""t-SNE of 10,000 images under both ResNets, untrained: 512 features each, 1,000 steps. Ours is one thread per network,
the networks side by side; beside it scikit-learn's defaults, one network after the other on one thread."""

import time

import torch
from sklearn.decomposition import PCA
from sklearn.manifold import TSNE
from threadpoolctl import threadpool_limits

from benchmarks.measure import Figure, interleave, median, ratios, spread
from benchmarks.networks import make_network
from benchmarks.setting import MEAN, STD, Setting, first, paper_params
from tinyres.common.pixels import channels_first
from tinyres.evaluation.embedding import COMPONENTS, Features, project_side_by_side
from tinyres.models import Classifier
from tinyres.models.inference import BATCH_SIZE, features_of

TITLE = "Projection"
IMAGES = 10_000
REPETITIONS = 1


def measure(setting: Setting) -> list[Figure]:
    """Seconds for both networks, and how many times as long the usual way takes."""
    features = {name: features_by(name, setting) for name in ("baseline", "modified")}
    seconds = interleave(
        {"ours": lambda: seconds_of_ours(features), "usual": lambda: seconds_of_usual(features)}, REPETITIONS
    )
    pairs = ratios(seconds["usual"], seconds["ours"])
    detail = f"{median(seconds['usual']):.0f} s the usual way; {spread(pairs)}"
    return [
        Figure("both networks", median(seconds["ours"]), " s", "< 60", f"{COMPONENTS} principal components"),
        Figure("speed-up", median(pairs), "×", "", detail),
    ]


def features_by(name: str, setting: Setting) -> Features:
    torch.manual_seed(0)
    classifier = setting.machine.prepare(Classifier(make_network(name), MEAN, STD))
    images = channels_first(first(setting.images, IMAGES).images)
    return features_of(classifier, images, BATCH_SIZE, setting.machine).numpy()


def seconds_of_ours(features: dict[str, Features]) -> float:
    params = paper_params()
    started = time.perf_counter()
    project_side_by_side(features, params.embed, params.seed)
    return time.perf_counter() - started


def seconds_of_usual(features: dict[str, Features]) -> float:
    embed = paper_params().embed
    started = time.perf_counter()
    with threadpool_limits(1):
        for each in features.values():
            reduced = PCA(COMPONENTS, random_state=0).fit_transform(each)
            TSNE(perplexity=embed.perplexity, max_iter=embed.iterations, random_state=0).fit_transform(reduced)
    return time.perf_counter() - started
