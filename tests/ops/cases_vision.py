"""Operators on images, regions and boxes."""
import itertools
import math

import numpy as np

from .case import case


def corner_box(box):
    x, y, w, h = box
    return np.array([x - w / 2, y - h / 2, x + w / 2, y + h / 2])


def center_box(box):
    a, b, c, d = box
    return np.array([(a + c) / 2, (b + d) / 2, c - a, d - b])


def iou(a, b, one=0):
    def area(w, h):
        return max(0, w + one) * max(0, h + one)

    both = area(min(a[2], b[2]) - max(a[0], b[0]), min(a[3], b[3]) - max(a[1], b[1]))
    either = area(a[2] - a[0], a[3] - a[1]) + area(b[2] - b[0], b[3] - b[1]) - both
    return both / either if either > 0 else 0.0


def some_boxes(n, seed, scale=1.0, size=0.5):
    """(n, 4) corners within [0, scale]."""
    rng = np.random.default_rng(seed)
    start = rng.uniform(0, 1 - size, (n, 2))
    return np.concatenate([start, start + rng.uniform(0.1, size, (n, 2))], 1) * scale


# --- sampling -----------------------------------------------------------------------------------
def sample_at(plane, y, x):
    """Bilinear; zero outside."""
    low_y, low_x = math.floor(y), math.floor(x)
    total = 0.0
    for i, j in itertools.product((low_y, low_y + 1), (low_x, low_x + 1)):
        if 0 <= i < plane.shape[0] and 0 <= j < plane.shape[1]:
            total += plane[i, j] * (1 - abs(y - i)) * (1 - abs(x - j))
    return total


def bilinear_sampler(x, grid):
    n, c, h, w = x.shape
    y = np.zeros((n, c, *grid.shape[2:]))
    for b, k, i, j in np.ndindex(y.shape):
        y[b, k, i, j] = sample_at(x[b, k], (grid[b, 1, i, j] + 1) * (h - 1) / 2, (grid[b, 0, i, j] + 1) * (w - 1) / 2)
    return y


def affine_grid(matrices, target_shape):
    h, w = target_shape
    x, y = np.meshgrid(np.linspace(-1, 1, w), np.linspace(-1, 1, h))
    points = np.stack([x.ravel(), y.ravel(), np.ones(h * w)])
    return (matrices.reshape(-1, 2, 3) @ points).reshape(-1, 2, h, w)


def grid_generator(data, transform_type, target_shape=None):
    if transform_type == "affine":
        return affine_grid(data, target_shape)
    h, w = data.shape[2:]
    cells = np.stack(np.meshgrid(np.arange(w), np.arange(h)))
    return (data + cells) / (np.array([w - 1, h - 1]).reshape(1, 2, 1, 1) / 2) - 1


def off_cells(shape, seed, low, high, extent):
    """Sampling points (in grid numbers) whose cells finite differences do not cross: h = w = extent."""
    cells = np.random.default_rng(seed).uniform(low, high, shape)
    near = np.rint(cells)
    cells = np.where(np.abs(cells - near) < 0.1, near + 0.25, cells)
    return cells * 2 / (extent - 1) - 1


case("BilinearSampler", [(2, 3, 5, 5), off_cells((2, 2, 4, 3), 1, -1.5, 5.5, 5)], ref=bilinear_sampler)
case("BilinearSampler", [(1, 2, 5, 5), off_cells((1, 2, 5, 5), 2, 0, 4, 5)], label="inside", ref=bilinear_sampler)
# Many samples; planes of one column, of one row, of one cell, in grid numbers and in cells along the longer axis.
case("BilinearSampler", [(1, 2, 6, 7), off_cells((1, 2, 24, 13), 3, -1.5, 6.5, 6)], label="many", grad=(0,), ref=bilinear_sampler)
case("BilinearSampler", [(2, 2, 5, 1), off_cells((2, 2, 4, 3), 4, -1.5, 5.5, 5)], label="column", ref=bilinear_sampler)
case("BilinearSampler", [(2, 2, 1, 5), off_cells((2, 2, 4, 3), 5, -1.5, 5.5, 5)], label="row", ref=bilinear_sampler)
case("BilinearSampler", [(2, 2, 1, 1), off_cells((2, 2, 4, 3), 6, -1.5, 5.5, 5)], label="cell", ref=bilinear_sampler)
case("GridGenerator", [(3, 6)], transform_type="affine", target_shape=(4, 5), ref=grid_generator)
case("GridGenerator", [(2, 2, 4, 5)], transform_type="warp", ref=grid_generator)
case("SpatialTransformer",
     [(2, 3, 5, 5), np.array([[0.83, 0.13, 0.07, -0.11, 0.87, 0.03], [1.23, -0.31, 0.21, 0.27, 1.17, -0.13]])],
     target_shape=(4, 6), transform_type="affine", sampler_type="bilinear",
     ref=lambda x, loc, target_shape, **_: bilinear_sampler(x, affine_grid(loc, target_shape)))


