// ImageRecordIter and its kin: records of images, decoded, changed by chance, and normalised.
#include <sys/stat.h>

#include <cmath>
#include <cstring>

#include "io/augment.h"
#include "io/image_params.h"
#include "io/image_record.h"
#include "io/iterators.h"

namespace heddle::io {

RecordOrder RecordParam::records() const {
  RecordOrder o{path_imgrec, path_imgidx, part_index, num_parts, shuffle, uint32_t(seed)};
  o.block_seed = uint32_t(shuffle_chunk_seed);
  if (shuffle_chunk_size) o.block = int64_t(shuffle_chunk_size) << 20, o.shuffle_blocks = true;
  return o;
}

// What the pixels of a kind of iterator are.
enum class Kind { kFloat, kBytes, kSigned };

struct ImageParam {
  RecordParam record;
  BatchParam batch;
  AugmentParam augment;
  NormalizeParam normalize;
};
template <Kind kKind>
struct ImageParamOf : ImageParam {
  void fields(auto&& f) {
    record.files(f);
    f("path_imgidx", record.path_imgidx, "A file of lines \"key offset\" of the records.");
    f("aug_seq", record.aug_seq, "Only aug_default is known.");
    f("label_width", record.label_width, "Labels of an image.").at_least(1);
    record.common(f);
    f("device_id", record.device_id, "Batches are in the memory of the CPU.").ignored();
    record.chunks(f);
    f("seed_aug", record.seed_aug,
      "Decides what augmenters do with each image, the same in every pass; None: seed does.");
    record.order(f);
    batch.size(f), batch.round(f), batch.ahead(f);
    augment.fields(f);
    normalize.mirrors(f), normalize.means(f);
    normalize.light(f);
  }
};

class ImageFiller : public Filler {
 public:
  ImageFiller(std::string_view who, const ImageParam& p, Kind kind, Dtype dtype, Dtype label_dtype)
      : who_(who), p_(p), kind_(kind), label_dtype_(label_dtype) {
    planes_.dtype = dtype;
    if (!p.record.path_imglist.empty())
      labels_ = LabelList(who, p.record.path_imglist, p.record.label_width);
    const NormalizeParam& n = p.normalize;
    const float mean[4] = {n.mean_r, n.mean_g, n.mean_b, n.mean_a},
                deviation[4] = {n.std_r, n.std_g, n.std_b, n.std_a};
    for (int k = 0; k < 4; ++k) {
      if (kind == Kind::kBytes) continue;
      planes_.mean[k] = kind == Kind::kSigned ? std::nearbyint(mean[k]) : mean[k];
      if (kind == Kind::kFloat) deviation_[k] = deviation[k];
    }
  }
  void use_mean(std::vector<float> mean) {
    if (kind_ == Kind::kSigned)
      for (float& v : mean) v = std::nearbyint(v);
    mean_ = std::move(mean);
    planes_.mean_image = mean_.data();
  }

  std::unique_ptr<Worker> worker() const override { return std::make_unique<One>(*this); }

 private:
  struct One : Worker {
    const ImageFiller& f;
    Picture picture;
    ImageRecord record;
    explicit One(const ImageFiller& filler) : f(filler) {}

    void fill(const Sample& s, int64_t row, void* data, void* label) override {
      const RecordParam& r = f.p_.record;
      const Shape& shape = r.data_shape;
      parse(s, record);
      Random random(r.seed_aug ? uint64_t(*r.seed_aug) : uint64_t(r.seed),
                    r.seed_aug ? s.number : s.turn);
      attempt(
          [&] {
            open(record, shape[0], picture);
            augment(f.p_.augment, random, shape[1], shape[2], picture);
            picture.pixels();
          },
          [&](std::string_view text) { fail_at(s, record, text); });
      const Planes planes = f.planes_of(random);
      planes.write(picture.pixels(),
                   static_cast<char*>(data) + row * shape.size() * dtype_size(planes.dtype));
      write_labels(s, row, label);
    }
    void write_labels(const Sample& s, int64_t row, void* to) const {
      const int64_t width = f.p_.record.label_width;
      const std::vector<float>& all = f.labels_ ? f.labels_.of(s, record.id) : record.labels;
      if (int64_t(all.size()) < width)
        fail_at(s, record, format("found {} labels, expected label_width {}", all.size(), width));
      with_dtype(f.label_dtype_, f.who_, [&]<class T>(T) {
        for (int64_t i = 0; i < width; ++i)
          static_cast<T*>(to)[row * width + i] = T(all[size_t(i)]);
      });
    }
  };

  Planes planes_of(Random& random) const {
    const NormalizeParam& n = p_.normalize;
    Planes planes = planes_;
    planes.mirror = n.mirror || (n.rand_mirror && random.flip());
    if (kind_ != Kind::kFloat) return planes;
    const float contrast = (1 + random.around(n.max_random_contrast)) * n.scale,
                light = random.around(n.max_random_illumination) * n.scale;
    for (int k = 0; k < 4; ++k)
      planes.factor[k] = contrast / deviation_[k], planes.shift[k] = light / deviation_[k];
    return planes;
  }

