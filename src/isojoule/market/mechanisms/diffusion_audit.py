def audit(*a): pass
