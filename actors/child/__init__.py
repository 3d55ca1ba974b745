"""Child processes that end with the block that owns them, and when this process is killed."""

from ._process import ChildProcess, kept

__all__ = ["ChildProcess", "kept"]
