# ns_module(NAME LAYER n DEPENDS modules... SOURCES files... [LINK libraries...])
#   A static library lib<NAME>. DEPENDS names the modules it may include, all of a lower
#   layer or a target of its own in the same room; LINK names outside libraries.
#   tests/lint/check_layers.py reads these calls and compares them with the #include lines.
function(ns_module name)
  cmake_parse_arguments(M "" "LAYER" "DEPENDS;SOURCES;LINK" ${ARGN})
  add_library(${name} STATIC ${M_SOURCES})
  target_include_directories(${name} PUBLIC ${CMAKE_SOURCE_DIR}/lib)
  target_link_libraries(${name} PUBLIC ${M_DEPENDS} PRIVATE project_warnings PUBLIC ${M_LINK})
  set_target_properties(${name} PROPERTIES NS_LAYER "${M_LAYER}")
endfunction()

# All programs of the product with their manual pages, and nothing of the tests: what most people want.
add_custom_target(programs)

# ns_program(NAME DEPENDS modules... SOURCES files... [LINK libraries...])
#   An executable build/bin/<NAME>.
function(ns_program name)
  cmake_parse_arguments(P "" "" "DEPENDS;SOURCES;LINK" ${ARGN})
  add_executable(${name} ${P_SOURCES})
  target_include_directories(${name} PRIVATE ${CMAKE_SOURCE_DIR}/lib)
  target_link_libraries(${name} PRIVATE ${P_DEPENDS} project_warnings ${P_LINK})
  set(product ${CMAKE_SOURCE_DIR}/src)
  cmake_path(IS_PREFIX product "${CMAKE_CURRENT_SOURCE_DIR}" is_product)
  if(is_product)
    add_dependencies(programs ${name})
  endif()
endfunction()

# ns_embed(TARGET PREFIX files...)
#   The files' bytes in the target: folder/NAME.EXT is const char PREFIX_NAME_EXT[], which ends with a NUL byte that
#   const size_t PREFIX_NAME_EXT_len does not count.
function(ns_embed target prefix)
  foreach(file IN LISTS ARGN)
    get_filename_component(name ${file} NAME)
    string(MAKE_C_IDENTIFIER ${prefix}_${name} symbol)
    set(generated ${CMAKE_CURRENT_BINARY_DIR}/${symbol}.c)
    add_custom_command(OUTPUT ${generated} VERBATIM
      COMMAND ${CMAKE_COMMAND} -DSOURCE=${CMAKE_CURRENT_SOURCE_DIR}/${file} -DSYMBOL=${symbol} -DTARGET=${generated}
        -P ${CMAKE_SOURCE_DIR}/cmake/embed.cmake
      DEPENDS ${CMAKE_CURRENT_SOURCE_DIR}/${file} ${CMAKE_SOURCE_DIR}/cmake/embed.cmake)
    target_sources(${target} PRIVATE ${generated})
  endforeach()
endfunction()

# ns_manual(NAME SECTION)
#   The program's manual page, of packaging/man/<NAME>.<SECTION>.in and its own --help:
#   build/share, laid out as /usr/share. Not where the program cannot run.
function(ns_manual name section)
  if(CMAKE_CROSSCOMPILING)
    return()
  endif()
  set(source ${CMAKE_SOURCE_DIR}/packaging/man/${name}.${section}.in)
  set(folder ${CMAKE_BINARY_DIR}/share/man/man${section})
  add_custom_command(OUTPUT ${folder}/${name}.${section} VERBATIM
    COMMAND ${CMAKE_COMMAND} -E make_directory ${folder}
    COMMAND sh -c "exec \"$@\" >${folder}/${name}.${section}" sh ${CMAKE_SOURCE_DIR}/packaging/man/make ${source}
      ${CMAKE_RUNTIME_OUTPUT_DIRECTORY} ${PROJECT_VERSION}
    DEPENDS ${name} ${source} ${CMAKE_SOURCE_DIR}/packaging/man/make)
  add_custom_target(manual-${name} ALL DEPENDS ${folder}/${name}.${section})
  add_dependencies(programs manual-${name})
endfunction()

# ns_faults(TARGET LIST): the functions of the list fail in turn in it (tests/unit/faults.h).
function(ns_faults target list)
  file(STRINGS ${list} faults REGEX "^FAULT\\(")
  list(TRANSFORM faults REPLACE "^FAULT\\(([A-Za-z0-9_]+),.*" "-Wl,--wrap=\\1")
  target_link_options(${target} PRIVATE ${faults})
  target_sources(${target} PRIVATE ${CMAKE_SOURCE_DIR}/tests/unit/faults.c)
  set_property(DIRECTORY APPEND PROPERTY CMAKE_CONFIGURE_DEPENDS ${list})
endfunction()

# ns_test(NAME DEPENDS modules... SOURCES files... [WRAP functions...] [FAULTS list])
#   A cmocka program run by ctest. FAULTS names a list of functions that fail in turn (tests/unit/faults.h). Third-party vectors are found through
#   NS_VECTORS_DIR. A test that needs them and finds none exits 77, counted as skipped. A sanitizer's
#   report ends a program with 99, which no program of ours means: it never passes for a refusal (1).
function(ns_test name)
  cmake_parse_arguments(T "" "FAULTS" "DEPENDS;SOURCES;LINK;WRAP" ${ARGN})
  add_executable(${name} ${T_SOURCES})
  set_target_properties(${name} PROPERTIES RUNTIME_OUTPUT_DIRECTORY ${CMAKE_BINARY_DIR}/tests)
  target_include_directories(${name} PRIVATE ${CMAKE_SOURCE_DIR}/lib ${CMAKE_SOURCE_DIR}/tests/unit)
  target_link_libraries(${name} PRIVATE ${T_DEPENDS} project_warnings ${T_LINK} PkgConfig::cmocka)
  foreach(function IN LISTS T_WRAP)
    target_link_options(${name} PRIVATE -Wl,--wrap=${function})
  endforeach()
  if(T_FAULTS)
    ns_faults(${name} ${T_FAULTS})
  endif()
  add_test(NAME ${name} COMMAND ${name})
  set_tests_properties(${name} PROPERTIES SKIP_RETURN_CODE 77 TIMEOUT ${NS_TEST_SECONDS}
    ENVIRONMENT "NS_VECTORS_DIR=${NS_VECTORS_DIR};NS_BIN_DIR=${NS_PROGRAMS_DIR};ASAN_OPTIONS=exitcode=99;UBSAN_OPTIONS=exitcode=99")
endfunction()
set(NS_VECTORS_DIR "${CMAKE_SOURCE_DIR}/../shared/vectors" CACHE PATH "third-party test vectors")
# Emulated (preset arm64), programs are started by way of scripts (tests/arm64/wrap), and take their time.
if(CMAKE_CROSSCOMPILING)
  set(NS_PROGRAMS_DIR ${CMAKE_BINARY_DIR}/emulated)
  set(NS_TEST_SECONDS 1800)
else()
  set(NS_PROGRAMS_DIR ${CMAKE_BINARY_DIR}/bin)
  set(NS_TEST_SECONDS 300)
endif()
# Each of torture's many processes writes what it counted, one after the other: that is waiting for the disk.
if(NS_COVERAGE)
  set(NS_TEST_SECONDS 1800)
endif()
