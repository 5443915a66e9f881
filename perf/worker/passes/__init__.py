"""Passes other than a plain forward pass: training steps, and passes with extra work."""
