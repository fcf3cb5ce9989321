"""The schema of `params.yaml`: every parameter with its type, range, unit and source."""

from collections.abc import Iterator
from itertools import pairwise
from typing import Annotated, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, field_validator, model_validator

Number = Annotated[float, Field(allow_inf_nan=False)]
Share = Annotated[Number, Field(ge=0, le=1)]
Count = Annotated[int, Field(ge=1)]
Positive = Annotated[Number, Field(gt=0)]
NotNegative = Annotated[Number, Field(ge=0)]


class Section(BaseModel):
    """A part of `params.yaml`: unknown keys are refused, values cannot change after reading.

    Strict: a value is accepted as it is or refused, since DVC tracks it as it is. `true` is no 1, although Python takes
    it for one, and `"yes"` is no truth value. The one exception is a whole number where a real one is meant.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, use_attribute_docstrings=True)

    def contradictions(self) -> Iterator[str]:
        """Sentences without their full stop on values that do not go together, each with a remedy."""
        yield from ()

    @model_validator(mode="after")
    def _is_consistent(self) -> Self:
        if reasons := list(self.contradictions()):
            raise ValueError(*reasons)
        return self


class Data(Section):
    """Where the images come from."""

    source: Literal["cifar100", "digits", "image_folder"]
    """`cifar100`: the official archive; `digits`: scikit-learn's handwritten digits, 8×8, without a download;
    `image_folder`: your own pictures in `folder`."""
    folder: Annotated[str, Field(min_length=1)] | None
    """For `image_folder`: a folder with `train/` and `test/`, each with a folder per class, or with the folders of the
    classes alone. The path is relative to the study's folder, or absolute."""
    test: Annotated[Number, Field(gt=0, lt=1)]
    """For an `image_folder` without `train/` and `test/`: the share of each class that is drawn, by `seed`, for the
    test."""
    unreadable: Literal["refuse", "skip"]
    """What to do with files in `folder` that cannot be read as images: `refuse` stops and names them, `skip` names them
    and goes on."""

    def contradictions(self) -> Iterator[str]:
        if self.source == "image_folder" and self.folder is None:
            yield "data.source 'image_folder' needs the folder of images: set data.folder"
        if self.source != "image_folder" and self.folder is not None:
            yield (
                f"data.folder is set, but data.source {self.source!r} has images of its own: "
                "set data.source to image_folder, or data.folder to null"
            )


class Subset(Section):
    """Which images of the source are used, and for what."""

    classes: str | list[str]
    """`all`, one superclass by name, or a list of classes."""
    per_class: Count | None
    """How many images to keep of each class in each split, the first ones; null keeps all."""
    image_size: Annotated[int, Field(ge=28, le=224)] | None
    """Height and width after resizing, in pixels; null keeps the source's. Resizing is bicubic with antialiasing, and
    the longer side is cropped to the centre, as `tinyres predict` does it."""
    validation: NotNegative
    """Images set aside for validation: a share below 1, or a number of images; 0 for none."""
    validation_from: Literal["train", "test"]
    """Where these come from. `train`: a stratified draw, by `seed`, from the training images; `test`: the first test
    images in the source's order."""
    unlabelled: NotNegative
    """Training images set aside for `pretrain`, which uses no labels: a share below 1, or a number of images, as a
    stratified draw by `seed`; 0 for none."""

    @field_validator("classes")
    @classmethod
    def _more_than_one(cls, classes: str | list[str]) -> str | list[str]:
        if isinstance(classes, list) and len(set(classes)) < 2:
            raise ValueError("give at least two different classes")
        return classes

    @field_validator("validation", "unlabelled")
    @classmethod
    def _share_or_whole_number(cls, images: float) -> float:
        if images >= 1 and not images.is_integer():
            raise ValueError("give a share below 1 or a whole number of images")
        return images


