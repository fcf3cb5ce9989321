"""tinyres: small networks on tiny images, as a pipeline that anyone can re-run."""

__version__ = "0.1.0"
