test_that("dimensions and numbers are R's, first dimension innermost", {
  x <- array(1:24, c(4, 3, 2))
  a <- mx.nd.array(x)
  expect_true(is.mx.ndarray(a))
  expect_identical(dim(a), c(4L, 3L, 2L))
  expect_identical(length(a), 24L)
  expect_equal(as.array(a), x)
  # The library sees (2, 3, 4): a sum over its last axis is one over R's first.
  expect_equal(as.array(mx.nd.sum(a, axis = 2)), apply(x, c(2, 3), sum))
  expect_equal(as.array(mx.nd.array(1:3)), c(1, 2, 3))
  expect_error(as.matrix(a), "3 dimensions", class = "heddle_error")
  expect_equal(as.matrix(mx.nd.array(x[, , 1])), x[, , 1])
})

test_that("vectors and matrices calculate as R's do", {
  x <- matrix(c(1.5, -2, 3, 4, 0.5, 6), 2)
  y <- matrix(c(2, 5, -1, 0.25, 3, 7), 2)
  a <- mx.nd.array(x)
  b <- mx.nd.array(y)
  for (op in c("+", "-", "*", "/")) {
    f <- match.fun(op)
    expect_equal(as.array(f(a, b)), f(x, y), tolerance = 1e-6, info = op)
    expect_equal(as.array(f(a, 3)), f(x, 3), tolerance = 1e-6, info = op)
    expect_equal(as.array(f(3, a)), f(3, x), tolerance = 1e-6, info = op)
    expect_equal(as.array(f(x, b)), f(x, y), tolerance = 1e-6, info = op)
  }
  for (op in c("==", "!=", ">", ">=", "<", "<=")) {
    f <- match.fun(op)
    expect_equal(as.array(f(a, b)), f(x, y) * 1, info = op)
    expect_equal(as.array(f(a, 3)), f(x, 3) * 1, info = op)
    expect_equal(as.array(f(3, a)), f(3, x) * 1, info = op)
  }
  expect_equal(as.array(-a), -x)
  expect_equal(as.array(a^2), x^2)
  expect_equal(as.array(2^a), 2^x, tolerance = 1e-6)
  expect_equal(as.array(a %% 2), x %% 2)
  expect_equal(as.array(a %/% 2), x %/% 2)
  expect_equal(as.array(!mx.nd.array(c(0, 2))), c(1, 0))
})

test_that("a vector beside a matrix goes down its columns", {
  x <- matrix(1:6, 2)
  expect_equal(as.array(mx.nd.array(x) + mx.nd.array(c(10, 20))), x + c(10, 20))
  expect_error(mx.nd.array(x) + mx.nd.array(1:3), "broadcast", class = "heddle_error")
})

test_that("Math, Summary and mean are operators", {
  x <- matrix(c(0.1, 0.5, 0.9, 0.3), 2)
  a <- mx.nd.array(x)
  for (f in c("sqrt", "exp", "log", "sin", "tanh", "floor", "ceiling", "abs", "lgamma", "log1p", "acos", "atanh")) {
    expect_equal(as.array(do.call(f, list(a))), do.call(f, list(x)), tolerance = 1e-5, info = f)
  }
  expect_equal(as.array(log(a, 2)), log(x, 2), tolerance = 1e-6)
  expect_equal(as.array(round(a, 1)), round(x, 1), tolerance = 1e-6)
  expect_equal(as.array(cumsum(mx.nd.array(1:4))), cumsum(1:4))
  expect_s3_class(sum(a), "MXNDArray")
  expect_equal(as.numeric(sum(a)), sum(x), tolerance = 1e-6)
  expect_equal(as.numeric(mean(a)), mean(x), tolerance = 1e-6)
  expect_equal(as.numeric(max(a)), 0.9, tolerance = 1e-6)
  expect_equal(as.numeric(prod(a)), prod(x), tolerance = 1e-6)
  expect_equal(range(a), range(x), tolerance = 1e-6)
  expect_true(any(a > 0.8))
  expect_false(all(a > 0.8))
  expect_error(digamma(a), "digamma", class = "heddle_error")
})

