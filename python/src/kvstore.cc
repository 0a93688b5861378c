// Stores: Python's keys and nested lists of arrays become items.
#include "heddle/kvstore.h"

#include <pybind11/stl.h>

#include "common.h"

namespace heddle::python {

using Items = std::vector<KVStore::Item>;

bool is_list(py::handle h) { return PyList_Check(h.ptr()) || PyTuple_Check(h.ptr()); }

KVStore::Key key_of(py::handle h) {
  if (PyUnicode_Check(h.ptr())) return text_of(h.ptr());
  if (!PyIndex_Check(h.ptr()))
    throw py::type_error(format("unexpected type for keys: found {}, expected int or str",
                                Py_TYPE(h.ptr())->tp_name));
  const py::object number = py::reinterpret_steal<py::object>(PyNumber_Index(h.ptr()));
  return py::cast<int64_t>(number);
}

py::object object_of(const KVStore::Key& key) {
  if (const auto* number = std::get_if<int64_t>(&key)) return py::int_(*number);
  return py::str(std::get<std::string>(key));
}

NDArray value_of(const KVStore::Key& key, py::handle h) {
  if (!is_array(h.ptr()))
    throw py::type_error(format("[KVStore] key {}: found a value of type {}, expected NDArray",
                                shown(key), Py_TYPE(h.ptr())->tp_name));
  return need_array(h.ptr(), "the value");
}

// A key and an array or the arrays of several devices; or lists of keys and of these.
void add_items(py::handle key, py::handle value, Items& items) {
  if (!is_list(key)) {
    items.push_back({key_of(key), {}});
    KVStore::Item& item = items.back();
    if (is_array(value.ptr())) item.values.push_back(value_of(item.key, value));
    else if (!is_list(value)) value_of(item.key, value);  // says what it is
    else
      for (py::handle v : value) item.values.push_back(value_of(item.key, v));
    return;
  }
  const size_t keys = py::len(key), values = is_list(value) ? py::len(value) : 0;
  if (keys != values)
    throw py::value_error(
        format("[KVStore] found {} keys and {}, expected as many values as keys", keys,
               is_list(value) ? format("{} values", values) : "one value that is no list"));
  const auto all = py::reinterpret_borrow<py::sequence>(value);
  size_t at = 0;
  for (py::handle k : key) add_items(k, all[at++], items);
}

Items items_of(py::handle key, py::handle value) {
  Items items;
  add_items(key, value, items);
  return items;
}

py::list arrays(std::span<const NDArray> a) {
  py::list l;
  for (const NDArray& each : a) l.append(py::reinterpret_steal<py::object>(wrap(each)));
  return l;
}

void set_updater(KVStore& store, py::object updater) {
  if (updater.is_none()) return store.set_updater(nullptr);
  // The store may go on a thread without the lock, or when there is no interpreter any more.
  auto kept = std::shared_ptr<py::object>(new py::object(std::move(updater)), [](py::object* o) {
    if (!Py_IsInitialized()) return;
    const Locked lock;
    delete o;
  });
  store.set_updater([kept](std::span<const KVStore::Key> keys, std::span<const NDArray> sums,
                           std::span<const NDArray> stored) {
    py::list names;
    for (const KVStore::Key& key : keys) names.append(object_of(key));
    (*kept)(names, arrays(sums), arrays(stored));  // push() below holds the lock
  });
}

void define_kvstore(py::module_& m) {
  py::class_<KVStore>(m, "KVStore", "Arrays by key, shared by the devices of one process.")
      .def(py::init<std::string_view>())
      .def_static("types", &KVStore::types)
      .def_property_readonly("type", &KVStore::type)
      .def_property_readonly("rank", &KVStore::rank)
      .def_property_readonly("num_workers", &KVStore::num_workers)
      .def("init",
           [](KVStore& s, py::handle key, py::handle value) {
             const Asked asked;
             s.init(items_of(key, value));
           })
      .def("push",
           [](KVStore& s, py::handle key, py::handle value, int priority) {
             const Asked asked;
             s.push(items_of(key, value), priority);
           })
      .def("pull",
           [](KVStore& s, py::handle key, py::handle out, int priority) {
             const Asked asked;
             s.pull(items_of(key, out), priority);
           })
      .def("set_updater", set_updater)
      .def("set_compression", &KVStore::set_compression);
}

}  // namespace heddle::python
