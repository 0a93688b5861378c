"""Run by a Python that has PyTorch, with heddle on its path: answers and gradients of both for the same formulas.

    PYTHON tests/witness/pytorch.py [NAME...]     some of CHECKS, or all: prints "== NAME" and what went wrong, if anything did

PyTorch's side is its own operator where it has one, and otherwise the definition of the operator in differentiable
PyTorch.
"""
import sys
import traceback

import numpy as np
import torch
import torch.nn.functional as F

import heddle as mx

CHECKS = {}


def check(f):
    CHECKS[f.__name__] = f
    return f


def listed(value):
    return list(value) if isinstance(value, (list, tuple)) else [value]


def agree(ours, theirs, inputs, constant=(), tolerance=1e-9):
    """Compares the outputs, and the gradients of all inputs but the constant ones, for the same random heads."""
    rng = np.random.default_rng(7)
    a = [mx.nd.array(x, dtype=x.dtype) for x in inputs]
    b = [torch.from_numpy(x.copy()) for x in inputs]
    for i in set(range(len(inputs))) - set(constant):
        a[i].attach_grad()
        b[i].requires_grad_()
    with mx.autograd.record():
        ys = listed(ours(*a))
    zs = listed(theirs(*b))
    assert len(ys) == len(zs)
    heads = [rng.normal(size=y.shape) for y in ys]
    mx.autograd.backward(ys, [mx.nd.array(h, dtype=y.dtype) for h, y in zip(heads, ys)])
    torch.autograd.backward(zs, [torch.from_numpy(h).to(z.dtype) for h, z in zip(heads, zs)])
    for i, (y, z) in enumerate(zip(ys, zs)):
        np.testing.assert_allclose(y.asnumpy(), z.detach().numpy(), tolerance, tolerance, err_msg=f"output {i}")
    for i in sorted(set(range(len(inputs))) - set(constant)):
        np.testing.assert_allclose(a[i].grad.asnumpy(), b[i].grad.numpy(), tolerance, tolerance, err_msg=f"gradient of input {i}")


def normal(*shape, seed=0, scale=1.0, dtype="float64"):
    return (np.random.default_rng([seed, *shape]).normal(size=shape) * scale).astype(dtype)


# --- recurrent layers -------------------------------------------------------------------------------
def recurrent(mode, layers=2, both_ways=False, projection=None):
    """Both keep their gates in the same order; MXNet's parameters are all weights, then all biases, each by layer."""
    steps, batch, features, hidden = 5, 3, 4, 6
    kind = {"lstm": torch.nn.LSTM, "gru": torch.nn.GRU}.get(mode, torch.nn.RNN)
    more = {"nonlinearity": mode[4:]} if mode.startswith("rnn") else {"proj_size": projection} if projection else {}
    layer = kind(features, hidden, layers, bidirectional=both_ways, dtype=torch.float64, **more)
    names = [f"l{i}{way}" for i in range(layers) for way in ([""] + ["_reverse"] * both_ways)]
    weights = ["weight_ih_", "weight_hh_"] + ["weight_hr_"] * bool(projection)
    order = [kind + n for n in names for kind in weights] + [kind + n for n in names for kind in ("bias_ih_", "bias_hh_")]
    parameters = dict(layer.named_parameters())
    flat = np.concatenate([parameters[n].detach().numpy().ravel() for n in order])
    states = [normal(layers * (1 + both_ways), batch, n, seed=1) for n in ([projection or hidden, hidden] if mode == "lstm" else [hidden])]

    def theirs(x, p, *state):
        sizes = [parameters[n].numel() for n in order]
        given = {n: part.reshape(parameters[n].shape) for n, part in zip(order, torch.split(p, sizes))}
        y, last = torch.func.functional_call(layer, given, (x, state if mode == "lstm" else state[0]))
        return [y, *(last if mode == "lstm" else [last])]

    def ours(x, p, *state):
        return mx.nd.RNN(x, p, *state, state_size=hidden, num_layers=layers, bidirectional=both_ways, mode=mode, state_outputs=True,
                         projection_size=projection)

    agree(ours, theirs, [normal(steps, batch, features), flat, *states], tolerance=1e-8)


for _mode in ("rnn_relu", "rnn_tanh", "lstm", "gru"):
    CHECKS[_mode] = lambda mode=_mode: recurrent(mode)
    CHECKS[_mode + "_both_ways"] = lambda mode=_mode: recurrent(mode, both_ways=True)
