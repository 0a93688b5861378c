// Loops over pixels whose channels lie in blocks of one register: what convolutions on packed
// weights are made of.
#pragma once
#include <cstdint>

namespace heddle::ops::nn {

// Channels of a pixel that lie this close where there are no more: pictures.
constexpr int kFew = 4;

// A line of pixels times one or two blocks of filters:
//   y[i, k] = within(add[i, k] + bias[k] + sum over b, t, q of
//                    x[b * plane + tap[t] + i * step + q] weight[b, t, q, k]).
struct BlockRun {
  const float* x;
  int64_t plane;       // between blocks of channels
  const int32_t* tap;  // where the pixels of each tap lie
  int64_t taps;
  int64_t blocks, last;        // of channels, and how many the last one has
  bool few;                    // pixels are kFew apart, else as many as a block has
  const float *weight, *bias;  // (blocks, taps, channels, filters); bias may be null
  int filters, width;          // blocks of filters, 1 or 2, and how many the last one has
  const float* add;            // lies as y; may be null
  float* y;
  int64_t y_step, y_plane;  // between pixels, and blocks of filters
  int64_t pixels;
  bool past;  // y is too large for the caches, and its pixels are aligned to registers
  float low, high;
};

// Rows [from, to) of the plane of one block of channels, each with a filter of its own. Pairs are
// (down, across); pointers are of whole planes, of pixels side by side.
struct DepthRun {
  const float *x, *weight, *bias;  // weight: (taps, channels); bias may be null
  const float* add;                // may be null, or y
  float* y;
  int64_t in[2], width;  // rows and columns of the data; columns of the output
  int64_t kernel[2], stride[2], dilate[2], pad[2];
  int64_t from, to;
  bool ahead;  // the data is not near: ask for the next row while one is read
  bool past;   // y is too large for the caches, and aligned to registers
  float low, high;
};

// The loops of one instruction-set level.
struct BlockLoops {
  // Whether convolutions should use them; where not, there is none but pack().
  bool fast = false;
  int wide, tile;  // channels of a block; pixels that two blocks of filters take at once
  void (*run)(const BlockRun&) = nullptr;
  // n pixels that are `step` apart, their channels `plane` apart, to pixels of `to_step` floats.
  void (*gather)(const float* x, int64_t step, int64_t plane, int64_t channels, int64_t n,
                 float* to, int64_t to_step) = nullptr;
  void (*depth)(const DepthRun&) = nullptr;
  // `filters` rows of (channels, taps) to (blocks of channels, taps, channels, filters), the last
  // as many as fill blocks; those that are not there are zero.
  void (*pack)(const float* from, int64_t filters, int64_t channels, int64_t taps, float* to);
};

// Those of the machine's level, not of simd::level(): see convolution_lanes.cc.
const BlockLoops& block_loops();

}  // namespace heddle::ops::nn
