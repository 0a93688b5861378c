// Sums and copies of many arrays as few tasks.
#pragma once
#include <vector>

#include "heddle/ndarray.h"

namespace heddle::kvstore {

// to = values[0] + values[1] + ..., added in that order; halves are added in float32 and rounded
// once. With a residual per value, only what two_bit() lets through is added.
struct Sum {
  std::vector<NDArray> values;
  NDArray to;
  std::vector<NDArray> residuals = {};
  float threshold = 0;
};
void push_sums(std::vector<Sum> sums, int priority);

struct Copies {
  NDArray from;
  std::vector<NDArray> to;
};
void push_copies(std::vector<Copies> copies, int priority);

// What of a gradient is sent: the residual takes it in and gives a multiple -1, 0 or 1 of the
// threshold.
inline float two_bit(float& residual, float gradient, float threshold) {
  residual += gradient;
  const float sent = residual >= threshold ? threshold : residual <= -threshold ? -threshold : 0.f;
  residual -= sent;
  return sent;
}

}  // namespace heddle::kvstore
