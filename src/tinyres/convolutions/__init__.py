"""Convolutions that do less arithmetic: networks of small images, trained twice as fast on a CPU.

`accelerate` changes a built network in place: its parameters, their names, its hooks and, up to rounding, its outputs
stay the same. The kernels (`kernels.cpp`) are compiled on first use, for AVX-512 or AVX2 on Linux;
whatever they do not cover is left to torch.
"""

from tinyres.convolutions.compiling import Unavailable, kernels
from tinyres.convolutions.networks import accelerate

__all__ = ["Unavailable", "accelerate", "kernels"]
