# Iterators over batches: objects with $iter.next(), $value(), $reset() and $num.pad().

# What iterators of a user's own stand on: setRefClass(contains = "Rcpp_MXArrayDataIter") with the four methods.
own_iter_class <- setRefClass("Rcpp_MXArrayDataIter")

is.mx.dataiter <- function(x) inherits(x, c("MXNativeDataIter", "MXArrayDataIter", "BucketIter", "Rcpp_MXArrayDataIter"))

is.MXDataIter <- is.mx.dataiter

# ---- the library's -----------------------------------------------------------------------------

native_iter <- function(name, args) {
  given <- if (is.null(names(args))) rep("", length(args)) else names(args)
  if (any(given == "")) fail("[", name, "] found an argument without a name")
  files <- grepl("^(path|image$|label$|data[._]csv|label[._]csv|data[._]libsvm|label[._]libsvm|mean[._]img)", given)
  args[files] <- lapply(args[files], path.expand)
  iter <- .Call(hdr_iterator, name, args)
  state <- new.env(parent = emptyenv())
  state$batch <- NULL
  attr(iter, "state") <- state
  iter
}

# `flat` says it all: scripts for MXNet give a shape beside it, which counts for nothing there either.
mx.io.MNISTIter <- function(...) {
  args <- list(...)
  native_iter("MNISTIter", args[!names(args) %in% c("data.shape", "data_shape", "input.shape", "input_shape")])
}
mx.io.CSVIter <- function(...) native_iter("CSVIter", list(...))
mx.io.LibSVMIter <- function(...) native_iter("LibSVMIter", list(...))
mx.io.ImageRecordIter <- function(...) native_iter("ImageRecordIter", list(...))
mx.io.ImageRecordIter_v1 <- function(...) native_iter("ImageRecordIter_v1", list(...))
mx.io.ImageRecordUInt8Iter <- function(...) native_iter("ImageRecordUInt8Iter", list(...))
mx.io.ImageRecordInt8Iter <- function(...) native_iter("ImageRecordInt8Iter", list(...))
mx.io.ImageDetRecordIter <- function(...) native_iter("ImageDetRecordIter", list(...))

`$.MXNativeDataIter` <- function(x, name) {
  state <- attr(x, "state", exact = TRUE)
  switch(name,
    iter.next = function() {
      state$batch <- .Call(hdr_next, x)
      !is.null(state$batch)
    },
    value = function() {
      if (is.null(state$batch)) fail("[MXDataIter] there is no batch: call $iter.next() first")
      label <- state$batch$label
      # A label of one number per sample has one dimension, as arrays of R have.
      if (length(dim(label)) == 2 && dim(label)[1] == 1) label <- .Call(hdr_reshape, label, dim(label)[2])
      list(data = state$batch$data, label = label)
    },
    reset = function() {
      state$batch <- NULL
      .Call(hdr_reset, x)
      invisible(NULL)
    },
    num.pad = function() if (is.null(state$batch)) 0 else state$batch$pad,
    index = function() if (is.null(state$batch)) NULL else state$batch$index,
    finalize = function() invisible(NULL),  # R's collector does that
    fail("[MXDataIter] found no field '", name, "'"))
}

# ---- arrays of R -------------------------------------------------------------------------------

# Random places 1 to n, drawn by the library, so that mx.set.seed() decides them.
mx_shuffle <- function(n) {
  if (n < 2) return(seq_len(n))
  order(as.vector(mx.runif(n, ctx = mx.cpu())), seq_len(n))
}

take_samples <- function(x, at) {
  dims <- dim(x)
  if (is.null(dims)) return(x[at])
  inner <- prod(dims[-length(dims)])
  dim(x) <- c(inner, dims[length(dims)])
  array(x[, at], c(dims[-length(dims)], length(at)))
}

sample_count <- function(x) if (is.null(dim(x))) length(x) else dim(x)[length(dim(x))]

