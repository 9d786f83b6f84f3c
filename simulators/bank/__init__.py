"""The simulated bank: credit lines, withholdings, deposits, payout batches, e-receipts. Written from the WSDL alone."""
