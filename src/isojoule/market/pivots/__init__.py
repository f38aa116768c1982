"""Payments by pivots: everyone pays what its being there costs all others.

- `absent`: a book without one participant;
- `pivots`: what each pays, by solving without it;
- `merit_order`: the same at one place, exact and by one sort;
- `clearing`: how a clearing is made of them, and how it is checked.
"""
