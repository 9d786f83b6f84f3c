"""Hospitals: the receiver of the gateway's callbacks (a program) and a HIS that speaks the national envelope."""
