test_that("arrays come in batches, the last one filled up from the one before", {
  x <- matrix(1:20, 2)
  iter <- mx.io.arrayiter(x, 1:10, batch.size = 4)
  expect_true(is.mx.dataiter(iter))
  seen <- list()
  pads <- c()
  while (iter$iter.next()) {
    v <- iter$value()
    seen <- c(seen, list(as.array(v$label)))
    pads <- c(pads, iter$num.pad())
    expect_equal(as.array(v$data)[1, ], 2 * as.array(v$label) - 1)
  }
  expect_equal(seen, list(c(1, 2, 3, 4), c(5, 6, 7, 8), c(9, 10, 7, 8)))
  expect_equal(pads, c(0, 0, 2))
  iter$reset()
  expect_true(iter$iter.next())
  expect_equal(mx.io.extract(iter, "data"), x)
  expect_equal(mx.io.extract(iter, "label"), 1:10)
})

test_that("one batch is filled up with zeros", {
  iter <- mx.io.arrayiter(matrix(1:6, 2), 1:3, batch.size = 5)
  iter$iter.next()
  expect_equal(as.array(iter$value()$label), c(1, 2, 3, 0, 0))
})

test_that("shuffling keeps samples and labels together, by the library's seed", {
  x <- matrix(1:200, 2)
  mx.set.seed(5)
  a <- mx.io.arrayiter(x, seq(1, 199, 2), batch.size = 100, shuffle = TRUE)
  data <- mx.io.extract(a, "data")
  expect_equal(data[1, ], mx.io.extract(a, "label"))
  expect_false(identical(data, x * 1))
  expect_equal(sort(data), 1:200)
  mx.set.seed(5)
  b <- mx.io.arrayiter(x, seq(1, 199, 2), batch.size = 100, shuffle = TRUE)
  expect_identical(mx.io.extract(b, "data"), data)
})

test_that("samples and labels that do not fit are told", {
  expect_error(mx.io.arrayiter(matrix(0, 2, 10), 1:9), "in-consistent", class = "heddle_error")
  expect_error(mx.io.arrayiter(matrix(0, 9, 2), 1:9), "use t\\(\\)", class = "heddle_error")
  iter <- mx.io.arrayiter(1:3, 1:3)
  expect_error(iter$value(), "iter.next", class = "heddle_error")
})

test_that("CSV files", {
  folder <- tempfile()
  dir.create(folder)
  x <- matrix(round(runif(30), 3), 10)
  write.table(x, file.path(folder, "x.csv"), sep = ",", row.names = FALSE, col.names = FALSE)
  writeLines(as.character(1:10), file.path(folder, "y.csv"))
  iter <- mx.io.CSVIter(data.csv = file.path(folder, "x.csv"), data.shape = 3, label.csv = file.path(folder, "y.csv"),
                        label.shape = 1, batch.size = 5)
  expect_equal(mx.io.extract(iter, "data"), t(x), tolerance = 1e-6)
  expect_equal(as.vector(mx.io.extract(iter, "label")), 1:10)
  expect_error(mx.io.CSVIter(data.csv = "nowhere.csv", data.shape = 3, batch.size = 5)$iter.next(), class = "heddle_error")
  expect_error(mx.io.CSVIter("x.csv"), "without a name", class = "heddle_error")
})

test_that("MNIST's files", {
  folder <- tempfile()
  dir.create(folder)
  number <- function(x) writeBin(as.integer(x), raw(), endian = "big")
  pixels <- as.raw(sample(0:255, 20 * 28 * 28, TRUE))
  writeBin(c(number(c(2051, 20, 28, 28)), pixels), file.path(folder, "images"))
  writeBin(c(number(c(2049, 20)), as.raw(rep(0:9, 2))), file.path(folder, "labels"))
  iter <- mx.io.MNISTIter(image = file.path(folder, "images"), label = file.path(folder, "labels"), batch.size = 10,
                          shuffle = FALSE, flat = FALSE, silent = TRUE)
  expect_true(iter$iter.next())
  v <- iter$value()
  expect_identical(dim(v$data), c(28L, 28L, 1L, 10L))
  expect_equal(as.array(v$label), 0:9)
  expect_equal(as.vector(as.array(v$data))[1:50], as.integer(pixels[1:50]) / 255 * 255 / 256, tolerance = 0.01)
  expect_true(iter$iter.next())
  expect_false(iter$iter.next())
  iter$reset()
  expect_true(iter$iter.next())
})

test_that("im2rec packs pictures that the image iterators read", {
  folder <- tempfile()
  dir.create(folder)
  # A picture of PNM's kind would need a reader of its own; R writes PNG.
  skip_if_not(capabilities("png"))
  for (i in 1:4) {
    png(file.path(folder, sprintf("%d.png", i)), 32, 32, bg = c("black", "white")[1 + i %% 2])
    par(mar = numeric(4))
    plot.new()
    dev.off()
  }
  writeLines(sprintf("%d\t%d\t%d.png", 0:3, 1:4 %% 2, 1:4), file.path(folder, "list.lst"))
  record <- file.path(folder, "all.rec")
  expect_equal(im2rec(file.path(folder, "list.lst"), folder, record), 4)
  iter <- mx.io.ImageRecordIter(path.imgrec = record, data.shape = c(32, 32, 3), batch.size = 2, shuffle = FALSE)
  expect_true(iter$iter.next())
  v <- iter$value()
  expect_identical(dim(v$data), c(32L, 32L, 3L, 2L))
  expect_equal(as.array(v$label), c(1, 0))
  pixels <- as.array(v$data)
  expect_equal(mean(pixels[, , , 1]), 255)
  expect_equal(mean(pixels[, , , 2]), 0)
  expect_error(im2rec(file.path(folder, "list.lst"), folder, record, new_size = 10L), "new_size", class = "heddle_error")
})

test_that("sequences come in buckets", {
  buckets <- list("3" = list(data = matrix(c(1, 2, 0, 1, 1, 1), 3), label = c(1, 2)),
                  "5" = list(data = matrix(1, 5, 3), label = 1:3))
  iter <- mx.io.bucket.iter(buckets, batch.size = 2)
  seen <- list()
  while (iter$iter.next()) seen <- c(seen, list(list(iter$bucketID(), lapply(iter$value(), as.array), iter$num.pad())))
  expect_length(seen, 3)
  expect_identical(seen[[1]][[1]], "3")
  expect_equal(seen[[1]][[2]]$seq.mask, c(2, 3))
  expect_equal(vapply(seen, `[[`, 0, 3), c(0, 0, 1))
  expect_identical(dim(seen[[3]][[2]]$data), c(5L, 2L))
})
