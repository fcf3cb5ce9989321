"""What the schema cannot know, and what would fail hours later: names of classes, pipelines and networks, the device.

Every stage checks the whole of `params.yaml` before it does anything. So what is wrong with a late stage's parameters
ends the first one, before anything is downloaded or trained. Only what is quick to find out is checked here, without
importing torch; the stages themselves check the rest.
"""

import ctypes
import re
import sys
from collections.abc import Iterator
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path

from tinyres.common.errors import UserError, nearest
from tinyres.params.class_names import CIFAR100, CIFAR100_TEST_IMAGES, DIGITS, DIGITS_TEST_IMAGES
from tinyres.params.schema import Params, Runtime

PIPELINES = ["report_flip_blur", "report_hsv", "report_dropout_sharpen", "report_noise_blend"]
OWN_NETWORKS = ["cnn", "wide_resnet16_8", "wide_resnet28_10"]
CUDA_DRIVER = "nvcuda.dll" if sys.platform == "win32" else "libcuda.so.1"


def check_before_running(params: Params, file: str = "params.yaml") -> None:
    """Refuse parameters that fit the schema and yet cannot work.

    Raises:
        UserError: a line for each class, pipeline or network that does not exist, for a device that is not there, and
            for a perplexity that needs more test images than there will be.
    """
    faults = [
        *_unknown_classes(params),
        *_unknown_pipelines(params),
        *_unknown_networks(params),
        *_missing_device(params.runtime),
        *_too_few_test_images(params),
    ]
    if faults:
        raise UserError("\n".join(f"{file}: {fault}" for fault in faults))


def _unknown_classes(params: Params) -> Iterator[str]:
    """Checks sources whose classes are known before they are downloaded; only CIFAR-100 has superclasses."""
    source, wanted = params.data.source, params.subset.classes
    if source == "image_folder" or wanted == "all":
        return
    superclasses = CIFAR100 if source == "cifar100" else {}
    classes = sorted(name for names in CIFAR100.values() for name in names) if superclasses else sorted(DIGITS)
    if isinstance(wanted, list):
        for name in wanted:
            if name not in classes:
                yield f"subset.classes: there is no class {name!r}{nearest(name, classes)}"
    elif wanted in classes:
        yield f"subset.classes is {wanted!r}, a single class; give a list of at least two classes."
    elif wanted not in superclasses:
        yield f"subset.classes: there is no superclass {wanted!r}{nearest(wanted, [*sorted(superclasses), 'all'])}"


def _unknown_pipelines(params: Params) -> Iterator[str]:
    for name in params.augment.offline:
        if name not in PIPELINES:
            yield f"augment.offline: there is no pipeline {name!r}{nearest(name, PIPELINES)}"


def _unknown_networks(params: Params) -> Iterator[str]:
    asked = {name: model.architecture for name, model in params.models.items()}
    if set(asked.values()) <= set(OWN_NETWORKS):
        return
    of_torchvision = torchvision_networks()
    if not of_torchvision:  # its source is elsewhere; the training tells what it knows
        return
    known = [*OWN_NETWORKS, *of_torchvision]
    for name, architecture in asked.items():
        if architecture not in known:
            yield f"models.{name}.architecture: there is no network {architecture!r}{nearest(architecture, known)}"


def torchvision_networks() -> list[str]:
    """torchvision's classification networks, read from its source: importing it takes seconds."""
    package = find_spec("torchvision")
    folder = Path(package.origin).parent / "models" if package and package.origin else Path()
    definition = re.compile(r"^@register_model\(\)\n(?:@.*\n)*def (\w+)", flags=re.MULTILINE)
    return [name for file in sorted(folder.glob("*.py")) for name in definition.findall(file.read_text("utf-8"))]


def _too_few_test_images(params: Params) -> Iterator[str]:
    count, perplexity = _test_images(params), params.embed.perplexity
    if count is not None and perplexity >= count:
        yield perplexity_refused(perplexity, count)


def perplexity_refused(perplexity: float, count: int) -> str:
    """The sentence on a perplexity that is not below the number of test images."""
    return (
        f"embed.perplexity is {perplexity:g}, but there are only {count} test images; "
        f"give at most {max(1, (count - 1) // 3)}."  # t-SNE takes three neighbours for each unit of the perplexity
    )


def _test_images(params: Params) -> int | None:
    """How many images will be tested on; None where that is not known before the source was read."""
    subset = params.subset
    if params.data.source == "cifar100":
        in_class = {name: CIFAR100_TEST_IMAGES for names in CIFAR100.values() for name in names}
    elif params.data.source == "digits":
        in_class = dict(zip(DIGITS, DIGITS_TEST_IMAGES, strict=True))
    else:
        return None
    chosen = CIFAR100.get(subset.classes, list(in_class)) if isinstance(subset.classes, str) else subset.classes
    images = [in_class.get(name, 0) for name in set(chosen)]
    count = sum(images if subset.per_class is None else [min(each, subset.per_class) for each in images])
    if subset.validation_from == "test":
        count -= round(subset.validation * count) if subset.validation < 1 else int(subset.validation)
    return count if count > 0 else None  # else the classes or `subset.validation` are at fault, and told so


def _missing_device(runtime: Runtime) -> Iterator[str]:
    if runtime.device == "mps" and sys.platform != "darwin":
        yield "runtime.device is 'mps', which Apple's computers alone have; use 'auto' or 'cpu'."
    if runtime.device == "cuda" and not _may_have_cuda():
        yield "runtime.device is 'cuda', but this machine has no NVIDIA driver; use 'auto' or 'cpu'."


def _may_have_cuda() -> bool:
    """Whether there is a driver. torch has the last word on the GPU, in the stages that use it."""
    if "rocm" in version("torch"):  # AMD's GPUs are called `cuda` as well, and need no such driver
        return True
    try:
        ctypes.CDLL(CUDA_DRIVER)
    except OSError:
        return False
    return True
