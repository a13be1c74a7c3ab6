"""Encoder, depth decoder, pose decoder, the joint model that is trained, and the depth model that
is kept."""
