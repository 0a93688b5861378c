# One program per file of benchmarks/cpp/<name>/.
file(GLOB sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/benchmarks/cpp/*/*.cc)
foreach(source ${sources})
  get_filename_component(stem ${source} NAME_WE)
  add_executable(bench_${stem} ${source})
  target_compile_options(bench_${stem} PRIVATE ${HEDDLE_FLAGS})
  target_link_libraries(bench_${stem} PRIVATE heddle)
endforeach()
