# What `cmake --install` puts into a prefix, in two components that are each complete:
#   engine  libheddle_engine.a and its headers: heddle::engine, which needs threads and nothing else
#   core    libheddle and all public headers:   heddle::heddle, which has the engine inside
# Both carry the package for find_package(heddle COMPONENTS ...); its files name no absolute path.
include(GNUInstallDirs)
include(CMakePackageConfigHelpers)

set(package_folder ${CMAKE_INSTALL_LIBDIR}/cmake/heddle)
write_basic_package_version_file(${PROJECT_BINARY_DIR}/heddleConfigVersion.cmake COMPATIBILITY SameMinorVersion)
list(TRANSFORM HEDDLE_ENGINE_HEADERS PREPEND ${PROJECT_SOURCE_DIR}/include/heddle/ OUTPUT_VARIABLE engine_headers)
file(GLOB core_headers CONFIGURE_DEPENDS ${PROJECT_SOURCE_DIR}/include/heddle/*.h)

# heddle_install(COMPONENT TARGET [MORE TARGETS WITHOUT HEADERS...])
function(heddle_install component target)
  install(TARGETS ${target} ${ARGN} EXPORT heddle_${component} COMPONENT ${component})
  install(FILES ${${component}_headers} DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/heddle COMPONENT ${component})
  install(EXPORT heddle_${component} NAMESPACE heddle:: FILE heddle_${component}.cmake
          DESTINATION ${package_folder} COMPONENT ${component})
  install(FILES ${PROJECT_SOURCE_DIR}/cmake/heddleConfig.cmake ${PROJECT_BINARY_DIR}/heddleConfigVersion.cmake
          DESTINATION ${package_folder} COMPONENT ${component})
  install(FILES ${PROJECT_SOURCE_DIR}/LICENSE DESTINATION ${CMAKE_INSTALL_DOCDIR} COMPONENT ${component})
  # A program links one of the two, or it would hold two engines that know nothing of each other:
  # CMake stops where these values differ.
  set_target_properties(${target} PROPERTIES COMPATIBLE_INTERFACE_STRING HEDDLE_ENGINE_COMES_FROM
                        INTERFACE_HEDDLE_ENGINE_COMES_FROM heddle_${component})
  target_include_directories(${target} INTERFACE $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)
endfunction()

heddle_install(engine heddle_engine_alone)
if(TARGET heddle)
  set_target_properties(heddle PROPERTIES INSTALL_RPATH_USE_LINK_PATH ON)  # oneTBB and others may lie anywhere
  heddle_install(core heddle)
  install(FILES ${PROJECT_BINARY_DIR}/include/heddle/ops.h DESTINATION ${CMAKE_INSTALL_INCLUDEDIR}/heddle COMPONENT core)
endif()
if(TARGET heddle_cuda)
  install(TARGETS heddle_cuda LIBRARY COMPONENT core)  # libheddle finds it beside itself
endif()
