// The transposed convolution behind Deconvolution and bilinear UpSampling.
#pragma once
#include "operator/nn/convolution.h"

namespace heddle::ops::deconvolution {

// y = the gradient of a convolution from y (w.channels, w.in) to x (w.filters, w.out) with respect
// to its data, plus a bias that may be null; weight is (w.filters, w.channels / groups, taps).
template <class T>
void forward(const nn::Window& w, const OpContext& ctx, const T* x, T* weight, const T* bias, T* y);
// Its gradients; dx and dw may be null.
template <class T>
void backward(const nn::Window& w, OpContext& ctx, const T* dy, T* x, T* weight, T* dx, T* dw);

}  // namespace heddle::ops::deconvolution
