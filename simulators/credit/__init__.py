"""The credit platform's simulator: scores in schemes under authorisation, negative information, red and black lists."""
