"""The HIS door in the national envelope: a hospital changes its base URL and is connected."""

from adapters.his_json.door import NationalDoor
from gateway.delivery.declare import Adapter, Manifest

ADAPTER = Adapter(manifest=Manifest.load(__name__), door=NationalDoor())
