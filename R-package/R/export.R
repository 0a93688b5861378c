# For those who build the package: where its generated functions are.

mxnet.export <- function(path) {
  names <- grep("^mx\\.(nd|symbol|varg)\\.", getNamespaceExports("heddle"), value = TRUE)
  here <- asNamespace("heddle")
  file <- file.path(as_path(path, "mxnet.export"), "R", "mxnet_generated.R")
  dir.create(dirname(file), recursive = TRUE, showWarnings = FALSE)
  is_generated <- function(n) {
    call <- body(here[[n]])
    is.call(call) && identical(call[[1]], quote(.Call)) && as.character(call[[2]]) %in% c("hdr_operator", "hdr_symbol_operator")
  }
  generated <- Filter(is_generated, sort(names))
  writeLines(unlist(lapply(generated, function(n) {
    text <- deparse(here[[n]], width.cutoff = 500)
    c(paste0(n, " <- ", text[1]), text[-1], "")
  })), file)
  message(length(generated), " functions written to ", file)
  invisible(file)
}
