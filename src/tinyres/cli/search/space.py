"""What a search may change: `-S` settings in Hydra's grammar, some of which leave the value open."""

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from dvc.exceptions import DvcException
from dvc.utils.hydra import apply_overrides
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import ChoiceSweep, IntervalSweep, Override, OverrideType, RangeSweep
from hydra.errors import HydraException
from optuna import Trial
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from tinyres.common.errors import UserError
from tinyres.params import Params, load_yaml, nearest_parameter, validate_params
from tinyres.params.preflight import check_before_running

GRAMMAR = "choice(32,64), range(1,5), interval(0,1), tag(log,interval(1e-4,1e-1)) or int(interval(1,8))"


@dataclass(frozen=True)
class Space:
    """The settings of a search: those that are the same in every trial, and those that it draws."""

    fixed: list[str]
    """As `dvc exp run -S` takes them."""
    open: dict[str, BaseDistribution]
    """By the parameter's name. Choices are kept as Hydra writes them, so that they may be lists and sections too."""

    def draw(self, trial: Trial) -> list[str]:
        """A trial's settings, as `dvc exp run -S` takes them; numbers to six significant digits, as DVC keeps them."""
        return self.fixed + [f"{name}={_drawn(trial, name, values)}" for name, values in self.open.items()]


def read_space(settings: Sequence[str]) -> Space:
    """What `-S` says.

    Raises:
        UserError: a setting is not in Hydra's grammar or not of a parameter that there is, or no value is open.
    """
    parser = OverridesParser.create()
    content = load_yaml(Path("params.yaml"))
    known = set(_names(content))
    space = Space([], {})
    for setting in settings:
        try:
            override = parser.parse_override(setting)
        except HydraException as error:
            reason = str(error).splitlines()[0]
            raise UserError(
                f"-S {setting!r} cannot be read ({reason}); write name=value, or as value {GRAMMAR}."
            ) from None
        name = override.key_or_group
        if override.type == OverrideType.CHANGE and name not in known:
            raise UserError(f"-S {setting!r} names no parameter of params.yaml{nearest_parameter(name, content)}")
        if override.is_sweep_override():
            space.open[name] = _distribution(override, setting)
        else:
            space.fixed.append(setting)
    if not space.open:
        raise UserError(f"There is nothing to search: give at least one -S name=VALUES, with {GRAMMAR} as values.")
    return space


def params_with(settings: Sequence[str]) -> Params:
    """`params.yaml` with settings applied as DVC applies them, checked as a stage would check it.

    The settings are text in Hydra's grammar, which only DVC reads as DVC does; values that are at hand already, by
    name, are set with `params.with_values`.

    Raises:
        UserError: a value does not fit the schema, or no stage could work with it.
    """
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "params.yaml"
        file.write_bytes(Path("params.yaml").read_bytes())
        try:
            apply_overrides(file, list(settings))
        except DvcException as error:
            raise UserError(f"DVC does not take -S {' -S '.join(settings)} ({error}); correct it.") from None
        params = validate_params(load_yaml(file))
    check_before_running(params)
    return params


def _names(values: dict[str, Any], prefix: str = "") -> Iterator[str]:
    """Dotted names of all parameters and sections."""
    for key, value in values.items():
        yield f"{prefix}{key}"
        if isinstance(value, dict):
            yield from _names(value, f"{prefix}{key}.")


def _distribution(override: Override, setting: str) -> BaseDistribution:
    values = override.value()
    try:
        match values:
            case ChoiceSweep():
                return CategoricalDistribution(list(override.sweep_string_iterator()))
            case RangeSweep():
                steps = list(values.range())
                low, high, step = min(steps), max(steps), abs(values.step)
                whole = isinstance(values.start, int) and isinstance(step, int)
                return IntDistribution(low, high, step=int(step)) if whole else FloatDistribution(low, high, step=step)
            case IntervalSweep(start=float() | int() as low, end=float() | int() as high, tags=tags):
                if isinstance(low, int) or "int" in tags:
                    return IntDistribution(int(low), int(high), log="log" in tags)
                return FloatDistribution(low, high, log="log" in tags)
    except ValueError as error:
        raise UserError(
            f"-S {setting!r} leaves no values ({error}); give the lower end first, above 0 for log."
        ) from None
    raise UserError(f"-S {setting!r} is no set of values to search; give {GRAMMAR}.")


def _drawn(trial: Trial, name: str, values: BaseDistribution) -> str:
    match values:
        case CategoricalDistribution(choices=choices):
            return str(trial.suggest_categorical(name, choices))
        case IntDistribution(low=low, high=high, log=log, step=step):
            return str(trial.suggest_int(name, low, high, step=step, log=log))
        case FloatDistribution(low=low, high=high, log=log, step=step):
            return f"{trial.suggest_float(name, low, high, step=step, log=log):.6g}"
    raise TypeError(f"{values} is none of Optuna's three kinds")
