// RecordIO files.
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

void define_io(py::module_& m) { define_records(m); }

}  // namespace heddle::python