# --- regions ------------------------------------------------------------------------------------
def nearest(v):
    return int(math.copysign(math.floor(abs(v) + 0.5), v))


def roi_pooling(x, rois, pooled_size, spatial_scale):
    rows, columns = pooled_size
    y = np.zeros((len(rois), x.shape[1], rows, columns))
    for r, roi in enumerate(rois):
        x1, y1, x2, y2 = (nearest(v * spatial_scale) for v in roi[1:])
        if not 0 <= roi[0] < len(x):
            continue
        bin_h, bin_w = max(y2 - y1 + 1, 1) / rows, max(x2 - x1 + 1, 1) / columns
        for i, j in np.ndindex(rows, columns):
            top, bottom = (np.clip(v + y1, 0, x.shape[2]) for v in (math.floor(i * bin_h), math.ceil((i + 1) * bin_h)))
            left, right = (np.clip(v + x1, 0, x.shape[3]) for v in (math.floor(j * bin_w), math.ceil((j + 1) * bin_w)))
            if top < bottom and left < right:
                y[r, :, i, j] = x[int(roi[0]), :, top:bottom, left:right].max((1, 2))
    return y


case("ROIPooling", [(2, 3, 8, 7), np.array([[0, 0, 0, 6, 7], [1, 2, 1, 5, 6], [0, 3, 3, 3, 3], [1, 5, 5, 20, 20.0]])],
     pooled_size=(3, 2), spatial_scale=1.0, grad=(0,), ref=roi_pooling)
case("ROIPooling", [(1, 2, 8, 8), np.array([[0, 2, 2, 13, 9], [0, 0, 4, 7, 15], [-1, 0, 0, 3, 3.0]])], pooled_size=(2, 2),
     spatial_scale=0.5, grad=(0,), ref=roi_pooling)


def correlation(a, b, kernel_size=1, max_displacement=1, stride1=1, stride2=1, pad_size=0, is_multiply=True):
    n, channels, h, w = a.shape
    a, b = (np.pad(v, [(0, 0), (0, 0), (pad_size,) * 2, (pad_size,) * 2]) for v in (a, b))
    border = max_displacement + kernel_size // 2
    rows, columns = (math.ceil((v + 2 * pad_size - 2 * border) / stride1) for v in (h, w))
    reach = max_displacement // stride2
    shifts = [(i * stride2, j * stride2) for i in range(-reach, reach + 1) for j in range(-reach, reach + 1)]
    y = np.zeros((n, len(shifts), rows, columns))
    for k, i, j in np.ndindex(len(shifts), rows, columns):
        top, left = i * stride1 + max_displacement, j * stride1 + max_displacement
        down, right = shifts[k]
        first = a[:, :, top:top + kernel_size, left:left + kernel_size]
        second = b[:, :, top + down:top + down + kernel_size, left + right:left + right + kernel_size]
        y[:, k, i, j] = (first * second if is_multiply else np.abs(first - second)).sum((1, 2, 3))
    return y / (kernel_size ** 2 * channels)


case("Correlation", [(2, 3, 5, 6)] * 2, ref=correlation)
case("Correlation", [(1, 2, 7, 6)] * 2, kernel_size=3, max_displacement=2, stride1=2, stride2=2, pad_size=3, ref=correlation)
case("Correlation", [(2, 2, 5, 5)] * 2, max_displacement=2, pad_size=2, is_multiply=False, ref=correlation)

TARGET, PENALTY = 0.1, 0.01


def kl_gradient(x, average):
    moved = x.mean(0)
    return [np.broadcast_to(PENALTY * ((1 - TARGET) / (1 - moved) - TARGET / moved), x.shape) + KL_HEADS, None]


