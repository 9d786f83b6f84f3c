"""The HIS door for older systems: one SOAP operation that carries the national message as XML."""

from adapters.his_soap.door import HisSoapDoor
from gateway.delivery.declare import Adapter, Manifest

ADAPTER = Adapter(manifest=Manifest.load(__name__), door=HisSoapDoor())
