"""Operators of MXNet 1.x on regions, planes of other sizes, moving filters and interleaved attention."""
import math

import numpy as np

from .case import case
from .cases_vision import nearest, sample_at


# --- regions ------------------------------------------------------------------------------------
def clamped_sample(plane, y, x):
    h, w = plane.shape
    if not (-1 <= y <= h and -1 <= x <= w):
        return 0.0
    return sample_at(plane, min(max(y, 0), h - 1), min(max(x, 0), w - 1))


def region_average(planes, start, size, bins, ratio, turn=None):
    """planes[i][j] for bin (i, j); start and size in cells; turn(y, x) maps samples."""
    y = np.zeros(bins)
    for i, j in np.ndindex(*bins):
        counts = [ratio if ratio > 0 else math.ceil(size[a] / bins[a]) for a in (0, 1)]
        for a, b in np.ndindex(*counts):
            at = (start[0] + (i + (a + 0.5) / counts[0]) * size[0] / bins[0], start[1] + (j + (b + 0.5) / counts[1]) * size[1] / bins[1])
            y[i, j] += clamped_sample(planes(i, j), *(turn(*at) if turn else at)) / np.prod(counts)
    return y


def roi_align(x, rois, pooled_size, spatial_scale, sample_ratio=-1, position_sensitive=False, aligned=False):
    bins = np.prod(pooled_size)
    y = np.zeros((len(rois), x.shape[1] // (bins if position_sensitive else 1), *pooled_size))
    for r, k in np.ndindex(y.shape[:2]):
        if not 0 <= rois[r, 0] < len(x):
            continue
        image = x[int(rois[r, 0])]
        x1, y1, x2, y2 = rois[r, 1:] * spatial_scale - (0.5 if aligned else 0)
        size = (y2 - y1, x2 - x1) if aligned else (max(y2 - y1, 1), max(x2 - x1, 1))
        y[r, k] = region_average(lambda i, j: image[k * bins + i * pooled_size[1] + j if position_sensitive else k], (y1, x1), size,  # noqa: B023
                                 pooled_size, sample_ratio)
    return y


ROIS = np.array([[0, 0.3, 0.6, 9.1, 8.7], [1, 2.3, 4.2, 8.6, 17.3], [0, 3.1, 3.3, 3.4, 3.8], [1, -4.3, 1.3, 5.2, 11.8]])
case("_contrib_ROIAlign", [(2, 3, 6, 7), ROIS], pooled_size=(3, 2), spatial_scale=0.5, grad=(0,), ref=roi_align)
case("_contrib_ROIAlign", [(2, 3, 6, 7), ROIS], pooled_size=(2, 2), spatial_scale=0.5, sample_ratio=2, aligned=True, grad=(0,),
     ref=roi_align)
case("_contrib_ROIAlign", [(2, 8, 5, 5), ROIS[:2]], pooled_size=(2, 2), spatial_scale=0.25, position_sensitive=True, grad=(0,),
     ref=roi_align)
case("_contrib_ROIAlign", [(1, 2, 5, 5), np.array([[-1, 0, 0, 3, 3], [7, 0, 0, 3, 3.0]])], pooled_size=(2, 2), spatial_scale=1.0,
     label="no_image", grad=(0,), ref=roi_align, witness="not asked: MXNet reads what is not there")


def rotated_roi_align(x, rois, pooled_size, spatial_scale, sampling_ratio=-1):
    y = np.zeros((len(rois), x.shape[1], *pooled_size))
    for r, k in np.ndindex(y.shape[:2]):
        cx, cy, w, h = rois[r, 1:5] * spatial_scale
        w, h, angle = max(w, 1), max(h, 1), math.radians(rois[r, 5])

        def turn(v, u, cx=cx, cy=cy, angle=angle):
            return cy + v * math.cos(angle) - u * math.sin(angle), cx + u * math.cos(angle) + v * math.sin(angle)

        y[r, k] = region_average(lambda i, j: x[int(rois[r, 0]), k], (-h / 2, -w / 2), (h, w), pooled_size, sampling_ratio, turn)  # noqa: B023
    return y


ROTATED = np.array([[0, 6.1, 5.2, 7.3, 5.1, 30], [1, 5.3, 6.2, 3.1, 9.2, -75], [0, 3.3, 3.1, 0.5, 0.7, 10]])
case("_contrib_RROIAlign", [(2, 3, 6, 7), ROTATED], pooled_size=(3, 2), spatial_scale=0.5, grad=(1,), ref=rotated_roi_align)
case("_contrib_RROIAlign", [(2, 2, 6, 7), ROTATED], pooled_size=(2, 2), spatial_scale=0.5, sampling_ratio=2, grad=(1,),
     ref=rotated_roi_align)


def mask_target(rois, masks, matches, classes, num_rois, num_classes, mask_size, sample_ratio=2, aligned=False):
    y = np.zeros((*rois.shape[:2], num_classes, *mask_size))
    for b, r in np.ndindex(rois.shape[:2]):
        plane = masks[b, int(matches[b, r])][None, None]
        y[b, r] = roi_align(plane, np.array([[0, *rois[b, r]]]), mask_size, 1.0, sample_ratio, False, aligned)[0, 0]
    own = np.arange(1, num_classes + 1) == classes[..., None]
    return [y, np.broadcast_to(own[..., None, None], y.shape).astype(y.dtype)]


for params in ({}, {"sample_ratio": -1, "aligned": True}):
    case("_contrib_mrcnn_mask_target", [np.stack([ROIS[:3, 1:], ROIS[1:, 1:]]), (2, 2, 12, 14), np.array([[0, 1, 1], [1, 0, 0.0]]),
                                        np.array([[2, 0, 1], [1, 3, 0.0]])], num_rois=3, num_classes=3, mask_size=(3, 4),
         ref=mask_target, witness="absent", dtypes=("float64",), **params)


def position_channel(c, i, j, side, groups):
    return (c * groups + min(i * groups // side, groups - 1)) * groups + min(j * groups // side, groups - 1)


def ps_roi_pooling(x, rois, spatial_scale, output_dim, pooled_size, group_size=0):
    y = np.zeros((len(rois), output_dim, pooled_size, pooled_size))
    for r, c, i, j in np.ndindex(y.shape):
        x1, y1, x2, y2 = (nearest(v) + e for v, e in zip(rois[r, 1:], (0, 0, 1, 1)))
        start, size = np.array([y1, x1]) * spatial_scale, np.maximum(np.array([y2 - y1, x2 - x1]) * spatial_scale, 0.1) / pooled_size
        top, left = np.clip(np.floor(start + size * [i, j]), 0, x.shape[2:]).astype(int)
        bottom, right = np.clip(np.ceil(start + size * [i + 1, j + 1]), 0, x.shape[2:]).astype(int)
        window = x[int(rois[r, 0]), position_channel(c, i, j, pooled_size, group_size or pooled_size), top:bottom, left:right]
        y[r, c, i, j] = window.mean() if window.size else 0
    return y


case("_contrib_PSROIPooling", [(2, 12, 6, 7), ROIS], spatial_scale=0.5, output_dim=3, pooled_size=2, grad=(0,), ref=ps_roi_pooling)
case("_contrib_PSROIPooling", [(2, 8, 6, 7), ROIS], spatial_scale=0.5, output_dim=2, pooled_size=3, group_size=2, grad=(0,),
     ref=ps_roi_pooling)


def deformable_ps_roi_pooling(x, rois, trans=None, spatial_scale=1, output_dim=1, group_size=1, pooled_size=1, part_size=0,
                              sample_per_part=1, trans_std=0, no_trans=False):
    parts = part_size or pooled_size
    y = np.zeros((len(rois), output_dim, pooled_size, pooled_size))
    for r, c, i, j in np.ndindex(y.shape):
        x1, y1, x2, y2 = (nearest(v) + e for v, e in zip(rois[r, 1:], (0, 0, 1, 1)))
        start = np.array([y1, x1]) * spatial_scale - 0.5
        size = np.maximum(np.array([y2 - y1, x2 - x1]) * spatial_scale, 0.1)
        start = start + size / pooled_size * [i, j]
        if not no_trans:
            of = c // (output_dim // (trans.shape[1] // 2))
            move = trans[r, 2 * of:2 * of + 2, i * parts // pooled_size, j * parts // pooled_size]
            start = start + move[::-1] * trans_std * size
        plane, found = x[int(rois[r, 0]), position_channel(c, i, j, pooled_size, group_size)], []
        for a in np.ndindex(sample_per_part, sample_per_part):
            at = start + size / pooled_size / sample_per_part * a
            if np.all(at >= -0.5) and np.all(at <= np.array(plane.shape) - 0.5):
                found.append(sample_at(plane, *np.clip(at, 0, np.array(plane.shape) - 1)))
        y[r, c, i, j] = np.mean(found) if found else 0
    return y


case("_contrib_DeformablePSROIPooling", [(2, 12, 6, 7), ROIS, (4, 2, 2, 2)], spatial_scale=0.5, output_dim=3, group_size=2, pooled_size=2,
     sample_per_part=2, trans_std=0.25, grad=(0, 2), ref=deformable_ps_roi_pooling)
case("_contrib_DeformablePSROIPooling", [(2, 8, 6, 7), ROIS, (4, 4, 3, 3)], spatial_scale=0.5, output_dim=2, group_size=2, pooled_size=4,
     part_size=3, sample_per_part=3, trans_std=0.125, grad=(0, 2), ref=deformable_ps_roi_pooling)
case("_contrib_DeformablePSROIPooling", [(2, 8, 6, 7), ROIS], spatial_scale=0.5, output_dim=2, group_size=2, pooled_size=2,
     sample_per_part=2, no_trans=True, grad=(0,), ref=deformable_ps_roi_pooling)


# --- planes of other sizes ----------------------------------------------------------------------
def adaptive_average(x, output_size=()):
    output_size = np.atleast_1d(output_size).tolist()
    rows, columns = output_size * 2 if len(output_size) == 1 else output_size or (1, 1)
    y, (h, w) = np.zeros((*x.shape[:2], rows, columns)), x.shape[2:]
    for i, j in np.ndindex(rows, columns):
        window = x[:, :, i * h // rows:-(-(i + 1) * h // rows), j * w // columns:-(-(j + 1) * w // columns)]
        y[:, :, i, j] = window.mean((2, 3))
    return y


case("_contrib_AdaptiveAvgPooling2D", [(2, 3, 5, 7)], ref=adaptive_average)
case("_contrib_AdaptiveAvgPooling2D", [(2, 3, 5, 7)], output_size=3, ref=adaptive_average)
case("_contrib_AdaptiveAvgPooling2D", [(2, 3, 5, 7)], output_size=(2, 9), ref=adaptive_average)


def interpolation(size, out, align):
    """(out, size): how cells become those of the output."""
    step = (size - 1) / max(out - 1, 1) if align else size / out
    at = np.arange(out) * step if align else np.maximum((np.arange(out) + 0.5) * step - 0.5, 0)
    if align and out == 1:
        at = np.zeros(1)
    return np.maximum(0, 1 - np.abs(np.minimum(at, size - 1)[:, None] - np.arange(size)))


def bilinear_resize(x, like=None, height=1, width=1, scale_height=None, scale_width=None, mode="size", align_corners=True):
    def extent(v, given, scale):
        if mode == "odd_scale":
            return int(v * scale) if v % 2 == 0 else int((v - 1) * scale) + 1
        if mode == "size":
            return int(v * scale) if scale else given
        parity = 0 if "even" in mode else 1
        return v if v % 2 == parity else v + (1 if mode.endswith("up") else -1)

    h, w = x.shape[2:]
    rows, columns = like.shape[2:] if like is not None else (extent(h, height, scale_height), extent(w, width, scale_width))
    return np.einsum("ih,nchw,jw->ncij", interpolation(h, rows, align_corners), x, interpolation(w, columns, align_corners))


for params in ({"height": 3, "width": 9}, {"height": 7, "width": 4, "align_corners": False}, {"height": 1, "width": 1},
               {"scale_height": 2, "scale_width": 0.5}, {"scale_height": 1.5, "scale_width": 2, "align_corners": False},
               {"mode": "odd_scale", "scale_height": 2, "scale_width": 0.5}, {"mode": "to_even_down"}, {"mode": "to_even_up"},
               {"mode": "to_odd_down"}, {"mode": "to_odd_up"}):
    case("_contrib_BilinearResize2D", [(2, 3, 5, 8)], ref=bilinear_resize, **params)
case("_contrib_BilinearResize2D", [(2, 3, 5, 8), (2, 3, 4, 3)], mode="like", grad=(0,), ref=bilinear_resize)


# --- moving filters -----------------------------------------------------------------------------
def deformable(x, offset, mask, weight, bias, kernel, stride=(1, 1), pad=(0, 0), dilate=(1, 1), num_group=1, num_deformable_group=1):
    n, channels, h, w = x.shape
    rows, columns = offset.shape[2:]
    taps, movers = kernel[0] * kernel[1], num_deformable_group
    seen = np.zeros((n, channels, taps, rows, columns))
    for b, c, t, i, j in np.ndindex(seen.shape):
        m = c // (channels // movers)
        at = offset[b, (m * taps + t) * 2:(m * taps + t) * 2 + 2, i, j] + np.multiply([i, j], stride) - pad \
            + np.multiply(divmod(t, kernel[1]), dilate)
        if mask is None:  # the border's value holds past the last cell; before the first there is nothing
            inside = 0 <= at[0] < h and 0 <= at[1] < w
            seen[b, c, t, i, j] = sample_at(x[b, c], *np.minimum(at, [h - 1, w - 1])) if inside else 0
        else:
            seen[b, c, t, i, j] = sample_at(x[b, c], *at) * mask[b, m * taps + t, i, j]
    filters, own = weight.shape[0] // num_group, channels // num_group
    y = np.concatenate([np.einsum("nctij,fct->nfij", seen[:, g * own:(g + 1) * own],
                                  weight[g * filters:(g + 1) * filters].reshape(filters, own, taps)) for g in range(num_group)], 1)
    return y if bias is None else y + bias.reshape(1, -1, 1, 1)


def deformable_convolution(x, offset, weight, bias=None, num_filter=None, no_bias=False, **params):
    return deformable(x, offset, None, weight, bias, **params)


def modulated_convolution(x, offset, mask, weight, bias=None, num_filter=None, no_bias=False, **params):
    return deformable(x, offset, mask, weight, bias, **params)


def offsets(shape):
    """Whole numbers plus fractions that stay away from cells' middles."""
    def draw(rng):
        return rng.integers(-2, 2, shape) + rng.uniform(0.15, 0.85, shape)
    return draw


case("_contrib_DeformableConvolution", [(2, 3, 5, 6), offsets((2, 8, 4, 5)), (4, 3, 2, 2), (4,)], kernel=(2, 2), num_filter=4,
     ref=deformable_convolution)
case("_contrib_DeformableConvolution", [(1, 4, 6, 6), offsets((1, 36, 3, 4)), (6, 2, 3, 3)], kernel=(3, 3), num_filter=6, num_group=2,
     num_deformable_group=2, stride=(2, 1), pad=(1, 1), dilate=(1, 2), no_bias=True, ref=deformable_convolution)
case("_contrib_ModulatedDeformableConvolution", [(2, 3, 5, 6), offsets((2, 8, 4, 5)), (2, 4, 4, 5), (4, 3, 2, 2), (4,)], kernel=(2, 2),
     num_filter=4, ref=modulated_convolution, witness="MXNet has the gradient for GPUs only")
case("_contrib_ModulatedDeformableConvolution", [(1, 4, 6, 6), offsets((1, 36, 3, 4)), (1, 18, 3, 4), (6, 2, 3, 3)], kernel=(3, 3),
     num_filter=6, num_group=2, num_deformable_group=2, stride=(2, 1), pad=(1, 1), dilate=(1, 2), no_bias=True,
     ref=modulated_convolution, witness="MXNet has the gradient for GPUs only")
case("_contrib_ModulatedDeformableConvolution", [(1, 2, 5, 5), offsets((1, 18, 3, 3)), (1, 9, 3, 3), (2, 2, 3, 3), (2,)], kernel=(3, 3),
     num_filter=2, grad=False, label="values", ref=modulated_convolution)


# --- interleaved attention ------------------------------------------------------------------------
def parts_of(x, heads, parts):
    """(parts, batch * heads, length, size)"""
    length, batch, _ = x.shape
    return x.reshape(length, batch, heads, parts, -1).transpose(3, 1, 2, 0, 4).reshape(parts, batch * heads, length, -1)


def self_scores(x, heads):
    q, k, _ = parts_of(x, heads, 3)
    return q @ k.swapaxes(1, 2) / math.sqrt(q.shape[-1])


def cross_scores(queries, keys_values, heads):
    q, k = parts_of(queries, heads, 1)[0], parts_of(keys_values, heads, 2)[0]
    return q @ k.swapaxes(1, 2) / math.sqrt(q.shape[-1])


def weighted_values(parts):
    def reference(x, attention, heads):
        y = attention @ parts_of(x, heads, parts)[-1]
        return y.reshape(x.shape[1], heads, *y.shape[1:]).transpose(2, 0, 1, 3).reshape(y.shape[1], x.shape[1], -1)
    return reference


FLOATS = {"dtypes": ("float16", "float64"), "heads": 3}
case("_contrib_interleaved_matmul_selfatt_qk", [(5, 2, 36)], ref=self_scores, **FLOATS)
case("_contrib_interleaved_matmul_selfatt_valatt", [(5, 2, 36), (6, 5, 5)], ref=weighted_values(3), **FLOATS)
case("_contrib_interleaved_matmul_encdec_qk", [(4, 2, 12), (5, 2, 24)], ref=cross_scores, **FLOATS)
case("_contrib_interleaved_matmul_encdec_valatt", [(5, 2, 24), (6, 4, 5)], ref=weighted_values(2), **FLOATS)