CHECKS["lstm_projected"] = lambda: recurrent("lstm", projection=3)


# --- sequences --------------------------------------------------------------------------------------
def ctc(blank):
    steps, batch, classes = 8, 3, 5
    labels, lengths, spans = np.array([[1, 2, 2], [3, 1, 4], [4, 0, 0]]), np.array([3, 3, 1]), np.array([8, 7, 5])
    if blank == "last":
        labels = labels - 1

    def ours(x):
        return mx.nd.CTCLoss(x, mx.nd.array(labels), mx.nd.array(spans), mx.nd.array(lengths), use_data_lengths=True,
                             use_label_lengths=True, blank_label=blank)

    def theirs(x):
        return F.ctc_loss(F.log_softmax(x, -1), torch.from_numpy(labels), torch.from_numpy(spans), torch.from_numpy(lengths),
                          blank=0 if blank == "first" else classes - 1, reduction="none")

    agree(ours, theirs, [normal(steps, batch, classes, dtype="float32")], tolerance=2e-4)


CHECKS["ctc_with_the_first_as_blank"] = lambda: ctc("first")
CHECKS["ctc_with_the_last_as_blank"] = lambda: ctc("last")


@check
def self_attention():
    steps, batch, heads, size = 6, 2, 3, 4

    def ours(x):
        weights = mx.nd.softmax(mx.nd.contrib.interleaved_matmul_selfatt_qk(x, heads=heads))
        return mx.nd.contrib.interleaved_matmul_selfatt_valatt(x, weights, heads=heads)

    def theirs(x):
        q, k, v = x.reshape(steps, batch, heads, 3, size).permute(3, 1, 2, 0, 4)
        return F.scaled_dot_product_attention(q, k, v).permute(2, 0, 1, 3).reshape(steps, batch, heads * size)

    agree(ours, theirs, [normal(steps, batch, heads * 3 * size)])


@check
def attention_of_another():
    steps, seen, batch, heads, size = 6, 5, 2, 3, 4

    def ours(x, memory):
        weights = mx.nd.softmax(mx.nd.contrib.interleaved_matmul_encdec_qk(x, memory, heads=heads))
        return mx.nd.contrib.interleaved_matmul_encdec_valatt(memory, weights, heads=heads)

    def theirs(x, memory):
        q = x.reshape(steps, batch, heads, size).permute(1, 2, 0, 3)
        k, v = memory.reshape(seen, batch, heads, 2, size).permute(3, 1, 2, 0, 4)
        return F.scaled_dot_product_attention(q, k, v).permute(2, 0, 1, 3).reshape(steps, batch, heads * size)

    agree(ours, theirs, [normal(steps, batch, heads * size), normal(seen, batch, heads * 2 * size)])


@check
def fft_there_and_back():
    def pairs(x):
        return torch.view_as_real(x).flatten(-2)

    agree(mx.nd.contrib.fft, lambda x: pairs(torch.fft.fft(x)), [normal(4, 12, dtype="float32")], tolerance=1e-4)
    # Not divided by their number, as cuFFT's; of what comes back the real part.
    agree(mx.nd.contrib.ifft, lambda x: torch.fft.ifft(torch.view_as_complex(x.reshape(4, 12, 2)), norm="forward").real,
          [normal(4, 24, dtype="float32")], tolerance=1e-4)


# --- linear algebra ---------------------------------------------------------------------------------
def definite(n=5, batch=2):
    a = normal(batch, n, n)
    return a @ a.transpose(0, 2, 1) + n * np.eye(n)


@check
def cholesky():
    def lower(a):
        return torch.linalg.cholesky((a + a.mT) / 2)

    half = lambda a: (a + mx.nd.swapaxes(a, 1, 2)) / 2  # noqa: E731
    agree(lambda a: mx.nd.linalg.potrf(half(a)), lower, [definite()])
    agree(lambda a: mx.nd.linalg.potri(mx.nd.linalg.potrf(half(a))), lambda a: torch.linalg.inv((a + a.mT) / 2), [definite()])
    agree(lambda a: mx.nd.linalg.sumlogdiag(mx.nd.linalg.potrf(half(a))),
          lambda a: lower(a).diagonal(dim1=-2, dim2=-1).log().sum(-1), [definite()])


