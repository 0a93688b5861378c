// ImageDetRecordIter: records of images with boxes around the objects in them.
#include <algorithm>
#include <cstring>

#include "io/det_augment.h"
#include "io/image_params.h"
#include "io/image_record.h"
#include "io/iterators.h"

namespace heddle::io {

struct DetParam {
  RecordParam record;
  BatchParam batch;
  DetAugmentParam augment;
  NormalizeParam normalize;
  int64_t label_width = -1, label_pad_width = 0;
  float label_pad_value = -1;
  DetParam() {
    record.path_imgrec = "./data/imgrec.rec", record.aug_seq = "det_aug_default";
    normalize.std_r = normalize.std_g = normalize.std_b = normalize.std_a = 0;
  }
  void fields(auto&& f) {
    record.files(f);
    f("aug_seq", record.aug_seq, "Only det_aug_default is known.");
    f("label_width", label_width, "Labels of every image; -1 takes any number.");
    record.common(f);
    record.chunks(f);
    f("label_pad_width", label_pad_width,
      "Labels in a batch, behind the first four; 0 makes room for the longest.")
        .at_least(0);
    f("label_pad_value", label_pad_value, "What fills the room up.");
    record.order(f);
    batch.size(f), batch.round(f), batch.ahead(f);
    augment.fields(f);
    normalize.means(f);
  }
};

class DetFiller : public Filler {
 public:
  DetFiller(std::string_view who, const DetParam& p, int64_t width, Dtype dtype)
      : who_(who), p_(p), width_(width) {
    planes_.dtype = dtype;
    if (!p.record.path_imglist.empty())
      labels_ = LabelList(who, p.record.path_imglist, p.label_width);
    const NormalizeParam& n = p.normalize;
    const float mean[4] = {n.mean_r, n.mean_g, n.mean_b, n.mean_a},
                deviation[4] = {n.std_r, n.std_g, n.std_b, n.std_a};
    for (int k = 0; k < 4; ++k)
      planes_.mean[k] = mean[k], planes_.factor[k] = n.scale / (deviation[k] ? deviation[k] : 1);
  }
  void use_mean(std::vector<float> mean) {
    mean_ = std::move(mean);
    planes_.mean_image = mean_.data();
  }
  std::unique_ptr<Worker> worker() const override { return std::make_unique<One>(*this); }

 private:
  struct One : Worker {
    const DetFiller& f;
    Picture picture;
    ImageRecord record;
    explicit One(const DetFiller& filler) : f(filler) {}

    void fill(const Sample& s, int64_t row, void* data, void* label) override {
      const Shape& shape = f.p_.record.data_shape;
      parse(s, record);
      const std::vector<float>& given = f.labels_ ? f.labels_.of(s, record.id) : record.labels;
      if (f.p_.label_width >= 0 && f.p_.label_width != int64_t(given.size()))
        fail_at(s, record,
                format("found {} labels, expected label_width {}", given.size(), f.p_.label_width));
      Random random(uint64_t(f.p_.record.seed), s.turn);
      attempt(
          [&] {
            Objects objects = Objects::of(given);
            open(record, shape[0], picture);
            augment(f.p_.augment, random, shape[1], shape[2], picture, objects);
            picture.pixels();
            f.write_labels(objects.labels(), picture, static_cast<float*>(label) + row * f.width_);
          },
          [&](std::string_view text) { fail_at(s, record, text); });
      // What is smaller than the batch's images lies in their first corner.
      if (picture.height() < shape[1] || picture.width() < shape[2])
        pad(picture, 0, shape[1] - picture.height(), 0, shape[2] - picture.width(),
            uint8_t(f.p_.augment.fill_value));
      f.planes_.write(picture.pixels(),
                      static_cast<char*>(data) + row * shape.size() * dtype_size(f.planes_.dtype));
    }
  };

  void write_labels(const std::vector<float>& labels, const Picture& p, float* to) const {
    check(int64_t(labels.size()) + 4 <= width_,
          "found {} labels, expected at most label_pad_width {}", labels.size(), width_ - 4);
    const float head[4] = {float(p.channels()), float(p.height()), float(p.width()),
                           float(labels.size())};
    std::copy_n(head, 4, to);
    std::copy(labels.begin(), labels.end(), to + 4);
    std::fill(to + 4 + labels.size(), to + width_, p_.label_pad_value);
  }

  std::string who_;
  DetParam p_;
  int64_t width_;
  LabelList labels_;
  Planes planes_;
  std::vector<float> mean_;
};

// The longest list of labels in the whole file: batches of all parts have one shape.
static int64_t longest(std::string_view who, const DetParam& p) {
  if (!p.record.path_imglist.empty())
    return int64_t(LabelList(who, p.record.path_imglist, p.label_width).longest());
  RecordOrder all = p.record.records();
  all.part = 0, all.parts = 1, all.shuffle = all.shuffle_blocks = false;
  const std::unique_ptr<Samples> samples = record_samples(who, all);
  samples->rewind(0);
  int64_t most = 0;
  Sample s;
  ImageRecord record;
  const auto step = [&] {  // a record that cannot be read is an error when its turn comes
    if (!samples->next(s)) return false;
    parse(s, record);
    most = std::max(most, int64_t(record.labels.size()));
    return true;
  };
  while (attempt(step, [](std::string_view) { return true; })) continue;
  return most;
}

static std::unique_ptr<DataIter> make_det(std::string_view who, const void* params) {
  const auto& p = *static_cast<const DetParam*>(params);
  const Shape& s = p.record.data_shape;
  check(s.rank() == 3 && (s[0] == 1 || s[0] == 3 || s[0] == 4) && s[1] > 0 && s[2] > 0,
        "[{}] found data_shape {}, expected (channels, height, width) with 1, 3 or 4 channels", who,
        s);
  check(p.record.aug_seq == "det_aug_default", "[{}] found aug_seq {}, expected det_aug_default",
        who, p.record.aug_seq);
  p.augment.check_values(who);
  const int64_t most = longest(who, p);
  check(!p.label_pad_width || p.label_pad_width >= most,
        "[{}] found label_pad_width {}, expected at least {}, as many labels as an image has", who,
        p.label_pad_width, most);
  const int64_t width = 4 + (p.label_pad_width ? p.label_pad_width : most);
  const Dtype dtype = p.batch.dtype == Dtype::kUnknown ? Dtype::kFloat32 : p.batch.dtype;
  const int64_t n = p.batch.batch_size;
  auto filler = std::make_unique<DetFiller>(who, p, width, dtype);
  if (!p.normalize.mean_img.empty()) filler->use_mean(load_mean(who, p.normalize.mean_img, s));
  return prefetch(record_samples(who, p.record.records()), std::move(filler),
                  {{n, s[0], s[1], s[2]}, dtype}, {{n, width}},
                  p.batch.options(p.record.preprocess_threads));
}

void add_det_iterator(std::vector<IterDef>& to) {
  to.push_back({"ImageDetRecordIter",
                "Images of a RecordIO file with boxes: batches of (batch_size, channels, height, "
                "width) float32, and labels of (batch_size, 4 + label_pad_width): channels, height "
                "and width of the image, how many labels follow, and these: [header width, object "
                "width, ...] and objects [class, xmin, ymin, xmax, ymax, ...] from 0 to 1.",
                schema<DetParam>(), make_det});
}

}  // namespace heddle::io
