"""The demonstration: one story of four hospitals through real sockets, and a report balanced to the fen."""
