"""The market on `dc`: meshed grids whose flows follow from what is fed in.

- `optimum`: the allocation in exact integers;
- `whole`: from floats to integers that balance and keep the power flow;
- `prices`: which prices support it, and the bound that they and the duals of the links prove;
- `settle`: payments, and what the links earn;
- `check`: the same again from a stored clearing, without the solver.
"""
