// What every kernel of Convolution and Deconvolution agrees on: parameters and geometry.
#pragma once
#include <optional>

#include "operator/nn/epilogue.h"

namespace heddle::ops::nn {

enum class AxisOrder { kNcw, kNchw, kNcdhw, kNhwc, kNdhwc };
enum class CudnnTune { kOff, kLimitedWorkspace, kFastest };

struct ConvolutionParam {
  Shape kernel, stride = Shape::unknown(0), dilate = stride, pad = stride;
  int64_t num_filter = 0, num_group = 1;
  uint64_t workspace = 1024;
  bool no_bias = false;
  std::optional<CudnnTune> cudnn_tune;
  bool cudnn_off = false;
  std::optional<AxisOrder> layout;

  void fields(auto&& f) {
    fields(f, [] {});
  }
  void fields(auto&& f, auto&& after_pad) {  // programs give parameters by position too
    f("kernel", kernel, "Extent of the window: (w), (h, w) or (d, h, w).").required();
    f("stride", stride, "Step of the window; 1 by default.");
    f("dilate", dilate, "Distance between the taps of the window; 1 by default.");
    f("pad", pad, "Zeros added on both sides; 0 by default.");
    after_pad();
    f("num_filter", num_filter, "Number of output channels.").required().at_least(1);
    f("num_group", num_group, "Channels are split into this many groups.").at_least(1);
    f("workspace", workspace, "Megabytes that cuDNN might use; ignored.").ignored();
    f("no_bias", no_bias, "Leave the bias out.");
    f("cudnn_tune", cudnn_tune, "How cuDNN picks its algorithm; ignored.")
        .names({"off", "limited_workspace", "fastest"})
        .ignored();
    f("cudnn_off", cudnn_off, "Not to use cuDNN; ignored.").ignored();
    f("layout", layout, "Order of the axes: NCW, NCHW or NCDHW.")
        .names({"NCW", "NCHW", "NCDHW", "NHWC", "NDHWC"});
  }
};

struct DeconvolutionParam : ConvolutionParam {
  Shape adj = Shape::unknown(0), target_shape = adj;
  DeconvolutionParam() { no_bias = true, workspace = 512; }
  void fields(auto&& f) {
    ConvolutionParam::fields(f, [&] {
      f("adj", adj,
        "Added to the extents of the output, which a stride leaves open; 0 by default.");
      f("target_shape", target_shape, "Extents of the output: chooses pad and adj.");
    });
  }
};

using FusedConvolutionParam = Fused<ConvolutionParam>;

// A window walking over the spatial axes, always three of them: missing leading ones have extent 1.
struct Window {
  static constexpr int kAxes = 3;
  // Kernels, strides, dilations and pads are at most this large: then their sums and products fit.
  static constexpr int64_t kMost = int64_t{1} << 30;
  using Axes = std::array<int64_t, kAxes>;
  int64_t batch = 0, channels = 0, filters = 0, groups = 1;
  Axes in{1, 1, 1}, out{1, 1, 1};  // extents of data and output
  Axes kernel{1, 1, 1}, stride{1, 1, 1}, dilate{1, 1, 1}, pad{0, 0, 0};

  static int64_t volume(const Axes& a) { return a[0] * a[1] * a[2]; }
  int64_t in_size() const { return volume(in); }
  int64_t out_size() const { return volume(out); }
  int64_t taps() const { return volume(kernel); }
};

// Part i of n things in `parts`, of like size: from and to.
inline std::array<int64_t, 2> part_of(int64_t n, int64_t i, int64_t parts) {
  return {n * i / parts, n * (i + 1) / parts};
}

// Axis i of a parameter that may be left out.
inline int64_t axis_of(const Shape& s, int i, int64_t none) { return s.rank() > i ? s[i] : none; }

// Checks kernel, stride, dilate, pad and layout of `who` against each other.
void check_window(std::string_view who, const ConvolutionParam& p);

// Shapes of data, weight, bias (unless no_bias) and output, the inputs and the output that come
// first.
void infer_convolution(const ConvolutionParam& p, InferContext& c);

// The convolution that needs no library.
ScratchNeed scratch_of_convolution(const ConvolutionParam& p, const Situation& s);
void convolve(const ConvolutionParam& p, OpContext& ctx, Inputs in, Outputs out);

// The window of a convolution from `data` (n, c, ...) to `out` (n, filters, ...).
Window window_of(const ConvolutionParam& p, const Shape& data, const Shape& out);

// Unfolds one image's group of channels, x (channels, in...), into col (channels * taps, out...),
// and the way back: fold adds every element of col to where it came from.
template <class T>
void unfold(const Window& w, const T* x, int64_t channels, T* col);
template <class T>
void fold(const Window& w, const T* col, int64_t channels, T* x);

// db[k] = the sum of dy (n, filters, out...) over filter k; dy may lie in blocks of filters.
template <class T>
void bias_gradient(const OpContext& ctx, const Window& w, const T* dy, T* db, int64_t block = 1);

// Bytes of one group of an image with a column for every position of the window, and what the
// product of one takes, by whichever of its sides.
int64_t column_bytes(const Window& w, Dtype d);
int64_t product_bytes(const Window& w, Dtype d);

}  // namespace heddle::ops::nn
