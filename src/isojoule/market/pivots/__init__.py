"""Payments by pivots: everyone pays what its being there costs all others.

- `absent`: a book without one participant; `parties`: who has what, by number;
- `pivots`: what each pays, by the least work that gives it;
- `merit_order`: at one place, by one sort;
- `rerooted`: without rings, all at once; `pruned`: without rings, whatever the curves, of the tree
  only what moves; `nearby`: on meshes, from what lies around each;
- `warm`: by small programs that go on from the optimum, where limits bind (`warm_rows`,
  `warm_limits`) or offers are taken whole (`warm_choices`);
- `core_rule`: core-selecting payments, with the coalition that blocks most (`blocking`) and the
  nearest point (`core_point`);
- `clearing`: how a clearing is made of them, and how it is checked.
"""
