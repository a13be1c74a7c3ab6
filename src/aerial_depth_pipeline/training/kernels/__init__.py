"""Hand-written gradients and fast forms, each beside the plain formula that a test compares it
with."""
