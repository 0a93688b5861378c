test_that("a bound network computes, and its gradients too", {
  x <- mx.symbol.Variable("x")
  net <- mx.symbol.FullyConnected(x, num_hidden = 1, no_bias = TRUE, name = "fc")
  exec <- mx.simple.bind(net, mx.cpu(), grad.req = "write", x = c(2, 3))
  expect_identical(names(exec$ref.arg.arrays), c("x", "fc_weight"))
  expect_equal(as.array(exec$ref.arg.arrays$fc_weight), matrix(0, 2, 1))
  input <- matrix(1:6, 2)
  mx.exec.update.arg.arrays(exec, list(x = mx.nd.array(input), fc_weight = mx.nd.array(matrix(c(1, 2)))), match.name = TRUE)
  mx.exec.forward(exec)
  expect_equal(as.array(exec$ref.outputs$fc_output), matrix(c(5, 11, 17), 1))
  mx.exec.backward(exec, mx.nd.ones(c(1, 3)))
  expect_equal(as.array(exec$ref.grad.arrays$fc_weight), matrix(rowSums(input), 2))
  kept <- exec$outputs
  mx.exec.update.arg.arrays(exec, list(mx.nd.zeros(c(2, 3)), NULL), skip.null = TRUE)
  mx.exec.forward(exec, is.train = FALSE)
  expect_equal(as.array(exec$ref.outputs$fc_output), matrix(0, 1, 3))
  expect_equal(as.array(kept$fc_output), matrix(c(5, 11, 17), 1))
})

test_that("arguments called data or label, and fixed ones, have no gradient", {
  net <- mx.symbol.SoftmaxOutput(mx.symbol.FullyConnected(mx.symbol.Variable("data"), num_hidden = 2, name = "fc"), name = "sm")
  exec <- mx.simple.bind(net, mx.cpu(), grad.req = "write", fixed.param = "fc_bias", data = c(3, 4))
  wanted <- !vapply(exec$ref.grad.arrays, is.null, NA)
  expect_identical(names(wanted)[wanted], "fc_weight")
})

test_that("what does not fit is told", {
  net <- mx.symbol.FullyConnected(mx.symbol.Variable("data"), num_hidden = 2, name = "fc")
  expect_error(mx.simple.bind(net, mx.cpu(), fc_bias = 2), "not decide", class = "heddle_error")
  exec <- mx.simple.bind(net, mx.cpu(), data = c(3, 4))
  expect_error(mx.exec.update.arg.arrays(exec, list(nothing = mx.nd.ones(1)), match.name = TRUE), "nothing", class = "heddle_error")
  expect_error(mx.exec.update.arg.arrays(exec, list(data = mx.nd.ones(c(2, 2))), match.name = TRUE), "3 x 4", class = "heddle_error")
  expect_error(mx.exec.update.arg.arrays(exec, list(NULL, NULL, NULL)), "NULL", class = "heddle_error")
  expect_error(exec$nothing, "nothing", class = "heddle_error")
})

test_that("a raw bind takes the arrays it is given", {
  w <- mx.nd.array(c(1, 2, 3))
  exec <- mx.symbol.bind(mx.symbol.Variable("w") * 2, mx.cpu(), list(w = w), grad.reqs = "write")
  mx.exec.forward(exec)
  expect_equal(as.array(exec$ref.outputs[[1]]), c(2, 4, 6))
})

test_that("states of batch norm are auxiliary arrays", {
  net <- mx.symbol.BatchNorm(mx.symbol.Variable("data"), name = "bn")
  exec <- mx.simple.bind(net, mx.cpu(), grad.req = "write", data = c(2, 3))
  expect_identical(names(exec$ref.aux.arrays), c("bn_moving_mean", "bn_moving_var"))
  mx.exec.update.aux.arrays(exec, list(mx.nd.array(c(1, 2)), mx.nd.ones(2)))
  mx.exec.update.arg.arrays(exec, list(bn_gamma = mx.nd.ones(2)), match.name = TRUE)
  mx.exec.forward(exec, is.train = FALSE)
  expect_equal(as.array(exec$ref.outputs[[1]])[, 1], -c(1, 2) / sqrt(1.001), tolerance = 1e-4)
})
