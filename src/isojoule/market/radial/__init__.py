"""The market on radial feeders: `transport`, with limits of voltage and apparent power beside it.

- `model`: what limits bind, and as which rows of the program;
- `optimum`: the allocation in exact integers;
- `prices`: which prices support it, and the bound that all duals together prove;
- `settle`: payments, and the operator's lines;
- `check`: the same again from a stored clearing, without the solver.
"""
