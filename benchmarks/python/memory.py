"""Memory of a training step, as planned: ten networks with and without budgets, and MXNet's plan of the same symbols."""
import argparse
import json
import re
import subprocess
import sys
import time

import harness

SHARES = (0.75, 0.5, 0.3, 0.2)
MEASURED = {"MLP of 40 layers", "ResNet-50 of 64 x 64"}  # small enough to run each time


# --- networks -------------------------------------------------------------------------------------
def resnet(mx, units, filters=256):
    """ResNet with identities (He et al. 2016), as MXNet publishes it."""
    s = mx.sym

    def norm(x, name):
        return s.Activation(s.BatchNorm(x, fix_gamma=False, eps=2e-5, name=name + "_bn"), act_type="relu", name=name + "_relu")

    def conv(x, n, k, stride, name):
        return s.Convolution(x, num_filter=n, kernel=(k, k), stride=(stride, stride), pad=(k // 2, k // 2), no_bias=True, name=name)

    x = s.BatchNorm(s.Variable("data"), fix_gamma=True, eps=2e-5, name="bn_data")
    x = s.Pooling(norm(conv(x, 64, 7, 2, "conv0"), "conv0"), kernel=(3, 3), stride=(2, 2), pad=(1, 1), pool_type="max")
    for stage, count in enumerate(units):
        n = filters << stage
        for i in range(count):
            name, stride = f"stage{stage + 1}_unit{i + 1}", 2 if stage and not i else 1
            first = norm(x, name + "_1")
            y = norm(conv(first, n // 4, 1, 1, name + "_conv1"), name + "_2")
            y = conv(norm(conv(y, n // 4, 3, stride, name + "_conv2"), name + "_3"), n, 1, 1, name + "_conv3")
            x = y + (x if i else conv(first, n, 1, stride, name + "_short"))
    x = s.Pooling(norm(x, "last"), global_pool=True, kernel=(7, 7), pool_type="avg")
    return s.SoftmaxOutput(s.FullyConnected(s.Flatten(x), num_hidden=1000, name="fc"), name="softmax")


def vgg(mx):
    s, x = mx.sym, mx.sym.Variable("data")
    for i, (count, n) in enumerate(((2, 64), (2, 128), (3, 256), (3, 512), (3, 512))):
        for j in range(count):
            x = s.Activation(s.Convolution(x, num_filter=n, kernel=(3, 3), pad=(1, 1), name=f"conv{i}_{j}"), act_type="relu")
        x = s.Pooling(x, pool_type="max", kernel=(2, 2), stride=(2, 2))
    x = s.Flatten(x)
    for i in range(2):
        x = s.Dropout(s.Activation(s.FullyConnected(x, num_hidden=4096, name=f"fc{i}"), act_type="relu"), p=0.5)
    return s.SoftmaxOutput(s.FullyConnected(x, num_hidden=1000, name="fc2"), name="softmax")


def unet(mx):
    s = mx.sym

    def two(x, n, name):
        for i in range(2):
            x = s.Convolution(x, num_filter=n, kernel=(3, 3), pad=(1, 1), no_bias=True, name=f"{name}_{i}")
            x = s.Activation(s.BatchNorm(x, fix_gamma=False, name=f"{name}_bn{i}"), act_type="relu")
        return x

    x, kept = s.Variable("data"), []
    for i in range(4):
        x = two(x, 64 << i, f"down{i}")
        kept.append(x)
        x = s.Pooling(x, pool_type="max", kernel=(2, 2), stride=(2, 2))
    x = two(x, 1024, "middle")
    for i in reversed(range(4)):
        x = s.Deconvolution(x, num_filter=64 << i, kernel=(2, 2), stride=(2, 2), name=f"up{i}")
        x = two(s.Concat(kept[i], x, dim=1), 64 << i, f"up{i}")
    x = s.Convolution(x, num_filter=2, kernel=(1, 1), name="classes")
    return s.SoftmaxOutput(x, multi_output=True, name="softmax")


def lstm(mx, steps, hidden=1024):
    """One layer, unrolled; only the last state is read, as a classifier of sequences does."""
    s = mx.sym
    cell = mx.rnn.LSTMCell(hidden, prefix="lstm_")
    states = [s.Variable("h0"), s.Variable("c0")]
    xs = s.SliceChannel(s.Variable("data"), num_outputs=steps, axis=0, squeeze_axis=True)
    for t in range(steps):
        x, states = cell(xs[t], states)
    return s.SoftmaxOutput(s.FullyConnected(x, num_hidden=1000, name="fc"), name="softmax")


def encoder(mx, layers=12, width=768, heads=12, length=512, batch=8):
    """A Transformer encoder (Vaswani et al. 2017), norms first, of operators that MXNet 1.9 has."""
    s = mx.sym

    def dense(x, n, name):
        return s.FullyConnected(x, num_hidden=n, flatten=False, name=name)

    def split(x):
        x = s.reshape(x, shape=(0, 0, -4, heads, -1))
        return s.reshape(s.transpose(x, axes=(0, 2, 1, 3)), shape=(-3, 0, 0))

    x = s.Variable("data")
    for i in range(layers):
        name = f"layer{i}_"
        y = s.LayerNorm(x, name=name + "norm1")
        q, k, v = (split(dense(y, width, name + part)) for part in "qkv")
        weights = s.softmax(s.batch_dot(q, k, transpose_b=True) * (width // heads) ** -0.5)
        y = s.reshape(s.batch_dot(weights, v), shape=(-4, -1, heads, 0, 0))
        y = s.reshape(s.transpose(y, axes=(0, 2, 1, 3)), shape=(0, 0, -3))
        x = x + dense(y, width, name + "out")
        y = s.LeakyReLU(dense(s.LayerNorm(x, name=name + "norm2"), 4 * width, name + "wide"), act_type="gelu")
        x = x + dense(y, width, name + "narrow")
    return s.SoftmaxOutput(s.FullyConnected(s.mean(x, axis=1), num_hidden=10, name="fc"), name="softmax")


def mlp(mx, layers=40, width=1024):
    s, x = mx.sym, mx.sym.Variable("data")
    for i in range(layers):
        x = s.Activation(s.FullyConnected(x, num_hidden=width, name=f"fc{i}"), act_type="tanh")
    return s.SoftmaxOutput(s.FullyConnected(x, num_hidden=10, name="last"), name="softmax")


def mobilenet(mx):
    """MobileNet (Howard et al. 2017)."""
    s, x = mx.sym, mx.sym.Variable("data")

    def conv(x, n, k, stride, groups, name):
        x = s.Convolution(x, num_filter=n, kernel=(k, k), stride=(stride, stride), pad=(k // 2, k // 2), num_group=groups,
                          no_bias=True, name=name)
        return s.Activation(s.BatchNorm(x, fix_gamma=False, name=name + "_bn"), act_type="relu")

    x, n = conv(x, 32, 3, 2, 1, "conv0"), 32
    for i, (m, stride) in enumerate(((64, 1), (128, 2), (128, 1), (256, 2), (256, 1), (512, 2), *((512, 1),) * 5, (1024, 2), (1024, 1))):
        x = conv(conv(x, n, 3, stride, n, f"deep{i}"), m, 1, 1, 1, f"wide{i}")
        n = m
    x = s.Flatten(s.Pooling(x, global_pool=True, kernel=(7, 7), pool_type="avg"))
    return s.SoftmaxOutput(s.FullyConnected(x, num_hidden=1000, name="fc"), name="softmax")


IMAGES = (32, 3, 224, 224)
NETWORKS = {
    "MLP of 40 layers": (mlp, {"data": (512, 1024)}),
    "ResNet-50 of 64 x 64": (lambda mx: resnet(mx, (3, 4, 6, 3)), {"data": (8, 3, 64, 64)}),
    "ResNet-50": (lambda mx: resnet(mx, (3, 4, 6, 3)), {"data": IMAGES}),
    "ResNet-152": (lambda mx: resnet(mx, (3, 8, 36, 3)), {"data": IMAGES}),
    "ResNet-1001": (lambda mx: resnet(mx, (3, 131, 196, 3)), {"data": IMAGES}),
    "MobileNet": (mobilenet, {"data": IMAGES}),
    "VGG-16": (vgg, {"data": (64, 3, 224, 224)}),
    "U-Net": (unet, {"data": (8, 3, 256, 256)}),
    "LSTM of 1000 steps": (lambda mx: lstm(mx, 1000), {"data": (1000, 64, 1024), "h0": (64, 1024), "c0": (64, 1024)}),
    "Transformer encoder": (encoder, {"data": (8, 512, 768)}),
}


def requests(net, shapes):
    return {n: "null" if n in shapes or n.endswith("label") else "write" for n in net.list_arguments()}


# --- contenders -----------------------------------------------------------------------------------
def plans(mx, name):
    """What heddle plans for a network."""
    make, shapes = NETWORKS[name]
    net = make(mx)
    wanted = requests(net, shapes)

    def plan(budget):
        begin = time.process_time()
        try:
            made = net.memory_plan(grad_req=wanted, memory_budget=budget, **shapes)
        except mx.MXNetError as e:
            return None, int(re.search(r"needs (\d+)", str(e))[1]), time.process_time() - begin
        return made, made.peak_bytes, time.process_time() - begin

    free, _, seconds = plan(0)
    own = free.peak_bytes - free.arena_bytes
    row = {"values one by one": sum_of_values(net, shapes, mx), "plain": free.plain_arena_bytes, "default": free.arena_bytes,
           "bound": free.lower_bound, "nodes": len(free.steps), "seconds": seconds, "budgets": []}
    _, least, _ = plan(1)
    for share in (*SHARES, None):
        budget = least if share is None else own + int(share * free.plain_arena_bytes)
        made, need, seconds = plan(budget)
        row["budgets"].append({"share": share, "arena": made.arena_bytes if made else None, "extra": made.extra if made else None,
                               "least": need - own, "seconds": seconds})
    return row


def within(mx, name, megabytes):
    """Says what arena and what part of a step that runs again an arena of at most so many megabytes comes to, or what it needs."""
    make, shapes = NETWORKS[name]
    net = make(mx)
    wanted = requests(net, shapes)
    free = net.memory_plan(grad_req=wanted, memory_budget=0, **shapes)
    own = free.peak_bytes - free.arena_bytes
    try:
        made = net.memory_plan(grad_req=wanted, memory_budget=own + int(megabytes * 1e6), **shapes)
    except mx.MXNetError as e:
        need = int(re.search(r"needs (\d+)", str(e))[1]) - own
        return f"refused, needs {need / 1e6:.0f} MB"
    return f"{made.arena_bytes / 1e6:.0f} MB, +{100 * made.extra:.1f} %"


def sum_of_values(net, shapes, mx):
    """Every forward value in memory of its own, and a gradient of each: what a program without a plan takes."""
    inner = net.get_internals()
    _, out, _ = inner.infer_shape(**shapes)
    names, total = set(net.list_inputs()), 0
    for name, shape in zip(inner.list_outputs(), out):
        if name in names:
            continue
        size = 4
        for n in shape:
            size *= n
        total += 2 * size
    return total


def steps(mx, name, share, repeats):
    """Seconds of a training step, the least of so many, under a budget of so much of the plain arena; none: without one."""
    make, shapes = NETWORKS[name]
    net = make(mx)
    wanted = requests(net, shapes)
    free = net.memory_plan(grad_req=wanted, memory_budget=0, **shapes)
    budget = 0 if share is None else free.peak_bytes - free.arena_bytes + int(share * free.plain_arena_bytes)
    exe = net.simple_bind(mx.cpu(), grad_req=wanted, memory_budget=budget, **shapes)
    for array in exe.arg_arrays:
        array[:] = mx.nd.random.normal(0, 0.05, shape=array.shape)

    def step():
        exe.forward(is_train=True)
        exe.backward()

    step()
    mx.nd.waitall()
    times = []
    for _ in range(repeats):
        begin = time.perf_counter()
        step()
        mx.nd.waitall()
        times.append(time.perf_counter() - begin)
    return min(times), exe._core.memory()


def scale(mx):
    """Processor seconds that planning takes, against nodes: towers of dense layers with a norm and a relu each, batch 64."""
    print(f"{'nodes':>8}{'plan s':>9}{'half, s':>9}{'extra':>8}")
    rows = []
    for layers in (170, 1700, 17000):
        s, x = mx.sym, mx.sym.Variable("data")
        for i in range(layers):
            x = s.BatchNorm(s.FullyConnected(x, num_hidden=64, name=f"fc{i}"), fix_gamma=False, name=f"bn{i}")
            x = s.Activation(x, act_type="relu", name=f"relu{i}")
        net, shapes = s.SoftmaxOutput(x, name="softmax"), {"data": (64, 64)}
        wanted = requests(net, shapes)

        def plan(budget, net=net, wanted=wanted, shapes=shapes):
            begin = time.process_time()
            return net.memory_plan(grad_req=wanted, memory_budget=budget, **shapes), time.process_time() - begin

        free, seconds = plan(0)
        half, with_budget = plan(free.peak_bytes - free.arena_bytes + free.plain_arena_bytes // 2)
        rows.append({"nodes": len(free.steps), "seconds": seconds, "with_budget": with_budget, "extra": half.extra})
        print(f"{len(free.steps):8}{seconds:9.2f}{with_budget:9.2f}{100 * half.extra:7.1f}%", flush=True)
    return rows


def write(rows, path):
    if path:
        with open(path, "w", encoding="utf-8") as f:
            json.dump(rows, f, indent=1)


def mxnet_plan(name):
    """Megabytes that MXNet says it allocates; run by its own interpreter."""
    import mxnet as mx
    make, shapes = NETWORKS[name]
    net = make(mx)
    exe = net.simple_bind(mx.cpu(), grad_req=requests(net, shapes), **shapes)
    print(re.search(r"Total (\d+) MB allocated", exe.debug_str())[1])


def ask_mxnet(name):
    """The same from here; None where it cannot bind the network."""
    python = harness.peer_python("mxnet")
    if python is None:
        return None
    done = subprocess.run([str(python), __file__, "--mxnet", name], capture_output=True, text=True, timeout=600)
    return int(done.stdout) if done.returncode == 0 else None


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", metavar="FILE")
    parser.add_argument("--only", default="", help="networks whose name has this in it")
    parser.add_argument("--budget", type=float, action="append", default=[], metavar="MB", help="plan for such an arena too")
    parser.add_argument("--measure", default="", metavar="NAME", help="run networks with this in their name too: large ones take minutes")
    parser.add_argument("--scale", action="store_true", help="only how planning takes longer for larger graphs")
    parser.add_argument("--mxnet", help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.mxnet:
        return mxnet_plan(given.mxnet)
    import heddle as mx
    if given.scale:
        return write(scale(mx), given.json)
    mega, rows = 1e6, {}
    print("Arenas of a training step in MB (values between inputs and outputs; gradients and parameters are beside them).\n"
          "A budget's columns: MB, and the estimated part of a step that runs again.\n")
    head = f"{'':22}{'nodes':>7}{'naive':>9}{'plain':>8}{'bound':>8}{'default':>9}"
    head += "".join(f"{f'{100 * s:.0f} %':>16}" for s in SHARES) + f"{'least':>16}{'plan, cpu s':>14}{'MXNet':>8}"
    print(head)
    for name in NETWORKS:
        if given.only not in name:
            continue
        row = rows[name] = plans(mx, name)
        row["mxnet"] = ask_mxnet(name)
        line = f"{name:22}{row['nodes']:7}{row['values one by one'] / mega:9.0f}{row['plain'] / mega:8.0f}"
        line += f"{row['bound'] / mega:8.0f}{row['default'] / mega:9.0f}"
        for b in row["budgets"]:
            text = f"{b['arena'] / mega:.0f} +{100 * b['extra']:.1f}%" if b["arena"] is not None else "-"
            line += f"{text:>16}"
        line += f"{row['seconds']:6.2f} {max(b['seconds'] for b in row['budgets']):6.2f}"
        print(f"{line} {row['mxnet'] * 1.048576 if row['mxnet'] else float('nan'):7.0f}", flush=True)
    for name in rows:
        for megabytes in given.budget:
            print(f"{name} within {megabytes:.0f} MB: {within(mx, name, megabytes)}", flush=True)
    for name in rows:
        small = name in MEASURED
        if not small and not (given.measure and given.measure in name):
            continue
        repeats = 3 if small else 1
        base, _ = steps(mx, name, None, repeats)
        print(f"\n{name}, measured: {1000 * base:.0f} ms a step;", end="")
        rows[name]["measured"] = {"plain": base}
        for share in (0.75, 0.5, 0.3):
            try:
                seconds, memory = steps(mx, name, share, repeats)
            except mx.MXNetError:
                continue
            rows[name]["measured"][str(share)] = seconds
            print(f" at {100 * share:.0f} % {seconds / base:.2f}x"
                  f" (planned {memory['planned_arena'] / mega:.1f} MB, touched {memory['touched_arena'] / mega:.1f})", end="", flush=True)
        print()
    write(rows, given.json)


if __name__ == "__main__":
    sys.exit(main())