KL_HEADS = np.random.default_rng(len("IdentityAttachKLSparseReg")).uniform(0.5, 1.5, (4, 6)).astype("float32")
case("IdentityAttachKLSparseReg", [(4, 6), np.full(6, 0.3)], penalty=PENALTY, momentum=0, low=0.1, high=0.9, grad=(0,),
     ref=lambda x, average: x, ref_grad=kl_gradient, witness="not asked: its eager function takes no moving average")


# --- single-shot detection ------------------------------------------------------------------------
def multi_box_prior(data, sizes=(1,), ratios=(1,), clip=False, steps=(-1, -1), offsets=(0.5, 0.5)):
    h, w = data.shape[2:]
    step_y, step_x = (s if s > 0 else 1 / v for s, v in zip(steps, (h, w)))
    shapes = [(s, ratios[0]) for s in sizes] + [(sizes[0], r) for r in ratios[1:]]
    boxes = [corner_box(((j + offsets[1]) * step_x, (i + offsets[0]) * step_y, s * h / w * math.sqrt(r), s / math.sqrt(r)))
             for i in range(h) for j in range(w) for s, r in shapes]
    return np.clip(boxes, 0, 1)[None] if clip else np.array(boxes)[None]


case("_contrib_MultiBoxPrior", [(2, 3, 4, 5)], ref=multi_box_prior)
case("_contrib_MultiBoxPrior", [(1, 1, 3, 2)], sizes=(0.5, 0.25, 0.75), ratios=(2, 1, 0.5), clip=True, offsets=(0.25, 0.75),
     ref=multi_box_prior)
case("_contrib_MultiBoxPrior", [(1, 1, 2, 2)], sizes=(0.25,), steps=(0.5, 0.25), ref=multi_box_prior)


def multi_box_target(anchor, label, pred, overlap_threshold=0.5, ignore_label=-1, negative_mining_ratio=-1,
                     negative_mining_thresh=0.5, variances=(0.1, 0.1, 0.2, 0.2)):
    anchors = anchor[0]
    n = len(anchors)
    loc, mask, cls = np.zeros((len(label), n, 4)), np.zeros((len(label), n, 4)), np.full((len(label), n), float(ignore_label))
    for b, rows in enumerate(label):
        ends = np.flatnonzero(rows[:, 0] == -1)
        rows = rows[:ends[0]] if len(ends) else rows
        if not len(rows):
            continue
        table = np.array([[iou(a, r[1:5]) for r in rows] for a in anchors])
        of, open_pairs = {}, table.copy()
        while open_pairs.max() > 1e-6:
            i, g = np.unravel_index(open_pairs.argmax(), table.shape)
            of[i] = g
            open_pairs[i], open_pairs[:, g] = -1, -1
        if overlap_threshold > 0:
            of |= {i: table[i].argmax() for i in range(n) if i not in of and table[i].max() > overlap_threshold}
        rest = [i for i in range(n) if i not in of]
        if negative_mining_ratio > 0:
            softmax = np.exp(pred[b]) / np.exp(pred[b]).sum(0)
            rest = sorted((i for i in rest if table[i].max() < negative_mining_thresh), key=lambda i: softmax[0, i])
            rest = rest[:int(len(of) * negative_mining_ratio)]
        cls[b, rest] = 0
        for i, g in of.items():
            a, r = center_box(anchors[i]), center_box(rows[g, 1:5])
            cls[b, i], mask[b, i] = rows[g, 0] + 1, 1
            loc[b, i] = np.array([(r[0] - a[0]) / a[2], (r[1] - a[1]) / a[3], *np.log(r[2:] / a[2:])]) / variances
    return [loc.reshape(len(label), -1), mask.reshape(len(label), -1), cls]


OBJECTS = np.full((3, 3, 6), -1.0)
OBJECTS[0, :2, 0], OBJECTS[0, :2, 1:5] = [1, 0], some_boxes(2, 3)
OBJECTS[2, :, 0], OBJECTS[2, :, 1:5] = [0, 2, 1], some_boxes(3, 4)
ANCHORS = np.concatenate([some_boxes(14, 5), OBJECTS[0, :1, 1:5] + 0.01, OBJECTS[2, :2, 1:5] - 0.02])[None]
for params in ({}, {"negative_mining_ratio": 2}, {"overlap_threshold": 0.2, "negative_mining_ratio": 1, "negative_mining_thresh": 0.3,
                                                 "ignore_label": -2, "variances": (1, 1, 0.5, 0.25)}):
    case("_contrib_MultiBoxTarget", [ANCHORS, OBJECTS, (3, 4, 17)], ref=multi_box_target, dtypes=("float64",), **params)


