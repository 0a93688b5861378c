"""How to draw for images, boxes, regions and sampling: see specs.py."""
from .specs import spec


# --- images -----------------------------------------------------------------------------------------
def image(d, channels=(1, 3), batches=True, low=0, high=255):
    shape = (d.between(2, 7), d.between(2, 7), d.pick(*channels))
    if batches and d.chance(0.3):
        shape = (d.between(1, 3), *shape)
    return d.integers(shape, 0, 255) if d.dtype == "uint8" else d.values(shape, low, high)


@spec("_image_to_tensor", "_image_flip_left_right", "_image_flip_top_bottom", "_image_random_flip_left_right",
      "_image_random_flip_top_bottom")
def whole_image(d):
    d.floating("float32", "uint8")
    d.special = False
    return [image(d, batches="flip" not in d.record["name"])]


@spec("_image_normalize")
def image_normalize(d):
    d.floating("float32")
    c = d.pick(1, 3)
    shape = (c, d.between(1, 5), d.between(1, 5))
    if d.chance(0.4):
        shape = (d.between(1, 3), *shape)
    many = c == 3 and d.chance(0.6)
    d.params.update(mean=(0.5, 0.25, 0.1) if many else 0.5, std=(0.5, 0.75, 2.0) if many else 2.0)
    return [d.values(shape, 0, 1)]


@spec("_image_crop")
def image_crop(d):
    d.floating("float32", "uint8")
    x = image(d)
    d.params.update(x=d.between(0, 1), y=d.between(0, 1), width=d.between(1, 2), height=d.between(1, 2))
    return [x]


@spec("_image_resize")
def image_resize(d):
    d.floating("float32", "uint8")
    d.params.update(size=d.pick(4, (3, 5), (7, 2), (5,)), interp=d.pick(0, 1, 2))
    if d.chance(0.3):
        d.params["keep_ratio"] = True
    d.scale = 4.0
    d.grads = False
    return [image(d)]


@spec(*[f"_image_random_{name}" for name in "brightness contrast saturation hue color_jitter lighting".split()], "_image_adjust_lighting")
def image_colour(d):
    d.floating("float32", "uint8")
    name = d.record["name"].removeprefix("_image_")
    if name == "random_color_jitter":
        d.params.update(brightness=0.2, contrast=0.3, saturation=0.1, hue=0.1)
    elif name == "adjust_lighting":
        d.params["alpha"] = (0.5, -0.25, 1.0)
    elif name == "random_lighting":
        d.params["alpha_std"] = 0.1
    else:
        d.params.update(min_factor=0.5, max_factor=d.pick(0.5, 1.5))
    d.grads = False
    d.scale = 2.0
    return [image(d, channels=(3,), batches=False)]


# --- sampling ---------------------------------------------------------------------------------------
@spec("BilinearSampler")
def bilinear_sampler(d):
    d.floating("float32", "float32", "float64")
    d.special = False
    n, c = d.between(1, 2), d.between(1, 3)
    return [d.values((n, c, d.between(2, 6), d.between(2, 6))), d.values((n, 2, d.between(1, 5), d.between(1, 5)), -1.2, 1.2)]


@spec("GridGenerator")
def grid_generator(d):
    d.floating("float32", "float32", "float64")
    kind = d.pick("affine", "warp")
    d.params["transform_type"] = kind
    if kind == "affine":
        d.params["target_shape"] = (d.between(2, 6), d.between(2, 6))
        return [d.values((d.between(1, 3), 6))]
    return [d.values((d.between(1, 3), 2, d.between(2, 5), d.between(2, 5)))]


@spec("SpatialTransformer")
def spatial_transformer(d):
    d.floating("float32", "float32", "float64")
    d.special = False
    n = d.between(1, 2)
    d.params.update(target_shape=(d.between(2, 6), d.between(2, 6)), transform_type="affine", sampler_type="bilinear")
    return [d.values((n, d.between(1, 3), d.between(2, 6), d.between(2, 6))), d.values((n, 6), -1.1, 1.1)]


@spec("_contrib_AdaptiveAvgPooling2D")
def adaptive(d):
    d.floating("float32", "float32", "float64")
    if d.chance(0.8):
        d.params["output_size"] = d.pick(1, 2, (3,), (2, 3), (1, 1))
    return [d.values((d.between(1, 3), d.between(1, 3), d.between(1, 7), d.between(1, 7)))]


