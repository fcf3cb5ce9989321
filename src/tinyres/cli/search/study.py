"""An Optuna study: which parameters are tried next, which training is not worth its end, which was best."""

import re
import shlex
import signal
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import optuna
from optuna import Trial
from optuna.pruners import MedianPruner
from optuna.samplers import TPESampler
from optuna.storages import RetryHeartbeatStaleTrialCallback, fail_stale_trials
from optuna.study import StudyDirection
from optuna.trial import FrozenTrial, TrialState

from tinyres.cli.search.curves import Curves
from tinyres.cli.search.experiment import Experiment, curves_of, experiments_named, running
from tinyres.cli.search.space import params_with, read_space
from tinyres.cli.search.storage import open_storage, told_of
from tinyres.common.curves import EpochRecord
from tinyres.common.errors import UserError, nearest
from tinyres.common.hashes import PACKAGE, hash_files, hash_value, source_files
from tinyres.params import Params, load_yaml
from tinyres.tracking.store import Store
from tinyres.training import ROOMS
from tinyres.training.early_stopping import epochs_since_best

METRICS = ("val_accuracy", "val_loss")
LOOK_SECONDS = 1.0  # between two looks at a training's curves; it sends them every two seconds at most
FAILURES = 3  # in a row, after which a search ends: more of the same would fail as well
FINISHED = (TrialState.COMPLETE, TrialState.PRUNED)
# What a trial keeps: its DVC experiment, the command that repeats it, and why it failed.
NAME, COMMAND, REASON = "experiment", "command", "reason"


class TrialError(Exception):
    """This trial's parameters came to nothing; others may do better."""


@dataclass(frozen=True)
class Plan:
    """What a search looks for: the same for all its processes and whenever it goes on."""

    name: str
    stage: str
    """A stage that trains one network: `train-<model>`."""
    settings: list[str]
    """As `-S` has them."""
    metric: str

    @property
    def model(self) -> str:
        """The network's name."""
        return self.stage.removeprefix("train-")


