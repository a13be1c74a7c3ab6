"""What only people know of a model. Nothing heavy is imported here: configuration checks read this
file."""

from dataclasses import dataclass


@dataclass(frozen=True)
class CardSettings:
    """Fields of the model card; what is `null` is shown as not stated.

    Attributes:
        name: of the model.
        owner: who made it and answers for it.
        contact: where to ask.
        licence: of the model's weights, best as an SPDX identifier.
        data_licence: of the footage it learned from.
        intended_use: what it is meant for.
        out_of_scope: what it must not be used for.
    """

    name: str = "Depth from single aerial images"
    owner: str | None = None
    contact: str | None = None
    licence: str | None = None
    data_licence: str | None = None
    intended_use: str = (
        "Dense relative depth of single pictures from drones, of the kind of footage named below:"
        " mapping aids, visualisation, and a start for multi-view methods."
    )
    out_of_scope: str = (
        "Navigation, collision avoidance, and measurements that people's safety or property"
        " depends on."
    )
