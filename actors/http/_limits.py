"""How long a provider may be silent."""

from __future__ import annotations

import attrs


def _positive(_record: object, attribute: attrs.Attribute[float], value: object) -> None:
    if isinstance(value, bool) or not isinstance(value, int | float) or not value > 0:
        raise ValueError(
            f"{attribute.name} is {value!r}, and must be a number of seconds above 0; "
            "write math.inf for no limit"
        )


@attrs.frozen
class Limits:
    """Time limits of one exchange with a provider, each in seconds.

    Attributes:
        connect: Until the connection stands, TLS included.
        first_byte: From the call to the first byte of the answer's body.
        idle: Between two reads of the body.
        total: For the whole answer. It is looked at when there is nothing to read, so
            a reader that takes its time never loses what has already arrived.
    """

    connect: float = attrs.field(default=5.0, validator=_positive)
    first_byte: float = attrs.field(default=60.0, validator=_positive)
    idle: float = attrs.field(default=30.0, validator=_positive)
    total: float = attrs.field(default=600.0, validator=_positive)