class OnlineAugmentation(Section):
    """What happens to each training image each time it is seen, drawn per image, in this order."""

    crop_padding: Annotated[int, Field(ge=0, le=16)]
    """Pixels of black border on each side from which a crop of the original size is cut."""
    flip: Share
    """Probability of a horizontal flip."""
    rotation: Annotated[Number, Field(ge=0, le=180)]
    """Rotation angle, uniform in ±rotation degrees; nearest pixel, black fill."""
    brightness: NotNegative
    """Factor, uniform in [max(0, 1 − b), 1 + b]; the four colour changes come in random order."""
    contrast: NotNegative
    """Factor, as for brightness."""
    saturation: NotNegative
    """Factor, as for brightness."""
    hue: Annotated[Number, Field(ge=0, le=0.5)]
    """Shift, uniform in ±hue turns of the colour circle."""
    policy: Literal["randaugment", "autoaugment", "trivialaugment", "augmix"] | None
    """A learned or random choice of operations per image, between rotation and the colour changes: RandAugment (Cubuk
    et al., 2020, doi:10.1109/CVPRW50498.2020.00359), AutoAugment's policy for CIFAR-10 (Cubuk et al., 2019,
    doi:10.1109/CVPR.2019.00020), TrivialAugment Wide (Müller and Hutter, 2021, doi:10.1109/ICCV48922.2021.00081), or
    AugMix's mixture of three chains without its consistency loss (Hendrycks et al., 2020, arXiv:1912.02781)."""
    operations: Annotated[int, Field(ge=1, le=8)]
    """For `randaugment`: operations per image, one after another."""
    magnitude: Annotated[int, Field(ge=0, le=30)]
    """For `randaugment`: strength of each operation, in thirtieths of its range."""
    erasing: Share
    """Probability that a rectangle of 2 to 33 % of the area is made black (Zhong et al., 2020,
    doi:10.1609/aaai.v34i07.7000)."""
    mixup: NotNegative
    """α of MixUp: each image's share in its mixture with another one of the batch is drawn from Beta(α, α); 0 for no
    mixing (Zhang et al., 2018, arXiv:1710.09412)."""
    cutmix: NotNegative
    """α of CutMix: the share of an image that stays is drawn from Beta(α, α), and a rectangle of another image of the
    batch covers the rest; 0 for none (Yun et al., 2019, doi:10.1109/ICCV.2019.00612). With MixUp and CutMix, each image
    gets one of the two, with equal probability."""


class Augment(Section):
    """Copies on disk (offline) and changes during training (online)."""

    offline: list[str]
    """Names of pipelines; each adds one changed copy of the training set: `report_flip_blur`, `report_hsv`,
    `report_dropout_sharpen`, `report_noise_blend`."""
    online: OnlineAugmentation


class Pretrain(Section):
    """The stage `pretrain`. Everything else is as in the other trainings, except that no image is flipped."""

    epochs: Count
    """How often every training image, unlabelled ones included, is seen in each of the four rotations that the network
    learns to tell apart (Gidaris et al., 2018, arXiv:1803.07728)."""


class Optimizer(Section):
    """The optimizer; its learning rate and weight decay are the top-level `lr` and `weight_decay`."""

    name: Literal["adamw", "sgd"]
    """`adamw` (Loshchilov and Hutter, 2019, arXiv:1711.05101) or stochastic gradient descent."""
    momentum: Annotated[Number, Field(ge=0, lt=1)]
    """Momentum of `sgd`; `adamw` keeps its usual betas (0.9, 0.999) and does not read it."""
    nesterov: bool
    """For `sgd`: whether the momentum is Nesterov's (Sutskever et al., 2013)."""
    decays_norms_and_biases: bool
    """Whether `weight_decay` also acts on biases and on the weights of normalisation layers (He et al., 2019,
    doi:10.1109/CVPR.2019.00065, section 3.1, exempt them)."""
    accumulation: Count
    """Parts into which a batch of `batch_size` is split to save memory. Gradients add up to that of the whole batch."""
    clip_norm: Positive | None
    """Largest norm of the gradient of all weights together; null for no clipping."""
    sharpness: Positive | None
    """ρ of sharpness-aware minimisation: the gradient is taken where the loss within the radius ρ is highest, to first
    order, which costs a second gradient per step; null for none (Foret et al., 2021, arXiv:2010.01412)."""
    averaging: Annotated[Number, Field(gt=0, lt=1)] | None
    """Decay per step of an exponential moving average of the weights, which then becomes the model; null for none
    (Polyak and Juditsky, 1992, doi:10.1137/0330046)."""

    def contradictions(self) -> Iterator[str]:
        if self.nesterov and (self.name != "sgd" or not self.momentum):
            yield (
                "optimizer.nesterov needs momentum to look ahead with: "
                "set optimizer.name to sgd and optimizer.momentum (0.9, say), or optimizer.nesterov to false"
            )