# The samples and as many of the batch before as fill the last one up; zeros where there is none.
padded <- function(x, batch.size) {
  n <- sample_count(x)
  missing <- (batch.size - n %% batch.size) %% batch.size
  if (missing > 0) {
    dims <- if (is.null(dim(x))) n else dim(x)
    inner <- dims[-length(dims)]
    extra <- if (n > batch.size) take_samples(x, n - batch.size + seq_len(missing)) else rep(0, prod(inner) * missing)
    x <- array(c(x, extra), c(inner, n + missing))
  }
  mx.nd.array(x, mx.cpu())
}

mx.io.arrayiter <- function(data, label, batch.size = 128, shuffle = FALSE) {
  data <- as_numbers(data)
  label <- as_numbers(label)
  if (as_number(batch.size, "mx.io.arrayiter") < 1) fail("[mx.io.arrayiter] batch.size is ", batch.size, ", expected 1 or more")
  if (is.null(dim(data))) dim(data) <- c(1, length(data))
  n <- sample_count(data)
  if (n != sample_count(label)) {
    if (dim(data)[1] == NROW(label)) {
      fail("Data and label shape in-consistent: the samples seem to be rows; the last dimension counts them: use t()")
    }
    fail("Data and label shape in-consistent: ", n, " samples and ", sample_count(label), " labels")
  }
  if (as_flag(shuffle, "mx.io.arrayiter")) {
    at <- mx_shuffle(n)
    data <- take_samples(data, at)
    label <- take_samples(label, at)
  }
  state <- new.env(parent = emptyenv())
  state$data <- padded(data, batch.size)
  state$label <- padded(label, batch.size)
  state$batches <- ceiling(n / batch.size)
  state$at <- 0
  state$pad <- state$batches * batch.size - n
  batch <- function(x) .Call(hdr_slice, x, (state$at - 1) * batch.size, state$at * batch.size)
  structure(list(
    iter.next = function() {
      state$at <- state$at + 1
      state$at <= state$batches
    },
    value = function() {
      if (state$at < 1 || state$at > state$batches) fail("[mx.io.arrayiter] there is no batch: call $iter.next() first")
      list(data = batch(state$data), label = batch(state$label))
    },
    reset = function() {
      state$at <- 0
      invisible(NULL)
    },
    num.pad = function() if (state$at == state$batches) state$pad else 0,
    finalize = function() invisible(NULL),
    batch.size = batch.size), class = "MXArrayDataIter")
}

mx.io.extract <- function(iter, field) {
  if (!is.mx.dataiter(iter)) fail("[mx.io.extract] found ", describe_value(iter), ", expected an iterator")
  as_text(field, "mx.io.extract")
  packer <- mx.nd.arraypacker()
  iter$reset()
  while (iter$iter.next()) {
    values <- iter$value()[[field]]
    if (is.null(values)) fail("[mx.io.extract] the batches have no '", field, "'")
    n <- sample_count(values)
    packer$push(.Call(hdr_slice, values, 0, n - iter$num.pad()))
  }
  iter$reset()
  packer$get()
}

# ---- sequences in buckets ----------------------------------------------------------------------

bucket_iter_class <- setRefClass("BucketIter", fields = c(
  "buckets", "batch.size", "data.mask.element", "shuffle", "seed", "plan", "at", "key", "rounds"),
  methods = list(
    reset = function() {
      # Whole batches of one bucket each; in another order every time where that is asked for.
      if (shuffle) {
        set.seed(seed + rounds)
        rounds <<- rounds + 1
      }
      plan <<- do.call(rbind, lapply(names(buckets), function(name) {
        n <- sample_count(buckets[[name]]$data)
        places <- if (shuffle) sample(n) else seq_len(n)
        data.frame(bucket = name, batch = seq_len(ceiling(n / batch.size)), places = I(unname(split(
          places, ceiling(seq_len(n) / batch.size)))))
      }))
      if (shuffle) plan <<- plan[sample(nrow(plan)), , drop = FALSE]
      at <<- 0
    },
    iter.next = function() {
      at <<- at + 1
      if (at > nrow(plan)) return(FALSE)
      key <<- plan$bucket[at]
      TRUE
    },
    places = function() {
      found <- plan$places[[at]]
      c(found, rep_len(found, batch.size - length(found)))
    },
    value = function() {
      bucket <- buckets[[key]]
      data <- take_samples(bucket$data, places())
      label <- take_samples(bucket$label, places())
      # How many steps of each sequence hold something: the steps are the dimension before the samples.
      dims <- dim(data)
      n <- length(dims)
      filled <- array(data != data.mask.element, c(prod(dims[seq_len(n - 2)]), dims[n - 1], dims[n]))
      mask <- colSums(colSums(filled) > 0)
      list(data = mx.nd.array(data), seq.mask = mx.nd.array(mask), label = mx.nd.array(label))
    },
    num.pad = function() if (at < 1 || at > nrow(plan)) 0 else batch.size - length(plan$places[[at]]),
    bucketID = function() key))

