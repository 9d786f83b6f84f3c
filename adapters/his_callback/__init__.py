"""Callbacks of the gateway to the hospitals' own systems."""

from adapters.his_callback.codec import CallbackCodec
from gateway.delivery.declare import Adapter, Manifest

ADAPTER = Adapter(manifest=Manifest.load(__name__), codec=CallbackCodec())