class Scheduler(Section):
    """The learning rate over time."""

    name: Literal["cosine", "constant", "step", "one_cycle"]
    """`cosine`: from `lr` to 0 (Loshchilov and Hutter, 2017, arXiv:1608.03983); `constant`: `lr`; `step`: `lr`, times
    `factor` at each of `milestones`; `one_cycle`: up to `lr` over the first 30 % and down to 0 (Smith and Topin, 2019,
    doi:10.1117/12.2520589)."""
    every: Literal["epoch", "step"]
    """How often the learning rate changes: after each epoch, or after each step of the optimizer."""
    warmup: Annotated[int, Field(ge=0)]
    """Epochs in which the learning rate first rises linearly to `lr` (Goyal et al., 2017, arXiv:1706.02677)."""
    milestones: list[Count]
    """For `step`: epochs after which the learning rate falls."""
    factor: Annotated[Number, Field(gt=0, lt=1)]
    """For `step`: what the learning rate is multiplied by at each milestone."""

    def contradictions(self) -> Iterator[str]:
        if (self.name == "step") != bool(self.milestones):
            yield (
                f"scheduler.milestones is {self.milestones} with scheduler.name {self.name!r}: give the epochs at "
                "which 'step' lowers the learning rate, and [] for every other schedule"
            )
        if self.name == "one_cycle" and self.warmup:
            yield "scheduler 'one_cycle' has its own rise: set scheduler.warmup to 0"


class Adversarial(Section):
    """Training on adversarial examples (Madry et al., 2018, arXiv:1706.06083)."""

    epsilon: Annotated[Number, Field(ge=0, le=255)]
    """Largest change of a pixel's colour, on a scale of 255; 0 for no attack."""
    steps: Count
    """Gradient steps of the attack: 1 is FGSM (Goodfellow et al., 2015, arXiv:1412.6572), more are PGD from a random
    start with steps of 2.5 · epsilon / steps."""


class Loss(Section):
    """The loss: the cross-entropy between logits and labels."""

    label_smoothing: Annotated[Number, Field(ge=0, lt=1)]
    """Share of each label that is spread evenly over all classes (Szegedy et al., 2016, doi:10.1109/CVPR.2016.308)."""
    adversarial: Adversarial


class Stem(Section):
    """The first convolution and what follows it: the two changes of the paper's modified ResNet-18."""

    kernel: Annotated[int, Field(ge=1, le=15)]
    """Pixels."""
    stride: Annotated[int, Field(ge=1, le=4)]
    """Pixels."""
    padding: Annotated[int, Field(ge=0, le=7)]
    """Pixels."""
    maxpool: bool
    """Whether the 3×3 stride 2 max-pool follows."""


