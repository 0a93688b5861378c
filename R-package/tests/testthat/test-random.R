test_that("uniform and normal numbers have their range, mean and deviation", {
  mx.set.seed(1)
  x <- as.array(mx.runif(c(100, 100), -10, 10))
  expect_true(all(x >= -10 & x < 10))
  expect_lt(abs(mean(x)), 0.3)
  x <- as.array(mx.rnorm(c(100, 100), 10, 2))
  expect_lt(abs(mean(x) - 10), 0.1)
  expect_lt(abs(sd(x) - 2), 0.1)
})

test_that("a seed gives the same numbers again", {
  mx.set.seed(7)
  a <- as.array(mx.runif(10))
  mx.set.seed(7)
  expect_identical(as.array(mx.runif(10)), a)
  expect_false(identical(as.array(mx.runif(10)), a))
  expect_error(mx.set.seed(-1), class = "heddle_error")
})
