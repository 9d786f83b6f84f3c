"""What every simulator is made of: the clock, the ledger of effects, the menu of faults and the HTTP frame."""
