"""The checkpoints of one training, which only the same parameters, code and data find again.

They lie outside of every DVC output, since DVC removes outputs before it runs a stage, and in the repository itself,
since the folders of queued experiments do not last.
"""

import os
import shutil
from typing import Any

import torch

from tinyres.common.repository import project_root


class CheckpointStore:
    """The last two checkpoints of one training.

    Args:
        key: names the training: a hash of its parameters, code and data.
    """

    def __init__(self, key: str) -> None:
        self.key = key
        self.folder = project_root() / ".checkpoints" / key
        self.latest = self.folder / "latest.pt"
        self.previous = self.folder / "previous.pt"

    def save(self, state: dict[str, Any]) -> None:
        """Write the state beside the last one, then put it in its place. If that fails, the last one stays.

        Raises:
            OSError: the disk is full or the place not writable.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        draft = self.folder / f"draft-{os.getpid()}.pt"
        try:
            with draft.open("wb") as stream:
                torch.save({"training": self.key, "state": state}, stream)
                stream.flush()
                os.fsync(stream.fileno())
            if self.latest.exists():
                self.latest.replace(self.previous)
            draft.replace(self.latest)
        finally:
            draft.unlink(missing_ok=True)

    def load(self) -> dict[str, Any] | None:
        """The newest state that can be read, in host memory, or None where there is none.

        Nothing but tensors and plain values is unpickled. A file that is damaged, or is no checkpoint of this training,
        is passed over.
        """
        for file in (self.latest, self.previous):
            try:
                content = torch.load(file, map_location="cpu", weights_only=True)
            except Exception:  # a damaged archive or index raises whatever its first wrong byte leads to
                continue
            if isinstance(content, dict) and content.get("training") == self.key:
                state: dict[str, Any] = content["state"]
                return state
        return None

    def exist(self) -> bool:
        """Whether anything was saved."""
        return self.latest.exists() or self.previous.exists()

    def remove(self) -> None:
        """Forget the training: it is finished."""
        shutil.rmtree(self.folder, ignore_errors=True)
