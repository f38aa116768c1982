"""Books with indivisible offers.

- `units`: what is chosen whole, and the divisible rest of a choice;
- `allocate`: the choice of greatest welfare, by outer approximation;
- `master`: its integer program;
- `tree`: leaves that prove the bound;
- `lagrangian`: what prices bound the welfare by;
- `less`, `branch`: the best choice of what is left when somebody is left out;
- `check`: choice, balance and leaves again from a stored clearing, by arithmetic alone.
"""
