"""What goes with cleared obligations: their proof, their circles, their transfers."""
