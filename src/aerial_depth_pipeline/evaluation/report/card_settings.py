"""What only people know of a model. Nothing heavy is imported here: configuration checks read this
file."""

from aerial_depth_pipeline.configuration import Settings


class CardSettings(Settings):
    """Fields of the model card; what is `null` is shown as not stated."""

    name: str = "Depth from single aerial images"
    """Name of the model."""
    owner: str | None = None
    """Who made it and answers for it."""
    contact: str | None = None
    """Where to ask."""
    licence: str | None = None
    """Licence of the weights, best as an SPDX identifier."""
    data_licence: str | None = None
    """Licence of the footage."""
    intended_use: str = (
        "Dense relative depth of single images from drones, of the kind of footage named below:"
        " mapping aids, visualisation, and a start for multi-view methods."
    )
    """Intended use."""
    out_of_scope: str = (
        "Navigation, collision avoidance, and measurements that people's safety or property"
        " depends on."
    )
    """Uses that are out of scope."""