class Model(Section):
    """One network of the study."""

    architecture: Annotated[str, Field(min_length=1)]
    """`cnn`: the report's small network; `wide_resnet16_8`, `wide_resnet28_10`: for small images; or any
    classification network of torchvision by its name there (`resnet18`, `resnet50`, …)."""
    stem: Stem | None
    """For a network that begins with a convolution; null keeps the network's own."""
    standardise: bool
    """Whether pixels in [0, 1] are standardised per channel with the training images' mean and standard deviation."""
    dropout: Annotated[Number, Field(ge=0, lt=1)]
    """Probability that a feature is dropped before the classifier, or at each of a network's own dropouts where it has
    them (`cnn`, VGG, EfficientNet, …) (Srivastava et al., 2014)."""
    stochastic_depth: Annotated[Number, Field(ge=0, lt=1)]
    """Probability p that the last residual block is skipped for an image; of L blocks, block l has p · l / L (Huang et
    al., 2016, doi:10.1007/978-3-319-46493-0_39)."""
    init_from: Annotated[str, Field(min_length=1)] | None
    """Initial weights: a model folder, an MLflow URI (`models:/…`, `runs:/…`), or a file of torchvision's weights
    (.pth); null for random ones. A classifier for another number of classes starts from random weights."""
    freeze: list[Annotated[str, Field(min_length=1)]]
    """Parts of the network that keep the weights of `init_from`, by the beginning of their parameters' names up to a
    dot (`layer1`); `all` is everything but the classifier."""

    def contradictions(self) -> Iterator[str]:
        if self.freeze and self.init_from is None:
            yield "freeze would keep random weights: set init_from, or freeze to []"


class EarlyStopping(Section):
    """Ending a training when the validation loss has stopped falling."""

    patience: Count | None
    """Epochs without a new lowest validation loss after which training ends, counted as Keras does; null for never."""
    restore_best: bool
    """Whether to keep the weights of the epoch with the lowest validation loss rather than the last epoch's."""


class Reference(Section):
    """Results that a publication reports, shown beside ours where they are for the same images."""

    name: Annotated[str, Field(min_length=1)]
    """The heading of its columns."""
    source: str
    """The `data.source` that its results are for."""
    classes: Count
    """The number of classes that its results are for."""
    models: dict[str, dict[str, Number]]
    """Results by model and metric, in the table's units (per cent; nats)."""
    by_class: dict[str, dict[str, Annotated[tuple[Number, Number, Number, Count], Field(strict=False)]]]
    """Precision, recall and F1 (fractions) and the number of images, by model and class; {} for none."""


class Evaluate(Section):
    """How the trained networks are compared."""

    batch_size: Count
    """Images per forward pass, which affects speed and memory alone."""
    gallery: list[Annotated[int, Field(ge=0)]]
    """Test images that come first in the gallery of predictions, by their number in the source's order, from 0."""
    temperature: bool
    """Whether each network's softmax gets a temperature, fitted on the validation images if a study has any (Guo et
    al., 2017, arXiv:1706.04599). `tinyres predict` and `tinyres export` use it; accuracies stay as they are."""
    reference: Reference | None


class Embed(Section):
    """t-SNE of the penultimate layer's features, and how well they cluster."""

    perplexity: Positive
    """Perplexity of t-SNE: roughly how many neighbours count for each image (van der Maaten and Hinton, 2008)."""
    iterations: Annotated[int, Field(ge=250)]
    """Iterations of t-SNE."""
    neighbours: Count
    """k of the k-nearest-neighbour accuracy."""


class Tracking(Section):
    """Where MLflow keeps the runs; the store itself is `MLFLOW_TRACKING_URI`, by default `mlflow.db` at the root."""

    experiment: Annotated[str, Field(min_length=1)]
    """MLflow's experiment; it also begins the names of the registered models."""
    system_metrics: bool
    """Whether CPU, memory and GPU are logged while a network trains, every 10 s."""


