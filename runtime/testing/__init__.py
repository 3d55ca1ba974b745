"""What tests of actors need: proofs that nothing is left over and that any cancel is survived."""

from ._cancels import cancel_everywhere
from ._leaks import assert_no_leaks

__all__ = ["assert_no_leaks", "cancel_everywhere"]
