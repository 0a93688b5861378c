library(testthat)
library(heddle)

test_check("heddle")
