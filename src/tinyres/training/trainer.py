"""The training loop."""

import math
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from tinyres.augmentation.online import BatchAugmentation
from tinyres.common.curves import EpochRecord
from tinyres.common.errors import UserError
from tinyres.models import Classifier
from tinyres.models.inference import BATCH_SIZE, logits_of
from tinyres.models.machine import Machine
from tinyres.params import Params
from tinyres.training.averaging import make_averaging
from tinyres.training.batches import batch_bounds, batches, plan_epoch
from tinyres.training.checkpoint_store import CheckpointStore
from tinyres.training.descent import make_descent
from tinyres.training.early_stopping import epochs_since_best, has_stalled
from tinyres.training.interruption import StopRequest, stop_on_signal
from tinyres.training.objective import Objective
from tinyres.training.optimizers import make_optimizer
from tinyres.training.placement import DeviceSplit
from tinyres.training.progress import Progress
from tinyres.training.schedules import Schedule
from tinyres.training.seeds import seed_of

NETWORK_RANDOMNESS = 1  # names the seed for sampling inside the network (dropout), apart from shuffling


class Sums:
    """Sums of loss, correct answers and images of an epoch so far, on the device: read once per epoch, not per step."""

    def __init__(self, device: torch.device) -> None:
        self.dtype = torch.float32 if device.type == "mps" else torch.float64  # Apple's GPUs have no float64
        self.values = torch.zeros(3, dtype=self.dtype, device=device)
        self.bad_step = torch.full((), math.inf, device=device)
        """The first step whose loss was not finite."""

    def add(self, loss: Tensor, logits: Tensor, labels: Tensor, step: int) -> None:
        """Add one batch, whose mean loss is `loss`. A mixed image's label is the class with the largest share."""
        likeliest = labels if labels.ndim == 1 else labels.argmax(dim=1)
        right = (logits.argmax(dim=1) == likeliest).sum()
        total_loss, images = loss.to(self.dtype) * len(labels), right.new_tensor(len(labels))
        self.values += torch.stack([total_loss, right.to(self.dtype), images.to(self.dtype)])
        self.bad_step.clamp_(max=torch.where(loss.isfinite(), math.inf, float(step)))

    def read(self) -> tuple[float, float, int]:
        """Mean loss, accuracy and number of images; waits for the device."""
        loss, right, seen = self.values.tolist()
        return loss / seen, right / seen, int(seen)


@dataclass(frozen=True)
class TrainerImages:
    """The images of one training."""

    train: DeviceSplit
    monitored: DeviceSplit
    """Followed after every epoch."""
    prefix: str
    """The prefix of its columns in the curves: `val` or `test`. Only validation images can end a training early."""
    classes: int


