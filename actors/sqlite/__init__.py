"""SQLite files of our own kinds, each open in one program at a time."""

from ._database import Database, Kind

__all__ = ["Database", "Kind"]
