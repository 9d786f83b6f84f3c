"""The documentation, and the small programs that keep its tables equal to the product."""