mx.io.bucket.iter <- function(buckets, batch.size, data.mask.element = 0, shuffle = FALSE, seed = 123) {
  if (is.null(names(buckets))) fail("[mx.io.bucket.iter] found buckets without names, expected their lengths as names")
  iter <- bucket_iter_class$new(buckets = buckets, batch.size = batch.size, data.mask.element = data.mask.element,
                                shuffle = shuffle, seed = seed, rounds = 0, at = 0, key = names(buckets)[1])
  iter$reset()
  iter
}

# ---- images ------------------------------------------------------------------------------------

# A record of RecordIO as the image iterators read it: flag, label, two numbers, labels where there are several, bytes.
image_record <- function(id, labels, bytes) {
  number <- function(x, ...) writeBin(x, raw(), endian = "little", ...)
  many <- length(labels) > 1
  id <- as.numeric(id)
  c(number(if (many) length(labels) else 0L), number(if (many) 0 else labels[1], size = 4),
    number(as.integer(id %% 2147483648)), number(0L), number(0L), number(0L),
    if (many) number(labels, size = 4), bytes)
}

im2rec <- function(image_lst, root, output_rec, label_width = 1L, pack_label = 0L, new_size = -1L, nsplit = 1L,
                   partid = 0L, center_crop = 0L, quality = 95L, color_mode = 1L, unchanged = 0L, inter_method = 1L,
                   encoding = ".jpg") {
  asked <- list(new_size = new_size, center_crop = center_crop, color_mode = color_mode, encoding = encoding)
  expected <- list(new_size = -1, center_crop = 0, color_mode = 1, encoding = ".jpg")
  changed <- names(asked)[!mapply(function(a, b) isTRUE(all.equal(a, b, check.attributes = FALSE)), asked, expected)]
  if (length(changed) && !as_flag(unchanged, "im2rec")) {
    fail("[im2rec] found another ", changed[1], ": images go into the file as they are, ",
         "and the iterators resize, crop and convert them")
  }
  lines <- strsplit(readLines(as_path(image_lst, "im2rec")), "\t", fixed = TRUE)
  lines <- lines[lengths(lines) > 0]
  part <- lines[(seq_along(lines) - 1) %/% ceiling(length(lines) / nsplit) == partid]
  record <- .Call(hdr_record, as_path(output_rec, "im2rec"), "w")
  on.exit(.Call(hdr_release, record))
  for (line in part) {
    labels <- as.numeric(line[1 + seq_len(label_width)])
    if (length(line) != label_width + 2 || anyNA(labels)) {
      fail("[im2rec] ", image_lst, ": found the line '", paste(line, collapse = " "), "', expected a number, ",
           label_width, " labels and a path")
    }
    path <- file.path(as_path(root, "im2rec"), line[length(line)])
    if (!file.exists(path)) fail("[im2rec] found no file ", path)
    bytes <- readBin(path, "raw", file.size(path))
    .Call(hdr_record_write, record, image_record(line[1], if (pack_label) labels else labels[1], bytes))
  }
  invisible(length(part))
}
