# Every function of MXNet's package for R, 0.10 and 1.9.1, is here and takes the arguments its users know.
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
