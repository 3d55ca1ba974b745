"""ReAct: tools for models that cannot call any, as thoughts, actions and observations in text.

Pure. What an agent asks is written as text, and the answer is read back while it streams: as
thoughts, tokens and tool calls. All else of an agent is as ever.
"""

from ._action import read_action
from ._asking import AsItIs, Asking, ReActStyle, Style
from ._labels import Trimmer
from ._reader import NO_ACTION

__all__ = ["NO_ACTION", "AsItIs", "Asking", "ReActStyle", "Style", "Trimmer", "read_action"]
