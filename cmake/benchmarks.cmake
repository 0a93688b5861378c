# One program per file of benchmarks/cpp/<name>/, except for the engine's, which is one program of
# several files: heddle and each of its peers are a file.
file(GLOB sources CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/benchmarks/cpp/*/*.cc)
list(FILTER sources EXCLUDE REGEX "/benchmarks/cpp/engine/")
foreach(source ${sources})
  get_filename_component(stem ${source} NAME_WE)
  add_executable(bench_${stem} ${source})
  target_compile_options(bench_${stem} PRIVATE ${HEDDLE_FLAGS})
  target_link_libraries(bench_${stem} PRIVATE heddle)
endforeach()
# At the limit sums stay in registers, and a multiplication and an addition are one instruction.
set_source_files_properties(${PROJECT_SOURCE_DIR}/benchmarks/cpp/limits/limits.cc PROPERTIES COMPILE_OPTIONS "-O3;-ffp-contract=fast")

set(HEDDLE_BENCH_TBB "" CACHE PATH "Where PyPI's tbb-devel 2023 is installed, for bench_engine")
set(HEDDLE_TASKFLOW_DIR "" CACHE PATH "The folder that holds taskflow/taskflow.hpp, for bench_engine")

# Links the engine as a program would that wants nothing else: no oneTBB but the peer's.
set(engine ${PROJECT_SOURCE_DIR}/benchmarks/cpp/engine)
add_executable(bench_engine ${engine}/main.cc ${engine}/heddle.cc ${engine}/workloads.cc ${engine}/work.cc
               ${engine}/measure.cc ${engine}/metg.cc ${engine}/table.cc ${engine}/mxnet.cc)
target_compile_options(bench_engine PRIVATE ${HEDDLE_FLAGS})
target_link_libraries(bench_engine PRIVATE heddle::engine)

find_package(OpenMP COMPONENTS CXX)
if(OpenMP_CXX_FOUND)
  target_sources(bench_engine PRIVATE ${engine}/openmp.cc)
  set_source_files_properties(${engine}/openmp.cc PROPERTIES COMPILE_OPTIONS "${OpenMP_CXX_FLAGS}")
  target_link_libraries(bench_engine PRIVATE ${OpenMP_CXX_LIBRARIES})
  target_compile_definitions(bench_engine PRIVATE HEDDLE_BENCH_OPENMP)
endif()
if(HEDDLE_BENCH_TBB)
  target_sources(bench_engine PRIVATE ${engine}/tbb.cc)
  target_include_directories(bench_engine SYSTEM PRIVATE ${HEDDLE_BENCH_TBB}/include)
  target_link_libraries(bench_engine PRIVATE ${HEDDLE_BENCH_TBB}/lib/libtbb.so.12)
  set_target_properties(bench_engine PROPERTIES BUILD_RPATH ${HEDDLE_BENCH_TBB}/lib)
  target_compile_definitions(bench_engine PRIVATE HEDDLE_BENCH_TBB)
endif()
if(HEDDLE_TASKFLOW_DIR)
  target_sources(bench_engine PRIVATE ${engine}/taskflow.cc)
  target_include_directories(bench_engine SYSTEM PRIVATE ${HEDDLE_TASKFLOW_DIR})
  target_compile_definitions(bench_engine PRIVATE HEDDLE_BENCH_TASKFLOW)
endif()