def multi_box_detection(prob, loc, anchor, clip=True, threshold=0.01, nms_threshold=0.5, force_suppress=False,
                        variances=(0.1, 0.1, 0.2, 0.2), nms_topk=-1):
    n, _, count = prob.shape
    y = np.full((n, count, 6), -1.0)
    for b in range(n):
        rows = []
        for i in range(count):
            score, a, d = prob[b, 1:, i].max(), center_box(anchor[0, i]), loc[b, 4 * i:4 * i + 4] * variances
            if score >= threshold:
                box = corner_box((d[0] * a[2] + a[0], d[1] * a[3] + a[1], *np.exp(d[2:]) * a[2:]))
                rows.append([prob[b, 1:, i].argmax(), score, *(np.clip(box, 0, 1) if clip else box)])
        best = sorted(rows, key=lambda r: -r[1])[:nms_topk if nms_topk > 0 else None]
        best = [list(r) for r in best] + [[-1, *r[1:]] for r in rows[len(best):]]
        for i, j in itertools.combinations(range(len(best)), 2):
            if best[i][0] >= 0 and best[j][0] >= 0 and (force_suppress or best[i][0] == best[j][0]) \
                    and iou(best[i][2:], best[j][2:]) >= nms_threshold:
                best[j][0] = -1
        if best:
            y[b, :len(best)] = best
    return y


for params in ({}, {"force_suppress": True, "nms_threshold": 0.2, "threshold": 0.6}, {"nms_topk": 4, "clip": False},
               {"variances": (0.5, 0.5, 0.1, 0.1)}):
    case("_contrib_MultiBoxDetection", [(2, 4, 17), (2, 68), ANCHORS], ref=multi_box_detection,
         dtypes=("float64",), **params)


# --- proposals ----------------------------------------------------------------------------------
def proposal(prob, delta, info, rpn_pre_nms_top_n=6000, rpn_post_nms_top_n=300, threshold=0.7, rpn_min_size=16,
             scales=(4, 8, 16, 32), ratios=(0.5, 1, 2), feature_stride=16, output_score=False, iou_loss=False):
    count, (n, _, h, w) = len(scales) * len(ratios), prob.shape
    anchors = []
    for ratio, scale in itertools.product(ratios, scales):
        width = math.floor(math.sqrt(math.floor(feature_stride ** 2 / ratio)) + 0.5)
        height = math.floor(width * ratio + 0.5)
        middle = (feature_stride - 1) / 2
        anchors.append(corner_box((middle, middle, width * scale - 1, height * scale - 1)))
    rois, scores = np.zeros((n, rpn_post_nms_top_n, 5)), np.zeros((n, rpn_post_nms_top_n, 1))
    for b in range(n):
        tall, wide, smallest = info[b, 0], info[b, 1], rpn_min_size * info[b, 2]
        found = []
        for i, j, k in np.ndindex(h, w, count):
            a, d = anchors[k] + np.array([j, i, j, i]) * feature_stride, delta[b, 4 * k:4 * k + 4, i, j]
            if iou_loss:
                box = a + d
            else:
                size = np.array([a[2] - a[0] + 1, a[3] - a[1] + 1])
                middle = d[:2] * size + a[:2] + (size - 1) / 2
                box = corner_box((*middle, *(np.exp(d[2:]) * size - 1)))
            box = np.clip(box, 0, [wide - 1, tall - 1] * 2)
            score = prob[b, count + k, i, j]
            if i >= int(tall / feature_stride) or j >= int(wide / feature_stride):
                score = -1
            if min(box[2] - box[0], box[3] - box[1]) + 1 < smallest:
                box, score = box + np.array([-1, -1, 1, 1]) * smallest / 2, -1
            found.append((score, box))
        kept = []
        for score, box in sorted(found, key=lambda f: -f[0])[:rpn_pre_nms_top_n]:
            if all(iou(other, box, 1) <= threshold for _, other in kept):
                kept.append((score, box))
        kept = kept[:rpn_post_nms_top_n]
        for i in range(rpn_post_nms_top_n):
            scores[b, i], rois[b, i, 1:] = kept[i % len(kept)]
            rois[b, i, 0] = b
    rois, scores = rois.reshape(-1, 5), scores.reshape(-1, 1)
    return [rois, scores] if output_score else rois


