"""The pipelines that users run. Each folder holds `pipeline.py` (wiring) and `nodes.py` (thin:
parameters in, one call, result out)."""