@spec("_contrib_BilinearResize2D")
def bilinear_resize(d):
    d.floating("float32", "float32", "float64")
    d.special = False
    x = d.values((d.between(1, 2), d.between(1, 3), d.between(1, 6), d.between(1, 6)))
    d.params["mode"] = d.pick("size", "size", "odd_scale", "like", "to_even_down", "to_even_up", "to_odd_down", "to_odd_up")
    d.params["align_corners"] = d.chance(0.5)
    if d.params["mode"] == "size":
        d.params.update(height=d.between(1, 8), width=d.between(1, 8))
    if d.params["mode"] == "odd_scale":
        d.params.update(scale_height=d.pick(2.0, 1.5, 0.5), scale_width=d.pick(2.0, 1.5, 0.5))
    if d.params["mode"] == "like":
        return [x, d.values((1, 1, d.between(1, 8), d.between(1, 8)))]
    return [x]


@spec("Correlation")
def correlation(d):
    d.floating("float32", "float32", "float64")
    d.params.update(kernel_size=d.pick(1, 1, 3), max_displacement=d.between(0, 2), stride1=d.between(1, 2), stride2=d.between(1, 2),
                    pad_size=d.between(1, 3), is_multiply=d.chance(0.6))
    shape = (d.between(1, 2), d.between(1, 3), d.between(6, 9), d.between(6, 9))
    return [d.values(shape), d.values(shape)]


# --- regions ----------------------------------------------------------------------------------------
def rois(d, n, images, extent):
    """Rows of (image, x1, y1, x2, y2)."""
    return f"(lambda g: np.concatenate([g.integers(0, {images}, ({n}, 1)), g.uniform(-1, {extent} / 2, ({n}, 2)), " \
           f"g.uniform({extent} / 2, {extent} + 1, ({n}, 2))], 1))(rng({d.between(0, 999)})).astype('{d.dtype}')"


@spec("ROIPooling", "_contrib_ROIAlign", "_contrib_RROIAlign", "_contrib_PSROIPooling", "_contrib_DeformablePSROIPooling")
def regions(d):
    d.floating("float32", "float32", "float64")
    d.special = False
    name = d.record["name"]
    n, k, side = d.between(1, 2), d.between(1, 4), d.between(5, 9)
    pooled, c, scale = d.between(1, 3), d.between(1, 3), d.pick(1.0, 0.5, 0.25)
    extent = side / scale
    d.params["spatial_scale"] = scale
    if name in ("ROIPooling", "_contrib_ROIAlign", "_contrib_RROIAlign"):
        d.params["pooled_size"] = (pooled, d.between(1, 3))
        if name == "_contrib_ROIAlign":
            d.params.update(sample_ratio=d.pick(-1, 2), aligned=d.chance(0.5))
        x = d.values((n, c, side, side))
        if name == "_contrib_RROIAlign":
            if d.chance(0.5):
                d.params["sampling_ratio"] = 2
            return [x, f"np.concatenate([{rois(d, k, n, extent)}, rng(3).uniform(-90, 90, ({k}, 1))], 1).astype('{d.dtype}')"]
        return [x, rois(d, k, n, extent)]
    d.params.update(output_dim=c, pooled_size=pooled, group_size=pooled)
    x = d.values((n, c * pooled * pooled, side, side))
    if name == "_contrib_PSROIPooling":
        return [x, rois(d, k, n, extent)]
    d.params.update(sample_per_part=d.between(1, 3), trans_std=0.1)
    if d.chance(0.4):
        d.params["no_trans"] = True
        return [x, rois(d, k, n, extent)]
    return [x, rois(d, k, n, extent), d.values((k, 2, pooled, pooled))]


# --- boxes ------------------------------------------------------------------------------------------
def boxes(d, shape, dtype=None):
    """Corners of boxes in the unit square."""
    return f"(lambda a: np.concatenate([a[..., :2] * 0.5, a[..., :2] * 0.5 + 0.1 + a[..., 2:] * 0.4], -1))(" \
           f"rng({d.between(0, 999)}).uniform(0, 1, {(*shape, 4)})).astype('{dtype or d.dtype}')"


@spec("_contrib_MultiBoxPrior")
def multi_box_prior(d):
    d.floating("float32", "float32", "float64")
    d.params.update(sizes=d.pick((0.5,), (0.5, 0.25)), ratios=d.pick((1.0,), (1.0, 2.0, 0.5)), clip=d.chance(0.4))
    return [d.values((1, d.between(1, 3), d.between(1, 5), d.between(1, 5)))]


