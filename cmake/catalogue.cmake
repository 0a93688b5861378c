# catalogue.json in the build tree: what the records of all operators say, for whatever is made from
# it. Linked with the room of operators and what that knows, so it needs nothing else to be built.
add_executable(heddle_catalogue ${PROJECT_SOURCE_DIR}/tools/catalogue.cc)
target_compile_options(heddle_catalogue PRIVATE ${HEDDLE_FLAGS})
target_link_libraries(heddle_catalogue PRIVATE heddle_operator)
add_custom_command(OUTPUT ${CMAKE_BINARY_DIR}/catalogue.json
                   COMMAND heddle_catalogue ${CMAKE_BINARY_DIR}/catalogue.json
                   DEPENDS heddle_catalogue
                   COMMENT "Writing the catalogue of operators")
add_custom_target(catalogue ALL DEPENDS ${CMAKE_BINARY_DIR}/catalogue.json)

# heddle/ops.h: a function in C++ for every operator.
add_executable(heddle_ops_header ${PROJECT_SOURCE_DIR}/tools/ops_header.cc)
target_compile_options(heddle_ops_header PRIVATE ${HEDDLE_FLAGS})
target_link_libraries(heddle_ops_header PRIVATE heddle_operator)
file(MAKE_DIRECTORY ${CMAKE_BINARY_DIR}/include/heddle)
add_custom_command(OUTPUT ${CMAKE_BINARY_DIR}/include/heddle/ops.h
                   COMMAND heddle_ops_header ${CMAKE_BINARY_DIR}/include/heddle/ops.h
                   DEPENDS heddle_ops_header
                   COMMENT "Writing the functions of operators for C++")
add_custom_target(ops_header ALL DEPENDS ${CMAKE_BINARY_DIR}/include/heddle/ops.h)
add_dependencies(heddle ops_header)  # who installs the one installs the other
