# The extension module heddle._core, and a package directory in the build tree that holds it beside
# links to the sources: put BUILD/python on the path.
find_package(Python COMPONENTS Interpreter Development.Module REQUIRED)
find_package(pybind11 CONFIG REQUIRED)
file(GLOB sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/python/src/*.cc)
pybind11_add_module(_core MODULE NO_EXTRAS ${sources})
target_compile_options(_core PRIVATE ${HEDDLE_FLAGS})
target_include_directories(_core PRIVATE ${PROJECT_SOURCE_DIR}/src ${PROJECT_SOURCE_DIR}/python/src)
target_link_libraries(_core PRIVATE heddle)
set(package ${CMAKE_BINARY_DIR}/python/heddle)
set_target_properties(_core PROPERTIES LIBRARY_OUTPUT_DIRECTORY ${package} BUILD_RPATH ${CMAKE_BINARY_DIR}
                      INSTALL_RPATH "$ORIGIN")
file(MAKE_DIRECTORY ${package})
file(GLOB_RECURSE modules CONFIGURE_DEPENDS RELATIVE ${PROJECT_SOURCE_DIR}/python/heddle
     ${PROJECT_SOURCE_DIR}/python/heddle/*.py ${PROJECT_SOURCE_DIR}/python/heddle/*.pyi
     ${PROJECT_SOURCE_DIR}/python/heddle/*.typed)
foreach(module ${modules})
  get_filename_component(folder ${module} DIRECTORY)
  file(MAKE_DIRECTORY ${package}/${folder})
  file(CREATE_LINK ${PROJECT_SOURCE_DIR}/python/heddle/${module} ${package}/${module} SYMBOLIC)
endforeach()
file(GLOB_RECURSE links ${package}/*.py ${package}/*.pyi)
foreach(link ${links})
  if(IS_SYMLINK ${link} AND NOT EXISTS ${link})
    file(REMOVE ${link})  # its source is gone
  endif()
endforeach()

# Type stubs of the operators, whose functions exist only while heddle runs.
set(stubs)
foreach(namespace ndarray symbol)
  foreach(module op _internal contrib image linalg random _methods)
    list(APPEND stubs ${package}/${namespace}/${module}.pyi)
  endforeach()
endforeach()
add_custom_command(OUTPUT ${stubs}
                   COMMAND ${Python_EXECUTABLE} ${PROJECT_SOURCE_DIR}/tools/make_stubs.py ${CMAKE_BINARY_DIR}/python
                   DEPENDS _core tools/make_stubs.py python/heddle/_ops.py python/heddle/_namespaces.py
                           python/heddle/_distributions.py python/heddle/ndarray/_call.py
                           python/heddle/symbol/_call.py python/heddle/ndarray/contrib.py
                           python/heddle/ndarray/random.py python/heddle/symbol/random.py
                   COMMENT "Writing type stubs of the operators")
add_custom_target(stubs ALL DEPENDS ${stubs})
# What a wheel holds: the component "python", which pyproject.toml names.
if(DEFINED SKBUILD)
  install(TARGETS _core heddle LIBRARY DESTINATION heddle COMPONENT python)
  foreach(namespace ndarray symbol)
    install(DIRECTORY ${package}/${namespace} DESTINATION heddle COMPONENT python FILES_MATCHING PATTERN "*.pyi")
  endforeach()
  set_target_properties(heddle PROPERTIES INSTALL_RPATH "$ORIGIN")
  if(TARGET heddle_cuda)
    install(TARGETS heddle_cuda LIBRARY DESTINATION heddle COMPONENT python)
  endif()
endif()
