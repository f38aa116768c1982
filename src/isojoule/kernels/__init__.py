"""Arrays in, arrays out: the compiled numerics. No domain types."""
