"""Seed files of the simulators and the scripts that make them. Everybody in them is invented."""
