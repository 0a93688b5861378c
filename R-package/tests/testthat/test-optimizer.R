# One step on two weights of a regression; the numbers are those of MXNet's own tests.
one_step <- function(name, ...) {
  data <- mx.symbol.Variable("data")
  label <- mx.symbol.Variable("label")
  net <- mx.symbol.FullyConnected(data = data, weight = mx.symbol.Variable("fc_weight"), no.bias = TRUE, name = "fc1", num_hidden = 1)
  net <- mx.symbol.LinearRegressionOutput(data = net, label = label, name = "loss")
  x <- mx.nd.array(array(c(2, 3), dim = c(2, 1)))
  y <- mx.nd.array(c(6))
  w <- mx.nd.array(array(c(1.1, 1.3) * 2, dim = c(2, 1)))
  exec <- mx.symbol.bind(net, mx.cpu(), list(data = x, fc_weight = w, label = y), grad.reqs = c("null", "write", "null"))
  optimizer <- mx.opt.create(name, ...)
  updater <- mx.opt.get.updater(optimizer, exec$ref.arg.arrays, mx.cpu())
  mx.exec.forward(exec, is.train = TRUE)
  mx.exec.backward(exec)
  new <- updater(exec$ref.arg.arrays, exec$ref.grad.arrays)
  expect_null(new$data)
  grad <- as.vector(as.array(exec$ref.grad.arrays$fc_weight))
  list(w = as.vector(as.array(new$fc_weight)), grad = grad)
}

w <- c(2.2, 2.6)

test_that("sgd", {
  r <- one_step("sgd", learning.rate = 0.1, wd = 0.01, rescale.grad = 0.5)
  expect_equal(r$w, w - 0.1 * (0.5 * r$grad + 0.01 * w), tolerance = 1e-6)
  r <- one_step("sgd", learning.rate = 1, momentum = 0.9, clip_gradient = 0.2)
  expect_equal(r$w, w - sign(r$grad) * 0.2, tolerance = 1e-6)
})

test_that("nag", {
  r <- one_step("nag", learning.rate = 0.1)
  expect_equal(r$w, w - 0.1 * r$grad, tolerance = 1e-6)
  r <- one_step("nag", learning.rate = 0.1, momentum = 0.5)
  expect_equal(r$w, w - 0.1 * 1.5 * r$grad, tolerance = 1e-6)
})

test_that("rmsprop", {
  r <- one_step("rmsprop", learning.rate = 1)
  n <- 0.05 * r$grad^2
  g <- 0.05 * r$grad
  expect_equal(r$w, w - r$grad / sqrt(n - g^2 + 1e-4), tolerance = 1e-5)
  r <- one_step("rmsprop", centered = FALSE, learning.rate = 1)
  expect_equal(r$w, w - r$grad / sqrt(n + 1e-4), tolerance = 1e-5)
})

test_that("adam", {
  r <- one_step("adam", learning.rate = 1)
  expect_equal(r$w, w - 0.1 * r$grad / (sqrt(0.001 * r$grad^2) + 1e-8), tolerance = 1e-4)
})

test_that("adagrad", {
  r <- one_step("adagrad", learning.rate = 1, wd = 0.1)
  expect_equal(r$w, w - r$grad / sqrt(r$grad^2 + 1e-8) - 0.1 * w, tolerance = 1e-5)
})

test_that("adadelta", {
  r <- one_step("adadelta")
  n <- 0.1 * r$grad^2
  expect_equal(r$w, w - sqrt(1e-5) / sqrt(n + 1e-5) * r$grad, tolerance = 1e-5)
})

test_that("the library's other rules go by their names", {
  r <- one_step("signum", learning.rate = 0.5, momentum = 0)
  expect_equal(r$w, w - 0.5 * sign(r$grad), tolerance = 1e-6)
  expect_error(mx.opt.create("nothing"), "nothing", class = "heddle_error")
})

# The rate at each of n updates.
rates <- function(scheduler, n) {
  opt <- mx.opt.create("sgd", learning.rate = 1, lr_scheduler = scheduler)
  weight <- list(a = mx.nd.ones(1))
  updater <- mx.opt.get.updater(opt, weight, mx.cpu())
  vapply(seq_len(n), function(i) {
    before <- as.array(weight$a)
    updater(weight, list(a = mx.nd.ones(1)))
    round(before - as.array(weight$a), 5)
  }, 0)
}

test_that("rates fall where the schedulers say", {
  expect_equal(rates(mx.lr_scheduler.FactorScheduler(2, 0.5, verbose = FALSE), 7), c(1, 1, 1, 0.5, 0.5, 0.25, 0.25))
  expect_equal(rates(mx.lr_scheduler.FactorScheduler(1, 0.1, stop_factor_lr = 0.05, verbose = FALSE), 5), c(1, 1, 0.1, 0.05, 0.05))
  expect_equal(rates(mx.lr_scheduler.MultiFactorScheduler(c(1, 3, 100), 0.5, verbose = FALSE), 6), c(1, 1, 0.5, 0.5, 0.25, 0.25))
  expect_message(rates(mx.lr_scheduler.FactorScheduler(1, 0.5), 4), "learning rate is changed to 0.5")
  expect_error(mx.lr_scheduler.FactorScheduler(0, 0.5), "step", class = "heddle_error")
  expect_error(mx.lr_scheduler.FactorScheduler(1, 1.5), "factor_val", class = "heddle_error")
  expect_error(mx.lr_scheduler.MultiFactorScheduler(c(3, 2), 0.5), "rising", class = "heddle_error")
})