SMALL = {"feature_stride": 8, "scales": (1, 2), "ratios": (0.5, 1, 2), "rpn_min_size": 4, "rpn_post_nms_top_n": 12}
for params in ({}, {"output_score": True, "rpn_pre_nms_top_n": 30, "threshold": 0.3}, {"iou_loss": True}):
    case("_contrib_Proposal", [(1, 12, 5, 6), (1, 24, 5, 6), np.array([[40, 44, 1.5]])], ref=proposal,
         dtypes=("float64",), rtol=1e-4, **SMALL, **params)
    case("_contrib_MultiProposal", [(2, 12, 5, 6), (2, 24, 5, 6), np.array([[40, 44, 1.5], [39, 48, 1]])],
         ref=proposal, dtypes=("float64",), rtol=1e-4, **SMALL, **params)


# --- boxes --------------------------------------------------------------------------------------
def box_iou(a, b, format="corner"):
    def corners(boxes):
        return [corner_box(v) if format == "center" else v for v in boxes.reshape(-1, 4)]

    table = np.array([[iou(p, q) for q in corners(b)] for p in corners(a)])
    return table.reshape(a.shape[:-1] + b.shape[:-1])


case("_contrib_box_iou", [some_boxes(6, 7).reshape(2, 3, 4), some_boxes(5, 8)], ref=box_iou)
case("_contrib_box_iou", [some_boxes(4, 9), some_boxes(3, 10)], format="center", ref=box_iou)
case("_contrib_box_iou", [(5, 4), some_boxes(3, 10)], format="center", label="any", ref=box_iou)


def box_nms(data, overlap_thresh=0.5, valid_thresh=0, topk=-1, coord_start=2, score_index=1, id_index=-1, background_id=-1,
            force_suppress=False, in_format="corner", out_format="corner"):
    y = np.full_like(data, -1)
    if topk == 0:
        return data
    for at in np.ndindex(data.shape[:-2]):
        rows = [r for r in data[at] if r[score_index] > valid_thresh and (id_index < 0 or r[id_index] != background_id)]
        kept = []
        for row in sorted(rows, key=lambda r: -r[score_index])[:topk if topk > 0 else None]:
            box = row[coord_start:coord_start + 4]
            box = corner_box(box) if in_format == "center" else box
            if all(iou(other, box) <= overlap_thresh or not (force_suppress or id_index < 0 or k[id_index] == row[id_index])
                   for k, other in kept):
                kept.append((row, box))
        for i, (row, box) in enumerate(kept):
            y[at][i] = row
            if in_format != out_format:
                y[at][i, coord_start:coord_start + 4] = center_box(box) if out_format == "center" else box
    return y


def detections(seed, width=6):
    rng = np.random.default_rng(seed)
    rows = np.concatenate([rng.integers(-1, 3, (24, 1)), rng.permutation(24)[:, None] / 30 - 0.05, some_boxes(24, seed, size=0.7),
                           rng.uniform(0, 1, (24, width - 6))], 1)
    return rows.reshape(2, 12, width)


for params in ({}, {"id_index": 0}, {"id_index": 0, "background_id": 1, "topk": 5}, {"id_index": 0, "force_suppress": True,
                                                                                    "overlap_thresh": 0.2},
               {"valid_thresh": 0.4, "topk": 3}, {"topk": 0}):
    case("_contrib_box_nms", [detections(1, 7)], grad=False, ref=box_nms, dtypes=("float64",), **params)
    if "id_index" not in params:
        case("_contrib_box_nms", [detections(2)[..., 1:]], coord_start=1, score_index=0, in_format="corner", out_format="corner",
             ref=box_nms, dtypes=("float64",), label="gradient", **params)
case("_contrib_box_nms", [detections(3)], in_format="center", grad=False, ref=box_nms, dtypes=("float64",))
case("_contrib_box_nms", [detections(3)], out_format="center", grad=False, ref=box_nms, dtypes=("float64",))


