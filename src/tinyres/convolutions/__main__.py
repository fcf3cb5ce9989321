"""`python -m tinyres.convolutions`: compile the kernels for this machine now rather than at their first use."""

from tinyres.convolutions.compiling import Unavailable, instruction_set, kernels

if __name__ == "__main__":
    try:
        kernels()
        print(f"Convolutions are computed by tinyres's own kernels ({instruction_set()}).")
    except Unavailable as reason:
        print(f"Convolutions are left to PyTorch, which takes about twice as long: {reason}.")
