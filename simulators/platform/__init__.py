"""The insurance platform as hospitals know it: envelope, transactions and refusals of the national interface."""
