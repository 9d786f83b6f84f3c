"""The mobile payment centre 医保移动支付中心, on the platform simulator's port under ``/mobile``."""
