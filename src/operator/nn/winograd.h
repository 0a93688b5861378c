// Loops over tiles of 4 x 4 outputs of 3 x 3 windows, whose channels lie in blocks of one register.
#pragma once
#include <cstdint>

namespace heddle::ops::nn {

// Rows of 6 x 6 pixels, as coefficients of polynomials, and the values that these take at 6 x 6
// points (Winograd's minimal filtering; Lavin and Gray, "Fast algorithms for convolutional neural
// networks", 2016): there a convolution is a product. The points 0, +-A, +-B and infinity lie
// closer to 1 than whole numbers, and so lose fewer bits.
constexpr int kWinogradPoints = 36;
constexpr double kWinogradA = 0.70710678118654752, kWinogradB = 1.4142135623730951;

// A square of pixels of one block of channels, some of which may be outside of the image, and its
// values, each `apart` from the next.
struct WinogradSquare {
  const float* x;                // of the first pixel
  int64_t line;                  // between rows of the image
  int top, bottom, left, right;  // which rows and columns are in the image
  float* values;
  int64_t apart;
};

// 4 x 4 outputs from sums at the points.
struct WinogradOutputs {
  const float* sums;
  int64_t apart;
  const float *bias, *add;  // may be null; add lies as y
  float* y;
  int64_t line;       // between rows of y
  int rows, columns;  // how many there are
  float low, high;
};

// s[c, k] (+)= the sum over tiles of v[tile, c] z[tile, k], of one block of channels and one or two
// of filters.
struct WinogradSums {
  const float *v, *z;
  int64_t plane;  // between blocks of z
  int filters;    // blocks
  int64_t tiles;
  float* s;
  bool accumulate;
};

// Taps of a register of filters and as many channels, at the points.
struct WinogradTaps {
  const float* taps;
  int64_t filter, channel;  // how far apart: one of them is nine
  bool turned;              // the window turned round
  float* values;
  int64_t step, apart;  // between channels, and points
};

// Gradients of such taps, nine to a channel, from sums at the points.
struct WinogradGradient {
  const float* sums;
  int64_t step, apart;
  float* taps;
  int64_t filter;
};

// The loops of one instruction-set level.
struct WinogradLoops {
  int wide;
  void (*data)(const WinogradSquare&);   // 6 x 6 pixels of data
  void (*heads)(const WinogradSquare&);  // 4 x 4 gradients of outputs
  void (*outputs)(const WinogradOutputs&);
  void (*sums)(const WinogradSums&);
  void (*taps)(const WinogradTaps&);
  void (*gradient)(const WinogradGradient&);
};

// Those of the machine's level, not of simd::level(): see convolution_lanes.cc.
const WinogradLoops& winograd_loops();

}  // namespace heddle::ops::nn