class Search:
    """One process of a search: takes trials until the study has as many as it shall have.

    Args:
        plan: what is searched.
        uri: Optuna's storage, as an SQLAlchemy URL.
        startup: trials that end before any is pruned.
        warmup: epochs that no training is pruned in.

    Raises:
        UserError: something of it cannot be, or the study was begun with something else.
    """

    def __init__(self, plan: Plan, uri: str, startup: int, warmup: int) -> None:
        if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]*", plan.name):
            raise UserError(f"{plan.name!r} is no name for a search: use letters, digits, '-' and '_'.")
        self.plan, self.uri = plan, uri
        self.space = read_space(plan.settings)
        params = _checked(plan, params_with(self.space.fixed))
        self.store = Store.open(params.tracking.experiment)
        direction = StudyDirection.MINIMIZE if plan.metric.endswith("loss") else StudyDirection.MAXIMIZE
        pruner = MedianPruner(n_startup_trials=startup, n_warmup_steps=warmup + 1)  # epochs count from 1
        storage = open_storage(uri)
        with told_of(uri):
            self.study = optuna.create_study(
                study_name=plan.name, storage=storage, direction=direction, pruner=pruner, load_if_exists=True
            )
            self._same_as_before()
        self.failures = 0

    def _same_as_before(self) -> None:
        """Note what the study is about; refuse to go on with another one under the same name."""
        about = {"stage": self.plan.stage, "settings": self.plan.settings, "metric": self.plan.metric}
        before = self.study.user_attrs
        if not before and (there := experiments_named(f"{self.plan.name}-[0-9]*")):
            raise UserError(
                f"DVC has experiments of this name already ({', '.join(there[:3])}); choose another name, "
                f"or remove them with `dvc exp remove {there[0]}`, …"
            )
        for key, value in (about | {"code": code_hash()}).items():
            if before.get(key, value) == value:
                self.study.set_user_attr(key, value)
            elif key == "code":
                raise UserError(self._changed())
            else:
                was = " ".join(f"-S {shlex.quote(each)}" for each in before[key]) if key == "settings" else before[key]
                raise UserError(f"The search {self.plan.name} has the {key} {was}; give the same, or another name.")

    def _changed(self) -> str:
        return (
            f"The training's code, dvc.yaml or params.yaml changed since the search {self.plan.name} began, so its "
            "trials could not be compared; bring them back (`git stash`), or begin a search of another name."
        )

    def run(self, trials: int) -> None:
        """Take trials until the study has that many, those of other processes included.

        Raises:
            UserError: it was asked to stop, several trials in a row failed, or what it stands on went away.
        """
        before = signal.signal(signal.SIGTERM, signal.default_int_handler)
        try:
            with told_of(self.uri):
                while not self._has(trials):
                    self.study.optimize(self._try, n_trials=1, catch=(TrialError,))
        except KeyboardInterrupt:
            raise UserError(f"The search {self.plan.name} was stopped; the same command goes on with it.") from None
        finally:
            signal.signal(signal.SIGTERM, before)

    def _has(self, trials: int) -> bool:
        """Whether that many ended. Where the last ones are still being trained by others, waits for these."""
        while True:
            fail_stale_trials(self.study)
            all_trials = self.study.get_trials(deepcopy=False)
            ended = sum(each.state in FINISHED or REASON in each.user_attrs for each in all_trials)
            if ended >= trials:
                return True
            if ended + sum(each.state == TrialState.RUNNING for each in all_trials) < trials:
                return False
            time.sleep(LOOK_SECONDS)

    def _try(self, trial: Trial) -> float:
        """One trial: from its parameters to its value."""
        # Drawn anew for each number, or a search that goes on would begin with the same draws again.
        seed = int(hash_value([self.plan.name, trial.number])[:8], 16)
        self.study.sampler = TPESampler(seed=seed, constant_liar=True)
        name = trial.user_attrs.get(NAME, f"{self.plan.name}-{trial.number}")
        trial.set_user_attr(NAME, name)
        settings = self.space.draw(trial)
        words = [word for setting in settings for word in ("-S", setting)]
        trial.set_user_attr(COMMAND, shlex.join(["dvc", "exp", "run", *words, self.plan.stage]))
        print(f"{name}: {' '.join(settings[len(self.space.fixed) :])}", flush=True)
        try:
            if code_hash() != self.study.user_attrs["code"]:
                raise UserError(self._changed())
            value = self._train(trial, name, settings)
        except KeyboardInterrupt:
            self._take_again(trial.number)
            raise
        except TrialError as error:
            trial.set_user_attr(REASON, str(error))
            print(f"{name}: failed: {error}", flush=True)
            self.failures += 1
            if self.failures == FAILURES:
                raise UserError(f"{FAILURES} trials in a row failed, the last one so: {error}") from None
            raise
        self.failures = 0
        print(f"{name}: {self.plan.metric} {value:.4g}", flush=True)
        return value

    def _train(self, trial: Trial, name: str, settings: list[str]) -> float:
        """Have DVC run the trial, unless it did before this process or an earlier one was killed; the model's value.

        Raises:
            TrialPruned: its curve is worse than the median's.
            TrialError: the parameters contradict each other, or the training failed.
        """
        try:
            params = _checked(self.plan, params_with(settings))
        except UserError as error:
            raise TrialError(str(error)) from None
        if not experiments_named(name):
            curves = Curves(self.store, name, self.plan.stage, self.plan.metric)
            with running(name, settings, self.plan.stage) as experiment:
                self._follow(trial, experiment, curves)
            if experiment.status:
                curves.end("FAILED")
                raise TrialError(experiment.reason)
        history = curves_of(name, self.plan.model)
        reported = self._reported(trial)
        for record in history:
            if int(record["epoch"]) not in reported:
                trial.report(record[self.plan.metric], int(record["epoch"]))
        return history[kept_epoch(history, params)][self.plan.metric]

    def _follow(self, trial: Trial, experiment: Experiment, curves: Curves) -> None:
        """Report each epoch to Optuna, and stop the training if it is not worth its end."""
        reported = 0
        while not experiment.wait(LOOK_SECONDS):
            epochs = {epoch: value for epoch, value in sorted(curves.epochs().items()) if epoch > reported}
            for epoch, value in epochs.items():
                trial.report(value, epoch)
                reported = epoch
            if epochs and trial.should_prune():
                experiment.stop()
                if experiment.status:  # else it came to its end meanwhile
                    curves.end("KILLED")
                    print(
                        f"{experiment.name}: pruned after epoch {reported}, {self.plan.metric} {value:.4g}", flush=True
                    )
                    raise optuna.TrialPruned

    def _reported(self, trial: Trial) -> set[int]:
        return set(self._frozen(trial.number).intermediate_values)

    def _frozen(self, number: int) -> FrozenTrial:
        return self.study.get_trials(deepcopy=False)[number]

    def _take_again(self, number: int) -> None:
        """Have a stopped trial waiting for whoever takes the next one; its training goes on from its checkpoint."""
        RetryHeartbeatStaleTrialCallback()(self.study, self._frozen(number))


def _checked(plan: Plan, params: Params) -> Params:
    """The same, if a search may choose by them.

    Raises:
        UserError: the stage trains no network, or there are no validation images to choose by.
    """
    stages = [f"train-{name}" for name in params.models]
    if plan.stage not in load_yaml(Path("dvc.yaml"))["stages"] or plan.stage not in stages:
        raise UserError(f"There is no stage {plan.stage!r} that trains a network{nearest(plan.stage, stages)}")
    if not params.subset.validation:
        raise UserError(
            "A search needs validation images, since the test set chooses nothing: add -S subset.validation=0.1 (say)."
        )
    if params.subset.validation_from != "train":
        raise UserError(
            "A search would choose by test images, since subset.validation_from is 'test': "
            "add -S subset.validation_from=train."
        )
    return params


def kept_epoch(history: Sequence[EpochRecord], params: Params) -> int:
    """Index of the epoch whose weights the model has."""
    return -1 - epochs_since_best(history) if params.early_stopping.restore_best else -1


def code_hash() -> str:
    """Hash of what decides a training besides the settings: its code, and the study's graph and parameters."""
    script = PACKAGE.parents[1] / "stages/train.py"
    return hash_files([script, *source_files(ROOMS), Path("dvc.yaml"), Path("params.yaml")])


def best_trial(name: str, uri: str) -> FrozenTrial:
    """The best trial of a search, of those that came to their end.

    Raises:
        UserError: there is no such search, or none of its trials ended.
    """
    storage = open_storage(uri)
    with told_of(uri):
        names = optuna.get_all_study_names(storage)
        if name not in names:
            raise UserError(
                f"There is no search {name!r}{nearest(name, names)}" if names else "There is no search yet."
            )
        study = optuna.load_study(study_name=name, storage=storage)
        if not any(trial.state == TrialState.COMPLETE for trial in study.trials):
            raise UserError(f"No trial of {name} came to its end yet; give it more with --trials, or time.")
        return study.best_trial