test_that("brackets pick as R's do", {
  x <- array(1:60, c(3, 4, 5))
  a <- mx.nd.array(x)
  expect_equal(as.array(a[1, , ]), x[1, , ])
  expect_equal(as.array(a[2:3, 2, ]), x[2:3, 2, ])
  expect_equal(as.array(a[, c(4, 1), 5:2]), x[, c(4, 1), 5:2])
  expect_equal(as.array(a[-1, , c(TRUE, FALSE, TRUE, FALSE, TRUE)]), x[-1, , c(1, 3, 5)])
  expect_equal(as.array(a[1, 1, 1, drop = FALSE]), x[1, 1, 1, drop = FALSE])
  expect_equal(as.array(a[c(7, 60)]), x[c(7, 60)])
  expect_equal(as.array(a[]), x)
  i <- 2
  expect_equal(as.array(a[, i, ]), x[, i, ])
  m <- x[, , 1] > 4
  expect_equal(as.array(a[, , 1][m]), x[, , 1][m])
  expect_error(a[1, 2], "2 indices", class = "heddle_error")
  expect_error(a[4, 1, 1], "outside 1 to 3", class = "heddle_error")
})

test_that("assigning makes a new array and leaves the others alone", {
  x <- matrix(0, 3, 4)
  a <- mx.nd.array(x)
  kept <- a
  a[2, ] <- 1:4
  x[2, ] <- 1:4
  expect_equal(as.array(a), x)
  expect_equal(as.array(kept), matrix(0, 3, 4))
  a[1:2, 3:4] <- mx.nd.array(matrix(9, 2, 2))
  x[1:2, 3:4] <- 9
  expect_equal(as.array(a), x)
  a[c(1, 3), c(1, 4)] <- 5
  x[c(1, 3), c(1, 4)] <- 5
  expect_equal(as.array(a), x)
  a[a > 4] <- 0
  x[x > 4] <- 0
  expect_equal(as.array(a), x)
  a[] <- 7
  expect_equal(as.array(a), matrix(7, 3, 4))
  dim(a) <- c(4, 3)
  expect_identical(dim(a), c(4L, 3L))
})

test_that("t and aperm turn R's dimensions", {
  x <- array(1:24, c(2, 3, 4))
  expect_equal(as.array(t(mx.nd.array(x[, , 1]))), t(x[, , 1]))
  expect_equal(as.array(aperm(mx.nd.array(x), c(2, 3, 1))), aperm(x, c(2, 3, 1)))
  expect_equal(as.array(aperm(mx.nd.array(x))), aperm(x))
})

test_that("operators take arguments as MXNet's users write them", {
  x <- matrix(1:6, 3)
  a <- mx.nd.array(x)
  expect_equal(as.array(mx.nd.concat(a, a, dim = 1)), rbind(x, x))
  expect_equal(as.array(mx.nd.concat(data = list(a, a), num.args = 2, dim = 0)), cbind(x, x))
  expect_equal(as.array(mx.nd.clip(a, 2, 4)), pmin(pmax(x, 2), 4))
  expect_equal(as.array(mx.nd.clip(data = a, a_min = 2, a.max = 4)), pmin(pmax(x, 2), 4))
  expect_identical(dim(mx.nd.reshape(a, shape = c(2, 3))), c(2L, 3L))
  expect_identical(dim(mx.nd.reshape(a, shape = 6)), 6L)
  parts <- mx.nd.split(a, num.outputs = 3, axis = 1)
  expect_length(parts, 3)
  expect_equal(as.array(parts[[2]]), x[2, , drop = FALSE])
  out <- mx.nd.zeros(c(3, 2))
  mx.nd.square(a, out = out)
  expect_equal(as.array(out), x^2)
  # The library sees the transposed of both, so its product is R's with the sides changed.
  b <- matrix(1:8, 4)
  expect_equal(as.array(mx.nd.dot(mx.nd.array(t(x)), mx.nd.array(b))), b %*% t(x))
  expect_equal(as.array(mx.nd.slice(a, 1, 2)), x[, 2, drop = FALSE])
  expect_error(mx.nd.clip(a, 2, 4, 5, 6), "too many", class = "heddle_error")
  expect_error(mx.nd.clip(a, a_min = 2, nonsense = 4), "nonsense", class = "heddle_error")
})

test_that("arrays go to files and come back", {
  file <- tempfile(fileext = ".params")
  x <- list(a = mx.nd.array(matrix(1:6, 2)), b = mx.nd.ones(3))
  mx.nd.save(x, file)
  y <- mx.nd.load(file)
  expect_identical(names(y), c("a", "b"))
  expect_equal(lapply(y, as.array), lapply(x, as.array))
  mx.nd.save(x$a, file)
  y <- mx.nd.load(file)
  expect_null(names(y))
  expect_equal(as.array(y[[1]]), matrix(1:6, 2))
  expect_error(mx.nd.load(tempfile()), class = "heddle_error")
})