def bipartite_matching(data, threshold, is_ascend=False, topk=-1):
    rows, columns = np.full(data.shape[:-1], -1.0), np.full((*data.shape[:-2], data.shape[-1]), -1.0)
    for at in np.ndindex(data.shape[:-2]):
        pairs = 0
        for i in np.argsort(data[at].ravel() * (1 if is_ascend else -1), kind="stable"):
            r, c = divmod(i, data.shape[-1])
            if rows[at][r] >= 0 or columns[at][c] >= 0:
                continue
            if data[at][r, c] >= threshold if is_ascend else data[at][r, c] <= threshold:
                break
            rows[at][r], columns[at][c] = c, r
            pairs += 1
            if 0 < topk < pairs:
                break
    return [rows, columns]


for params in ({"threshold": 1e-3}, {"threshold": 0.25, "topk": 1}, {"threshold": 0.5, "is_ascend": True}):
    case("_contrib_bipartite_matching", [(2, 5, 4)], low=0, ref=bipartite_matching, **params)


def box_encode(samples, matches, anchors, refs, means, stds):
    targets, masks = np.zeros(anchors.shape), np.zeros(anchors.shape)
    for b, i in np.ndindex(samples.shape):
        if samples[b, i] > 0.5:
            a, r = center_box(anchors[b, i]), center_box(refs[b, int(matches[b, i])])
            masks[b, i] = 1
            targets[b, i] = (np.array([(r[0] - a[0]) / a[2], (r[1] - a[1]) / a[3], *np.log(r[2:] / a[2:])]) - means) / stds
    return [targets, masks]


case("_contrib_box_encode", [np.array([[1, 0, -1, 1, 1], [0.0, 1, 1, 0, -1]]), np.array([[2, 0, 1, 0, 1], [0.0, 1, 2, 2, 1]]),
                             some_boxes(10, 11).reshape(2, 5, 4), some_boxes(6, 12).reshape(2, 3, 4), np.array([0, 0.125, 0.25, 0.5]),
                             np.array([0.125, 0.125, 0.25, 0.25])], ref=box_encode, dtypes=("float64",))


def box_decode(data, anchors, std0=1, std1=1, std2=1, std3=1, clip=-1, format="center"):
    y = np.zeros(data.shape)
    for b, i in np.ndindex(data.shape[:2]):
        a = anchors[0, i] if format == "center" else center_box(anchors[0, i])
        d = data[b, i] * [std0, std1, std2, std3]
        size = np.minimum(d[2:], clip) if clip > 0 else d[2:]
        y[b, i] = corner_box((d[0] * a[2] + a[0], d[1] * a[3] + a[1], *np.exp(size) * a[2:]))
    return y


case("_contrib_box_decode", [(2, 5, 4), some_boxes(5, 13)[None]], ref=box_decode)
case("_contrib_box_decode", [(2, 5, 4), some_boxes(5, 14)[None]], std0=0.125, std1=0.25, std2=0.5, std3=2, clip=0.25, format="corner",
     ref=box_decode)


# --- transforms of rows -------------------------------------------------------------------------
def fft(x):
    y = np.fft.fft(x)
    return np.stack([y.real, y.imag], -1).reshape(*x.shape[:-1], -1)


def ifft(x):
    pairs = x.reshape(*x.shape[:-1], -1, 2)
    return np.fft.ifft(pairs[..., 0] + 1j * pairs[..., 1]).real * pairs.shape[-2]


for n in (8, 15, 134):  # a power of two, small factors, a large prime factor
    case("_contrib_fft", [(3, n)], ref=fft, witness="not asked: MXNet has it for GPUs only")
    case("_contrib_ifft", [(3, 2 * n)], ref=ifft, witness="not asked: MXNet has it for GPUs only")
case("_contrib_fft", [(2, 1, 3, 6)], ref=fft, witness="not asked: MXNet has it for GPUs only")


def count_sketch(x, h, s, out_dim):
    y = np.zeros((*x.shape[:-1], out_dim))
    for j in range(x.shape[-1]):
        y[..., int(h.ravel()[j])] += s.ravel()[j] * x[..., j]
    return y


case("_contrib_count_sketch", [(4, 7), np.array([[0, 2, 2, 1, 4, 0, 3.0]]), np.array([[1, -1, 1, 1, -1, -1, 1.0]])], out_dim=5, grad=(0,),
     ref=count_sketch, witness="not asked: MXNet has it for GPUs only")
