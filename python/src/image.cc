// Files of images: bytes to pixels, and back.
#include <memory>
#include <optional>

#include "common.h"
#include "image/decode.h"
#include "image/encode.h"

namespace heddle::python {

// The bytes of an object that has a buffer of them, held while in scope.
class Held {
 public:
  explicit Held(const py::object& o) {
    if (PyObject_GetBuffer(o.ptr(), &view_, PyBUF_SIMPLE) < 0) throw py::error_already_set();
  }
  ~Held() { PyBuffer_Release(&view_); }
  Held(const Held&) = delete;
  image::Bytes bytes() const { return {static_cast<const uint8_t*>(view_.buf), size_t(view_.len)}; }

 private:
  Py_buffer view_;
};

static py::tuple decode_image(const std::string& who, const py::object& file, int channels) {
  const Held held(file);
  image::Colours colours = image::colours_in(held.bytes());
  if (channels == 1) colours = image::Colours::kGray;
  else if (channels == 3) colours = image::Colours::kBgr;
  std::vector<uint8_t> pixels;
  int64_t height = 0, width = 0;
  {
    const Unlocked unlocked;
    image::decode(who, held.bytes(), colours, [&](int64_t h, int64_t w) {
      height = h, width = w;
      pixels.resize(size_t(h * w * image::channels_of(colours)));
      return pixels.data();
    });
  }
  return py::make_tuple(py::make_tuple(height, width, image::channels_of(colours)),
                        py::bytearray(reinterpret_cast<const char*>(pixels.data()), pixels.size()));
}

static py::bytes encode_image(const std::string& who, const std::string& format,
                              const py::object& pixels, int64_t height, int64_t width,
                              int64_t channels, int quality) {
  const Held held(pixels);
  check(int64_t(held.bytes().size()) == height * width * channels,
        "[{}] found {} bytes, expected {} x {} x {}", who, held.bytes().size(), height, width,
        channels);
  std::string file;
  {
    const Unlocked unlocked;
    file = image::encode(who, format, {held.bytes().data(), height, width, channels}, quality);
  }
  return py::bytes(file);
}

void define_image(py::module_& m) {
  m.def("decode_image", &decode_image, py::arg("who"), py::arg("file"), py::arg("channels"),
        "((height, width, channels), bytes) of a JPEG or PNG file, blue first: of 1 or 3 channels, "
        "or for 0 of what the file has.");
  m.def(
      "encode_image", &encode_image, py::arg("who"), py::arg("format"), py::arg("pixels"),
      py::arg("height"), py::arg("width"), py::arg("channels"), py::arg("quality"),
      "A file of the format \"JPEG\" or \"PNG\" from (height, width, channels) bytes, red first.");
}

}  // namespace heddle::python
