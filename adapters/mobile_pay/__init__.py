"""The mobile payment centre 医保移动支付中心: orders in the SM2/SM4 envelope, 6302 at the door."""

from adapters.mobile_pay.codec import MobileCodec
from adapters.mobile_pay.door import MobileDoor
from gateway.delivery.declare import Adapter, Manifest

_MANIFEST = Manifest.load(__name__)

ADAPTER = Adapter(manifest=_MANIFEST, codec=MobileCodec(_MANIFEST), door=MobileDoor())
