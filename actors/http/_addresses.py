"""Which addresses are public: reached by everybody, and so no secret of a network. Pure.

Source: the registries of special addresses of IANA (RFC 6890), which Python's `ipaddress` knows
better with each version; what it does not know in all of them is listed here. An IPv4 address
inside an IPv6 one counts as what it is.
"""

from __future__ import annotations

import ipaddress
from typing import Final

_SPECIAL: Final = tuple(
    map(
        ipaddress.ip_network,
        (
            "0.0.0.0/8",
            "100.64.0.0/10",
            "192.0.0.0/24",
            "192.88.99.0/24",
            "168.63.129.16/32",  # the host of an Azure machine: a public address in name only
            "2001::/23",
            "2001:db8::/32",
            "3fff::/20",
            "5f00::/16",
            "fec0::/10",
        ),
    )
)
_GLOBAL: Final = ipaddress.IPv6Network("2000::/3")  # all that IANA has given out
_TRANSLATED: Final = ipaddress.IPv6Network("64:ff9b::/96")  # to IPv4, by RFC 6052
_LOW: Final = 0xFFFF_FFFF


def is_public(address: str) -> bool:
    """Whether an IP address is one that anybody in the internet may be sent to.

    No: private, loopback, link-local (where clouds keep their metadata), shared, multicast,
    reserved and documentation ones, and what is no address.
    """
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return False
    if isinstance(found, ipaddress.IPv6Address):
        inner = found.ipv4_mapped or found.sixtofour
        if found in _TRANSLATED:
            inner = ipaddress.IPv4Address(int(found) & _LOW)
        if inner is not None:
            return is_public(str(inner))
        if found not in _GLOBAL:
            return False
    is_special = any(found.version == each.version and found in each for each in _SPECIAL)
    return found.is_global and not found.is_multicast and not is_special
