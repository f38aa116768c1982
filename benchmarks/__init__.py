"""How fast it is, beside peers. `make bench` prints the table."""
