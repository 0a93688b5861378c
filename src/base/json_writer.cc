// What parameters are, as JSON.
#include "base/json_writer.h"

namespace heddle {

void write_fields(JsonWriter& w, const std::vector<FieldInfo>& fields) {
  w.list(fields, [&](const FieldInfo& f) {
    w.object([&] {
      w.key("name").value(f.name);
      w.key("type").value(f.type);
      w.key("default").value(f.default_value);
      w.key("required").value(f.required);
      w.key("doc").value(f.doc);
      w.key("choices").value(f.choices);
      w.key("at_least").value(f.at_least);
      w.key("at_most").value(f.at_most);
      w.key("ignored").value(f.ignored);
    });
  });
}

}  // namespace heddle
