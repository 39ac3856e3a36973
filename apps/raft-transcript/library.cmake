# The transcript runner as a library, for the app and for the tests of raft.
include_guard(GLOBAL)
set(dir ${CMAKE_CURRENT_LIST_DIR})
holdfast_library(raft_transcript
  SOURCES ${dir}/confchange_kind.cc ${dir}/diff.cc ${dir}/interaction.cc ${dir}/interaction_kind.cc ${dir}/panic.cc
          ${dir}/quorum_kind.cc ${dir}/script.cc ${dir}/transcript.cc
  DEPENDS raft)
target_include_directories(holdfast_raft_transcript PUBLIC ${CMAKE_SOURCE_DIR}/apps)
