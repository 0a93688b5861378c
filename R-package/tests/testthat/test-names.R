# Every function of MXNet's package for R, 0.10 and 1.9.1, is here and takes the arguments its users know. Where a method's
# first argument had another name than its generic's, functions.txt has the generic's, and MXNet's is understood too.
listed <- strsplit(readLines(test_path("functions.txt")), " ", fixed = TRUE)

test_that("all 101 functions are exported", {
  expect_length(listed, 101)
  names <- vapply(listed, `[[`, "", 1)
  expect_identical(setdiff(names, getNamespaceExports("heddle")), character())
})

test_that("they take MXNet's arguments, in MXNet's order", {
  for (line in listed) {
    if (length(line) == 1) next
    found <- names(formals(getExportedValue("heddle", line[1])))
    expect_identical(found[found %in% line[-1]], line[-1], info = line[1])
  }
})

test_that("MXNet's names of the methods' first arguments are understood", {
  a <- mx.nd.array(matrix(1:4, 2))
  expect_identical(as.array(nd = a), as.array(a))
  expect_identical(as.matrix(nd = a), as.matrix(a))
  expect_output(print(nd = a), "2 x 2")
  net <- mx.symbol.FullyConnected(mx.symbol.Variable("data"), num_hidden = 2, name = "fc")
  params <- list(fc_weight = mx.nd.ones(c(3, 2)), fc_bias = mx.nd.zeros(2))
  model <- structure(list(symbol = net, arg.params = params, aux.params = list()), class = "MXFeedForwardModel")
  expect_equal(predict(model = model, X = matrix(1, 3, 5)), matrix(3, 2, 5))
})

test_that("the methods that are functions are methods too", {
  for (name in c("dim", "length", "as.array", "as.matrix", "print", "Ops")) {
    expect_false(is.null(getS3method(name, "MXNDArray", optional = TRUE)), info = name)
  }
  expect_false(is.null(getS3method("predict", "MXFeedForwardModel", optional = TRUE)))
})

test_that("every operator of the library is a function of arrays or of symbols", {
  exported <- getNamespaceExports("heddle")
  for (op in mx.list("operator")) {
    if (startsWith(op, "_")) next
    expect_true(paste0("mx.nd.", gsub("_", ".", op)) %in% exported, info = op)
    expect_true(paste0("mx.symbol.", op) %in% exported, info = op)
  }
})
