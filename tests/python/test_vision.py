"""Operators on images and regions: what a row of tests/ops cannot say."""
import numpy as np

import heddle as mx


def test_sparse_regularisation_moves_its_average_in_backward():
    x = np.random.default_rng(0).uniform(0.1, 0.9, (4, 6)).astype("float32")
    net = mx.sym.IdentityAttachKLSparseReg(mx.sym.Variable("x"), penalty=0.01, name="reg").simple_bind(mx.cpu(), x=(4, 6))
    net.arg_dict["x"][:] = x
    net.aux_dict["reg_moving_avg"][:] = 0.3
    net.forward(is_train=True)
    assert np.allclose(net.aux_dict["reg_moving_avg"].asnumpy(), 0.3)
    net.backward([mx.nd.zeros((4, 6))])
    average = 0.9 * 0.3 + 0.1 * x.mean(0)
    np.testing.assert_allclose(net.aux_dict["reg_moving_avg"].asnumpy(), average, rtol=1e-5)
    wanted = np.broadcast_to(0.01 * (0.9 / (1 - average) - 0.1 / average), (4, 6))
    np.testing.assert_allclose(net.grad_dict["x"].asnumpy(), wanted, rtol=1e-4)


# --- augmentation ---------------------------------------------------------------------------------
def factors(function, n=400):
    """What single calls did to an image of ones."""
    mx.random.seed(3)
    return np.array([function(mx.nd.ones((1, 1, 3))).asnumpy()[0, 0, 0] for _ in range(n)])


def test_factors_are_uniform():
    found = factors(lambda x: mx.nd.image.random_brightness(x, 0.5, 1.5))
    assert found.min() >= 0.5 and found.max() <= 1.5 and len(set(found)) > 350
    assert abs(found.mean() - 1) < 0.06 and abs(found.var() - 1 / 12) < 0.02
    jittered = factors(lambda x: mx.nd.image.random_color_jitter(x, brightness=0.25, contrast=0, saturation=0, hue=0))
    assert jittered.min() >= 0.75 and jittered.max() <= 1.25 and abs(jittered.var() - 0.25 / 12) < 0.006


def test_lighting_is_normal():
    shift = factors(lambda x: mx.nd.image.random_lighting(x, alpha_std=0.1)) - 1
    wanted = 0.1 * np.sqrt((np.array([55.46 * -0.5675, 4.794 * 0.7192, 1.148 * 0.4009]) ** 2).sum())
    assert abs(shift.mean()) < 0.6 and abs(shift.std() / wanted - 1) < 0.15


def test_flips_happen_every_other_time():
    image = mx.nd.array(np.arange(24).reshape(2, 4, 3), dtype="uint8")
    for function, flipped in ((mx.nd.image.random_flip_left_right, image.asnumpy()[:, ::-1]),
                              (mx.nd.image.random_flip_top_bottom, image.asnumpy()[::-1])):
        mx.random.seed(5)
        found = [function(image).asnumpy() for _ in range(200)]
        times = sum(np.array_equal(f, flipped) for f in found)
        assert times + sum(np.array_equal(f, image.asnumpy()) for f in found) == 200
        assert 70 < times < 130


def test_gradients_pass_augmentation_unchanged():
    x = mx.nd.array(np.random.default_rng(0).uniform(0, 255, (2, 3, 3)))
    head = mx.nd.array(np.random.default_rng(1).uniform(0, 1, (2, 3, 3)))
    x.attach_grad()
    for function in (lambda v: mx.nd.image.random_contrast(v, 0.5, 0.6), lambda v: mx.nd.image.adjust_lighting(v, (1, 2, 3)),
                     lambda v: mx.nd.image.random_color_jitter(v, 0.5, 0.5, 0.5, 0.5)):
        with mx.autograd.record():
            y = function(x)
        y.backward(head)
        assert np.array_equal(x.grad.asnumpy(), head.asnumpy())


def test_what_lies_outside_an_image_is_zero_whatever_lies_next_to_it():
    corners = np.full((1, 1, 5, 5), np.nan)
    corners[..., ::4, ::4] = 1
    data = mx.nd.array(corners)
    at_corners = np.array([[-0.5, -0.5], [-0.5, 4.5], [4.5, -0.5], [4.5, 4.5]])
    outside = np.array([[-1.5, 2.0], [5.0, 2.0], [2.0, -1.5], [2.0, 5.0], [np.inf, 0.0], [np.nan, 0.0]])
    grid = mx.nd.array((np.concatenate([at_corners, outside]) / 2 - 1).T.reshape(1, 2, 1, -1))
    for array in (data, grid):
        array.attach_grad()
    with mx.autograd.record():
        sampled = mx.nd.BilinearSampler(data, grid)
    sampled.backward()
    assert np.array_equal(sampled.asnumpy().ravel(), [0.25] * 4 + [0] * 6)
    assert np.array_equal(data.grad.asnumpy().ravel(), np.where(np.isnan(corners.ravel()), 0, 0.25))
    assert np.array_equal(grid.grad.asnumpy()[0, :, 0], np.array([[1, 1], [-1, 1], [1, -1], [-1, -1]] + [[0, 0]] * 6).T[::-1])
