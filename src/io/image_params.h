// The parameters that iterators over images have in common, in MXNet's order.
#pragma once
#include <string>
#include <vector>

#include "heddle/param.h"
#include "io/prefetch.h"
#include "io/random.h"
#include "io/record_samples.h"

namespace heddle::io {

enum class CtxName : uint8_t { kCpu, kGpu };

// Which records, and their labels.
struct RecordParam {
  std::string path_imglist, path_imgrec, path_imgidx, aug_seq = "aug_default";
  int64_t label_width = 1;
  Shape data_shape;
  int64_t preprocess_threads = 4;
  bool verbose = true;
  int64_t num_parts = 1, part_index = 0, device_id = 0;
  uint64_t shuffle_chunk_size = 0;
  int64_t shuffle_chunk_seed = 0;
  std::optional<int64_t> seed_aug;
  bool shuffle = false;
  int64_t seed = 0;

  void files(auto&& f) {
    f("path_imglist", path_imglist,
      "A file of lines \"number labels... path\": its labels stand in for those in the records.");
    f("path_imgrec", path_imgrec, "The RecordIO file; several, with ; between them, count as one.");
  }
  void common(auto&& f) {
    f("data_shape", data_shape,
      "(channels, height, width) of an image. 1 channel is grey, 3 are red, green and blue, 4 have "
      "opacity too, as the files must.")
        .required();
    f("preprocess_threads", preprocess_threads, "Pieces of a batch that are decoded at a time.")
        .at_least(1);
    f("verbose", verbose, "Nothing is printed.").ignored();
    f("num_parts", num_parts, "The data are cut into that many parts.").at_least(1);
    f("part_index", part_index, "The part that is read, from 0.").at_least(0);
  }
  void chunks(auto&& f) {
    f("shuffle_chunk_size", shuffle_chunk_size,
      "Without an index, blocks of that many megabytes come in random order; 0 keeps theirs.");
    f("shuffle_chunk_seed", shuffle_chunk_seed, "Decides that order.");
  }
  void order(auto&& f) {
    f("shuffle", shuffle,
      "Shuffles in every pass: all records with an index, else those of a block of 64 MB.");
    f("seed", seed, "Decides the order and what augmenters do.");
  }
  RecordOrder records() const;
};

struct BatchParam {
  int64_t batch_size = 0;
  bool round_batch = true;
  uint64_t prefetch_buffer = 4;
  CtxName ctx = CtxName::kGpu;
  Dtype dtype = Dtype::kUnknown;

  void size(auto&& f) { f("batch_size", batch_size, "Samples in a batch.").required().at_least(1); }
  void round(auto&& f) {
    f("round_batch", round_batch,
      "A last batch that is not full takes samples of the next pass, which begins behind them. "
      "False: zeros fill it. Its pad says how many samples that are.");
  }
  void ahead(auto&& f) {
    f("prefetch_buffer", prefetch_buffer, "Batches that are made ahead.");
    f("ctx", ctx, "Batches are in the memory of the CPU.").names({"cpu", "gpu"}).ignored();
    f("dtype", dtype, "Of the data; None is the iterator's own.");
  }
  PrefetchOptions options(int64_t threads) const {
    return {batch_size, int64_t(prefetch_buffer), threads, round_batch ? Tail::kRound : Tail::kPad};
  }
};

// What pixels become: (p - mean) * scale / std.
struct NormalizeParam {
  bool mirror = false, rand_mirror = false;
  std::string mean_img;
  float mean_r = 0, mean_g = 0, mean_b = 0, mean_a = 0;
  float std_r = 1, std_g = 1, std_b = 1, std_a = 1;
  float scale = 1, max_random_contrast = 0, max_random_illumination = 0;

  void mirrors(auto&& f) {
    f("mirror", mirror, "Mirrors every image.");
    f("rand_mirror", rand_mirror, "Mirrors every other image, by chance.");
  }
  void means(auto&& f) {
    f("mean_img", mean_img,
      "A file of the mean image, which is made where it is missing; stands in for mean_r and so "
      "on.");
    f("mean_r", mean_r, "Is taken from red, or from grey.");
    f("mean_g", mean_g, "Is taken from green.");
    f("mean_b", mean_b, "Is taken from blue.");
    f("mean_a", mean_a, "Is taken from opacity.");
    f("std_r", std_r, "Divides red, or grey.");
    f("std_g", std_g, "Divides green.");
    f("std_b", std_b, "Divides blue.");
    f("std_a", std_a, "Divides opacity.");
    f("scale", scale, "Multiplies what the mean is taken from.");
  }
  void light(auto&& f) {
    f("max_random_contrast", max_random_contrast, "Scales by 1 plus or minus up to that.");
    f("max_random_illumination", max_random_illumination, "Adds up to that, either way.");
  }
};

}  // namespace heddle::io
