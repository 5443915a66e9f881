"""Time by operator: what the primitives of MKL-DNN builds ran as, and for how long."""
