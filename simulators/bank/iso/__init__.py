"""The bank's ISO 20022 dialect under ``/iso``: pain.001/007/008, pain.002, camt.054, camt.053, JSON mandates."""
