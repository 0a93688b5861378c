// RecordIO files, and iterators over data in files.
#include "heddle/io.h"

#include <memory>

#include "common.h"

namespace heddle::python {

static std::string path_of(const py::object& path) {  // str, bytes or an object with a path
  PyObject* bytes = nullptr;
  if (!PyUnicode_FSConverter(path.ptr(), &bytes)) throw py::error_already_set();
  return py::reinterpret_steal<py::bytes>(bytes);
}

static void define_records(py::module_& m) {
  py::class_<io::RecordWriter>(m, "RecordWriter", "Writes a RecordIO file, from its start.")
      .def(py::init([](const py::object& path) {
             return std::make_unique<io::RecordWriter>(path_of(path));
           }),
           py::arg("path"))
      .def(
          "write",
          [](io::RecordWriter& self, const py::object& record) {
            Py_buffer bytes;
            if (PyObject_GetBuffer(record.ptr(), &bytes, PyBUF_SIMPLE) < 0)
              throw py::error_already_set();
            const std::unique_ptr<Py_buffer, void (*)(Py_buffer*)> held(&bytes, PyBuffer_Release);
            self.write({static_cast<const char*>(bytes.buf), size_t(bytes.len)});
          },
          py::arg("record"), "Adds a record of bytes.")
      .def("tell", &io::RecordWriter::tell, "Where the next record begins, in bytes.")
      .def("close", &io::RecordWriter::close, "Writes what is held back.");
  py::class_<io::RecordReader>(m, "RecordReader", "Reads a RecordIO file.")
      .def(py::init([](const py::object& path) {
             return std::make_unique<io::RecordReader>(path_of(path));
           }),
           py::arg("path"))
      .def(
          "read",
          [](io::RecordReader& self) -> py::object {
            std::string record;
            if (!self.read(record)) return py::none();
            return py::bytes(record);
          },
          "The next record as bytes, or None at the end. Raises Error with the path and the byte "
          "offset where there is no whole one; the next call goes on behind it.")
      .def("tell", &io::RecordReader::tell, "Where the next record begins, in bytes.")
      .def("seek", &io::RecordReader::seek, py::arg("offset"))
      .def("reset", &io::RecordReader::reset)
      .def("close", &io::RecordReader::close);
}

// --- iterators
// --------------------------------------------------------------------------------
static py::list describe_iterators() {
  py::list all;
  for (const io::IterDef& d : io::iterators()) {
    py::list params;
    for (const FieldInfo& f : d.params.describe()) {
      py::dict field;
      field["name"] = f.name, field["type"] = f.type, field["default"] = f.default_value;
      field["doc"] = f.doc, field["required"] = f.required;
      py::list choices;
      for (const std::string& c : f.choices) choices.append(c);
      field["choices"] = choices;
      params.append(field);
    }
    all.append(py::make_tuple(std::string(d.name), std::string(d.doc), params));
  }
  return all;
}

static py::tuple shape_and_dtype(const io::BatchShape& b) {
  return py::make_tuple(tuple_of(b.shape), std::string(dtype_name(b.dtype)));
}

static void define_iterators(py::module_& m) {
  m.def("iterators", describe_iterators, "(name, documentation, parameters) of every iterator.");
  py::class_<io::DataIter>(m, "DataIterator", "Batches of data in files, made ahead.")
      .def(py::init([](const std::string& name, const py::dict& params) {
             const Kwargs kwargs = kwargs_of(params.ptr());
             Unlocked u;
             return io::make_iterator(name, kwargs);
           }),
           py::arg("name"), py::arg("params"))
      .def(
          "next",
          [](io::DataIter& self) {
            Unlocked u;
            return self.next();
          },
          "Moves to the next batch; False at the end of the pass.")
      .def(
          "reset",
          [](io::DataIter& self) {
            Unlocked u;
            self.reset();
          },
          "Starts the next pass.")
      .def_property_readonly("data",
                             [](const io::DataIter& self) {
                               return py::reinterpret_steal<py::object>(wrap(self.batch().data));
                             })
      .def_property_readonly("label",
                             [](const io::DataIter& self) {
                               return py::reinterpret_steal<py::object>(wrap(self.batch().label));
                             })
      .def_property_readonly("index",
                             [](const io::DataIter& self) {
                               py::list l;
                               for (const uint64_t i : self.batch().index) l.append(i);
                               return l;
                             })
      .def_property_readonly("pad", [](const io::DataIter& self) { return self.batch().pad; })
      .def_property_readonly("data_shape",
                             [](const io::DataIter& self) { return shape_and_dtype(self.data()); })
      .def_property_readonly(
          "label_shape", [](const io::DataIter& self) { return shape_and_dtype(self.label()); });
}

void define_io(py::module_& m) {
  define_records(m);
  define_iterators(m);
}

}  // namespace heddle::python
