"""The sandbox: gateway and every simulator as child processes on loopback, described in ``sandbox.json``."""