test_that("a collection frees the arrays that nobody has, and only those", {
  skip_on_os(c("mac", "windows"))
  resident <- function() as.numeric(sub("\\D*(\\d+).*", "\\1", grep("VmRSS", readLines("/proc/self/status"), value = TRUE))) / 1024
  kept <- lapply(1:8, function(i) mx.nd.ones(c(1000, 1000)) * i)
  part <- mx.nd.slice(kept[[1]], 0, 2)  # in the memory of an array that only it keeps
  kept[[1]] <- NULL
  mx.nd.wait()
  gc()
  before <- resident()
  for (i in 1:500) mx.nd.ones(c(1000, 1000)) * i  # 4 GB in all
  mx.nd.wait()
  gc()
  expect_lt(resident() - before, 200)
  expect_equal(as.array(part), matrix(1, 1000, 2))
  for (i in 2:8) expect_equal(as.numeric(as.array(mx.nd.max(kept[[i - 1]]))), i)
})

test_that("saveRDS keeps arrays and symbols", {
  file <- tempfile(fileext = ".rds")
  a <- mx.nd.array(matrix(1:6, 2))
  net <- mx.symbol.FullyConnected(mx.symbol.Variable("data"), num_hidden = 3, name = "fc")
  saveRDS(list(a = a, net = net), file)
  a[1, 1] <- 100
  back <- readRDS(file)
  expect_equal(as.array(back$a), matrix(1:6, 2))
  expect_identical(arguments(back$net), c("data", "fc_weight", "fc_bias"))
  saveRDS(readRDS(file)$a, file)  # one that nobody has used since it was read
  expect_equal(as.array(readRDS(file)), matrix(1:6, 2))
  expect_equal(as.array(unserialize(serialize(back$a, NULL))), matrix(1:6, 2))
})

test_that("dtypes, contexts and what R users call data", {
  expect_identical(mx.nd.dtype(mx.nd.array(1:3)), "float32")
  for (dtype in c("float64", "int32", "int64", "uint8", "int8", "float16")) {
    a <- mx.nd.array(c(1, 2, 100), dtype = dtype)
    expect_identical(mx.nd.dtype(a), dtype)
    expect_equal(as.array(a), c(1, 2, 100), info = dtype)
  }
  expect_error(mx.nd.array(1, dtype = "text"), "text", class = "heddle_error")
  expect_equal(as.array(mx.nd.array(factor(c("b", "a", "b")))), c(1, 0, 1))
  expect_equal(as.array(mx.nd.array(data.frame(a = 1:2, b = c(0.5, 1)))), cbind(1:2, c(0.5, 1)))
  expect_true(is.nan(as.array(mx.nd.array(c(1L, NA)))[2]))
  expect_error(mx.nd.array("a"), "character", class = "heddle_error")
  expect_identical(ctx(mx.nd.ones(1)), mx.cpu())
  expect_identical(mx.ctx.default(), mx.cpu())
  expect_true(is.mx.context(mx.gpu(1)))
  expect_equal(as.array(mx.nd.copyto(mx.nd.array(1:3), mx.cpu())), 1:3)
})

test_that("printing tells numbers, dimensions, type and place", {
  expect_output(print(mx.nd.array(matrix(1:4, 2))), "<MXNDArray 2 x 2 float32 @cpu\\(0\\)>")
  expect_output(str(mx.nd.array(1:20)), "<MXNDArray 20 float32 @cpu\\(0\\)>  ?1 .*\\.\\.\\.")
  expect_s3_class(summary(mx.nd.array(1:4)), "summaryDefault")
})

test_that("the packer joins samples", {
  p <- mx.nd.arraypacker()
  p$push(mx.nd.array(matrix(1:4, 2)))
  p$push(mx.nd.array(matrix(5:6, 2)))
  expect_equal(p$get(), matrix(1:6, 2))
})

test_that("errors are conditions that name the user's call", {
  shout <- function(x) mx.nd.dot(x, x)
  e <- tryCatch(shout(mx.nd.ones(c(2, 3))), heddle_error = identity)
  expect_s3_class(e, c("heddle_error", "error", "condition"), exact = TRUE)
  expect_identical(conditionCall(e), quote(mx.nd.dot(x, x)))
  expect_match(conditionMessage(e), "\\[dot\\]")
  e <- tryCatch(mx.nd.ones(2) + mx.nd.ones(3), heddle_error = identity)
  expect_identical(conditionCall(e)[[1]], quote(`+.MXNDArray`))
})

test_that("memory behind arrays counts: garbage does not pile up", {
  peak <- 0
  for (i in 1:100) {
    a <- mx.nd.zeros(c(1024, 1024))
    peak <- max(peak, mx.describe("device", "cpu(0)")$live)
  }
  expect_lt(peak, 200 * 2^20)  # 400 MiB were made
})
