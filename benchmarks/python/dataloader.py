"""Batches out of a DataLoader with two workers, images/s: pictures in memory flipped at random, scaled and normalised, beside
PyTorch's DataLoader and MXNet's. heddle's workers are threads, with `processes` processes as those of the others are."""
import sys

import harness
import numpy as np

BATCH, WORKERS = 64, 2
MEAN, SPREAD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
SIZES = {"32 x 32": (4096, 32), "224 x 224": (256, 224)}  # pictures, and their extent


def pictures(case):
    count, size = SIZES[case]
    random = np.random.RandomState(0)
    return random.randint(0, 256, (count, size, size, 3), "uint8"), random.randint(0, 10, count).astype("int32")


def work(loader, wait=lambda: None):
    def batches():
        while True:
            yield from loader

    source = batches()

    def use_up():
        for _ in range(2 * WORKERS + 1):  # what is ready, or nearly
            next(source)

    return harness.Work(lambda: next(source), wait, amount=BATCH, before=use_up)


def gluon_work(mx, case, **options):
    transforms = mx.gluon.data.vision.transforms
    images, labels = pictures(case)
    change = transforms.Compose([transforms.RandomFlipLeftRight(), transforms.ToTensor(), transforms.Normalize(MEAN, SPREAD)])
    data = mx.gluon.data.ArrayDataset(mx.nd.array(images, dtype="uint8"), labels).transform_first(change)
    return work(mx.gluon.data.DataLoader(data, BATCH, shuffle=True, num_workers=WORKERS, **options), mx.nd.waitall)


def heddle():
    import heddle as mx
    return {**{case: lambda case=case: gluon_work(mx, case) for case in SIZES},
            **{f"{case}, processes": lambda case=case: gluon_work(mx, case, thread_pool=False) for case in SIZES}}


def mxnet():
    import mxnet as mx
    return {case: lambda case=case: gluon_work(mx, case) for case in SIZES}


def torch():
    import torch

    class Pictures(torch.utils.data.Dataset):
        def __init__(self, case):
            images, self.labels = pictures(case)
            self.images = torch.tensor(images)
            self.mean, self.spread = (torch.tensor(v).reshape(3, 1, 1) for v in (MEAN, SPREAD))

        def __len__(self):
            return len(self.images)

        def __getitem__(self, at):
            image = self.images[at]
            if torch.rand(()) < 0.5:
                image = image.flip(1)
            return image.permute(2, 0, 1).float().div_(255).sub_(self.mean).div_(self.spread), self.labels[at]

    return {case: lambda case=case: work(torch.utils.data.DataLoader(
        Pictures(case), BATCH, shuffle=True, num_workers=WORKERS, persistent_workers=True)) for case in SIZES}


def main():
    options = harness.arguments(__doc__)
    if options.serve:
        return harness.serve({"heddle": heddle, "mxnet": mxnet, "torch": torch}[options.serve]())
    harness.two_cores()
    ours = harness.Contender(__file__, "heddle", sys.executable)
    peers = {name: harness.Contender(__file__, name, harness.peer_python(name)) for name in ("torch", "mxnet")}
    rows = []
    for case in SIZES:
        found = harness.rates([(ours, [case, f"{case}, processes"]), *((p, [case]) for p in peers.values())], options.windows,
                              options.seconds)
        rows += [{"case": kind, "unit": "images/s", "ours": found["heddle", kind], "peer": found[peer, case], "peer_name": name}
                 for kind in (case, f"{case}, processes") for peer, name in (("torch", "PyTorch"), ("mxnet", "MXNet"))]
    harness.report(rows, options.json)
    for contender in (ours, *peers.values()):
        contender.close()


if __name__ == "__main__":
    main()
