"""A public credit platform by REST."""

from adapters.credit_rest.codec import CreditCodec
from gateway.delivery.declare import Adapter, Manifest

ADAPTER = Adapter(manifest=Manifest.load(__name__), codec=CreditCodec())