@check
def products():
    a, b = normal(2, 4, 4), normal(2, 4, 3, seed=1)
    agree(lambda a, b: mx.nd.linalg.trmm(a, b, alpha=2.0), lambda a, b: 2 * a.tril() @ b, [a, b])
    agree(lambda a, b: mx.nd.linalg.trmm(a, b, transpose=True), lambda a, b: a.tril().mT @ b, [a, b])
    agree(lambda a: mx.nd.linalg.syrk(a, alpha=0.5), lambda a: 0.5 * a @ a.mT, [b])
    agree(lambda a, b: mx.nd.linalg.gemm2(a, b, transpose_a=True), lambda a, b: a.mT @ b, [a, b])


@check
def triangular_solve():
    a, b = normal(2, 4, 4) + 4 * np.eye(4), normal(2, 4, 3, seed=1)
    agree(mx.nd.linalg.trsm, lambda a, b: torch.linalg.solve_triangular(a.tril(), b, upper=False), [a, b])
    agree(lambda a, b: mx.nd.linalg.trsm(a, b, rightside=True),
          lambda a, b: torch.linalg.solve_triangular(a.tril(), b, upper=False, left=False), [a, normal(2, 3, 4, seed=2)])


@check
def orthogonal_factors():
    def ours(a):  # A = L Q; the signs of Q's rows are LAPACK's to choose
        q, lower = mx.nd.linalg.gelqf(a)
        sign = mx.nd.sign(mx.nd.linalg.extractdiag(lower))
        return [q * sign.expand_dims(2), lower * sign.expand_dims(1)]

    def theirs(a):
        q, r = torch.linalg.qr(a.mT)
        sign = r.diagonal(dim1=-2, dim2=-1).sign()
        return [(q * sign.unsqueeze(-2)).mT, (r * sign.unsqueeze(-1)).mT]

    agree(ours, theirs, [normal(2, 3, 5)])


@check
def eigenvalues():
    def ours(a):
        u, values = mx.nd.linalg.syevd((a + mx.nd.swapaxes(a, 1, 2)) / 2)
        return [u ** 2, values]  # vectors are known up to their sign

    def theirs(a):
        values, v = torch.linalg.eigh((a + a.mT) / 2)
        return [v.mT ** 2, values]

    agree(ours, theirs, [normal(2, 4, 4)], tolerance=1e-7)


@check
def inverses_and_determinants():
    a = normal(3, 4, 4)
    agree(mx.nd.linalg.inverse, torch.linalg.inv, [a], tolerance=1e-8)
    agree(mx.nd.linalg.det, torch.linalg.det, [a])
    agree(lambda a: mx.nd.linalg.slogdet(a)[1], lambda a: torch.linalg.slogdet(a)[1], [a])


# --- sampling of images -----------------------------------------------------------------------------
def bilinear(x, y, at):
    """Values of x (N, C, H, W) at pixels y, at, both (N, ...), which lie inside."""
    h, w = x.shape[2:]
    grid = torch.stack([2 * at / (w - 1) - 1, 2 * y / (h - 1) - 1], -1)
    flat = grid.reshape(len(x), -1, 1, 2)
    return F.grid_sample(x, flat, align_corners=True).reshape(*x.shape[:2], *y.shape[1:])


def deformed(masked):
    n, c, h, w, filters = 2, 4, 6, 7, 3
    ys, xs = np.meshgrid(np.arange(h - 2), np.arange(w - 2), indexing="ij")
    rng = np.random.default_rng(3)
    base = np.stack([np.stack([ys + i, xs + j]) for i in range(3) for j in range(3)])  # (tap, 2, h, w)
    wanted = rng.uniform(0.1, 0.9, size=(n, *base.shape)) + np.stack([rng.integers(0, s, size=(n, 9, *ys.shape)) for s in (h - 1, w - 1)], 2)
    offset = (wanted - base).reshape(n, 18, *ys.shape)
    mask = rng.uniform(0, 1, size=(n, 9, *ys.shape))

    def theirs(x, offset, *more):
        at = offset.reshape(n, 9, 2, *ys.shape) + torch.from_numpy(base)
        taps = bilinear(x, at[:, :, 0], at[:, :, 1])  # (n, c, tap, h, w)
        if masked:
            taps = taps * more[0].unsqueeze(1)
        weight, bias = more[-2:]
        return torch.einsum("ncthw,fct->nfhw", taps, weight.flatten(2)) + bias.reshape(-1, 1, 1)

    name = "ModulatedDeformableConvolution" if masked else "DeformableConvolution"
    ours = lambda *inputs: getattr(mx.nd.contrib, name)(*inputs, kernel=(3, 3), num_filter=filters)  # noqa: E731
    agree(ours, theirs, [normal(n, c, h, w), offset, *([mask] if masked else []), normal(filters, c, 3, 3), normal(filters)], tolerance=1e-7)


