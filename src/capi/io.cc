// The C face of iterators and of record files.
#include "heddle/io.h"

#include "capi/handles.h"

struct hd_iterator final : heddle::capi::Handle {
  explicit hd_iterator(std::unique_ptr<heddle::io::DataIter> i) : value(std::move(i)) {}
  std::unique_ptr<heddle::io::DataIter> value;
  hd_array data, label;  // of the batch
};

struct hd_record final : heddle::capi::Handle {
  hd_record(const std::string& path, std::string_view mode) {
    heddle::check(mode == "r" || mode == "w", "[RecordIO] {}: found mode '{}', expected r or w",
                  path, mode);
    if (mode == "r") reader.emplace(path);
    else writer.emplace(path);
  }
  void close() override {
    if (writer) writer->close();
  }
  heddle::io::RecordReader& to_read() {
    heddle::check(reader.has_value(), "[RecordIO] the file was opened to write");
    return *reader;
  }
  heddle::io::RecordWriter& to_write() {
    heddle::check(writer.has_value(), "[RecordIO] the file was opened to read");
    return *writer;
  }
  std::optional<heddle::io::RecordReader> reader;
  std::optional<heddle::io::RecordWriter> writer;
  std::string bytes;  // of the last record read
};

using namespace heddle;
using capi::give, capi::guarded, capi::need;

extern "C" {

int hd_iterator_create(const char* name, const char* const* params, hd_iterator** out) {
  return give(out,
              [&] { return io::make_iterator(&need(name, "the name"), capi::params_of(params)); });
}

int hd_iterator_next(hd_iterator* iterator, hd_batch* batch, int* more) {
  return guarded([&] {
    hd_iterator& it = need(iterator, "the iterator");
    need(more, "more");
    *more = it.value->next();
    if (!*more || !batch) return;
    const io::Batch& b = it.value->batch();
    it.data.value = b.data;
    it.label.value = b.label;
    capi::hand_out(batch,
                   {.size = 0,
                    .data = &it.data,
                    .label = &it.label,
                    .index = b.index.empty() ? nullptr : b.index.data(),
                    .index_count = int(b.index.size()),
                    .pad = int(b.pad)},
                   "hd_batch");
  });
}

int hd_iterator_reset(hd_iterator* iterator) {
  return guarded([&] { need(iterator, "the iterator").value->reset(); });
}

int hd_record_open(const char* path, const char* mode, hd_record** out) {
  return guarded([&] {
    need(out, "the place of the result");
    *out = new hd_record(&need(path, "the path"), &need(mode, "the mode"));
  });
}

int hd_record_read(hd_record* record, const void** data, size_t* size, int64_t* offset) {
  return guarded([&] {
    hd_record& r = need(record, "the file");
    need(data, "data"), need(size, "size");
    io::RecordReader& reader = r.to_read();
    const int64_t begin = reader.tell();
    const bool more = reader.read(r.bytes);
    *data = more ? r.bytes.data() : nullptr;
    *size = more ? r.bytes.size() : 0;
    if (offset) *offset = begin;
  });
}

int hd_record_write(hd_record* record, const void* data, size_t size, int64_t* offset) {
  return guarded([&] {
    io::RecordWriter& writer = need(record, "the file").to_write();
    const int64_t begin = writer.tell();
    writer.write(size ? std::string_view(&need(static_cast<const char*>(data), "data"), size)
                      : std::string_view());
    if (offset) *offset = begin;
  });
}

int hd_record_seek(hd_record* record, int64_t offset) {
  return guarded([&] { need(record, "the file").to_read().seek(offset); });
}

}  // extern "C"
