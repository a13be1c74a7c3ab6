"""The terms of the loss, one file each. A file here that defines a `Term` takes part by being here;
a term from elsewhere by `register`."""

import importlib
import pkgutil

from aerial_depth_pipeline.training.batch import FIELDS
from aerial_depth_pipeline.training.terms.term import Context, Term

__all__ = ["TERMS", "Context", "Term", "register"]

TERMS: list[Term] = []


def register(term: Term) -> None:
    """Let a term take part in trainings; its weight is `train.loss.extra.<name>`. A term of the
    same name is replaced."""
    TERMS[:] = sorted([*(t for t in TERMS if t.name != term.name), term], key=lambda t: t.order)
    FIELDS.update(term.fields)


for _module in pkgutil.iter_modules(__path__):
    for _kind in vars(importlib.import_module(f"{__name__}.{_module.name}")).values():
        if isinstance(_kind, type) and issubclass(_kind, Term) and _kind is not Term:
            register(_kind())
