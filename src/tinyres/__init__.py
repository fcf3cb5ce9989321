"""tinyres: small networks on tiny images, as a pipeline that anyone can re-run."""

import os

__version__ = "0.1.0"

# How OpenMP's threads wait for each other; read once, when torch is loaded. By default they spin. That costs nothing on
# an idle machine, but makes a step many times slower as soon as anything else wants one of the cores, such as another
# training of the queue. Asleep they lose nothing measurable, and two trainings share two cores fairly.
os.environ.setdefault("OMP_WAIT_POLICY", "passive")
