"""The type of what an agent's answers are read as: `AgentHandle[Weather]`.

Without parameters, `AgentHandle` is an agent of any output. That default is for type checkers
alone, which know `typing_extensions`: nothing is installed for it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from typing_extensions import TypeVar

    V_co = TypeVar("V_co", covariant=True, default=Any)
else:
    from typing import TypeVar

    V_co = TypeVar("V_co", covariant=True)

__all__ = ["V_co"]
