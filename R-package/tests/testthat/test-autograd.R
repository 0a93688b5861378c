test_that("gradients of what was recorded", {
  x <- mx.nd.array(c(1, 2, 3))
  mx.autograd.attach.grad(x)
  loss <- mx.autograd.record({
    y <- x^2
    sum(y * 3)
  })
  mx.autograd.backward(loss)
  expect_equal(as.array(mx.autograd.grad.of(x)), c(6, 12, 18))
  expect_error(mx.autograd.grad.of(mx.nd.ones(1)), "attach", class = "heddle_error")
})

test_that("gradients of gradients", {
  x <- mx.nd.array(c(1, 2))
  mx.autograd.attach.grad(x)
  second <- mx.autograd.record({
    g <- mx.autograd.grad(sum(x^3), x, create.graph = TRUE)
    sum(g)
  })
  mx.autograd.backward(second)
  expect_equal(as.array(mx.autograd.grad.of(x)), c(6, 12))
})

test_that("gradients add up where that is asked for, and an error leaves the mode as it was", {
  x <- mx.nd.array(2)
  mx.autograd.attach.grad(x, "add")
  for (i in 1:3) mx.autograd.backward(mx.autograd.record(x * 5))
  expect_equal(as.array(mx.autograd.grad.of(x)), 15)
  expect_error(mx.autograd.record(stop("no")), "no")
  y <- x * 2
  expect_error(mx.autograd.backward(y), class = "heddle_error")
  expect_error(mx.autograd.attach.grad(x, "always"), "always", class = "heddle_error")
})

test_that("an eager loop learns", {
  mx.set.seed(1)
  x <- mx.rnorm(c(2, 256))
  y <- mx.nd.dot(x, mx.nd.array(matrix(c(3, -2), 1))) + 0.5
  w <- mx.nd.zeros(c(1, 2))
  b <- mx.nd.zeros(1)
  for (p in list(w, b)) mx.autograd.attach.grad(p)
  for (step in 1:100) {
    loss <- mx.autograd.record(mean((mx.nd.dot(x, w) + b - y)^2))
    mx.autograd.backward(loss)
    for (p in list(w, b)) mx.nd.sgd.update(p, mx.autograd.grad.of(p), lr = 0.3, out = p)
  }
  expect_equal(as.vector(as.array(w)), c(3, -2), tolerance = 1e-3)
  expect_equal(as.array(b), 0.5, tolerance = 1e-3)
})
