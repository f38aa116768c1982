"""Nouns that several rooms share: units, intervals, errors, canonical bytes."""
