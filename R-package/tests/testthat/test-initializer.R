test_that("weights are drawn, and the others get what their names say", {
  mx.set.seed(3)
  w <- as.array(mx.init.uniform(0.5)("fc_weight", c(100, 100), mx.cpu()))
  expect_true(all(abs(w) <= 0.5))
  expect_lt(abs(mean(w)), 0.02)
  w <- as.array(mx.init.normal(2)("fc_weight", c(100, 100), mx.cpu()))
  expect_lt(abs(sd(w) - 2), 0.1)
  init <- mx.init.uniform(1)
  expect_equal(as.array(init("fc_bias", 3, mx.cpu())), numeric(3))
  expect_equal(as.array(init("bn_gamma", 3, mx.cpu())), rep(1, 3))
  expect_equal(as.array(init("bn_beta", 3, mx.cpu())), numeric(3))
  expect_equal(as.array(init("bn_moving_mean", 3, mx.cpu())), numeric(3))
  expect_equal(as.array(init("bn_moving_var", 3, mx.cpu())), rep(1, 3))
  expect_error(init("what", 3, mx.cpu()), "Unkown initialization pattern for what", class = "heddle_error")
  expect_null(init("what", 3, mx.cpu(), allow.unknown = TRUE))
})

test_that("Xavier looks at what goes in and out", {
  mx.set.seed(4)
  shape <- c(20, 30, 50)  # 600 in, 50 out
  for (factor in c("avg", "in", "out")) {
    n <- c(avg = 325, "in" = 600, out = 50)[[factor]]
    u <- as.array(mx.init.Xavier("uniform", factor, 2)("a_weight", shape, mx.cpu()))
    expect_lte(max(abs(u)), sqrt(2 / n))
    expect_gt(max(abs(u)), 0.98 * sqrt(2 / n))
    g <- as.array(mx.init.Xavier("gaussian", factor, 2)("a_weight", shape, mx.cpu()))
    expect_lt(abs(sd(g) / sqrt(2 / n) - 1), 0.03)
  }
  expect_error(mx.init.Xavier("other"), "rnd_type", class = "heddle_error")
  expect_error(mx.init.Xavier(factor_type = "other"), "factor_type", class = "heddle_error")
})

test_that("a list of shapes becomes a list of arrays", {
  made <- mx.init.create(mx.init.uniform(1), list(a_weight = c(2, 3), b_bias = 2, what = 1), mx.cpu())
  expect_identical(names(made), c("a_weight", "b_bias"))
  expect_identical(dim(made$a_weight), c(2L, 3L))
  expect_error(mx.init.create(mx.init.uniform(1), list(what = 1), mx.cpu(), skip.unknown = FALSE), class = "heddle_error")
})