CHECKS["deformable_convolution"] = lambda: deformed(False)
CHECKS["modulated_deformable_convolution"] = lambda: deformed(True)

BOXES = np.array([[0, 2.2, 1.4, 10.6, 8.0], [1, 0.5, 3.3, 9.1, 10.9], [1, 4.0, 4.0, 11.0, 11.0]])


@check
def roi_align():
    size, samples, scale = 3, 2, 0.5

    def theirs(x, boxes):
        steps = (torch.arange(size * samples, dtype=torch.float64) + 0.5) / samples
        found = []
        for image, left, top, right, bottom in boxes * torch.tensor([1, scale, scale, scale, scale], dtype=torch.float64):
            ys = top + steps * (bottom - top).clamp(min=1) / size
            xs = left + steps * (right - left).clamp(min=1) / size
            values = bilinear(x[int(image)][None], *(g[None] for g in torch.meshgrid(ys, xs, indexing="ij")))
            found.append(F.avg_pool2d(values, samples)[0])
        return torch.stack(found)

    agree(lambda x, boxes: mx.nd.contrib.ROIAlign(x, boxes, pooled_size=(size, size), spatial_scale=scale, sample_ratio=samples), theirs,
          [normal(2, 3, 8, 8), BOXES], constant=[1], tolerance=1e-7)


@check
def roi_pooling():
    size, scale = 3, 0.5

    def theirs(x, boxes):
        found = []
        for image, *box in boxes:
            left, top, right, bottom = (int(np.floor(float(e) * scale + 0.5)) for e in box)
            rows = [top + np.array([np.floor(i * (bottom - top + 1) / size), np.ceil((i + 1) * (bottom - top + 1) / size)]) for i in range(size)]
            columns = [left + np.array([np.floor(i * (right - left + 1) / size), np.ceil((i + 1) * (right - left + 1) / size)]) for i in range(size)]
            found.append(torch.stack([torch.stack([x[int(image), :, int(a):int(b), int(c):int(d)].amax((1, 2)) for c, d in columns], -1)
                                      for a, b in rows], -2))
        return torch.stack(found)

    agree(lambda x, boxes: mx.nd.ROIPooling(x, boxes, pooled_size=(size, size), spatial_scale=scale), theirs, [normal(2, 3, 8, 8), BOXES],
          constant=[1])


@check
def bilinear_sampler():
    grid = np.random.default_rng(1).uniform(-1.2, 1.2, size=(2, 2, 4, 5))
    agree(mx.nd.BilinearSampler, lambda x, g: F.grid_sample(x, g.permute(0, 2, 3, 1), align_corners=True), [normal(2, 3, 6, 7), grid],
          tolerance=1e-7)


@check
def spatial_transformer():
    theta = np.array([[0.8, 0.1, 0.05, -0.2, 0.7, 0.1], [1.1, 0, 0.2, 0.1, 0.9, -0.1]])
    agree(lambda x, t: mx.nd.SpatialTransformer(x, t, target_shape=(5, 4), transform_type="affine", sampler_type="bilinear"),
          lambda x, t: F.grid_sample(x, F.affine_grid(t.reshape(-1, 2, 3), (2, 3, 5, 4), align_corners=True), align_corners=True),
          [normal(2, 3, 6, 7), theta], tolerance=1e-7)


@check
def other_sizes():
    x = normal(2, 3, 7, 5)
    agree(lambda x: mx.nd.contrib.AdaptiveAvgPooling2D(x, output_size=(3, 4)), lambda x: F.adaptive_avg_pool2d(x, (3, 4)), [x])
    agree(lambda x: mx.nd.contrib.BilinearResize2D(x, height=11, width=9), lambda x: F.interpolate(x, (11, 9), mode="bilinear", align_corners=True),
          [x], tolerance=1e-5)


if __name__ == "__main__":
    for name in sys.argv[1:] or CHECKS:
        print(f"== {name}")
        try:
            CHECKS[name]()
        except Exception:
            traceback.print_exc(file=sys.stdout)