@spec("_contrib_MultiBoxTarget")
def multi_box_target(d):
    d.floating("float32", "float32", "float64")
    d.special = False
    n, anchors, objects, classes = d.between(1, 3), d.between(2, 9), d.between(1, 3), d.between(1, 3)
    if d.chance(0.3):
        d.params.update(negative_mining_ratio=2.0, negative_mining_thresh=0.5)
    given = d.between(0, objects)  # the other rows are all -1
    label = f"np.concatenate([np.concatenate([rng({d.between(0, 99)}).integers(0, {classes}, ({n}, {given}, 1)), {boxes(d, (n, given))}], -1), " \
            f"np.full(({n}, {objects - given}, 5), -1)], 1).astype('{d.dtype}')"
    return [boxes(d, (1, anchors)), label, d.values((n, classes + 1, anchors))]


@spec("_contrib_MultiBoxDetection")
def multi_box_detection(d):
    d.floating("float32", "float32", "float64")
    d.special = False
    n, anchors, classes = d.between(1, 3), d.between(2, 9), d.between(1, 3)
    d.params.update(clip=d.chance(0.5), nms_threshold=d.pick(0.3, 0.5), force_suppress=d.chance(0.4))
    if d.chance(0.3):
        d.params["nms_topk"] = d.between(1, 5)
    return [d.values((n, classes + 1, anchors), 0, 1), d.values((n, anchors * 4), -1, 1), boxes(d, (1, anchors))]


@spec("_contrib_Proposal", "_contrib_MultiProposal")
def proposal(d):
    d.dtype, d.special = "float32", False
    d.params.update(rpn_pre_nms_top_n=d.pick(6, 12), rpn_post_nms_top_n=d.between(2, 5), threshold=d.pick(0.5, 0.7), rpn_min_size=d.pick(1, 8),
                    scales=(2.0, 4.0), ratios=(0.5, 1.0), feature_stride=8, output_score=d.chance(0.5), iou_loss=d.chance(0.2))
    n, h, w = 1 if d.record["name"] == "_contrib_Proposal" else d.between(1, 2), d.between(2, 4), d.between(2, 4)
    d.scale = 20.0
    return [d.values((n, 8, h, w), 0, 1), d.values((n, 16, h, w), -0.5, 0.5), f"np.array([[{h * 8}, {w * 8}, 1.0]] * {n}, 'float32')"]


@spec("_contrib_box_iou")
def box_iou(d):
    d.floating("float32", "float32", "float64")
    d.special = False
    d.params["format"] = d.pick("corner", "center")
    return [boxes(d, d.small(1, 2)), boxes(d, d.small(1, 2))]


@spec("_contrib_box_nms")
def box_nms(d):
    d.floating("float32", "float32", "float64")
    d.special = False
    batch, n = d.small(0, 1), d.between(1, 9)
    for key, value in (("overlap_thresh", 0.3), ("valid_thresh", 0.2), ("topk", 3), ("id_index", 0), ("force_suppress", True),
                       ("in_format", "center"), ("out_format", "center"), ("background_id", 0)):
        if d.chance(0.35):
            d.params[key] = value
    shape = (*batch, n)
    return [f"np.concatenate([rng({d.between(0, 99)}).integers(0, 3, {(*shape, 1)}), rng({d.between(0, 99)}).permutation({10 * n})[:{n}]"
            f".reshape({(*[1] * len(batch), n, 1)}) / {10 * n} + np.zeros({(*shape, 1)}), {boxes(d, shape)}], -1).astype('{d.dtype}')"]


@spec("_contrib_bipartite_matching")
def bipartite(d):
    d.floating("float32", "float32", "float64")
    d.special = False
    d.params.update(threshold=d.pick(0.1, 0.5), is_ascend=d.chance(0.5))
    if d.chance(0.4):
        d.params["topk"] = d.between(1, 3)
    return [d.values((*d.small(0, 1), d.between(1, 6), d.between(1, 6)), 0, 1)]


@spec("_contrib_box_encode")
def box_encode(d):
    d.floating("float32", "float32", "float64")
    b, n, m = d.between(1, 2), d.between(1, 5), d.between(1, 4)
    return [d.integers((b, n), -1, 1), d.integers((b, n), 0, m - 1), boxes(d, (b, n)), boxes(d, (b, m)),
            f"np.array([0, 0.1, 0.2, 0.3], '{d.dtype}')", f"np.array([0.1, 0.1, 0.2, 0.2], '{d.dtype}')"]


@spec("_contrib_box_decode")
def box_decode(d):
    d.floating("float32", "float32", "float64")
    d.special = False
    b, n = d.between(1, 3), d.between(1, 5)
    d.params.update(format=d.pick("corner", "center"), std0=d.pick(1.0, 0.1), std2=d.pick(1.0, 0.2))
    if d.chance(0.4):
        d.params["clip"] = d.pick(0.5, 2.0)
    return [d.values((b, n, 4), -1, 1), boxes(d, (1, n))]
