"""Connections that notice when the other machine is gone."""

from __future__ import annotations

import socket
from typing import Any

__all__ = ["socket_that_notices_death"]


def socket_that_notices_death(address: Any) -> socket.socket:
    """A socket with keepalive probes: a long generation sends nothing for many minutes.

    Without probes a network box drops such a connection as idle, and the loss of the other machine
    is never noticed.
    """
    family, kind, protocol, *_ = address
    sock = socket.socket(family, kind, protocol)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in (("TCP_KEEPIDLE", 60), ("TCP_KEEPINTVL", 15), ("TCP_KEEPCNT", 4)):
        if hasattr(socket, name):
            sock.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)
    return sock
