"""Bundle adjustment with positions of stated accuracy."""

import numpy as np

from aerial_depth_pipeline.sfm.colmap import pycolmap, run_step
from aerial_depth_pipeline.sfm.scene_model import frame_of_name

_MINIMUM_POSITIONS = 3
_SMALLEST_DEVIATION = 0.02  # metres between antenna and lens that no drone states better
_ITERATIONS = 200


def adjust_to_positions(
    model: pycolmap.Reconstruction,
    positions_of: dict[int, np.ndarray],
    deviation_of: dict[int, float],
    threads: int,
) -> int:
    """Adjust poses and points so that they agree with the images and with measured positions.

    What a chain of images leaves open, a bend over its length, positions of centimetres decide.
    The camera stays as it is. Reference: the pose priors of COLMAP's bundle adjustment.

    Args:
        model: in the frame of the positions, in metres; it is changed.
        positions_of: frame → east, north, up in metres.
        deviation_of: frame → standard deviation of the position along an axis in metres, NaN
            where it is not stated.
        threads: threads of the solver; 1 is reproducible.

    Returns:
        The number of positions that took part; 0 where fewer than 3 have a stated accuracy, and
        the model is as it was.
    """
    priors = []
    config = pycolmap.BundleAdjustmentConfig()
    for image_id in model.reg_image_ids():
        image = model.image(image_id)
        config.add_image(image_id)
        frame = frame_of_name(image.name)
        position, deviation = positions_of[frame], deviation_of.get(frame, np.nan)
        if np.isfinite([*position, deviation]).all():
            prior = pycolmap.PosePrior()
            prior.corr_data_id = image.data_id
            prior.coordinate_system = pycolmap.PosePriorCoordinateSystem.CARTESIAN
            prior.position = position
            prior.position_covariance = np.eye(3) * max(deviation, _SMALLEST_DEVIATION) ** 2
            priors.append(prior)
    if len(priors) < _MINIMUM_POSITIONS:
        return 0
    options, prior_options = (
        pycolmap.BundleAdjustmentOptions(),
        pycolmap.PosePriorBundleAdjustmentOptions(),
    )
    options.print_summary = False
    options.refine_focal_length = options.refine_extra_params = False
    options.ceres.loss_function_type = pycolmap.LossFunctionType.SOFT_L1
    options.ceres.solver_options.max_num_iterations = _ITERATIONS
    options.ceres.solver_options.num_threads = threads
    # A position that is wrong in spite of what is stated must not pull the others.
    prior_options.ceres.prior_position_loss_function_type = pycolmap.LossFunctionType.CAUCHY
    prior_options.alignment_ransac.random_seed = 0
    adjuster = pycolmap.create_pose_prior_bundle_adjuster(
        options, prior_options, config, priors, model
    )
    run_step(adjuster.solve, {}, cancellable=False)
    model.update_point_3d_errors()
    return len(priors)