class Trainer:
    """Trains one classifier to the end, or goes on from its last checkpoint.

    Args:
        params: seed, lr, batch_size, epochs, weight_decay, augment.online, optimizer, scheduler, loss,
            early_stopping.
        name: the model's name, for what is shown.
        classifier: on the machine's device; trained in place.
        images: the training images, and those followed meanwhile.
        machine: device and precision.
        checkpoints: where states are kept until the training has ended.
    """

    def __init__(
        self,
        params: Params,
        name: str,
        classifier: Classifier,
        images: TrainerImages,
        machine: Machine,
        checkpoints: CheckpointStore,
    ) -> None:
        self.params, self.classifier, self.images, self.machine = params, classifier, images, machine
        self.checkpoints = checkpoints
        self.processes = machine.processes
        if 2 * self.processes.size * params.optimizer.accumulation > params.batch_size:
            raise UserError(
                f"batch_size is {params.batch_size}, which leaves less than 2 images at a time to each of "
                f"{self.processes.size} processes; raise it, or start fewer (runtime.launcher)."
            )
        forward = self.processes.replicate(classifier)
        if machine.compiles:
            mode = "reduce-overhead" if machine.device.type == "cuda" else "default"  # CUDA graphs
            forward = torch.compile(forward, mode=mode)
        height, width = images.train.images.shape[2:]
        self.augmentation = BatchAugmentation(params.augment.online, height, width, images.classes, machine.device)
        self.objective = Objective(classifier, forward, params.loss)
        self.optimizer = make_optimizer(classifier.network, params)
        steps = len(batch_bounds(len(images.train), params.batch_size, self.processes.size))
        self.schedule = Schedule(self.optimizer, params, steps)
        self.descend = make_descent(classifier.network, self.optimizer, params)
        self.averaging = make_averaging(classifier, params.optimizer.averaging)
        on_cpu, speaks = machine.device.type == "cpu", self.processes.rank == 0
        self.progress = Progress(name, params, len(images.train), on_cpu, speaks)
        self.history: list[EpochRecord] = []
        self.best_network: dict[str, Tensor] | None = None
        self.epoch = 0
        self.step = 0
        self.sums = Sums(machine.device)

    def fit(self, after_epoch: Callable[[list[EpochRecord]], None] = lambda _: None) -> list[EpochRecord]:
        """Train to the last epoch; returns one record per epoch.

        Args:
            after_epoch: called with all records so far, after each epoch's checkpoint and once on resuming.

        Raises:
            UserError: the loss is not finite, memory ran out, or the process was asked to stop (after saving).
        """
        if state := self.processes.from_first(self.checkpoints.load() if self.processes.rank == 0 else None):
            self._restore(state)
            self.progress.say(f"goes on after epoch {self.epoch}, step {self.step}")
            after_epoch(self.history)
        with stop_on_signal() if self.processes.size == 1 else nullcontext(StopRequest()) as stop:
            while not self._is_finished():
                self._finish_epoch(self.train_epoch(stop))
                if stop and not self._is_finished():
                    self._save_and_stop(stop)
                if self.processes.rank == 0:
                    self.checkpoints.save(self._state())
                after_epoch(self.history)
        chosen = self.best_network or self.averaging.classifier.network.state_dict()
        self.classifier.network.load_state_dict(chosen)
        return self.history

    def _is_finished(self) -> bool:
        patience = self.params.early_stopping.patience
        return self.epoch == self.params.epochs or (patience is not None and has_stalled(self.history, patience))

    def train_epoch(self, stop: StopRequest) -> EpochRecord:
        """Take the remaining steps of the epoch; returns the training's part of its record.

        Raises:
            UserError: as for `fit`.
        """
        started, first_step = time.perf_counter(), self.step
        seed, epoch = self.params.seed, self.epoch
        rank, ranks = self.processes.rank, self.processes.size
        count, batch_size, policy = len(self.images.train), self.params.batch_size, self.params.augment.online
        plan = plan_epoch(count, batch_size, policy, seed, epoch, rank, ranks)
        if self.step == 0:
            torch.manual_seed(seed_of(seed, epoch, NETWORK_RANDOMNESS, *([rank] if rank else [])))
        self.classifier.train()
        self.progress.epoch_starts(epoch, len(plan.bounds), self.step)
        for pixels, labels in batches(self.images.train, plan, self.augmentation, first=self.step):
            self._train_step(pixels, labels, plan.sizes[self.step] / ranks)
            self.step += 1
            self._show_progress()
            if stop and self.step < len(plan.bounds):
                self._save_and_stop(stop)
        return self._end_epoch(sum(plan.sizes[first_step:]), started)

    def _train_step(self, pixels: Tensor, labels: Tensor, share: float) -> None:
        """One step of the optimizer, and what follows it; `share` is images in the batch over number of processes."""
        parts = self.params.optimizer.accumulation
        try:
            answers = self.descend(lambda: self._add_gradient(pixels, labels, parts, share))
        except torch.OutOfMemoryError:
            raise UserError(
                f"The GPU's memory does not hold batch_size = {self.params.batch_size} with optimizer.accumulation = "
                f"{parts}; raise optimizer.accumulation (same result, less memory) or lower batch_size."
            ) from None
        for answer in answers:
            self.sums.add(*answer, self.step)
        self.averaging.after_step()
        self.schedule.after_step()

    def _add_gradient(
        self, pixels: Tensor, labels: Tensor, parts: int, share: float
    ) -> list[tuple[Tensor, Tensor, Tensor]]:
        """Add the gradient of a batch, taken in `parts` parts; returns loss, logits and labels of each."""
        answers = []
        for part in range(parts):
            some_pixels, some_labels = pixels[part::parts], labels[part::parts]
            with self.machine.autocast():
                loss, logits = self.objective(some_pixels, some_labels)
            (loss * (len(some_labels) / share)).backward()
            answers.append((loss.detach(), logits.detach(), some_labels))
        return answers

    def _end_epoch(self, images: int, started: float) -> EpochRecord:
        """Read the sums and begin the next epoch."""
        self.sums.values = self.processes.sum(self.sums.values)
        self.sums.bad_step = self.processes.minimum(self.sums.bad_step)
        loss, accuracy, _ = self.sums.read()  # waits for the device, so the time is that of the training
        seconds = time.perf_counter() - started
        self._check_finite()
        record: EpochRecord = {"epoch": self.epoch + 1, "train_loss": loss, "train_accuracy": accuracy}
        record |= {"seconds": seconds, "images_per_second": images / seconds, "timestamp": time.time()}
        self.epoch, self.step, self.sums = self.epoch + 1, 0, Sums(self.machine.device)
        return record

    def _finish_epoch(self, record: EpochRecord) -> None:
        """Complete the record, step the schedule and keep the best weights if they are wanted."""
        record |= self._look_at_monitored() | {"lr": self.schedule.lr}
        self.schedule.after_epoch()
        self.history.append(record)
        self.progress.epoch_ends(record)
        if self.params.early_stopping.restore_best and epochs_since_best(self.history) == 0:
            best = self.averaging.classifier.network.state_dict()
            self.best_network = {name: value.clone() for name, value in best.items()}

    def _look_at_monitored(self) -> EpochRecord:
        mine = slice(self.processes.rank, None, self.processes.size)
        logits = logits_of(self.averaging.classifier, self.images.monitored.images[mine], BATCH_SIZE, self.machine)
        labels = self.images.monitored.labels[mine].cpu()
        loss = F.cross_entropy(logits, labels, reduction="sum")
        right = (logits.argmax(dim=1) == labels).sum()
        sums = torch.stack([loss.double(), right.double()]).to(self.machine.device, self.sums.dtype)
        mean_loss, accuracy = (self.processes.sum(sums) / len(self.images.monitored)).tolist()
        return {f"{self.images.prefix}_loss": mean_loss, f"{self.images.prefix}_accuracy": accuracy}

    def _show_progress(self) -> None:
        self.progress.step()
        if self.progress.due():
            self._check_finite()
            loss, accuracy, seen = self.sums.read()
            epochs_left = self.params.epochs - self.epoch - seen / len(self.images.train)
            self.progress.show(loss, accuracy, seen, epochs_left)

    def _check_finite(self) -> None:
        bad_step = self.sums.bad_step.item()
        if math.isfinite(bad_step):
            lr = self.optimizer.param_groups[0]["lr"]
            raise UserError(
                f"The loss is not finite at epoch {self.epoch + 1}, step {bad_step + 1:.0f}, lr {lr:g}; "
                "lower lr or set optimizer.clip_norm (1.0, say)."
            )

    def _save_and_stop(self, stop: StopRequest) -> None:
        self.checkpoints.save(self._state())
        assert stop.signal is not None
        raise UserError(
            f"Stopped by {stop.signal.name} after epoch {self.epoch}, step {self.step}, and saved; "
            "run the same command again to go on from there."
        )

    def _state(self) -> dict[str, Any]:
        return {
            "network": self.classifier.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scheduler": self.schedule.scheduler.state_dict(),
            "average": self.averaging.state(),
            "epoch": self.epoch,
            "step": self.step,
            "sums": self.sums.values,
            "bad_step": self.sums.bad_step,
            "cpu_generator": torch.get_rng_state(),
            "device_generator": torch.cuda.get_rng_state() if self.machine.device.type == "cuda" else None,
            "history": self.history,
            "best_network": self.best_network,
        }

    def _restore(self, state: dict[str, Any]) -> None:
        self.classifier.network.load_state_dict(state["network"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.schedule.scheduler.load_state_dict(state["scheduler"])
        self.averaging.restore(state["average"])
        self.epoch, self.step, self.history = state["epoch"], state["step"], state["history"]
        self.best_network = state["best_network"]
        device = self.machine.device
        self.sums.values, self.sums.bad_step = state["sums"].to(device), state["bad_step"].to(device)
        torch.set_rng_state(state["cpu_generator"])
        if state["device_generator"] is not None:
            torch.cuda.set_rng_state(state["device_generator"])
