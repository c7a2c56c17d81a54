# The warnings of our conventions; every one is an error, under gcc and under clang.
add_library(project_warnings INTERFACE)
target_compile_options(project_warnings INTERFACE
  -Wall -Wextra -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes
  -Wcast-qual -Wvla -Wformat=2 -Wundef -Wwrite-strings -Werror)
if(CMAKE_C_COMPILER_ID STREQUAL "GNU")
  # gcc alone knows the jump over an initialised variable; clang warns by default.
  target_compile_options(project_warnings INTERFACE -Wjump-misses-init -Wlogical-op)
endif()
