"""Measurements of an installation on the machine at hand."""
