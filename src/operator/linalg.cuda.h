// The parts of linalg on CUDA that are kernels of our own; linalg.cublas.cc offers them.
#pragma once
#include "operator/linalg.h"

namespace heddle::ops::linalg_cuda {

void spread_rows(const OpContext& ctx, Dtype d, const void* row, const linalg::Mat<void>& c);
void sum_rows(const OpContext& ctx, Dtype d, const void* x, int64_t rows, int64_t cols, void* y);

}  // namespace heddle::ops::linalg_cuda
