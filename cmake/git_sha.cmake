# Writes HEADER with the commit of SOURCE_DIR, touching it only when the commit changed.
execute_process(COMMAND git -C ${SOURCE_DIR} rev-parse --short=9 HEAD
                OUTPUT_VARIABLE sha OUTPUT_STRIP_TRAILING_WHITESPACE ERROR_QUIET)
if(NOT sha)
  set(sha unknown)
endif()
set(content "#define HOLDFAST_GIT_SHA \"${sha}\"\n")
if(EXISTS ${HEADER})
  file(READ ${HEADER} before)
endif()
if(NOT "${before}" STREQUAL "${content}")
  file(WRITE ${HEADER} "${content}")
endif()