  std::string who_;
  ImageParam p_;
  Kind kind_;
  Dtype label_dtype_;
  LabelList labels_;
  Planes planes_;
  float deviation_[4] = {1, 1, 1, 1};
  std::vector<float> mean_;
};

static void check_values(std::string_view who, const ImageParam& p) {
  const Shape& s = p.record.data_shape;
  check(s.rank() == 3 && s.size() > 0 && (s[0] == 1 || s[0] == 3 || s[0] == 4) && s[1] > 0,
        "[{}] found data_shape {}, expected (channels, height, width) with 1, 3 or 4 channels", who,
        s);
  check(p.record.aug_seq == "aug_default", "[{}] found aug_seq {}, expected aug_default", who,
        p.record.aug_seq);
  p.augment.check_values(who);
  const NormalizeParam& n = p.normalize;
  check(n.std_r != 0 && n.std_g != 0 && n.std_b != 0 && n.std_a != 0,
        "[{}] found std_r, std_g, std_b, std_a of {}, {}, {}, {}, expected none to be 0", who,
        n.std_r, n.std_g, n.std_b, n.std_a);
}

static std::unique_ptr<DataIter> make(std::string_view who, ImageParam p, Kind kind);

// The mean of all images as augmented, which is what their file holds.
static void make_mean(std::string_view who, ImageParam p) {
  const std::string path = p.normalize.mean_img;
  p.normalize = {};
  p.record.shuffle = false;
  p.batch.round_batch = false, p.batch.dtype = Dtype::kUnknown;
  const Shape shape = p.record.data_shape;
  std::vector<double> sum(size_t(shape.size()));
  std::vector<float> images(size_t(shape.size() * p.batch.batch_size));
  int64_t count = 0;
  const std::unique_ptr<DataIter> it = make(who, std::move(p), Kind::kFloat);
  while (it->next()) {
    it->batch().data.copy_to(images.data());
    const int64_t here = it->data().shape[0] - it->batch().pad;
    for (int64_t i = 0; i < here; ++i)
      for (size_t j = 0; j < sum.size(); ++j) sum[j] += images[size_t(i) * sum.size() + j];
    count += here;
  }
  check(count > 0, "[{}] there are no images, whose mean would go to {}", who, path);
  std::vector<float> mean;
  for (const double v : sum) mean.push_back(float(v / double(count)));
  save_arrays(path, {{NDArray::from_host(mean.data(), shape, Dtype::kFloat32)}, {"mean_img"}});
}

static std::unique_ptr<DataIter> make(std::string_view who, ImageParam p, Kind kind) {
  check_values(who, p);
  const Dtype own = kind == Kind::kFloat   ? Dtype::kFloat32
                    : kind == Kind::kBytes ? Dtype::kUint8
                                           : Dtype::kInt8;
  const Dtype dtype = p.batch.dtype == Dtype::kUnknown ? own : p.batch.dtype;
  const Shape& s = p.record.data_shape;
  const int64_t n = p.batch.batch_size;
  BatchShape data{{n, s[0], s[1], s[2]}, dtype}, label{{n}, Dtype::kFloat32};
  if (p.record.label_width > 1) label.shape.append(p.record.label_width);
  auto filler = std::make_unique<ImageFiller>(who, p, kind, dtype, label.dtype);
  const std::string& mean = p.normalize.mean_img;
  if (!mean.empty() && kind != Kind::kBytes) {
    struct stat there;
    if (stat(mean.c_str(), &there) != 0) make_mean(who, p);
    filler->use_mean(load_mean(who, mean, s));
  }
  return prefetch(record_samples(who, p.record.records()), std::move(filler), data, label,
                  p.batch.options(p.record.preprocess_threads));
}

template <Kind kKind>
static IterDef image_iterator(std::string_view name, std::string_view doc) {
  using Param = ImageParamOf<kKind>;
  return {name, doc, schema<Param>(), [](std::string_view who, const void* p) {
            return make(who, *static_cast<const Param*>(p), kKind);
          }};
}

void add_image_iterators(std::vector<IterDef>& to) {
  constexpr std::string_view kFloat =
      "Images of a RecordIO file: batches of (batch_size, channels, height, width) float32, and "
      "labels of (batch_size,) or (batch_size, label_width).";
  constexpr std::string_view kBytes = "ImageRecordIter whose data are the pixels, uint8.";
  to.push_back(image_iterator<Kind::kFloat>("ImageRecordIter", kFloat));
  to.push_back(image_iterator<Kind::kFloat>("ImageRecordIter_v1", kFloat));
  to.push_back(image_iterator<Kind::kBytes>("ImageRecordUInt8Iter", kBytes));
  to.push_back(image_iterator<Kind::kBytes>("ImageRecordUInt8Iter_v1", kBytes));
  to.push_back(image_iterator<Kind::kSigned>(
      "ImageRecordInt8Iter", "ImageRecordIter whose data are pixels less the mean, int8."));
}

}  // namespace heddle::io
