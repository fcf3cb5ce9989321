"""tinyres: small networks on tiny images, as a pipeline that anyone can re-run."""

import os
import sys
import warnings

__version__ = "0.1.0"

# How OpenMP's threads wait for each other; read once, when torch is loaded. By default they spin. That costs nothing on
# an idle machine, but makes a step many times slower as soon as anything else wants one of the cores, such as another
# training of the queue. Asleep they lose nothing measurable, and two trainings share two cores fairly.
if "torch" in sys.modules and "OMP_WAIT_POLICY" not in os.environ:
    warnings.warn(
        "torch was imported before tinyres, so its threads spin while they wait for each other, which on a busy CPU is "
        "many times slower; import tinyres first, or set OMP_WAIT_POLICY=passive.",
        stacklevel=2,
    )
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
