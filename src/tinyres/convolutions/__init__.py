"""Convolutions that do less arithmetic: networks of small images, trained twice as fast on a CPU.

`accelerate` changes a built network in place: its parameters, their names and its hooks stay, and so do its answers,
to rounding. The kernels (`kernels.cpp`) are compiled where they are first used, for AVX-512 or AVX2 on Linux;
whatever they do not cover is left to torch.
"""

from tinyres.convolutions.compiling import Unavailable, kernels
from tinyres.convolutions.networks import accelerate

__all__ = ["Unavailable", "accelerate", "kernels"]
