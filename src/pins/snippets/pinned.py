#!/usr/bin/env python3
"""Sends one request to @PEER@, if it is the pinned one.

The leaf's SHA-256 is compared inside the connection that carries the request, before a byte of it is sent, and again at
every reconnection. Nothing is changed for other connections of the process.
"""
import hashlib
import http.client
import ssl
import sys

PINS = [@QUOTED_PINS@]


class WrongPeer(ssl.SSLError):
    """The peer presents another leaf than the pinned one."""


class PinnedConnection(http.client.HTTPSConnection):
    """An HTTPS connection to nobody but the holder of a pinned leaf."""

    def __init__(self, host, port, pins, timeout=30):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        # The pin says who the peer is: no name and no issuer do. TLS itself has it prove that it holds the key.
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        super().__init__(host, port, timeout=timeout, context=context)
        self.pins = pins

    def connect(self):
        super().connect()
        presented = hashlib.sha256(self.sock.getpeercert(True)).hexdigest()
        if presented not in self.pins:
            self.close()
            raise WrongPeer(f"presented {presented}, want {' or '.join(self.pins)}; nothing was sent")


def main():
    path = sys.argv[1] if len(sys.argv) > 1 else "/"
    connection = PinnedConnection("@HOST@", @PORT@, PINS)
    try:
        connection.request("GET", path)
        response = connection.getresponse()
        print(response.status)
        print(response.read().decode("utf-8", "replace"))
    except WrongPeer as error:
        sys.exit(f"error: @PEER@ is not the pinned peer: {error}")
    finally:
        connection.close()


if __name__ == "__main__":
    main()