class Runtime(Section):
    """What depends on the machine. The choices behind `auto` were measured; see docs/architecture.md."""

    launcher: Annotated[str, Field(pattern=r"^(python|torchrun( .+)?)$")]
    """The command with which `dvc.yaml` starts a training: `python`, or `torchrun --nproc-per-node 4` (with `--nnodes`
    and a rendezvous for several machines), where each process takes its share of every batch."""
    sync_batch_norm: bool
    """Whether batch normalisation uses the statistics of the whole batch rather than of each process's share; on GPUs
    only."""
    data: Literal["auto", "device", "host", "mmap"]
    """Where the images are kept during training: on the `device`; in the `host`'s memory, from which batches are copied
    to the device; or in their memory-mapped file (`mmap`). `auto`: on the device if they take at most a quarter of its
    free memory, else in the file. Copies by `augment.offline` are always in memory."""
    device: Literal["auto", "cpu", "cuda", "mps"]
    """`auto`: CUDA where there is a GPU for it, else Apple's MPS (in float32; not tested there), else the CPU."""
    precision: Literal["auto", "float32", "bfloat16"]
    """Precision of forward and backward passes; weights stay in float32. `auto`: bfloat16 if the GPU supports it."""
    compile: Literal["auto"] | bool
    """Whether to compile the network with `torch.compile`, using CUDA graphs on a GPU; `auto` is false."""
    convolutions: Literal["auto", "torch", "winograd"]
    """What computes convolutions on a CPU: PyTorch (`torch`), or kernels that need fewer multiplications (`winograd`),
    compiled at first use; they need Linux on x86-64 with AVX2 or AVX-512, a C++ compiler and float32. `auto`: the
    kernels if the machine can have them."""
    deterministic: bool
    """Whether runs on a GPU are bit-identical, at a cost in speed. Runs on a CPU always are."""


class Params(Section):
    """The whole of `params.yaml`."""

    seed: Annotated[int, Field(ge=0, lt=2**32)]
    """Seed of all random draws: validation split, initial weights, order of images, augmentation, t-SNE."""
    lr: Positive
    """Learning rate, or its maximum where `scheduler` changes it."""
    batch_size: Annotated[int, Field(ge=2)]
    """Images per step of the optimizer. Batch normalisation needs at least 2."""
    epochs: Count
    """How often every training image is seen."""
    weight_decay: NotNegative
    """Weight decay: decoupled from the gradient in `adamw` (Loshchilov and Hutter, 2019, arXiv:1711.05101), an L2
    penalty in `sgd`."""
    data: Data
    subset: Subset
    augment: Augment
    pretrain: Pretrain
    optimizer: Optimizer
    scheduler: Scheduler
    loss: Loss
    early_stopping: EarlyStopping
    models: Annotated[dict[str, Model], Field(min_length=1)]
    evaluate: Evaluate
    embed: Embed
    tracking: Tracking
    runtime: Runtime

    @field_validator("models")
    @classmethod
    def _model_names_are_file_names(cls, models: dict[str, Model]) -> dict[str, Model]:
        for name in models:
            if not name.replace("_", "").replace("-", "").isalnum():
                raise ValueError(f"the model name {name!r} becomes a file name: use letters, digits, '-' and '_'")
        return models

    def contradictions(self) -> Iterator[str]:
        if not self.subset.validation and (self.early_stopping.patience or self.early_stopping.restore_best):
            yield (
                "early_stopping needs validation images, since the test set chooses nothing: "
                "set subset.validation (0.1, say), or early_stopping.patience to null and restore_best to false"
            )
        marks = [self.scheduler.warmup, *self.scheduler.milestones, self.epochs]
        if any(later <= earlier for earlier, later in pairwise(marks)):
            yield (
                f"scheduler.warmup {marks[0]}, milestones {marks[1:-1]} and epochs {marks[-1]} must follow each other: "
                "raise epochs, or lower what does not fit into them"
            )
        if self.optimizer.accumulation * 2 > self.batch_size:
            yield (
                f"optimizer.accumulation is {self.optimizer.accumulation}, which leaves parts of less than 2 images "
                f"of a batch of {self.batch_size}: lower it or raise batch_size"
            )
