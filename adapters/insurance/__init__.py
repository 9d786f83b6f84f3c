"""The provincial insurance platform behind the national interface for designated institutions."""

from adapters.insurance.codec import InsuranceCodec
from gateway.delivery.declare import Adapter, Manifest

_MANIFEST = Manifest.load(__name__)

# Files are megabytes: they must not hold the event loop.
ADAPTER = Adapter(manifest=_MANIFEST, codec=InsuranceCodec(_MANIFEST), heavy=frozenset({"9101", "9102"}))
